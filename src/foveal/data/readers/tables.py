"""Data described by a table: rows of a picture's name and its class, and perhaps its split and its group.

The names are matched with the files of a tree as people write them: with or without folders and endings, in any case.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace

from foveal.data.images import Files, Parts, image_set, in_class_order, with_training_classes
from foveal.data.readers.file_names import FileNames
from foveal.data.readers.table_columns import Table, find_split_column, image_rank, label_cells, part_cells, read_table
from foveal.data.tree import Tree
from foveal.errors import DataError

PARTS = ("train", "validation", "test", "all")


def is_table(name: str) -> bool:
    """Whether a file is a table by its name."""
    return name.lower().endswith((".csv", ".tsv", ".jsonl", ".ndjson"))


def scan_table(
    content: bytes,
    origin: str,
    images: Tree,
    *,
    image_column: str | None = None,
    label_column: str | None = None,
    split_column: str | None = None,
    group_column: str | None = None,
    allow_missing: bool = False,
    for_testing: bool = False,
) -> Parts:
    """The images that a table names, in its order, by the parts that its split column says, or "all".

    Two rows that say the same of one file give it twice. A `group_column` that the table lacks gives no groups, as it
    may be meant as a pattern in names. `allow_missing` keeps rows whose file is not there, as long as some files are.
    Raises DataError, with the line, for what cannot be read, found or decided, and for two rows that say different
    things of one file.
    """
    files = FileNames(images)
    table = read_table(content, origin, lambda cell: bool(files.find(cell)))
    label = table.find(label_column, "data.label_column")
    split = table.find(split_column, "data.split_column") or find_split_column(table, label)
    group = group_column if group_column in table.columns else None
    image = table.find(image_column, "data.image_column") or _image_column(table, {label, split, group}, files)
    names, lacking = _names(table, image, files)
    if lacking and not allow_missing:
        raise _without_files(table, table.columns[image], lacking, images)
    labels = table.columns[label] if label else label_cells(table, {image, split, group})
    require_single_labels(labels, table.at)
    parts = part_cells(table, split) if split else ["all"] * len(names)
    _require_agreement(table, names, labels, parts)
    groups = table.columns[group] if group else None
    found = Files(images, tuple(names), _reasons(table, names, lacking, images))
    return divide(found, labels, parts, origin=origin, groups=groups, for_testing=for_testing)


def _image_column(table: Table, taken: set[str | None], files: FileNames) -> str:
    """Of the columns that name files about as often as any, the one that is called most like it."""
    shares = {name: files.share(cells) for name, cells in table.columns.items() if name not in taken}
    if not shares:
        raise DataError(f"{table.origin} has no column left for the names of the images. Add one.")
    most = max(shares.values())
    return min((name for name in shares if 2 * shares[name] >= most), key=lambda n: (image_rank(n), -shares[n]))


def _names(table: Table, column: str, files: FileNames) -> tuple[list[str], list[int]]:
    """The name of each row's file, and the rows whose file is not there. Raises DataError when none is."""
    cells = table.columns[column]
    skipped = files.skipped(cells)
    names: list[str] = []
    lacking: list[int] = []
    for row, cell in enumerate(cells):
        found = files.find(cell, skipped)
        if len(found) == 1:
            names.append(found[0])
            continue
        where = f"{table.at(row)} names {cell!r}, which"
        if found:
            raise DataError(f"{where} may be {found[0]!r} or {found[1]!r}. Write it with its folder and its ending.")
        if not cell:
            raise DataError(f"{table.at(row)} names no file in the column {column!r}. Fill it in, or remove the row.")
        if files.split(cell)[:1] == [".."]:
            raise DataError(f"{where} leads out of {files.tree.origin}. Name the folder above with --images DIR.")
        path = "/".join(files.split(cell)[skipped:]) or cell
        names.append(path.encode(errors="backslashreplace").decode())  # a cell of JSON may hold half a character
        lacking.append(row)
    if len(lacking) == len(cells):
        there = ", ".join(repr(name) for name in list(files.tree.files)[:3]) or "no file"
        raise DataError(
            f"{table.at(0)} names {cells[0]!r}, and neither this nor any other file of the column {column!r} is in "
            f"{files.tree.origin}; there is {there}. Name the folder of the images with --images DIR."
        )
    return names, lacking


