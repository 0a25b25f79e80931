"""Arrays as NumPy saves them, under the names that people give them, against what they were saved from; and damaged ones."""

import struct
import zipfile
from collections.abc import Mapping
from contextlib import suppress
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from data_helpers import as_an_ordinary_user, noise
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy import ndarray

from foveal.data.images import ImageSet
from foveal.data.readers import numpy_files
from foveal.data.readers.numpy_files import is_numpy, scan_numpy
from foveal.data.tree import Stamp, Tree, open_folder
from foveal.errors import DataError

GREY, COLOUR = noise(6, 5, 4), noise(6, 5, 4, 3)
LABELS = np.array([0, 1, 2, 1, 0, 2])
Files = dict[str, bytes]


def npy(array: Any) -> bytes:
    file = BytesIO()
    np.save(file, array)
    return file.getvalue()


def npz(save: Any = np.savez, /, *unnamed: Any, **named: Any) -> bytes:
    file = BytesIO()
    save(file, *unnamed, **named)
    return file.getvalue()


def tree_of(files: Files) -> Tree:
    """The files inside of an archive."""
    return Tree(Path("data.zip"), {name: Stamp(len(files[name]), 0) for name in sorted(files)}, files.__getitem__)


def folder_of(root: Path, files: Files) -> Tree:
    for name, content in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(content)
    return open_folder(root)


def holds(images: ImageSet, pixels: ndarray, labels: ndarray) -> bool:
    """Whether a set holds these images, with a channel of their own if they are grey, and these labels as its classes."""
    expected = pixels[..., None] if pixels.ndim == 3 else pixels
    names = [images.classes[label] for label in images.labels]
    return np.array_equal(images.images, expected) and names == [str(label) for label in labels.reshape(-1)]


# Each with the splits that it should give, by the slices of GREY and LABELS that they were made from.
TRAIN, VALIDATION, TEST, ALL = slice(0, 3), slice(3, 4), slice(4, 6), slice(0, 6)
THREE = {"train": TRAIN, "validation": VALIDATION, "test": TEST}
TWO = {"train": TRAIN, "test": TEST}
ONE = {"all": ALL}
COLUMN = LABELS[:, None].astype(np.uint8)

