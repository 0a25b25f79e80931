"""Which kind of data a tree is taken for, where files of several kinds lie side by side."""

import io
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from few_digits import Source, encoded, idx, written, zipped
from pyarrow import parquet
from source_builders import cifar10_binary, cifar10_python, npy_folder, svhn

from foveal.data.images import Files, Parts
from foveal.data.scan import Columns, scan
from foveal.data.sources import open_data
from foveal.errors import DataError

Content = Mapping[str, bytes | str]
PICTURE = encoded(np.zeros((4, 4), np.uint8))


def npy(shape: tuple[int, ...]) -> bytes:
    content = io.BytesIO()
    np.save(content, np.arange(np.prod(shape), dtype=np.uint8).reshape(shape) % 2)
    return content.getvalue()


def rows(**columns: Any) -> bytes:
    """A Parquet file."""
    content = io.BytesIO()
    parquet.write_table(pa.table(columns), content)
    return content.getvalue()


def pictures(*names: str) -> dict[str, bytes]:
    return dict.fromkeys(names, PICTURE)


FOLDERS = pictures("cat/1.png", "cat/2.png", "dog/1.png", "dog/2.png")
ONE_FOLDER = pictures("train/1.png", "train/2.png")
TABLE = "id,label\n1,wolf\n2,bear\n"
BY_FOLDER = {"cat/1.png": "cat", "cat/2.png": "cat", "dog/1.png": "dog", "dog/2.png": "dog"}
BY_TABLE = {"1.png": "wolf", "2.png": "bear"}
LONG_TABLE = "id,label\ncat/1,wolf\ndog/2,bear\n"
NUMPY = {"x_train.npy": npy((2, 4, 4)), "y_train.npy": npy((2,))}
IDX = {
    "a-images-idx3-ubyte": idx(np.zeros((2, 4, 4), np.uint8)),
    "a-labels-idx1-ubyte": idx(np.array([0, 1], np.uint8)),
}
NAMED = pa.array([{"path": "1.png"}], pa.struct([("bytes", pa.binary()), ("path", pa.string())]))
PARQUET = rows(image=[PICTURE, PICTURE], label=["wolf", "bear"])


def below(folder: str, labels: Mapping[str, str]) -> dict[str, str]:
    return {f"{folder}/{name}": label for name, label in labels.items()}


# What lies there, and the class of each picture that must be found.
MIXED: dict[str, tuple[Content, dict[str, str]]] = {
    "labels.csv beside class folders": (
        {**FOLDERS, "labels.csv": LONG_TABLE},
        {"cat/1.png": "wolf", "dog/2.png": "bear"},
    ),
    "metadata.jsonl beside class folders": (
        {**FOLDERS, "metadata.jsonl": '{"file_name": "dog/1.png", "label": "bear"}'},
        {"dog/1.png": "bear"},
    ),
    "METADATA.CSV": ({**FOLDERS, "METADATA.CSV": LONG_TABLE}, {"cat/1.png": "wolf", "dog/2.png": "bear"}),
    "labels.csv among other tables": (
        {**FOLDERS, "labels.csv": LONG_TABLE, "sample_submission.csv": "id,label\n3,0\n"},
        {"cat/1.png": "wolf", "dog/2.png": "bear"},
    ),
    "another table beside class folders": ({**FOLDERS, "classes.csv": "name,latin\ncat,Felis\n"}, BY_FOLDER),
    "HAM_metadata.csv beside the folders of its pictures": (
        {**pictures("part_1/1.png", "part_2/2.png"), "HAM_metadata.csv": TABLE},
        {"part_1/1.png": "wolf", "part_2/2.png": "bear"},
    ),
    "two tables that say more": ({**FOLDERS, "labels.csv": LONG_TABLE, "metadata.csv": LONG_TABLE}, BY_FOLDER),
    "train.csv and train": ({**ONE_FOLDER, "train.csv": TABLE}, below("train", BY_TABLE)),
    "train.csv and train in train": (
        {**pictures("train/train/1.png", "train/train/2.png"), "train.csv": TABLE},
        below("train/train", BY_TABLE),
    ),
    "any table beside pictures": ({**pictures("1.png", "2.png"), "list.tsv": TABLE.replace(",", "\t")}, BY_TABLE),
    "a table and embeddings": ({**ONE_FOLDER, "a.csv": TABLE, "embeddings.npy": npy((2, 8))}, below("train", BY_TABLE)),
    "a table of files without an ending": ({"1": PICTURE, "2": PICTURE, "a.csv": TABLE}, {"1": "wolf", "2": "bear"}),
    "embeddings.parquet beside class folders": ({**FOLDERS, "embeddings.parquet": rows(x=[1, 2])}, BY_FOLDER),
    "features.npy beside class folders": ({**FOLDERS, "features.npy": npy((4, 8))}, BY_FOLDER),
    "weights.npz beside class folders": ({**FOLDERS, "weights.npz": b"PK"}, BY_FOLDER),
    "an array for each picture": (FOLDERS | {f"{name[:-4]}.npy": npy((8,)) for name in FOLDERS}, BY_FOLDER),
    "idx2label.txt beside class folders": ({**FOLDERS, "idx2label.txt": "0: cat"}, BY_FOLDER),
    "Parquet that names files beside it": (
        {**pictures("pictures/1.png"), "a.parquet": rows(image=NAMED, label=["bear"])},
        {"pictures/1.png": "bear"},
    ),
    "a table in a folder that wraps it": (
        {"archive/labels.csv": TABLE, **pictures("archive/images/1.png", "archive/images/2.png")},
        below("images", BY_TABLE),
    ),
    "a table and its pictures in one folder": (
        {"archive/labels.csv": TABLE, **pictures("archive/1.png", "archive/2.png")},
        BY_TABLE,
    ),
    "a table two folders down": ({"a/b/any.csv": TABLE, **pictures("a/b/1.png", "a/b/2.png")}, BY_TABLE),
    "class folders wrapped, with embeddings": (
        {f"archive/{name}": content for name, content in FOLDERS.items()} | {"archive/x.npy": npy((4, 8))},
        BY_FOLDER,
    ),
}


