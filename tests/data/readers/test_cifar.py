"""CIFAR-10 and CIFAR-100 in both versions, written here as their page describes them, whole and damaged."""

import pickle
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import pytest
from data_helpers import noise, write_picture
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy import ndarray

from foveal.data.readers.cifar import is_cifar, scan_cifar
from foveal.data.tree import Stamp, Tree, open_folder
from foveal.errors import DataError

TEN = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
HUNDRED = tuple(f"class {number:02d}" for number in range(100))
BATCHES = [f"data_batch_{number}" for number in range(1, 6)]
IMAGES = noise(12, 32, 32, 3)
LABELS = [3, 8, 8, 0, 6, 6, 1, 6, 3, 1, 0, 9]


def planes(images: ndarray) -> ndarray:
    """(N, 3072): the red values of an image row by row, then the green, then the blue ones."""
    return np.stack([np.concatenate([image[..., channel].ravel() for channel in range(3)]) for image in images])


def binary(images: ndarray, *labels: Iterable[int]) -> bytes:
    """Records of one byte a label, then the pixels."""
    rows = zip(*labels, planes(images), strict=True)
    return b"".join(bytes(numbers) + pixels.tobytes() for *numbers, pixels in rows)


def pickled(**entries: Any) -> bytes:
    """A dict whose keys are bytes, as those of Python 2 are."""
    return pickle.dumps({key.encode(): value for key, value in entries.items()}, 2)


def python_10(images: ndarray, labels: list[int]) -> bytes:
    return pickled(batch_label=b"one of five", labels=labels, data=planes(images), filenames=[b"x.png"] * len(images))


def python_100(images: ndarray, labels: list[int]) -> bytes:
    return pickled(fine_labels=labels, coarse_labels=[19] * len(images), data=planes(images))


Files = dict[str, bytes]
BINARY_10: Files = {
    **{f"{batch}.bin": binary(IMAGES[2 * i : 2 * i + 2], LABELS[2 * i : 2 * i + 2]) for i, batch in enumerate(BATCHES)},
    "test_batch.bin": binary(IMAGES[10:], LABELS[10:]),
    "batches.meta.txt": "\n".join((*TEN, "", "")).encode(),
    "readme.html": b"<html>",
}
PYTHON_10: Files = {
    **{batch: python_10(IMAGES[2 * i : 2 * i + 2], LABELS[2 * i : 2 * i + 2]) for i, batch in enumerate(BATCHES)},
    "test_batch": python_10(IMAGES[10:], LABELS[10:]),
    "batches.meta": pickled(num_cases_per_batch=2, label_names=[name.encode() for name in TEN], num_vis=3072),
    "readme.html": b"<html>",
}
BINARY_100: Files = {
    "train.bin": binary(IMAGES[:10], [19] * 10, LABELS[:10]),
    "test.bin": binary(IMAGES[10:], [19] * 2, LABELS[10:]),
    "fine_label_names.txt": "\n".join(HUNDRED).encode(),
    "coarse_label_names.txt": b"fish\n",
}
PYTHON_100: Files = {
    "train": python_100(IMAGES[:10], LABELS[:10]),
    "test": python_100(IMAGES[10:], LABELS[10:]),
    "meta": pickled(fine_label_names=[name.encode() for name in HUNDRED], coarse_label_names=[b"fish"]),
    "file.txt~": b"",
}
FORMS = {
    "CIFAR-10 binary": (BINARY_10, TEN),
    "CIFAR-10 python": (PYTHON_10, TEN),
    "CIFAR-100 binary": (BINARY_100, HUNDRED),
    "CIFAR-100 python": (PYTHON_100, HUNDRED),
}
each_form = pytest.mark.parametrize(("files", "classes"), FORMS.values(), ids=list(FORMS))


def tree_of(files: Files, origin: str = "cifar.tar.gz") -> Tree:
    """The same files inside of an archive."""
    return Tree(Path(origin), {name: Stamp(len(files[name]), 0) for name in sorted(files)}, files.__getitem__)


def without(files: Files, *names: str) -> Files:
    return {name: content for name, content in files.items() if name not in names}


def is_meta(name: str) -> bool:
    return "meta" in name or "names" in name


