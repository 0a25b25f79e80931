"""`history.csv`: the records of `history.jsonl` as a table, for spreadsheets."""

import csv
import io
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import astuple, fields
from pathlib import Path

from foveal.storage import cannot_write, write_atomic
from foveal.training.fit import Record

TABLE = "history.csv"


@contextmanager
def log_to_table(folder: Path, earlier: Sequence[Record]) -> Iterator[Callable[[Record], None]]:
    """A function that adds a row for a Record. The table is made anew first, from the records there are."""
    path = folder / TABLE
    header = ",".join(field.name for field in fields(Record))
    write_atomic(path, "".join([f"{header}\n", *map(_row, earlier)]).encode())

    def log(record: Record) -> None:
        try:
            with path.open("a", encoding="utf-8") as file:
                file.write(_row(record))
        except OSError as error:
            raise cannot_write(path, error) from error

    yield log


def _row(record: Record) -> str:
    """One line; what was not measured is an empty cell."""
    line = io.StringIO()
    csv.writer(line, lineterminator="\n").writerow(astuple(record))
    return line.getvalue()
