"""Parquet and Arrow files: those that `datasets` wrote (tests/files/make_hf.py), and others written here with pyarrow."""

import io
import json
import shutil
import sys
import zipfile
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from data_helpers import FILES, mnist_digits
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from pyarrow import ipc, parquet

from foveal.data.images import Files, ImageSet, Parts
from foveal.data.readers import arrow
from foveal.data.readers.arrow import is_arrow, scan_arrow
from foveal.data.tree import Stamp, Tree, open_folder
from foveal.errors import DataError

HF = FILES / "hf"
ENCODED = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
NOTES = {"image": {"_type": "Image"}, "label": {"_type": "ClassLabel", "names": ["dog", "cat"]}}


def png(number: int) -> bytes:
    content = io.BytesIO()
    Image.fromarray(mnist_digits()[number]).save(content, "png")
    return content.getvalue()


def images_of(count: int, start: int = 0) -> pa.Array:
    return pa.array([{"bytes": png(start + i), "path": None} for i in range(count)], ENCODED)


def columns(count: int = 4, **others: Any) -> dict[str, Any]:
    """A table as `datasets` has it: images of their own, and the labels 0, 1, 0, ..."""
    return {"image": images_of(count), "label": pa.array([i % 2 for i in range(count)]), **others}


def noted(table: pa.Table, notes: Mapping[str, Any]) -> pa.Table:
    return table.replace_schema_metadata({b"huggingface": json.dumps({"info": {"features": notes}}).encode()})


