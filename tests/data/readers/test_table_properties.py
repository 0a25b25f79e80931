"""What holds for tables of any content: what was written is read, and all else is a DataError that comes soon."""

import csv
import io
import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from foveal.data.images import Parts
from foveal.data.readers.tables import FileNames, scan_table
from foveal.data.tree import Stamp, Tree
from foveal.errors import DataError


def tree(names: list[str]) -> Tree:
    return Tree(Path("/data"), {name: Stamp(0, 0) for name in names}, str.encode)


def said(parts: Parts) -> list[tuple[str, str]]:
    images = parts["all"]
    return [(name, images.classes[label]) for name, label in zip(images.names, images.labels.tolist(), strict=True)]


WORDS = st.text(
    st.characters(exclude_categories=["Cs", "Cc", "Z"]) | st.sampled_from(" ,;|\"'"), min_size=1, max_size=12
)
LABELS = WORDS.map(str.strip).filter(lambda label: label and label[:1] != "[")
ROWS = st.lists(st.tuples(st.integers(0, 99), LABELS), min_size=1, max_size=12, unique_by=lambda row: row[0])


def is_single(labels: set[str]) -> bool:
    """No label is a list of others, which is refused."""
    return not any(
        {piece.strip() for piece in label.split(mark)} <= labels for label in labels for mark in "|;," if mark in label
    )


@settings(max_examples=150, deadline=None)
@given(rows=ROWS, delimiter=st.sampled_from(",;\t|"), ends=st.sampled_from(["\n", "\r\n"]), is_wide=st.booleans())
def test_rows_that_were_written_are_read(rows: list[tuple[int, str]], delimiter: str, ends: str, is_wide: bool) -> None:
    if not is_single({label for _, label in rows}):
        return
    text = io.StringIO(newline="")
    csv.writer(text, delimiter=delimiter, lineterminator=ends, quoting=csv.QUOTE_ALL).writerows(
        [("file", "label"), *((f"{number}.png", label) for number, label in rows)]
    )
    content = text.getvalue().encode("utf-16" if is_wide else "utf-8")
    expected = [(f"{number}.png", label) for number, label in rows]
    assert said(scan_table(content, "a.csv", tree([name for name, _ in expected]))) == expected


@settings(max_examples=100, deadline=None)
@given(rows=ROWS)
def test_json_that_was_written_is_read(rows: list[tuple[int, str]]) -> None:
    if not is_single({label for _, label in rows}):
        return
    content = "\n".join(json.dumps({"image": f"{number}", "label": label}) for number, label in rows).encode()
    expected = [(f"{number}.png", label) for number, label in rows]
    assert said(scan_table(content, "a.jsonl", tree([name for name, _ in expected]))) == expected


NAMES = ["a.jpg", "b.png", "cats/c.jpg", "cats/a.jpg", "Dogs/D.JPG", "label.png"]
TABLE = b'file,label,split\na.jpg,cat,train\nb,dog,test\n"cats/c.jpg",cat,train\ndogs/d.jpg,dog,train\n'
OBJECTS = b'{"image": "a.jpg", "label": 1}\n{"image": "b", "label": [2]}\n{"image": "c.jpg", "label": null}\n'
PIECES = st.sampled_from(
    [
        b",",
        b";",
        b"\t",
        b'"',
        b"\n",
        b"\r",
        b"\0",
        b"\xff",
        b"\xfe",
        b"\xc3",
        b"..",
        b"/",
        b"\\",
        b"%2e",
        b"[",
        b"{",
        b"}",
    ]
)
EDITS = st.lists(st.tuples(st.integers(0, 120), st.integers(0, 8), PIECES | st.binary(max_size=4)), max_size=6)


def edited(content: bytes, edits: list[tuple[int, int, bytes]]) -> bytes:
    """The content with some bytes replaced by others at some places."""
    for place, count, piece in edits:
        content = content[:place] + piece + content[place + count :]
    return content


@settings(max_examples=400, deadline=None)
@given(
    content=st.binary(max_size=80)
    | st.builds(edited, st.sampled_from([TABLE, OBJECTS]), EDITS)
    | st.text(st.sampled_from('a.jpgb,;\t|"\n\r[{}]\\/:01 '), max_size=60).map(str.encode),
    origin=st.sampled_from(["a.csv", "a.jsonl"]),
    label_column=st.sampled_from([None, "label", "file"]),
)
def test_bytes_of_any_kind_are_read_or_refused_and_nothing_else(
    content: bytes, origin: str, label_column: str | None
) -> None:
    try:
        parts = scan_table(content, origin, tree(NAMES), label_column=label_column, allow_missing=True)
    except DataError:
        return
    for images in parts.values():
        assert len(images) > 0
        for number, name in enumerate(images.names):
            if name in NAMES:
                assert images.images.read(number) == name.encode()
                continue
            name.encode()
            with pytest.raises(DataError, match=r"is not there, but a\.\w+ line \d+ names it"):
                images.images.read(number)


@settings(max_examples=300, deadline=None)
@given(
    cell=st.text(max_size=20) | st.text(st.sampled_from("./\\%2eabcjpgCATS"), max_size=20), skipped=st.integers(0, 3)
)
def test_a_cell_of_any_kind_means_files_of_the_tree_only(cell: str, skipped: int) -> None:
    found = FileNames(tree(NAMES)).find(cell, skipped)
    assert set(found) <= set(NAMES)
    assert len(found) <= 2


@pytest.mark.parametrize("cell", ["p{}/image", "p{}/image.JPG", "/there/p{}/image.jpg", "x/../p{}/image"])
def test_thousands_of_files_of_one_name_are_told_apart_by_their_folders(cell: str) -> None:
    count = 5000  # each cell compared with each file would take minutes
    names = [f"p{i}/image.jpg" for i in range(count)]
    content = "file,label\n" + "".join(f"{cell.format(i)},{i % 3}\n" for i in range(count))
    assert [name for name, _ in said(scan_table(content.encode(), "a.csv", tree(names)))] == names