def said(parts: Parts) -> dict[str, str]:
    """The class of each picture, by its name in its tree."""
    return {
        name: images.classes[label]
        for images in parts.values()
        for name, label in zip(images.names, images.labels.tolist(), strict=True)
    }


@pytest.mark.parametrize("archive", [False, True], ids=["folder", "zip"])
@pytest.mark.parametrize(("content", "expected"), MIXED.values(), ids=list(MIXED))
def test_what_says_most_of_the_pictures_is_believed(
    content: Content, expected: dict[str, str], archive: bool, tmp_path: Path
) -> None:
    path = zipped(tmp_path / "data.zip", content) if archive else written(tmp_path, content)
    parts = scan(path)
    assert said(parts) == expected
    images = parts["all"].images
    assert isinstance(images, Files)
    assert all(images.tree.read(name) == PICTURE for name in images.names)


ARRAYS: dict[str, tuple[Content, str]] = {
    "NumPy and previews": ({**NUMPY, **pictures("preview.png")}, "train"),
    "NumPy and a page of figures": ({**NUMPY, **pictures("docs/a.png", "docs/b.png", "docs/c.png")}, "train"),
    "more arrays than pictures in folders": ({**NUMPY, **pictures("a/1.png")}, "train"),
    "NumPy and a table": ({**NUMPY, "notes.csv": "a,b\n1,2\n"}, "train"),
    "IDX and a table": ({**IDX, "labels.csv": "number,name\n0,cat\n1,dog\n"}, "all"),
    "Parquet and a table": ({"a.parquet": PARQUET, "metadata.csv": "a,b\n1,2\n"}, "all"),
    "Parquet and previews": ({"a.parquet": PARQUET, **pictures("1.png", "2.png")}, "all"),
}


@pytest.mark.parametrize(("content", "part"), ARRAYS.values(), ids=list(ARRAYS))
def test_arrays_are_read_where_no_class_folders_and_no_table_of_pictures_lie_beside(
    content: Content, part: str, tmp_path: Path
) -> None:
    parts = scan(written(tmp_path, content))
    assert {name: images.labels.tolist() for name, images in parts.items()} in ({part: [0, 1]}, {part: [1, 0]})


def test_a_table_whose_images_are_nowhere_shows_what_it_wants(tmp_path: Path) -> None:
    with pytest.raises(
        DataError, match=r"labels\.csv line 2 names '1', and neither .* Name the folder of the images with --"
    ):
        scan(written(tmp_path, {"labels.csv": TABLE, "model.bin": b"x"}))


