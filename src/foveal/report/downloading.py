"""How far a download is: a bar on a terminal, and a line now and then where stderr is read later."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

SECONDS_BETWEEN_LINES = 10.0

Show = Callable[[str, int, int], None]  # the name of a file, its bytes that are here, and those in all


@contextmanager
def download_progress() -> Iterator[Show]:
    """A function to call as bytes come, with the name of the file; it shows them on stderr and nowhere else."""
    console = Console(file=sys.stderr)
    if not console.is_terminal:
        yield _lines()
        return
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    with Progress(*columns, TimeRemainingColumn(), console=console, transient=True) as progress:
        tasks = {}

        def show(name: str, done: int, total: int) -> None:
            if name not in tasks:
                tasks[name] = progress.add_task(name)
            progress.update(tasks[name], completed=done, total=total)

        yield show


def _lines() -> Show:
    """One line when a file begins, one when it is whole, and one every ten seconds between them."""
    shown: dict[str, float] = {}

    def show(name: str, done: int, total: int) -> None:
        now = time.monotonic()
        if done == total or now - shown.get(name, -SECONDS_BETWEEN_LINES) >= SECONDS_BETWEEN_LINES:
            shown[name] = now
            sys.stderr.write(f"{name}: {done / 1e6:,.1f} of {total / 1e6:,.1f} MB\n")
            sys.stderr.flush()

    return show