@each_form
@pytest.mark.parametrize("folder", ["", "cifar-batches", "data/cifar-batches"])
def test_every_version_gives_the_images_that_it_was_written_from(
    files: Files, classes: tuple[str, ...], folder: str, tmp_path: Path
) -> None:
    (tmp_path / folder).mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (tmp_path / folder / name).write_bytes(content)
    tree = open_folder(tmp_path)
    assert is_cifar(tree.files)
    parts = scan_cifar(tree)
    assert list(parts) == ["train", "test"]
    for part, place in (("train", slice(10)), ("test", slice(10, 12))):
        np.testing.assert_array_equal(parts[part].images, IMAGES[place])
        assert parts[part].labels.tolist() == LABELS[place]
        assert parts[part].classes == classes
    assert parts["train"].name(7) == f"{PurePosixPath(str(tmp_path), folder)} train #7"


@each_form
def test_an_archive_gives_what_its_folder_does(files: Files, classes: tuple[str, ...]) -> None:
    parts = scan_cifar(tree_of({f"inner/{name}": content for name, content in files.items()}))
    np.testing.assert_array_equal(parts["train"].images, IMAGES[:10])
    assert parts["test"].name(1) == str(Path("cifar.tar.gz/inner")) + " test #1"


@each_form
def test_pixels_lie_in_memory_in_the_order_of_images(files: Files, classes: tuple[str, ...]) -> None:
    images = scan_cifar(tree_of(files))["train"].images
    assert isinstance(images, ndarray)
    assert images.flags.c_contiguous


@pytest.mark.parametrize("files", [BINARY_10, PYTHON_10], ids=["binary", "python"])
def test_classes_without_a_file_that_names_them_are_called_by_their_numbers(files: Files) -> None:
    parts = scan_cifar(tree_of({name: content for name, content in files.items() if not is_meta(name)}))
    assert parts["train"].classes == tuple("0123456789")
    assert parts["train"].labels.tolist() == LABELS[:10]


def test_the_binary_cifar_100_is_known_by_either_file_of_names() -> None:
    files = without(BINARY_100, "fine_label_names.txt")
    assert is_cifar(files)
    assert scan_cifar(tree_of(files))["train"].classes == tuple(map(str, range(100)))


@pytest.mark.parametrize("suffix", ["", ".bin"])
def test_the_batches_that_are_there_are_used(suffix: str) -> None:
    files = BINARY_10 if suffix else PYTHON_10
    absent = [f"{name}{suffix}" for name in ("data_batch_1", "data_batch_3", "data_batch_4", "test_batch")]
    parts = scan_cifar(tree_of(without(files, *absent)))
    assert list(parts) == ["train"]
    assert parts["train"].labels.tolist() == [*LABELS[2:4], *LABELS[8:10]]


@each_form
def test_a_test_batch_alone_is_a_test_part(files: Files, classes: tuple[str, ...]) -> None:
    alone = {name: content for name, content in files.items() if "test" in name or is_meta(name)}
    assert is_cifar(alone)
    assert list(scan_cifar(tree_of(alone))) == ["test"]


def test_batches_that_python_3_wrote_again_are_read_too() -> None:
    batch = pickle.dumps({"labels": np.array(LABELS), "data": planes(IMAGES)}, 5)
    meta = pickle.dumps({"label_names": list(TEN)}, 5)
    parts = scan_cifar(tree_of({"data_batch_1": batch, "batches.meta": meta}))
    np.testing.assert_array_equal(parts["train"].images, IMAGES)
    assert (parts["train"].labels.tolist(), parts["train"].classes) == (LABELS, TEN)


def test_of_both_versions_in_one_folder_the_binary_one_is_read() -> None:
    files = {**BINARY_10, **dict.fromkeys(PYTHON_10, b"never read"), "batches.meta.txt": BINARY_10["batches.meta.txt"]}
    assert len(scan_cifar(tree_of(files))["train"]) == 10


NO_CIFAR = {
    "nothing": [],
    "pictures below train and test": ["train/cat/1.png", "test/cat/1.png", "meta"],
    "folders called train and test": ["train/a", "test/b", "meta/c"],
    "train without meta": ["train", "test"],
    "meta alone": ["meta"],
    "train and meta in several folders": ["a/train", "b/meta"],
    "train and meta beside pictures": ["train", "meta", "images/1.JPG"],
    "any .bin": ["train.bin", "test.bin"],
    "a text about CIFAR": ["batches.meta.txt", "readme.html"],
    "another name": ["my_data_batch_1", "data_batch_6", "data_batch_1.txt"],
}