KNOWN: dict[str, tuple[Files, Mapping[str, slice]]] = {
    "Keras": (
        {"mnist.npz": npz(x_train=GREY[TRAIN], y_train=LABELS[TRAIN], x_test=GREY[TEST], y_test=LABELS[TEST])},
        TWO,
    ),
    "MedMNIST": (
        {
            "breastmnist.npz": npz(
                train_images=GREY[TRAIN],
                train_labels=COLUMN[TRAIN],
                val_images=GREY[VALIDATION],
                val_labels=COLUMN[VALIDATION],
                test_images=GREY[TEST],
                test_labels=COLUMN[TEST],
            )
        },
        THREE,
    ),
    "images and labels": ({"a.npz": npz(images=GREY, labels=LABELS)}, ONE),
    "labels first": ({"a.npz": npz(labels=LABELS, images=GREY)}, ONE),
    "compressed": ({"a.npz": npz(np.savez_compressed, images=GREY, labels=LABELS)}, ONE),
    "X and y": ({"a.npz": npz(X=GREY, y=LABELS)}, ONE),
    "x and y": ({"a.npz": npz(x=GREY, y=LABELS)}, ONE),
    "data and target": ({"a.npz": npz(data=GREY, target=LABELS)}, ONE),
    "data and labels": ({"a.npz": npz(data=GREY, labels=LABELS)}, ONE),
    "image_labels": ({"a.npz": npz(image_data=GREY, image_labels=LABELS)}, ONE),
    "without names": ({"a.npz": npz(np.savez, GREY, LABELS)}, ONE),
    "without names, labels first": ({"a.npz": npz(np.savez, LABELS, GREY)}, ONE),
    "called data, without names": ({"data.npz": npz(np.savez, GREY, LABELS)}, ONE),
    "in a folder called data": ({"data/a.npz": npz(np.savez, GREY, LABELS)}, ONE),
    "others beside them": ({"a.npz": npz(images=GREY, labels=LABELS, mean=GREY.mean(0), ids=LABELS, notes="x")}, ONE),
    "objects beside them": ({"a.npz": npz(images=GREY, labels=LABELS, notes=np.array([{}, None]))}, ONE),
    "a file a split": (
        {
            "train.npz": npz(images=GREY[TRAIN], labels=LABELS[TRAIN]),
            "test.npz": npz(images=GREY[TEST], labels=LABELS[TEST]),
        },
        TWO,
    ),
    "a file a split, without names": (
        {"train.npz": npz(np.savez, GREY[TRAIN], LABELS[TRAIN]), "test.npz": npz(np.savez, GREY[TEST], LABELS[TEST])},
        TWO,
    ),
    "KMNIST": (
        {
            "kmnist-train-imgs.npz": npz(np.savez, GREY[TRAIN]),
            "kmnist-train-labels.npz": npz(np.savez, LABELS[TRAIN]),
            "kmnist-test-imgs.npz": npz(np.savez, GREY[TEST]),
            "kmnist-test-labels.npz": npz(np.savez, LABELS[TEST]),
        },
        TWO,
    ),
    ".npy pair": ({"images.npy": npy(GREY), "labels.npy": npy(LABELS)}, ONE),
    ".npy of one letter": ({"X.npy": npy(GREY), "Y.npy": npy(LABELS)}, ONE),
    ".npy of one letter with a test": (
        {
            "X.npy": npy(GREY[TRAIN]),
            "y.npy": npy(LABELS[TRAIN]),
            "X_test.npy": npy(GREY[TEST]),
            "y_test.npy": npy(LABELS[TEST]),
        },
        TWO,
    ),
    ".npy splits": (
        {
            "x_train.npy": npy(GREY[TRAIN]),
            "y_train.npy": npy(LABELS[TRAIN]),
            "x_val.npy": npy(GREY[VALIDATION]),
            "y_val.npy": npy(LABELS[VALIDATION]),
            "x_test.npy": npy(GREY[TEST]),
            "y_test.npy": npy(LABELS[TEST]),
        },
        THREE,
    ),
    ".npy splits in capitals": (
        {
            "XTrain.npy": npy(GREY[TRAIN]),
            "YTrain.npy": npy(LABELS[TRAIN]),
            "TEST_IMAGES.NPY": npy(GREY[TEST]),
            "testLabels.npy": npy(LABELS[TEST]),
        },
        TWO,
    ),
    ".npy splits in one word": (
        {
            "xtrain.npy": npy(GREY[TRAIN]),
            "ytrain.npy": npy(LABELS[TRAIN]),
            "xtest.npy": npy(GREY[TEST]),
            "ytest.npy": npy(LABELS[TEST]),
        },
        TWO,
    ),
    ".npy in folders of splits": (
        {
            "set/train/images.npy": npy(GREY[TRAIN]),
            "set/train/labels.npy": npy(LABELS[TRAIN]),
            "set/test/images.npy": npy(GREY[TEST]),
            "set/test/labels.npy": npy(LABELS[TEST]),
        },
        TWO,
    ),
    ".npy in folders of kinds": (
        {
            "images/train.npy": npy(GREY[TRAIN]),
            "labels/train.npy": npy(LABELS[TRAIN]),
            "images/test.npy": npy(GREY[TEST]),
            "labels/test.npy": npy(LABELS[TEST]),
        },
        TWO,
    ),
    "a test folder of a project": (
        {"my test run/images.npy": npy(GREY), "my test run/labels.npy": npy(LABELS), "readme.txt": b"x"},
        ONE,
    ),
    "a test part alone": ({"a.npz": npz(x_test=GREY[TEST], y_test=LABELS[TEST])}, {"test": TEST}),
}


@pytest.mark.parametrize("is_folder", [True, False], ids=["folder", "archive"])
@pytest.mark.parametrize(("files", "splits"), KNOWN.values(), ids=list(KNOWN))
def test_arrays_are_known_by_the_names_that_people_give_them(
    files: Files, splits: Mapping[str, slice], is_folder: bool, tmp_path: Path
) -> None:
    tree = folder_of(tmp_path, files) if is_folder else tree_of(files)
    assert is_numpy(tree.files)
    parts = scan_numpy(tree)
    assert list(parts) == list(splits)
    for part, place in splits.items():
        assert holds(parts[part], GREY[place], LABELS[place])


