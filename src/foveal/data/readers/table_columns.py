"""Tables as people keep them (CSV in any dialect, JSON Lines) as columns of text, and which column says what.

No file is looked up here: the caller gives the function that says whether a cell names one.
"""

import codecs
import csv
import json
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from io import StringIO
from typing import Any

from foveal.data.images import EXTENSIONS
from foveal.data.split_names import SPLIT_NAMES
from foveal.errors import DataError, closest

# What columns are called, in small letters, the likeliest first.
IMAGE_NAMES = (
    re.compile(r"(image|img|picture|photo|file)s?(_?(file|name|path))?|(file_?)?path"),
    re.compile(r"((image|img|picture|photo|file)_?)?id|name"),
)
LABEL_NAMES = re.compile(
    r"(label|class|category|target)(e?s)?(_?(name|label|id|index))?"
    r"|species|breed|variety|diagnosis|dx|tag|annotation|ground_truth|y"
)
SPLIT_COLUMNS = ("split", "subset", "partition", "set")
DELIMITERS = ",\t;|"  # of two that divide every line alike, the first
YES, NO = ("1", "1.0", "true"), ("0", "0.0", "false")
MAX_COLUMNS = 2000  # rows are filled up to the width of the first: a few bytes must not become gigabytes


@dataclass(frozen=True)
class Table:
    """Columns of text by name, all of one length; `lines` say where in the file each row begins, from 1."""

    origin: str
    columns: dict[str, list[str]]
    lines: list[int]

    def at(self, row: int) -> str:
        """How messages call a row."""
        return f"{self.origin} line {self.lines[row]}"

    def find(self, name: str | None, setting: str) -> str | None:
        """The column that a setting names, in whatever case; None when it names none. Raises DataError."""
        if name is None or name in self.columns:
            return name
        found = next((column for column in self.columns if plain(column) == plain(name)), None)
        if found is None:
            raise DataError(
                f"{self.origin} has no column {name!r}, which {setting} names. {closest(name, self.columns)}"
            )
        return found


Row = tuple[int, list[str]]


def plain(name: str) -> str:
    """A column's name as it is compared with others."""
    return name.strip().casefold().replace(" ", "_").replace("-", "_")


def read_table(content: bytes, origin: str, is_file: Callable[[str], bool]) -> Table:
    """The table in a file; a first row with the name of a file is data, and columns are then called by number.

    Raises DataError when it has no rows, or a row cannot be read or has more cells than the first.
    """
    text = _text(content, origin)
    is_json = origin.lower().endswith((".jsonl", ".ndjson"))
    names, rows = _json_rows(text, origin) if is_json else _with_names(_csv_rows(text, origin), origin, is_file)
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise DataError(f"{origin} has {names.count(twice[0])} columns called {twice[0]!r}. Give each its own name.")
    if len(names) > MAX_COLUMNS:
        raise DataError(f"{origin} has {len(names)} columns, more than {MAX_COLUMNS}. Keep the image and its label.")
    filled = list(rows)
    if not filled:
        raise DataError(f"{origin} has no rows{' below its header' if names else ''}. Write one row an image.")
    columns = zip(*(cells for _, cells in filled), strict=True)
    by_name = {name: list(cells) for name, cells in zip(names, columns, strict=True)}
    return Table(origin, by_name, [line for line, _ in filled])


def _text(content: bytes, origin: str) -> str:
    is_wide = content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    try:
        text = content.decode("utf-16" if is_wide else "utf-8-sig")
    except UnicodeDecodeError as error:
        if is_wide:
            raise DataError(f"{origin} begins as UTF-16 but is not: {error.reason}. Save it as UTF-8.") from error
        text = content.removeprefix(codecs.BOM_UTF8).decode("latin-1")
    if "\0" in text:
        raise DataError(f"{origin} has zero bytes in it, so it is no table in text. Save it as CSV in UTF-8.")
    return text


def _json_rows(text: str, origin: str) -> tuple[list[str], Iterator[Row]]:
    found: list[tuple[int, dict[str, str]]] = []
    for number, line in enumerate(text.split("\n"), start=1):  # not splitlines: JSON may hold U+2028 within text
        if not line.strip():
            continue
        try:
            value = json.loads(line)
            if not isinstance(value, dict):
                raise ValueError(f"it is {line.strip()[:20]!r}")
            found.append((number, {name.strip(): as_text(cell) for name, cell in value.items()}))
        except (ValueError, RecursionError) as error:
            raise DataError(f"{origin} line {number} is no JSON object: {error}. Write one object a line.") from error
    names = list(dict.fromkeys(name for _, cells in found for name in cells))
    return names, ((number, [cells.get(name, "") for name in names]) for number, cells in found)


def as_text(value: Any) -> str:
    """A value of JSON or of Arrow as a cell of a table; what is missing is empty, a list of one is that one.

    >>> as_text(["cat"]), as_text(3), as_text(True), as_text(None)
    ('cat', '3', 'true', '')
    """
    if isinstance(value, list) and len(value) == 1:
        (value,) = value
    if value is None or value != value:  # not a number
        return ""
    if isinstance(value, bool | list | dict):
        return json.dumps(value, default=str)
    return value.decode(errors="replace").strip() if isinstance(value, bytes) else str(value).strip()