@pytest.mark.parametrize("names", NO_CIFAR.values(), ids=list(NO_CIFAR))
def test_files_of_other_people_are_not_taken_for_cifar(names: list[str]) -> None:
    assert not is_cifar(names)


def test_pictures_of_a_readme_do_not_hide_cifar_10(tmp_path: Path) -> None:
    write_picture(tmp_path / "samples.png", IMAGES[0])
    (tmp_path / "data_batch_1.bin").write_bytes(BINARY_10["data_batch_1.bin"])
    assert is_cifar(open_folder(tmp_path).files)


@pytest.mark.parametrize(
    ("files", "sentence"),
    [
        ({}, "cifar.tar.gz holds 0 data sets of the CIFAR family. Name a folder with one of them"),
        (
            {**{f"ten/{name}": b"" for name in BINARY_10}, **{f"hundred/{name}": b"" for name in PYTHON_100}},
            "holds 2 data sets of the CIFAR family, CIFAR-100 in hundred, CIFAR-10 in ten. Name a folder with one of them",
        ),
        (
            {**PYTHON_10, **PYTHON_100},
            "holds 2 data sets of the CIFAR family, CIFAR-10 in it directly, CIFAR-100 in it",
        ),
    ],
    ids=["none", "two folders", "one folder"],
)
def test_other_than_one_data_set_is_refused(files: Files, sentence: str) -> None:
    with pytest.raises(DataError, match=sentence):
        scan_cifar(tree_of(files))


RECORD = binary(IMAGES[:1], [3])
DAMAGED: dict[str, tuple[Files, str]] = {
    "an empty file": (
        {"data_batch_2.bin": b""},
        "data_batch_2.bin has 0 bytes, which is not a number of images of CIFAR-10: each takes 3073, 1 for its label",
    ),
    "a byte short": ({"test_batch.bin": RECORD[:-1]}, "test_batch.bin has 3072 bytes, which is not .* Fetch it again"),
    "a byte long": ({"test_batch.bin": RECORD + b"\0"}, "test_batch.bin has 3074 bytes"),
    "records of CIFAR-10 as CIFAR-100": (
        {"train.bin": RECORD, "fine_label_names.txt": BINARY_100["fine_label_names.txt"]},
        "train.bin has 3073 bytes, which is not a number of images of CIFAR-100: each takes 3074, 2 for its label",
    ),
    "a label beyond the classes": (
        {"test_batch.bin": RECORD + b"\x0a" + bytes(3072)},
        "the label of image 1 in .*test_batch.bin is 10; those of CIFAR-10 are 0 to 9. Fetch it again",
    ),
    "a label beyond a hundred": (
        {"train.bin": binary(IMAGES[:1], [3], [100]), "coarse_label_names.txt": b""},
        "the label of image 0 in .*train.bin is 100; those of CIFAR-100 are 0 to 99",
    ),
    "names of too few classes": (
        {"test_batch.bin": RECORD, "batches.meta.txt": b"cat\ndog\n"},
        "batches.meta.txt has 2 different names of classes; CIFAR-10 has 10. Fetch it again",
    ),
    "one name twice": (
        {"test_batch.bin": RECORD, "batches.meta.txt": "\n".join((*TEN[:9], "bird")).encode()},
        "batches.meta.txt has 9 different names",
    ),
    "names that are no text": (
        {"test_batch.bin": RECORD, "batches.meta.txt": b"\xff\xfe\n"},
        "the names of the classes in .*batches.meta.txt are no text: 'utf-8' codec can't .* Fetch it again",
    ),
    "names that are numbers": (
        {"test_batch": PYTHON_10["test_batch"], "batches.meta": pickled(label_names=list(range(10)))},
        "batches.meta has 0 different names",
    ),
    "names that are missing": (
        {"test_batch": PYTHON_10["test_batch"], "batches.meta": pickled(num_vis=3072)},
        "batches.meta has 0 different names",
    ),
    "no pickle": (
        {"data_batch_1": b"\x1f\x8b\x08\x00"},
        "data_batch_1 is not the file of CIFAR-10 that its name says: the pickle .* Fetch the file again",
    ),
    "a pickle that is cut off": (
        {"train": PYTHON_100["train"][:-40], "meta": b""},
        "meta is not the file of CIFAR-100",
    ),
    "a pickle that asks for more": (
        {"data_batch_1": b"cos\nsystem\n(S'true'\ntR."},
        r"data_batch_1 is not the file .* asks for 'os\.system'",
    ),
    "a list": ({"data_batch_1": pickle.dumps([1, 2])}, "data_batch_1 holds a list of 2, where CIFAR-10 has a dict"),
    "nothing": ({"data_batch_1": pickle.dumps(None)}, "data_batch_1 holds nothing, where CIFAR-10 has a dict"),
    "no pixels": (
        {"data_batch_1": pickled(labels=[1])},
        r"data_batch_1 has no images of CIFAR-10: under 'data' it has nothing, expected bytes \(N, 3072\)",
    ),
    "pixels as text": ({"data_batch_1": pickled(labels=[1], data=b"x")}, "under 'data' it has a value of type bytes"),
    "pixels as numbers": (
        {"data_batch_1": pickled(labels=[1], data=np.zeros((1, 3072)))},
        r"under 'data' it has an array of float64 \(1, 3072\)",
    ),
    "pixels of another size": (
        {"data_batch_1": pickled(labels=[1], data=np.zeros((1, 784), np.uint8))},
        r"under 'data' it has an array of uint8 \(1, 784\)",
    ),
    "one row of pixels": ({"data_batch_1": pickled(labels=[1], data=np.zeros(3072, np.uint8))}, r"uint8 \(3072,\)"),
    "no rows of pixels": ({"data_batch_1": pickled(labels=[], data=np.zeros((0, 3072), np.uint8))}, r"\(0, 3072\)"),
    "the other CIFAR": (
        {"train": PYTHON_10["data_batch_1"], "meta": PYTHON_100["meta"]},
        "train has 2 images, and under 'fine_labels' nothing; expected one number an image",
    ),
    "fewer labels than images": (
        {"data_batch_1": pickled(labels=[1], data=planes(IMAGES))},
        "data_batch_1 has 12 images, and under 'labels' a list of 1; expected one number an image",
    ),
    "labels that are text": (
        {"data_batch_1": pickled(labels=["cat"], data=planes(IMAGES[:1]))},
        "the label of image 0 in .*data_batch_1 is a value of type str; those of CIFAR-10 are 0 to 9",
    ),
    "labels that are lists": (
        {"data_batch_1": pickled(labels=[[1]], data=planes(IMAGES[:1]))},
        "is a list of 1; those",
    ),
    "labels below zero": ({"data_batch_1": pickled(labels=[-1], data=planes(IMAGES[:1]))}, "data_batch_1 is -1; those"),
    "labels beyond all measure": (
        {"data_batch_1": pickled(labels=[10**5000], data=planes(IMAGES[:1]))},
        "is a value of type int; those",
    ),
}