@pytest.mark.parametrize(
    ("images", "expected"),
    [
        (COLOUR, COLOUR),
        (COLOUR.transpose(0, 3, 1, 2), COLOUR),
        (np.asfortranarray(COLOUR), COLOUR),
        (GREY.astype(">u2"), GREY),
        (GREY.astype(np.float32) / 255, GREY),
        (GREY > 127, np.where(GREY > 127, 255, 0)),
    ],
    ids=["colour", "channels first", "Fortran", "big-endian", "floats", "bool"],
)
@pytest.mark.parametrize("is_folder", [True, False], ids=["folder", "archive"])
def test_images_of_any_layout_and_type_come_as_bytes(
    images: ndarray, expected: ndarray, is_folder: bool, tmp_path: Path
) -> None:
    files = {"images.npy": npy(images), "labels.npy": npy(LABELS)}
    tree = folder_of(tmp_path, files) if is_folder else tree_of(files)
    assert holds(scan_numpy(tree)["all"], expected, LABELS)


@pytest.mark.parametrize(
    "labels",
    [np.eye(3)[LABELS], np.eye(3, dtype=bool)[LABELS], np.eye(3, dtype=np.uint8)[LABELS], LABELS.astype(float), COLUMN],
    ids=["one-hot", "one-hot of bool", "one-hot of bytes", "floats", "column"],
)
def test_labels_of_any_kind_become_the_same_classes(labels: ndarray) -> None:
    assert holds(scan_numpy(tree_of({"a.npz": npz(x=GREY, y=labels)}))["all"], GREY, LABELS)


def test_labels_may_be_names() -> None:
    names = np.array(["cat", "dog", "eel", "dog", "cat", "eel"])
    for labels in (names, names.astype("S"), names.astype(">U3")):
        images = scan_numpy(tree_of({"a.npz": npz(x=GREY, y=labels)}))["all"]
        assert (images.classes, images.labels.tolist()) == (("cat", "dog", "eel"), LABELS.tolist())


def test_classes_are_those_of_training_in_the_order_of_numbers() -> None:
    content = npz(x_train=GREY[:4], y_train=[10, 9, 2, 100], x_test=GREY[4:], y_test=[100, 2])
    parts = scan_numpy(tree_of({"a.npz": content}))
    assert parts["train"].classes == parts["test"].classes == ("2", "9", "10", "100")
    assert parts["test"].labels.tolist() == [3, 0]


def test_an_image_is_called_by_its_file_its_array_and_its_number(tmp_path: Path) -> None:
    parts = scan_numpy(folder_of(tmp_path, {"a.npz": npz(x=GREY, y=LABELS)}))
    assert parts["all"].name(3) == f"{tmp_path / 'a.npz[x]'} #3"


def test_bytes_of_a_folder_are_mapped_and_not_read(tmp_path: Path) -> None:
    tree = folder_of(tmp_path, {"images.npy": npy(COLOUR), "labels.npy": npy(LABELS)})
    images = scan_numpy(tree)["all"].images
    with (tmp_path / "images.npy").open("r+b") as file:
        file.seek(-COLOUR.nbytes, 2)
        file.write(b"\x07")
    assert isinstance(images, ndarray)
    assert images[0, 0, 0, 0] == 7


def test_what_is_written_to_mapped_images_never_reaches_the_file(tmp_path: Path) -> None:
    images = scan_numpy(folder_of(tmp_path, {"x.npy": npy(COLOUR), "y.npy": npy(LABELS)}))["all"].images
    assert isinstance(images, ndarray)
    with pytest.raises(ValueError, match="read-only"):
        images[:] = 0
    np.testing.assert_array_equal(np.load(tmp_path / "x.npy"), COLOUR)


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["a.npz"], True),
        (["deep/down/A.NPY", "readme.txt"], True),
        ([], False),
        (["a.npz.txt", "npz"], False),
        (["cat/1.png", "cat/features.npy"], False),
        (["cat/1.JPG", "a.npz"], False),
    ],
)
def test_numpy_files_are_data_unless_there_are_pictures(names: list[str], expected: bool) -> None:
    assert is_numpy(names) is expected


NOT_UNDERSTOOD: dict[str, Files] = {
    "images alone": {"a.npz": npz(images=GREY)},
    "labels alone": {"a.npz": npz(labels=LABELS)},
    "names that say nothing": {"a.npz": npz(foo=GREY, bar=LABELS)},
    "an .npy that says nothing": {"mnist.npy": npy(GREY)},
    "a test without labels": {"a.npz": npz(x=GREY, y=LABELS, x_test=GREY)},
    "all beside train": {"a.npz": npz(x=GREY, y=LABELS, x_train=GREY, y_train=LABELS)},
    "labels with the shape of images": {"a.npz": npz(x=GREY, y=GREY)},
    "images in rows": {"a.npz": npz(x=GREY.reshape(6, 20), y=LABELS)},
    "a volume": {"a.npz": npz(x=GREY[..., None, None], y=LABELS)},
    "structures": {"a.npz": npz(x=np.zeros(3, "i4,f4"), y=LABELS)},
    "nothing": {"a.npz": npz()},
}