def _csv_rows(text: str, origin: str) -> list[Row]:
    # Strict: a quote that is never closed would swallow all rows behind it.
    reader = csv.reader(StringIO(text, newline=""), delimiter=_delimiter(text), skipinitialspace=True, strict=True)
    rows, line = [], 1
    try:
        for row in reader:
            cells = [cell.strip() for cell in row]
            if any(cells):
                rows.append((line, cells))
            line = reader.line_num + 1
    except csv.Error as error:
        raise DataError(
            f"{origin} cannot be read from line {line} on: {error}. Close each quote, and double those within."
        ) from error
    return rows


def _delimiter(text: str) -> str:
    """What divides most of the first lines into the same number of cells, and that into more than one."""
    start = text[:60_000].rpartition("\n")[0] or text[:60_000]  # below the limit that csv has for a cell

    def share(delimiter: str) -> float:
        widths = Counter(len(row) for row in csv.reader(StringIO(start, newline=""), delimiter=delimiter) if row)
        ((width, count),) = widths.most_common(1) or [(0, 0)]
        return count / widths.total() if width > 1 else 0.0

    return max(DELIMITERS, key=share)


def _with_names(rows: list[Row], origin: str, is_file: Callable[[str], bool]) -> tuple[list[str], Iterator[Row]]:
    """The names of the columns, and all rows of data with as many cells as there are names."""
    first = rows[0][1] if rows else []
    is_data = any(
        cell.lower().endswith(EXTENSIONS) or (image_rank(cell) == len(IMAGE_NAMES) and is_file(cell)) for cell in first
    )
    names = [f"column {i}" if is_data else cell or f"unnamed {i}" for i, cell in enumerate(first, start=1)]
    below = rows if is_data else rows[1:]
    return names, ((line, _fitted(cells, len(names), f"{origin} line {line}")) for line, cells in below)


def _fitted(cells: list[str], width: int, where: str) -> list[str]:
    if any(cells[width:]):
        raise DataError(
            f"{where} has {len(cells)} cells where the first row has {width}. Put quotes around cells with a delimiter."
        )
    return cells[:width] + [""] * (width - len(cells))


def image_rank(name: str) -> int:
    """How little a column is called like one that names images: 0 for "image"."""
    ranks = (rank for rank, pattern in enumerate(IMAGE_NAMES) if pattern.fullmatch(plain(name)))
    return next(ranks, len(IMAGE_NAMES) + is_label(name))


def is_label(name: str) -> bool:
    """Whether a column is called like one that holds classes."""
    return LABEL_NAMES.fullmatch(plain(name)) is not None


def find_split_column(table: Table, label_column: str | None) -> str | None:
    """The column that is called like one that says train, validation or test, and that says one of them at all."""
    named = [name for name in table.columns if plain(name) in SPLIT_COLUMNS and name != label_column]
    said = (name for name in named if not SPLIT_NAMES.keys().isdisjoint(map(str.lower, table.columns[name])))
    return next(said, None)


def part_cells(table: Table, column: str) -> list[str]:
    """Of each row, "train", "validation" or "test". Raises DataError for any other word."""
    cells = table.columns[column]
    parts = [SPLIT_NAMES.get(cell.lower(), "") for cell in cells]
    if "" in parts:
        row = parts.index("")
        raise DataError(
            f"{table.at(row)} has {cells[row]!r} in the column {column!r}, which divides the images. It takes "
            f"{', '.join(SPLIT_NAMES)}; correct the row, or name another column with --set data.split_column=NAME."
        )
    return parts


def label_cells(table: Table, taken: Iterable[str | None]) -> list[str]:
    """The class of each row: in the column called like one, in the only one that is not `taken`, or as a 1 in one of many."""
    others = [name for name in table.columns if name not in set(taken) and not plain(name).startswith("unnamed")]
    named = [name for name in others if is_label(name)]
    if named and all(_divide_alike(table.columns[named[0]], table.columns[name]) for name in named):
        # Numbers and names of the same classes: the names.
        return max((table.columns[name] for name in named), key=lambda cells: sum(not c.isdecimal() for c in cells))
    if not named and len(others) == 1:
        return table.columns[others[0]]
    flags = [name for name in others if {cell.lower() for cell in table.columns[name]} <= {*YES, *NO}]
    if not named and len(flags) > 1:
        return _from_one_hot(table, flags)
    raise DataError(
        f"{table.origin} has the columns {', '.join(map(repr, list(table.columns)[:20]))}, and "
        f"{'more than one' if named else 'none'} of them is called like the class of an image. "
        "Name the one that is with --set data.label_column=NAME."
    )


def _divide_alike(first: Sequence[str], second: Sequence[str]) -> bool:
    return len(set(zip(first, second, strict=True))) == len(set(first)) == len(set(second))


def _from_one_hot(table: Table, names: list[str]) -> list[str]:
    labels = []
    for row, cells in enumerate(zip(*(table.columns[name] for name in names), strict=True)):
        ones = [name for name, cell in zip(names, cells, strict=True) if cell.lower() in YES]
        if len(ones) != 1:
            raise DataError(
                f"{table.at(row)} has a 1 in {', '.join(ones) or 'none'} of the columns {', '.join(names)}; foveal tells "
                "one class per image. Correct the row, or name a column of classes with --set data.label_column=NAME."
            )
        labels += ones
    return labels