@pytest.mark.parametrize(("files", "sentence"), DAMAGED.values(), ids=list(DAMAGED))
def test_a_damaged_file_is_refused_with_its_name_and_reason(files: Files, sentence: str) -> None:
    with pytest.raises(DataError, match=sentence):
        scan_cifar(tree_of(files))


def spoiled(content: bytes, changes: list[tuple[int, int]], cut: int) -> bytes:
    mutable = bytearray(content)
    for place, value in changes:
        mutable[place % len(mutable)] = value
    return bytes(mutable[: len(mutable) - cut])


ANY_FILE = st.binary(max_size=50) | st.sampled_from([RECORD, RECORD + RECORD, PYTHON_100["meta"]])
CHANGES = st.lists(st.tuples(st.integers(0, 8000), st.integers(0, 255)), max_size=4)


@settings(max_examples=200, deadline=None)
@given(
    st.dictionaries(st.sampled_from([*BINARY_10, *PYTHON_10, *BINARY_100, *PYTHON_100]), ANY_FILE, max_size=4)
    | st.builds(
        lambda files, name, changes, cut: {**files, name: spoiled(files.get(name, RECORD), changes, cut)},
        st.sampled_from([BINARY_10, PYTHON_10, BINARY_100, PYTHON_100]),
        st.sampled_from(["data_batch_1", "data_batch_1.bin", "batches.meta", "train.bin", "test", "meta"]),
        CHANGES,
        st.integers(0, 3),
    )
)
def test_files_of_any_content_are_read_or_refused_and_nothing_else(files: Files) -> None:
    with suppress(DataError):
        for images in scan_cifar(tree_of(files)).values():
            assert isinstance(images.images, ndarray)
            assert images.images.shape == (len(images), 32, 32, 3)
            assert set(images.labels.tolist()) <= set(range(len(images.classes)))