@pytest.mark.parametrize("files", NOT_UNDERSTOOD.values(), ids=list(NOT_UNDERSTOOD))
def test_arrays_that_do_not_tell_what_they_are_are_refused_with_what_is_understood(files: Files) -> None:
    with pytest.raises(
        DataError, match=r"data.zip has arrays that do not tell what they are: .* x and y, .* Rename them"
    ):
        scan_numpy(tree_of(files))


def test_the_arrays_that_there_are_are_listed_with_their_types_and_shapes() -> None:
    files = {"a.npz": npz(foo=GREY, bar=LABELS.astype("<i4")), **{f"b{i:02d}.npy": npy(LABELS) for i in range(30)}}
    with pytest.raises(
        DataError, match=r"a.npz\[foo\] \|u1 \(6, 5, 4\); a.npz\[bar\] <i4 \(6,\); .*; and 12 more. Under"
    ) as caught:
        scan_numpy(tree_of(files))
    assert str(caught.value).count("b") < 60


@pytest.mark.parametrize(
    ("files", "sentence"),
    [
        (
            {"a.npz": npz(x=GREY, y=LABELS), "b.npz": npz(x=GREY, y=LABELS)},
            r"has two arrays of images, a.npz\[x\] .* and b.npz\[x\] .*\(6, 5, 4\). Keep one of them",
        ),
        ({"a.npz": npz(x_train=GREY, train_images=GREY)}, r"has two arrays of train images, .* Keep one of them"),
    ],
    ids=["two sets", "two names"],
)
def test_two_arrays_in_one_role_are_refused_by_their_names(files: Files, sentence: str) -> None:
    with pytest.raises(DataError, match=sentence):
        scan_numpy(tree_of(files))


def header_of(text: str, body: bytes = b"", version: int = 1) -> bytes:
    """An .npy file with any header."""
    return (
        b"\x93NUMPY"
        + bytes([version, 0])
        + struct.pack("<H" if version == 1 else "<I", len(text))
        + text.encode()
        + body
    )


def plain(kind: str, shape: str, body: bytes = b"") -> bytes:
    return header_of(f"{{'descr': '{kind}', 'fortran_order': False, 'shape': {shape}, }}", body)


def zip_of(members: Files, method: int = zipfile.ZIP_STORED) -> bytes:
    file = BytesIO()
    with zipfile.ZipFile(file, "w", method) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return file.getvalue()