def write(path: Path, table: pa.Table | dict[str, Any], notes: Mapping[str, Any] = NOTES, rows: int = 1000) -> Path:
    """A Parquet file, or an Arrow stream, by the ending of the path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    whole = noted(table if isinstance(table, pa.Table) else pa.table(table), notes)
    if path.suffix == ".parquet":
        parquet.write_table(whole, path, row_group_size=rows)
    else:
        with ipc.new_stream(path, whole.schema) as stream:
            stream.write_table(whole, max_chunksize=rows)
    return path


def content(images: ImageSet) -> list[bytes]:
    assert isinstance(images.images, Files)
    return [images.images.tree.read(name) for name in images.names]


def classes_of(images: ImageSet) -> list[str]:
    return [images.classes[label] for label in images.labels.tolist()]


def scanned(root: Path, **settings: Any) -> Parts:
    return scan_arrow(open_folder(root), **settings)


def everything(root: Path) -> list[bytes]:
    return [encoded for images in scanned(root).values() for encoded in content(images)]


def decoded(encoded: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(encoded)))


@pytest.mark.parametrize(
    ("names", "is_one"),
    [
        (["data/train-00000-of-00001.parquet"], True),
        (["a.PARQUET"], True),
        (["state.json", "data-00000-of-00001.arrow"], True),
        (["cats/a.png", "labels.csv"], False),
        (["cache-1234.arrow"], False),
        ([], False),
    ],
)
def test_parquet_and_arrow_files_are_told_by_their_endings(names: list[str], is_one: bool) -> None:
    assert is_arrow(names) is is_one


@pytest.mark.parametrize("folder", ["saved", "parquet"])
def test_what_datasets_wrote_is_read_by_split_with_its_classes_in_their_order(folder: str) -> None:
    parts = scanned(HF / folder)
    assert list(parts) == ["train", "test"]
    assert [classes_of(part) for part in parts.values()] == [
        ["zero"] * 3 + ["one"] * 3 + ["two"] * 3,
        ["zero", "one", "two"],
    ]
    assert {part.classes for part in parts.values()} == {("zero", "one", "two")}
    for encoded in (*content(parts["train"]), *content(parts["test"])):
        assert decoded(encoded).shape == (8, 8)


def test_parquet_and_the_saved_folder_hold_the_same_bytes() -> None:
    saved, packed = scanned(HF / "saved"), scanned(HF / "parquet")
    for part in ("train", "test"):
        assert content(saved[part]) == content(packed[part])
        assert len(set(content(saved[part]))) == len(saved[part])


def test_one_split_of_a_saved_folder_may_be_named_alone() -> None:
    parts = scanned(HF / "saved/train")
    assert list(parts) == ["all"]
    assert len(parts["all"]) == 9


def test_a_single_file_is_read() -> None:
    stat = (HF / "whole.parquet").stat()
    tree = Tree(HF, {"whole.parquet": Stamp(stat.st_size, stat.st_mtime_ns)}, lambda name: b"")
    assert content(scan_arrow(tree)["all"]) == content(scanned(HF / "parquet")["train"])


def test_images_are_called_by_the_names_that_their_rows_have_else_by_the_rows() -> None:
    packed, saved = scanned(HF / "parquet")["train"], scanned(HF / "saved")["train"]
    assert packed.names[3] == "data/train-00000-of-00001.parquet/one-0.png"
    assert packed.name(3) == str(HF / "parquet" / packed.names[3])
    assert saved.names[4:6] == ["train/data-00000-of-00002.arrow/row 4", "train/data-00001-of-00002.arrow/row 0"]


@pytest.mark.parametrize("paths", [["a.png", "a.png"], ["a.png", None], ["a\0.png", "b.png"], ["a/", "b/"]])
def test_names_that_are_not_one_for_each_row_are_not_used(paths: list[str | None], tmp_path: Path) -> None:
    rows = [{"bytes": png(i), "path": path} for i, path in enumerate(paths)]
    write(tmp_path / "a.parquet", {"image": pa.array(rows, ENCODED), "label": [0, 1]})
    parts = scanned(tmp_path)
    assert parts["all"].names == ["a.parquet/row 0", "a.parquet/row 1"]
    assert content(parts["all"]) == [png(0), png(1)]


def test_no_name_leads_out_of_its_file(tmp_path: Path) -> None:
    rows = [{"bytes": png(0), "path": "../../x/a.png"}, {"bytes": png(1), "path": r"C:\b.png"}]
    write(tmp_path / "a.parquet", {"image": pa.array(rows, ENCODED), "label": [0, 1]})
    assert scanned(tmp_path)["all"].names == ["a.parquet/a.png", "a.parquet/b.png"]


def test_files_in_an_archive_are_read_from_what_it_unpacks(tmp_path: Path) -> None:
    for folder in ("saved", "parquet"):
        on_disk = open_folder(HF / folder)
        with zipfile.ZipFile(tmp_path / "a.zip", "w") as packed:
            for name in on_disk.files:
                packed.writestr(name, on_disk.read(name))
        archive = zipfile.ZipFile(tmp_path / "a.zip")
        parts = scan_arrow(Tree(tmp_path / "a.zip", on_disk.files, archive.read))
        assert [content(part) for part in parts.values()] == [content(part) for part in scanned(HF / folder).values()]


@pytest.mark.parametrize("suffix", [".parquet", ".arrow"])
def test_images_are_read_in_any_order_by_many_threads(suffix: str, tmp_path: Path) -> None:
    for part, start in (("train", 0), ("test", 30)):
        write(tmp_path / f"{part}{suffix}", columns(30) | {"image": images_of(30, start)}, rows=4)
    parts = scanned(tmp_path)
    expected = {name: png(i) for i, name in enumerate((*parts["train"].names, *parts["test"].names))}
    order = np.random.default_rng(0).permutation(list(expected)).tolist()
    images = parts["train"].images
    assert isinstance(images, Files)
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(images.tree.read, order)) == [expected[name] for name in order]


def test_stamps_are_the_bytes_of_the_image_where_that_is_known_without_unpacking(tmp_path: Path) -> None:
    for suffix in (".arrow", ".parquet"):
        path = write(tmp_path / suffix[1:] / f"a{suffix}", columns(2))
        images = scanned(path.parent)["all"].images
        assert isinstance(images, Files)
        stamp, stat = images.tree.files[images.names[1]], path.stat()
        assert stamp == Stamp(len(png(1)) if suffix == ".arrow" else stat.st_size, stat.st_mtime_ns)


KINDS: dict[str, Callable[[list[bytes]], pa.Array]] = {
    "binary": lambda rows: pa.array(rows, pa.binary()),
    "large binary": lambda rows: pa.array(rows, pa.large_binary()),
    "struct of bytes alone": lambda rows: pa.array(
        [{"bytes": row} for row in rows], pa.struct([("bytes", pa.binary())])
    ),
    "struct with more": lambda rows: pa.array(
        [{"height": 28, "bytes": row} for row in rows],
        pa.struct([("height", pa.int64()), ("bytes", pa.large_binary())]),
    ),
}


@pytest.mark.parametrize("suffix", [".parquet", ".arrow"])
@pytest.mark.parametrize("kind", KINDS.values(), ids=list(KINDS))
def test_images_may_be_binary_or_structs(kind: Callable[[list[bytes]], pa.Array], suffix: str, tmp_path: Path) -> None:
    write(tmp_path / f"a{suffix}", {"image": kind([png(0), png(1)]), "label": [0, 1]}, notes={})
    assert content(scanned(tmp_path)["all"]) == [png(0), png(1)]


def test_an_arrow_file_is_read_as_a_stream_is(tmp_path: Path) -> None:
    table = pa.table(columns(4))
    with ipc.new_file(tmp_path / "a.arrow", table.schema) as file:
        file.write_table(table, max_chunksize=2)
    assert content(scanned(tmp_path)["all"]) == [png(i) for i in range(4)]


LABELS = {
    "numbers": (pa.array([10, 9, 10]), ("9", "10"), ["10", "9", "10"]),
    "text": (pa.array([" b", "a", "b"]), ("a", "b"), ["b", "a", "b"]),
    "large text": (pa.array(["b", "a", "b"], pa.large_string()), ("a", "b"), ["b", "a", "b"]),
    "pandas' categories": (pa.array(["b", "a", "b"]).dictionary_encode(), ("a", "b"), ["b", "a", "b"]),
    "claims": (pa.array([True, False, True]), ("false", "true"), ["true", "false", "true"]),
    "bytes in a list of one": (pa.array([["b"], ["a"], ["b"]]), ("a", "b"), ["b", "a", "b"]),
}


@pytest.mark.parametrize("suffix", [".parquet", ".arrow"])
@pytest.mark.parametrize(("labels", "classes", "expected"), LABELS.values(), ids=list(LABELS))
def test_labels_of_all_kinds_are_classes(
    labels: pa.Array, classes: tuple[str, ...], expected: list[str], suffix: str, tmp_path: Path
) -> None:
    write(tmp_path / f"a{suffix}", {"image": images_of(3), "label": labels}, notes={})
    images = scanned(tmp_path)["all"]
    assert images.classes == classes
    assert classes_of(images) == expected


def test_declared_classes_without_an_image_are_left_out_and_the_others_keep_their_order(tmp_path: Path) -> None:
    notes = {"label": {"_type": "ClassLabel", "names": ["wolf", "dog", "ant", "cat"]}}
    write(tmp_path / "a.parquet", columns(2, label=pa.array([3, 1])), notes)
    assert scanned(tmp_path)["all"].classes == ("dog", "cat")


CHOICES = {
    "img, as CIFAR-10 has it": ({"img": "image", "label": "label"}, {}, {}),
    "the one declared": ({"image": "image", "quality": "other", "fine": "label"}, {"fine": NOTES["label"]}, {}),
    "a name before what is declared": (
        {"image": "image", "fine": "other", "label": "label"},
        {"fine": NOTES["label"]},
        {},
    ),
    "both declared": (
        {"image": "image", "fine": "other", "label": "label"},
        {"fine": NOTES["label"], "label": NOTES["label"]},
        {},
    ),
    "the only other one": ({"image": "image", "what": "label"}, {}, {}),
    "a mask": ({"mask": "mask", "image": "image", "label": "label"}, {}, {}),
    "a declared image": ({"raw": "mask", "scan": "image", "label": "label"}, {"scan": NOTES["image"]}, {}),
    "settings": (
        {"a": "mask", "b": "image", "c": "other", "d": "label"},
        {},
        {"image_column": "b", "label_column": "d"},
    ),
}


@pytest.mark.parametrize(("kinds", "notes", "settings"), CHOICES.values(), ids=list(CHOICES))
def test_the_columns_of_images_and_labels_are_found(
    kinds: dict[str, str], notes: dict[str, Any], settings: dict[str, str], tmp_path: Path
) -> None:
    made = {"image": images_of(2), "mask": images_of(2, 2), "label": pa.array([0, 1]), "other": pa.array([1, 0])}
    write(tmp_path / "a.parquet", {name: made[kind] for name, kind in kinds.items()}, notes)
    images = scanned(tmp_path, **settings)["all"]
    assert content(images) == [png(0), png(1)]
    assert images.labels.tolist() == [0, 1]


UNDECIDED = {
    "no images": (
        {"image": pa.array(["a.png", "b.png"]), "label": [0, 1]},
        {},
        r"no column that looks like images, among",
    ),
    "two of images": (
        {"one": images_of(2), "two": images_of(2), "label": [0, 1]},
        {},
        "more than one column that looks",
    ),
    "no labels": ({"image": images_of(2)}, {}, r"no column that looks like labels, among 'image' \(struct<bytes"),
    "as CIFAR-100": (
        {"img": images_of(2), "fine_label": [0, 1], "coarse_label": [0, 0]},
        {"fine_label": NOTES["label"], "coarse_label": NOTES["label"]},
        r"more than one column that looks like labels.*'coarse_label' \(int64\)\. Name .* --set data\.label_column=NAME",
    ),
    "two unknown ones": (
        {"image": images_of(2), "x": [0, 1], "z": [0, 1]},
        {},
        "more than one column that looks like labels",
    ),
}


@pytest.mark.parametrize(("table", "notes", "sentence"), UNDECIDED.values(), ids=list(UNDECIDED))
def test_columns_that_cannot_be_told_are_listed_with_the_setting_that_tells_them(
    table: dict[str, Any], notes: dict[str, Any], sentence: str, tmp_path: Path
) -> None:
    write(tmp_path / "a.parquet", table, notes)
    with pytest.raises(DataError, match=rf"a\.parquet has {sentence}"):
        scanned(tmp_path)


@pytest.mark.parametrize(("setting", "name"), [("image", "label"), ("image", "x"), ("label", "image"), ("label", "x")])
def test_a_setting_that_names_no_fitting_column_is_refused(setting: str, name: str, tmp_path: Path) -> None:
    write(tmp_path / "a.parquet", columns(2))
    with pytest.raises(
        DataError, match=rf"has no column '{name}' that looks like {setting}s, among 'image' .* 'label'"
    ):
        scanned(tmp_path, **{f"{setting}_column": name})


WRONG_LABELS = {
    "not known": ([0, -1], NOTES, r"row 1 has the label -1; its 2 classes are numbered from 0, and -1 says"),
    "too large": ([2, 0], NOTES, "row 0 has the label 2; its 2 classes are numbered from 0"),
    "missing, declared": ([0, None], NOTES, "row 1 has the label None; its 2 classes"),
    "missing": ([0, None], {}, "row 1 has no label. Fill it in"),
    "not a number": ([0.0, float("nan")], {}, "row 1 has no label"),
    "empty text": (["a", " "], {}, "row 1 has no label"),
    "several": (
        [["a"], ["a", "b"]],
        {},
        r"row 1 has the label .*, which names several classes; foveal tells one class",
    ),
}


@pytest.mark.parametrize(("labels", "notes", "sentence"), WRONG_LABELS.values(), ids=list(WRONG_LABELS))
def test_a_row_without_one_class_is_named(
    labels: list[Any], notes: dict[str, Any], sentence: str, tmp_path: Path
) -> None:
    write(tmp_path / "a.parquet", columns(2, label=pa.array(labels)), notes)
    with pytest.raises(DataError, match=rf"a\.parquet {sentence}"):
        scanned(tmp_path)


def test_a_class_that_only_the_test_file_has_is_named(tmp_path: Path) -> None:
    write(tmp_path / "train.parquet", columns(2, label=pa.array([0, 0])))
    write(tmp_path / "test.parquet", columns(2))
    with pytest.raises(DataError, match=r"\(test\) has the class 'cat', which the training images do not have"):
        scanned(tmp_path)


def test_images_to_test_on_need_no_training_images_only_when_that_is_all_they_are_for(tmp_path: Path) -> None:
    write(tmp_path / "test.parquet", columns(2))
    with pytest.raises(DataError, match=r"has test images but no training images\. Add them"):
        scanned(tmp_path)
    assert list(scanned(tmp_path, for_testing=True)) == ["test"]


def test_groups_are_those_of_the_column_that_is_named(tmp_path: Path) -> None:
    write(tmp_path / "a.parquet", columns(3, patient=pa.array([7, 7, 8])))
    assert scanned(tmp_path, group_column="patient", label_column="label")["all"].groups == ("7", "7", "8")
    assert scanned(tmp_path, group_column="person(.)")["all"].groups is None


def test_an_image_without_a_group_is_named(tmp_path: Path) -> None:
    write(tmp_path / "a.parquet", columns(2, patient=pa.array(["x", None])))
    with pytest.raises(DataError, match=r"gives 'a\.parquet/row 1' no group\. Give it one of its own"):
        scanned(tmp_path, group_column="patient")


LAYOUTS = {
    "the hub, by name": ({"data/train-00000-of-00001.parquet": "train", "data/test-00000-of-00001.parquet": "test"}),
    "the hub, converted": ({"default/train/0000.parquet": "train", "default/test/0000.parquet": "test"}),
    "the hub, with a hash": ({"train-00000-of-00001-38cc4fa96c139e86.parquet": "train", "valid.parquet": "validation"}),
    "plain": ({"train.parquet": "train", "validation.parquet": "validation", "test.parquet": "test"}),
    "capitals": ({"Train.Parquet": "train", "TEST.PARQUET": "test"}),
    "in words": ({"my_train_images.parquet": "train", "my_test_images.parquet": "test"}),
    "several of one": ({"train-00000-of-00002.parquet": "train", "train-00001-of-00002.parquet": "train"}),
    "no words": ({"a.parquet": "all", "b.parquet": "all"}),
    "what datasets computed": ({"train/data.arrow": "train", "test/data.arrow": "test", "train/cache-12.arrow": ""}),
    "the name before the folder": ({"test/train.parquet": "train", "test/test.parquet": "test"}),
}


@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=list(LAYOUTS))
def test_files_are_divided_by_their_names_and_folders(layout: dict[str, str], tmp_path: Path) -> None:
    for i, name in enumerate(layout):
        path = write(tmp_path / name.lower(), columns(2) | {"image": images_of(2, 2 * i)})
        path.rename(tmp_path / name)
    parts = scanned(tmp_path)
    expected: dict[str, list[bytes]] = {}
    for i, name in sorted(enumerate(layout), key=lambda item: item[1]):
        if part := layout[name]:
            expected.setdefault(part, []).extend((png(2 * i), png(2 * i + 1)))
    assert {part: content(images) for part, images in parts.items()} == expected


@pytest.mark.parametrize(
    "names",
    [
        ("train.parquet", "extra.parquet"),
        ("train/a.arrow", "unsupervised/a.arrow"),
        ("one/train.parquet", "two/train.parquet"),
        ("one/a.parquet", "two/a.parquet"),
        ("train.parquet", "train.arrow"),
    ],
)
def test_files_that_do_not_look_like_one_data_set_are_refused(names: tuple[str, str], tmp_path: Path) -> None:
    for name in names:
        write(tmp_path / name, columns(2))
    first, second = sorted(names)
    with pytest.raises(DataError) as error:
        scanned(tmp_path)
    assert f"has {second!r} beside {first!r}, which do not look like one data set" in str(error.value)
    assert "Name the folder or file of one." in str(error.value)


@pytest.mark.parametrize("suffix", [".parquet", ".arrow"])
def test_a_file_that_is_missing_among_numbered_ones_is_noticed(suffix: str, tmp_path: Path) -> None:
    for number in (0, 2):
        write(tmp_path / f"train-{number:05d}-of-00003{suffix}", columns(2))
    with pytest.raises(DataError, match=r"of .*train-\*-of-00003 2 files are there\. Fetch all 3 again"):
        scanned(tmp_path)


def test_a_file_of_no_rows_among_others_does_no_harm(tmp_path: Path) -> None:
    write(tmp_path / "a.parquet", pa.table(columns(2)).slice(0, 0))
    with pytest.raises(DataError, match=r"files of .* have no rows\. Fetch them again"):
        scanned(tmp_path)
    write(tmp_path / "b.parquet", columns(2))
    assert len(scanned(tmp_path)["all"]) == 2


@pytest.mark.parametrize("suffix", [".parquet", ".arrow"])
def test_files_beside_are_read_where_rows_have_only_their_paths(suffix: str, tmp_path: Path) -> None:
    paths = ["pictures/0.png", str(tmp_path / "pictures/1.png"), "2.png"]
    for i in range(3):
        (tmp_path / "pictures").mkdir(exist_ok=True)
        (tmp_path / f"pictures/{i}.png").write_bytes(png(i))
    rows = pa.array([{"bytes": None, "path": path} for path in paths], ENCODED)
    write(tmp_path / f"a{suffix}", {"image": rows, "label": [0, 1, 0]})
    images = scanned(tmp_path)["all"]
    assert images.names == ["pictures/0.png", "pictures/1.png", "pictures/2.png"]
    assert content(images) == [png(0), png(1), png(2)]
    assert isinstance(images.images, Files)
    assert images.images.tree.files["pictures/1.png"].size == len(png(1))


@pytest.mark.parametrize("path", [None, "nowhere.png", "../a.png"])
@pytest.mark.parametrize("suffix", [".parquet", ".arrow"])
def test_a_row_without_an_image_or_a_file_beside_is_named(suffix: str, path: str | None, tmp_path: Path) -> None:
    rows = pa.array([{"bytes": None, "path": path}], ENCODED)
    write(tmp_path / f"a{suffix}", {"image": rows, "label": [0]})
    with pytest.raises(
        DataError, match=rf"row 0 has no image in it, and its path {path or ''!r} is that of 0 files in .*beside"
    ):
        scanned(tmp_path)


def test_a_row_without_an_image_among_others_is_named_when_it_is_read(tmp_path: Path) -> None:
    rows = pa.array([{"bytes": png(0), "path": None}, {"bytes": None, "path": None}], ENCODED)
    write(tmp_path / "a.parquet", {"image": rows, "label": [0, 1]})
    images = scanned(tmp_path)["all"].images
    assert isinstance(images, Files)
    assert images.tree.read(images.names[0]) == png(0)
    with pytest.raises(DataError, match=r"a\.parquet row 1 has no image in it\. Remove the row"):
        images.tree.read(images.names[1])


def test_row_groups_too_large_for_the_memory_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(arrow, "MAX_GROUP_BYTES", 2000)  # the limit is 1 GiB, too much for a test
    write(tmp_path / "a.parquet", columns(8), rows=2)
    assert len(scanned(tmp_path)["all"]) == 8
    write(tmp_path / "a.parquet", columns(8), rows=8)
    with pytest.raises(DataError, match=r"bytes of images in one row group, and at most 2,000 .* row_group_size=1000"):
        scanned(tmp_path)


DAMAGED = {
    "empty": lambda whole: b"",
    "text": lambda whole: b"this is no such file",
    "the first half": lambda whole: whole[: len(whole) // 2],
    "the beginning is gone": lambda whole: whole[100:],
    "a page that claims the world": lambda whole: whole[:4] + b"\xff" * 40 + whole[44:],
}


@pytest.mark.parametrize("suffix", [".parquet", ".arrow"])
@pytest.mark.parametrize("damage", DAMAGED.values(), ids=list(DAMAGED))
def test_a_damaged_file_is_refused_with_its_path(damage: Callable[[bytes], bytes], suffix: str, tmp_path: Path) -> None:
    path = write(tmp_path / f"a{suffix}", columns(2))
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(
        DataError, match=rf"a\{suffix} cannot be read: .*\. It is damaged or has changed; fetch it again"
    ):
        everything(tmp_path)


def test_notes_that_are_damaged_are_refused_and_others_are_passed_over(tmp_path: Path) -> None:
    table = pa.table(columns(2))
    for note in (b'{"info": [1]}', b"[]", b'{"info": {"features": {"label": 3}}}'):
        parquet.write_table(table.replace_schema_metadata({b"huggingface": note}), tmp_path / "a.parquet")
        assert scanned(tmp_path)["all"].classes == ("0", "1")
    parquet.write_table(table.replace_schema_metadata({b"huggingface": b"{"}), tmp_path / "a.parquet")
    with pytest.raises(DataError, match=r"a\.parquet cannot be read: Expecting property name"):
        scanned(tmp_path)


def test_a_file_that_changes_after_it_was_scanned_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "a.parquet", columns(8), rows=2)
    images = scanned(tmp_path)["all"].images
    assert isinstance(images, Files)
    write(path, columns(2))
    with pytest.raises(DataError, match=r"a\.parquet cannot be read: .* has changed"):
        images.tree.read(images.names[7])


def test_without_pyarrow_the_command_that_installs_it_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)  # as if it were not installed
    with pytest.raises(DataError) as error:
        scanned(HF / "parquet")
    assert str(error.value).endswith(
        'needs pyarrow, which is not installed. Install it with: pip install "foveal[parquet]"'
    )


@pytest.fixture(scope="module")
def any_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("arrow")


# Always the same examples: pyarrow ends the whole process for some damages that nobody has found yet.
@settings(max_examples=150, deadline=None, derandomize=True)
@given(
    suffix=st.sampled_from([".parquet", ".arrow"]),
    edits=st.lists(st.tuples(st.floats(0, 1), st.binary(min_size=1, max_size=8)), min_size=1, max_size=4),
)
def test_files_with_wrong_bytes_anywhere_are_read_or_refused_and_nothing_else(
    suffix: str, edits: list[tuple[float, bytes]], any_folder: Path
) -> None:
    source = HF / ("whole.parquet" if suffix == ".parquet" else "saved/train/data-00000-of-00002.arrow")
    damaged = bytearray(source.read_bytes())
    for place, piece in edits:
        start = int(place * (len(damaged) - len(piece)))
        damaged[start : start + len(piece)] = piece
    shutil.rmtree(any_folder / suffix, ignore_errors=True)
    (any_folder / suffix).mkdir()
    (any_folder / suffix / f"a{suffix}").write_bytes(damaged)
    try:
        parts = scanned(any_folder / suffix)
    except DataError:
        return
    for name in parts["all"].names:
        try:
            assert isinstance(parts["all"].images, Files)
            parts["all"].images.tree.read(name)
        except DataError:
            continue
