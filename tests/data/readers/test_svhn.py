"""SVHN in MATLAB files that are put together here to MathWorks' description, and by scipy; and what is no SVHN."""

import struct
import zlib
from contextlib import suppress
from io import BytesIO
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
from data_helpers import noise
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy import ndarray
from scipy.io import savemat

from foveal.data.readers.svhn import is_svhn, scan_svhn
from foveal.data.tree import Stamp, Tree, open_folder
from foveal.errors import DataError

IMAGES = noise(4, 32, 32, 3)
LABELS = [1, 9, 10, 2]  # 10 is the digit 0
DIGITS = [1, 9, 0, 2]
Files = dict[str, bytes]


def element(kind: int, content: bytes, order: str = "<") -> bytes:
    """A data element of level 5: its type and length, its content, zeros up to a multiple of eight bytes."""
    return struct.pack(f"{order}II", kind, len(content)) + content + bytes(-len(content) % 8)


def matrix(name: bytes, shape: tuple[int, ...], content: bytes, kind: int = 9, order: str = "<") -> bytes:
    """A numeric array of bytes (class 9, mxUINT8_CLASS; 6 is mxDOUBLE_CLASS), in the order of Fortran."""
    parts = (
        element(6, struct.pack(f"{order}II", kind, 0), order),  # miUINT32: flags and class
        element(5, struct.pack(f"{order}{len(shape)}i", *shape), order),  # miINT32: dimensions
        element(1, name, order),  # miINT8
        element(2, content, order),  # miUINT8
    )
    return element(14, b"".join(parts), order)  # miMATRIX


HEADER = b"MATLAB 5.0 MAT-file".ljust(116) + bytes(8) + b"\x00\x01IM"


def by_hand(images: ndarray, labels: list[int], order: str = "<") -> bytes:
    pixels = np.transpose(images, (1, 2, 3, 0))
    return (
        (HEADER if order == "<" else HEADER[:-4] + b"\x01\x00MI")
        + matrix(b"X", pixels.shape, pixels.tobytes(order="F"), order=order)
        + matrix(b"y", (len(labels), 1), bytes(labels), kind=6, order=order)
    )


def packed(array: bytes) -> bytes:
    """An array as a compressed data element, which has no zeros behind it."""
    content = zlib.compress(array)
    return struct.pack("<II", 15, len(content)) + content


def mat(compressed: bool = False, format: Literal["4", "5"] = "5", **arrays: Any) -> bytes:
    file = BytesIO()
    savemat(file, arrays, do_compression=compressed, format=format)
    return file.getvalue()


X = np.transpose(IMAGES, (1, 2, 3, 0))
SMALL_Y = element(  # with its name and its numbers in the words of their lengths
    14,
    element(6, struct.pack("<II", 9, 0)) + element(5, struct.pack("<ii", 4, 1)) + b"\x01\0\x01\0y\0\0\0"
    b"\x02\0\x04\0" + bytes(LABELS),
)
COLUMN = np.array(LABELS, np.uint8)[:, None]
WRITTEN = {
    "by hand": by_hand(IMAGES, LABELS),
    "by hand, big-endian": by_hand(IMAGES, LABELS, order=">"),
    "by hand, compressed": HEADER + packed(matrix(b"X", X.shape, X.tobytes(order="F"))) + packed(SMALL_Y),
    "by scipy": mat(X=X, y=COLUMN),
    "compressed": mat(compressed=True, X=X, y=COLUMN.astype(np.float64)),
    "labels first": mat(y=COLUMN, X=X),
    "other arrays beside, compressed": mat(compressed=True, names=np.array(["a", "b"]), X=X, z=noise(9, 99), y=COLUMN),
    "another array beside": mat(names=np.array(["a", "b"]), X=X, struct={"a": 1}, y=COLUMN),
}


def tree_of(files: Files) -> Tree:
    """The files inside of an archive."""
    return Tree(Path("svhn.zip"), {name: Stamp(len(files[name]), 0) for name in sorted(files)}, files.__getitem__)


@pytest.mark.parametrize("content", WRITTEN.values(), ids=list(WRITTEN))
def test_the_images_come_upright_and_ten_is_the_digit_zero(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "train_32x32.mat").write_bytes(content)
    tree = open_folder(tmp_path)
    assert is_svhn(tree.files)
    parts = scan_svhn(tree)
    assert list(parts) == ["train"]
    images = parts["train"]
    np.testing.assert_array_equal(images.images, IMAGES)
    assert images.labels.tolist() == DIGITS
    assert images.classes == tuple("0123456789")
    assert images.name(2) == f"{tmp_path / 'train_32x32.mat'} #2"


