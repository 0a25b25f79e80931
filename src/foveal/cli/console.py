"""What people and programs read: tables and results on stdout, notes and errors on stderr, JSON in one piece."""

import json
import logging
import sys
import textwrap
from collections.abc import Iterable, Sequence
from typing import Annotated, Any

import typer

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout and nothing else.")]
Threads = Annotated[int | None, typer.Option(help="Threads to compute with (default: the cores there are).", min=1)]
Own = Annotated[
    str | None, typer.Option("--model", help="path.py:MyNet, the code of a run that trained a network of your own.")
]


def print_json(value: Any) -> None:
    """One JSON object on stdout."""
    sys.stdout.write(json.dumps(value, allow_nan=False) + "\n")


def say(*lines: str) -> None:
    """Lines of a result on stdout."""
    sys.stdout.write("".join(f"{line}\n" for line in lines))


def say_error(text: str) -> None:
    """One paragraph on stderr."""
    sys.stderr.write(f"error: {text}\n")


def show_notes() -> None:
    """Let what the workflows note appear on stderr."""
    log = logging.getLogger("foveal")
    if not log.handlers:
        handler = logging.StreamHandler()
        handler.setFormatter(_Paragraph())
        log.addHandler(handler)
        log.setLevel(logging.INFO)
        log.propagate = False


class _Paragraph(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        return textwrap.fill(
            f"note: {record.getMessage()}", width=110, subsequent_indent="      ", break_long_words=False
        )


def table(title: str, columns: Sequence[str], rows: Iterable[Sequence[str]], right: Sequence[str] = ()) -> None:
    """A table on stdout; the columns named in `right` are aligned there."""
    from rich.console import Console
    from rich.table import Table

    if title:
        say(title)  # not as the table's own title, which is folded to the table's width
    grid: Table = Table()
    for column in columns:
        grid.add_column(column, justify="right" if column in right else "left", overflow="fold")
    for row in rows:
        grid.add_row(*row)
    console = Console()
    # Written to a file or a pipe, a table must not be cut to the 80 columns that a pipe does not have.
    Console(width=None if console.is_terminal else 180).print(grid, markup=False)


def own_class(reference: str | None) -> Any:
    """The user's network class that --model names, if it names one."""
    if reference is None:
        return None
    from foveal.models.own import load_class

    return load_class(reference)


def progress_line(text: str) -> None:
    """One line of progress on stderr."""
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()