def _without_files(table: Table, cells: Sequence[str], lacking: Sequence[int], images: Tree) -> DataError:
    first = ", ".join(f"line {table.lines[row]} {cells[row]!r}" for row in lacking[:3])
    return DataError(
        f"{table.origin} names {len(lacking)} files (of {len(cells)}) that are not in {images.origin}: {first}"
        f"{', ...' if len(lacking) > 3 else ''}. Add the files, or remove the rows."
    )


def _reasons(table: Table, names: Sequence[str], lacking: Sequence[int], images: Tree) -> dict[str, str]:
    """A sentence for each file that is not there, by its name; the first row that names it is said."""
    return {
        names[
            row
        ]: f"{images.path(names[row])} is not there, but {table.at(row)} names it. Add the file, or remove the row."
        for row in reversed(lacking)
    }


def require_single_labels(labels: Sequence[str], at: Callable[[int], str]) -> None:
    """Raise DataError, with the place that `at` gives for an image, when a label is empty, no text, or several."""
    known = set(labels)
    for label in known:
        pieces = [{piece.strip() for piece in label.split(mark)} for mark in "|;," if mark in label]
        is_list = (label[:1] == "[" and label[-1:] == "]") or any(some <= known for some in pieces)
        is_text = not set(label) & {"\n", "\r"} and label.encode(errors="ignore").decode() == label
        if label and is_text and not is_list:
            continue
        where = at(labels.index(label))
        if not label:
            raise DataError(f"{where} has no label. Fill it in, or remove the row.")
        if not is_text:
            raise DataError(f"{where} has the label {label[:80]!r}, which is not a line of text. Is a quote missing?")
        raise DataError(
            f"{where} has the label {label[:80]!r}, which names several classes; foveal tells one class per image. "
            "Keep the one that matters most."
        )


def _require_agreement(table: Table, names: list[str], labels: list[str], parts: list[str]) -> None:
    seen: dict[str, int] = {}
    for row, name in enumerate(names):
        first = seen.setdefault(name, row)
        if (labels[first], parts[first]) != (labels[row], parts[row]):
            said = labels if labels[first] != labels[row] else parts
            raise DataError(
                f"{table.at(first)} says that {name!r} is {said[first]!r}, and line {table.lines[row]} says {said[row]!r}. "
                "Keep one of these rows."
            )


def divide(
    files: Files,
    labels: Sequence[str],
    parts: Sequence[str],
    *,
    origin: str,
    order: Callable[[set[str]], tuple[str, ...]] = in_class_order,
    groups: Sequence[str] | None = None,
    for_testing: bool = False,
) -> Parts:
    """The image sets of each part, all with the classes of the training images.

    Raises DataError when there are none (unless `for_testing`), for a class that only others have, and for no group.
    """
    if groups is not None and "" in groups:
        name = files.names[groups.index("")]
        raise DataError(f"{origin} gives {name!r} no group. Give it one of its own, or remove it.")
    divided: Parts = {}
    for part in PARTS:
        rows = [row for row, each in enumerate(parts) if each == part]
        if not rows:
            continue
        own = [labels[row] for row in rows]
        names = tuple(files.names[row] for row in rows)
        where = origin if part == "all" else f"{origin} ({part})"
        images = image_set(Files(files.tree, names, files.missing), own, order(set(own)), where)
        divided[part] = replace(images, groups=None if groups is None else tuple(groups[row] for row in rows))
    base = divided.get("train") or divided.get("all") or (next(iter(divided.values())) if for_testing else None)
    if base is None:
        raise DataError(f"{origin} has {', '.join(divided)} images but no training images. Add them.")
    return with_training_classes(divided, "Correct these labels, or remove their images.")