@pytest.mark.parametrize(
    ("counts", "expected"),
    [
        ({"train": 1, "test": 2}, {"train": 1, "test": 2}),
        ({"train": 1, "test": 2, "extra": 3}, {"train": 1, "test": 2}),
        ({"extra": 3, "test": 2}, {"train": 3, "test": 2}),
        ({"test": 2}, {"test": 2}),
        ({"extra": 3}, {"train": 3}),
    ],
    ids=str,
)
@pytest.mark.parametrize("folder", ["", "svhn/"])
def test_extra_images_are_read_only_where_there_are_no_others_to_train_on(
    counts: dict[str, int], expected: dict[str, int], folder: str
) -> None:
    files = {f"{folder}{name}_32x32.mat": by_hand(IMAGES[:n], LABELS[:n]) for name, n in counts.items()}
    parts = scan_svhn(tree_of(files))
    assert {part: len(images) for part, images in parts.items()} == expected


@pytest.mark.parametrize("names", [[], ["train.mat"], ["train_32x32.mat/a.png"], ["my_train_32x32.mat"]], ids=str)
def test_other_files_are_not_taken_for_svhn(names: list[str]) -> None:
    assert not is_svhn(names)


@pytest.mark.parametrize(
    ("names", "sentence"),
    [
        (["a.mat"], "svhn.zip has no file of SVHN. They are called train_32x32.mat, test_32x32.mat, extra_32x32.mat"),
        (
            ["a/test_32x32.mat", "b/test_32x32.mat"],
            "svhn.zip has two files of test images, a/test_32x32.mat and b/test_32x32.mat. Keep one of them",
        ),
    ],
    ids=["none", "two"],
)
def test_none_and_two_files_of_one_part_are_refused(names: list[str], sentence: str) -> None:
    with pytest.raises(DataError, match=sentence):
        scan_svhn(tree_of(dict.fromkeys(names, b"")))