Y = {"y.npy": npy(LABELS)}
LARGE = noise(6, 200, 200)
DAMAGED: dict[str, tuple[Files, str]] = {
    "objects as images": (
        {"a.npz": npz(x=np.array([[[None]]]), y=LABELS)},
        r"a.npz\[x\] cannot be used: it holds Python objects, which are not read. Save numbers or text: numpy.save",
    ),
    "objects as labels": (
        {"x.npy": npy(GREY), "y.npy": npy(np.array(["cat", 1], object))},
        "y.npy .* holds Python obj",
    ),
    "dates": (
        {"a.npz": npz(x=GREY, y=LABELS.astype("M8[s]"))},
        r"it holds values of the type '<M8\[s\]', which are not",
    ),
    "complex numbers": ({"a.npz": npz(x=GREY.astype(complex), y=LABELS)}, "it holds values of the type '<c16'"),
    "labels in structures": ({"x.npy": npy(GREY), "y.npy": npy(np.zeros(6, "i4,f4"))}, "of the type 'structures'"),
    "text without letters": ({"x.npy": npy(GREY), "y.npy": plain("<U0", "(6,)")}, "of the type '<U0'"),
    "several labels an image": (
        {"a.npz": npz(x=GREY, y=np.array([[1, 0], [1, 1]] * 3))},
        r"row 1 of its labels \(6, 2\) is not a single 1 among zeros, .* Give one number an image",
    ),
    "rows of numbers": ({"a.npz": npz(x=GREY, y=np.array([[0, 2], [0, 1]] * 3))}, "row 0 of its labels"),
    "rows of nothing": ({"a.npz": npz(x=GREY, y=np.full((6, 2), np.nan))}, "row 0 of its labels"),
    "labels that are no numbers": (
        {"a.npz": npz(x=GREY, y=LABELS + 0.5)},
        r"a.npz\[y\] .* the labels have the type float",
    ),
    "names in rows": (
        {"a.npz": npz(x=GREY, y=np.array([["a", "b"]] * 6))},
        r"a.npz\[y\] .* the labels have shape \(6, 2\)",
    ),
    "names that are none": (
        {"x.npy": npy(GREY), "y.npy": plain("<U1", "(6,)", b"\xff" * 24)},
        r"y.npy cannot be used: .*\. Fetch it or save it again",
    ),
    "pixels out of range": ({"a.npz": npz(x=GREY * 300.0, y=LABELS)}, r"a.npz\[x\] .* the pixels run from"),
    "images of four channels": (
        {"a.npz": npz(x=noise(6, 5, 4, 4), y=LABELS)},
        r"a.npz\[x\] .* images have shape \(6, 5",
    ),
    "fewer labels than images": ({"a.npz": npz(x=GREY, y=LABELS[:5])}, r"a.npz\[x\] has 6 images but 5 labels"),
    "a class that training lacks": (
        {"a.npz": npz(x_train=GREY, y_train=LABELS, x_test=GREY[:2], y_test=[0, 7])},
        r"a.npz\[x_test\] has the class '7', which the training images do not have",
    ),
    "no images": ({"a.npz": npz(x=GREY[:0], y=LABELS[:0])}, r"its header promises \(0, 5, 4\) values"),
    "one byte short": (
        {"x.npy": npy(GREY)[:-1], **Y},
        r"x.npy cannot be used: its header promises \(6, 5, 4\) values, 248 bytes in all, and it has 247. Save it again",
    ),
    "one byte long": ({"x.npy": npy(GREY) + b"!", **Y}, "248 bytes in all, and it has 249"),
    "a header that promises the world": (
        {"x.npy": plain("|u1", "(99999999999, 99999999999, 99999999999)"), **Y},
        "its header promises .* and it has 1",
    ),
    "an empty file": (
        {"x.npy": b"", **Y},
        "x.npy cannot be used: it begins with b'' and has no header of NumPy's. Save",
    ),
    "a picture": ({"x.npy": b"\x89PNG\r\n\x1a\n", **Y}, r"it begins with b'\\x89PNG.* and has no header of NumPy's"),
    "the magic alone": ({"x.npy": b"\x93NUMPY", **Y}, "has no header of NumPy's"),
    "half a header": ({"x.npy": npy(GREY)[:60], **Y}, "has no header of NumPy's"),
    "a header of another kind": ({"x.npy": header_of("[1, 2]"), **Y}, "has no header of NumPy's"),
    "a header that is a program": (
        {"x.npy": header_of("{'descr': '|u1', 'fortran_order': False, 'shape': (exit(),), }"), **Y},
        "has no header of NumPy's",
    ),
    "no zip file": ({"a.npz": b"PK\x03\x04"}, "a.npz cannot be used: File is not a zip file"),
    "an empty .npz": ({"a.npz": b""}, "a.npz cannot be used: File is not a zip file"),
    "a zip file cut off": ({"a.npz": npz(x=GREY, y=LABELS)[:-9]}, "a.npz cannot be used: "),
    "a member that is no array": ({"a.npz": zip_of({"x.npy": b"x", **Y})}, "it begins with b'x' and has no header"),
    "a wrong bit": (
        {"a.npz": zip_of({"x.npy": npy(GREY), **Y}).replace(GREY.tobytes(), bytes(GREY.size))},
        r"a.npz cannot be used: Bad CRC-32 for file 'x.npy'. Fetch it or save it again",
    ),
    "a wrong bit far behind the header": (
        {"a.npz": zip_of({"x.npy": npy(LARGE), **Y}).replace(LARGE[-1].tobytes(), bytes(LARGE[-1].size))},
        r"a.npz\[x\] cannot be used: Bad CRC-32 for file 'x.npy'",
    ),
    "another compression": (
        {"a.npz": zip_of({"x.npy": npy(GREY), **Y}, zipfile.ZIP_LZMA)},
        "it is compressed in a way that NumPy does not use. Save it again with numpy.savez_compressed",
    ),
    "a password": (
        {
            "a.npz": zip_of({"x.npy": npy(GREY), **Y}).replace(
                b"PK\x01\x02\x14\x03\x14\x00\x00", b"PK\x01\x02\x14\x03\x14\x00\x01"
            )
        },
        "a.npz cannot be used: .* encrypted",
    ),
    "an array behind the array": (
        {"a.npz": zip_of({"x.npy": npy(GREY) + bytes(10**6), **Y}, zipfile.ZIP_DEFLATED)},
        r"its header promises \(6, 5, 4\) values, 248 bytes in all, and it has 1000248",
    ),
}