@pytest.mark.parametrize("elsewhere", ["pictures", "pictures.zip"])
def test_the_images_of_a_table_may_be_elsewhere(elsewhere: str, tmp_path: Path) -> None:
    written(tmp_path / "pictures", pictures("1.png", "2.png"))
    zipped(tmp_path / "pictures.zip", pictures("1.png", "2.png"))
    tables = written(tmp_path / "tables", {"labels.csv": TABLE, **FOLDERS})
    for path in (tables, tables / "labels.csv"):
        assert said(scan(path, Columns(images=tmp_path / elsewhere))) == BY_TABLE


SPLIT = "id,label,split\n1,wolf,train\n2,bear,train\n3,bear,val\n4,wolf,test\n"
FOUR = pictures("1.png", "2.png", "3.png", "4.png")


@pytest.mark.parametrize("form", ["folder", "table", "zip"])
def test_a_table_says_which_rows_are_for_testing(form: str, tmp_path: Path) -> None:
    folder = written(tmp_path / "data", {"labels.csv": SPLIT, **FOUR})
    archive = zipped(tmp_path / "data.zip", {"labels.csv": SPLIT, **FOUR})
    parts = scan({"folder": folder, "table": folder / "labels.csv", "zip": archive}[form])
    assert {part: images.names for part, images in parts.items()} == {
        "train": ["1.png", "2.png"],
        "validation": ["3.png"],
        "test": ["4.png"],
    }
    assert parts["test"].classes == ("bear", "wolf")


def test_a_table_of_rows_for_testing_alone_is_for_testing_alone(tmp_path: Path) -> None:
    table = (
        written(tmp_path, {"labels.csv": SPLIT.replace("train", "test").replace("val", "test"), **FOUR}) / "labels.csv"
    )
    with pytest.raises(DataError, match=r"labels\.csv has test images but no training images\. Add them"):
        scan(table)
    assert len(scan(table, for_testing=True)["test"]) == 4


UNTOLD: dict[str, tuple[Content, str]] = {
    "splits without class folders": (
        pictures("train/1.png", "test/2.png"),
        r"right in test and train, .* says them\.$",
    ),
    "one split alone": (
        pictures("Train/1.png"),
        r"has its images right in Train, so that no folder says their classes\. Put",
    ),
    "as Kaggle, with images to submit": (
        {**ONE_FOLDER, **pictures("test/3.png"), "sample.csv": "id\n3\n", "train.csv": TABLE},
        r"in test and train, .* into one folder a class, or name the table that says them, perhaps .*train\.csv\.$",
    ),
    "one folder and several tables": (
        {**pictures("photos/1.png"), "a.csv": TABLE, "b.csv": TABLE},
        r"right in photos, .* perhaps .*a\.csv",
    ),
    "no folder and several tables": ({**pictures("1.png"), "a.csv": TABLE, "b.csv": TABLE}, r"right in it, so that no"),
}


@pytest.mark.parametrize(("content", "sentence"), UNTOLD.values(), ids=list(UNTOLD))
def test_splits_are_not_taken_for_classes_where_only_a_table_can_say_the_classes(
    content: Content, sentence: str, tmp_path: Path
) -> None:
    with pytest.raises(DataError, match=sentence):
        scan(written(tmp_path, content))


@pytest.mark.parametrize("name", ["model.h5", "labels.csv.gz", "train-images-idx3-ubyte", "data_batch_1", "notes.pdf"])
def test_a_file_that_is_not_read_is_told_what_is(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(b"\x1f\x8b what is in it does not matter")
    with pytest.raises(
        DataError,
        match=r"is a file that foveal does not read as data\. It reads folders of images, archives \(\.zip, .*"
        r"tables \(\.csv, .*\), \.npz, \.npy, \.parquet and \.mat; for IDX and CIFAR files name their folder\.",
    ):
        scan(tmp_path / name)


@pytest.mark.parametrize("write", [cifar10_binary, cifar10_python, svhn, npy_folder])
def test_test_images_alone_are_for_testing_alone(write: Callable[[Path], Source], tmp_path: Path) -> None:
    source = write(tmp_path)
    for path in source.path.iterdir():
        if "train" in path.name or path.name.startswith("data_batch"):
            path.unlink()
    with pytest.raises(
        DataError,
        match=r"there are test images but no training images\. Add them, or test a run on these: foveal evaluate RUN /",
    ):
        open_data(source.path)
    tested = open_data(source.path, purpose="testing")
    assert list(tested.parts) == ["test"]
    assert len(tested) == len(source.parts["test"][1])