SOUND = by_hand(IMAGES, LABELS)
DAMAGED = {
    "an empty file": (b"", "begins with b'' and is no MATLAB file of version 5. Fetch it again"),
    "a picture": (b"\x89PNG\r\n\x1a\n" + bytes(200), r"begins with b'\\x89PNG.*' and is no MATLAB file of version 5"),
    "version 4": (mat(format="4", y=COLUMN), "is no MATLAB file of version 5"),
    "version 7.3": (
        b"MATLAB 7.3 MAT-file".ljust(124) + b"\x00\x02IM" + bytes(400),
        "is a MATLAB file of version 7.3. Save it again in MATLAB",
    ),
    "HDF5": (b"\x89HDF\r\n\x1a\n" + bytes(400), "is a MATLAB file of version 7.3. Save it again in MATLAB"),
    "a header alone": (HEADER, r"expected X uint8 \(32, 32, 3, N\) and y \(N, 1\), found neither. Fetch it again"),
    "cut off in the labels": (SOUND[:-9], "cannot be read: a data element promises 64 bytes, .* Fetch it again"),
    "cut off in the images": (SOUND[:5000], "cannot be read: a data element promises 12352 bytes, which are not there"),
    "cut off in a length": (SOUND + b"\x0e\0\0", "cannot be read: unpack_from requires a buffer of .* Fetch it again"),
    "labels alone": (mat(y=COLUMN), r"is no file of SVHN: .* found y uint8 \(4, 1\). Fetch it again"),
    "images alone": (mat(X=X), r"is no file of SVHN: .* found X uint8 \(32, 32, 3, 4\). Fetch it again"),
    "images twice": (SOUND + SOUND[128:], "cannot be read: it has two arrays called X. Fetch it again"),
    "images of another size": (mat(X=X[:28, :28], y=COLUMN), r"found X uint8 \(28, 28, 3, 4\), y uint8 \(4, 1\)"),
    "fewer labels": (mat(X=X, y=COLUMN[:3]), r"found X uint8 \(32, 32, 3, 4\), y uint8 \(3, 1\)"),
    "labels in a row": (mat(X=X, y=COLUMN.T), r"y uint8 \(1, 4\)"),
    "no image at all": (mat(X=X[..., :0], y=COLUMN[:0]), r"X uint8 \(32, 32, 3, 0\)"),
    "numbers for images": (mat(X=X.astype(np.float64), y=COLUMN), r"found X float64 \(32, 32, 3, 4\)"),
    "text for labels": (mat(X=X, y=np.array(["a", "b", "c", "d"])), "its y is no array of real numbers"),
    "cells for labels": (mat(X=X, y=COLUMN.astype(object)), "its y is no array of real numbers"),
    "structures for images": (mat(X={"a": X}, y=COLUMN), "its X is no array of real numbers"),
    "complex labels": (mat(X=X, y=COLUMN * 1j), "its y is no array of real numbers"),
    "numbers of an unknown type": (
        HEADER + matrix(b"y", (4, 1), bytes(4)).replace(element(2, bytes(4)), element(99, bytes(4))),
        "its y is no array of real numbers",
    ),
    "an element of another type": (
        HEADER + element(9, bytes(8)),
        "has a data element of type 9 where an array should be",
    ),
    "compressed numbers": (
        HEADER + packed(element(9, bytes(8))),
        "has compressed data of type 9 where an array should be",
    ),
    "compressed nonsense": (HEADER + element(15, b"nonsense"), "cannot be read: Error -3 while decompressing"),
    "compressed and cut off": (mat(compressed=True, X=X, y=COLUMN)[:5000], "a data element promises 1.* are not there"),
    "compressed without an end": (
        HEADER + element(15, zlib.compress(SMALL_Y)[:-4]),
        "compressed data do not end where",
    ),
    "compressed without half of it": (HEADER + element(15, zlib.compress(SOUND[128:])[:6000]), "do not end where they"),
    "compressed with a wrong sum": (
        HEADER + element(15, zlib.compress(SMALL_Y)[:-4] + b"1234"),
        "cannot be read: Error -3 while decompressing data: incorrect data check",
    ),
    "compressed with more behind it": (
        HEADER + packed(SMALL_Y + bytes(8)),
        "compressed data do not end where they should",
    ),
    "a small element that is too large": (HEADER + b"\x01\0\x05\0abcd", "a data element promises 5 bytes"),
    "a length that no file has": (
        HEADER + matrix(b"X", (32, 32, 3, 2**31 - 1), b""),
        r"its X should have the shape \(32, 32, 3, 2147483647\), and has 0 bytes",
    ),
    "a length below zero": (HEADER + matrix(b"y", (-2, -2), bytes(4)), "cannot be read: .* Fetch it again"),
    "the label 0": (mat(X=X, y=COLUMN - 1), "has the label 0; those of SVHN are 1 to 10. Fetch it again"),
    "the label 11": (mat(X=X, y=COLUMN + 1), "has the label 11; those of SVHN are 1 to 10"),
    "half a label": (mat(X=X, y=COLUMN + 0.5), "has the label 1.5; those of SVHN are 1 to 10"),
    "a label that is no number": (mat(X=X, y=COLUMN * np.nan), "has the label nan; those of SVHN are 1 to 10"),
}


@pytest.mark.parametrize(("content", "sentence"), DAMAGED.values(), ids=list(DAMAGED))
def test_a_file_that_is_no_svhn_is_refused_with_its_reason(content: bytes, sentence: str) -> None:
    with pytest.raises(DataError, match=rf"svhn.zip/test_32x32.mat .*{sentence}"):
        scan_svhn(tree_of({"test_32x32.mat": content}))


def spoiled(content: bytes, changes: list[tuple[int, int]], cut: int) -> bytes:
    mutable = bytearray(content)
    for place, value in changes:
        mutable[place % len(mutable)] = value
    return bytes(mutable[: len(mutable) - cut])


ONE_IMAGE = [by_hand(IMAGES[:1], LABELS[:1]), mat(compressed=True, X=X, y=COLUMN), WRITTEN["another array beside"]]
PLACES = st.integers(0, 260) | st.integers(-130, -1) | st.integers(0, 12_000)


@settings(max_examples=250, deadline=None)
@given(
    st.binary(max_size=200).map(lambda tail: HEADER + tail)
    | st.builds(
        spoiled,
        st.sampled_from(ONE_IMAGE),
        st.lists(st.tuples(PLACES, st.integers(0, 255)), max_size=4),
        st.integers(0, 3),
    )
)
def test_bytes_of_any_kind_are_read_or_refused_and_nothing_else(content: bytes) -> None:
    with suppress(DataError):
        images = scan_svhn(tree_of({"train_32x32.mat": content}))["train"]
        assert isinstance(images.images, ndarray)
        assert images.images.shape == (len(images), 32, 32, 3)