@pytest.mark.parametrize("is_folder", [True, False], ids=["folder", "archive"])
@pytest.mark.parametrize(("files", "sentence"), DAMAGED.values(), ids=list(DAMAGED))
def test_what_cannot_be_read_is_refused_with_its_name_and_reason(
    files: Files, sentence: str, is_folder: bool, tmp_path: Path
) -> None:
    tree = folder_of(tmp_path, files) if is_folder else tree_of(files)
    with pytest.raises(DataError, match=sentence):
        scan_numpy(tree)


def test_a_zip_bomb_is_refused_before_it_is_unpacked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(numpy_files, "MAX_BYTES", 10_000)  # the limit is 8 GiB, too much for a test
    content = npz(np.savez_compressed, x=np.zeros((100, 20, 20), np.uint8), y=np.zeros(100))
    with pytest.raises(
        DataError, match=r"its 2 arrays unpack to 4\d{4} bytes; no more than 1000 arrays and 10000 bytes"
    ):
        scan_numpy(tree_of({"a.npz": content}))


def test_an_npz_of_very_many_arrays_is_refused() -> None:
    members = {f"{number}.npy": b"" for number in range(1001)}
    with pytest.raises(DataError, match="its 1001 arrays unpack to 0 bytes; no more than 1000 arrays"):
        scan_numpy(tree_of({"a.npz": zip_of(members)}))


def test_a_file_that_may_not_be_read_is_refused(open_folder: Path) -> None:
    tree = folder_of(open_folder, {"x.npy": npy(GREY), **Y})
    (open_folder / "x.npy").chmod(0)
    with as_an_ordinary_user(), pytest.raises(DataError, match=r"x.npy cannot be used: .*Permission denied"):
        scan_numpy(tree)


def test_headers_of_other_writers_and_versions_are_read() -> None:
    body = GREY.tobytes()
    headers = {
        "other order and quotes": header_of('{"shape":(6,5,4),"descr":"|u1","fortran_order":False}\n', body),
        "Python 2": header_of("{'descr': '|u1', 'fortran_order': False, 'shape': (6L, 5L, 4L), }", body),
        "version 2": header_of("{'descr': '|u1', 'fortran_order': False, 'shape': (6, 5, 4), }", body, version=2),
        "version 3": header_of("{'descr': '|u1', 'fortran_order': False, 'shape': (6, 5, 4), }", body, version=3),
    }
    for name, content in headers.items():
        assert holds(scan_numpy(tree_of({"x.npy": content, **Y}))["all"], GREY, LABELS), name


def spoiled(content: bytes, changes: list[tuple[int, int]], cut: int) -> bytes:
    mutable = bytearray(content)
    for place, value in changes:
        mutable[place % len(mutable)] = value
    return bytes(mutable[: len(mutable) - cut])


SOUND = {
    "a.npz": npz(x=GREY, y=LABELS),
    "b.npz": npz(np.savez_compressed, x=GREY / 255, y=np.eye(3)[LABELS]),
    "x.npy": npy(GREY),
    "y.npy": npy(np.array(["cat", "dog", "eel", "dog", "cat", "eel"])),
}
SPOILED = {
    name: st.builds(
        spoiled,
        st.just(content),
        st.lists(st.tuples(st.integers(0, 140) | st.integers(0, 4000), st.integers(0, 255)), max_size=4),
        st.integers(0, 2),
    )
    for name, content in SOUND.items()
}


@pytest.mark.filterwarnings("ignore::RuntimeWarning")  # of pixels that are not a number, which are refused
@settings(max_examples=300, deadline=None)
@given(
    st.dictionaries(st.sampled_from(["a.npz", "x.npy", "y.npy"]), st.binary(max_size=60), max_size=2)
    | st.fixed_dictionaries({"a.npz": SPOILED["a.npz"]})
    | st.fixed_dictionaries({"a.npz": SPOILED["b.npz"]})
    | st.fixed_dictionaries({"x.npy": SPOILED["x.npy"], "y.npy": SPOILED["y.npy"]})
)
def test_bytes_of_any_kind_are_read_or_refused_and_nothing_else(files: Files) -> None:
    with suppress(DataError):
        for images in scan_numpy(tree_of(files)).values():
            assert isinstance(images.images, ndarray)
            assert images.images.dtype == np.uint8
            assert len(images.images) == len(images)
