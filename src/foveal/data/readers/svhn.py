"""SVHN, house numbers cropped to one digit each, as its authors give it out: "format 2", MATLAB files of two arrays.

They are read here, as scipy.io.loadmat (1.17.1) can take the process down with it: of 1000 files with four bytes
changed, within 64 bytes of their ends, 54 gave a segmentation fault. Only arrays of numbers called X and y are unpacked.

Source: http://ufldl.stanford.edu/housenumbers/: X is (32, 32, 3, N), y is (N, 1) from 1 to 10, and 10 is the digit 0.
MathWorks, "MAT-File Format", section "Level 5": a header of 128 bytes, which ends with the version and the order of
bytes; then data elements, each an array, perhaps compressed, which is made of data elements itself.
"""

import struct
import zlib
from collections.abc import Collection
from math import prod
from typing import NamedTuple

import numpy as np
from jaxtyping import UInt8
from numpy import ndarray

from foveal.data.images import ImageSet, Parts, image_set
from foveal.data.tree import Tree
from foveal.errors import DataError

FILES = {"train_32x32.mat": "train", "test_32x32.mat": "test", "extra_32x32.mat": "extra"}
DIGITS = tuple("0123456789")
VERSION_5 = {b"\x00\x01IM": "<", b"\x01\x00MI": ">"}
VERSION_7_3 = (b"\x00\x02IM", b"\x02\x00MI")
MATRIX, COMPRESSED = 14, 15
NUMBERS = {1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 9: "f8", 12: "i8", 13: "u8"}
CLASSES = range(6, 16)  # of arrays of numbers, from mxDOUBLE_CLASS to mxUINT64_CLASS
COMPLEX = 0x08
HEAD = 512  # bytes: more than the flags, the dimensions and the name of an array take


def is_svhn(names: Collection[str]) -> bool:
    """Whether a file of SVHN is among these, in whatever folder."""
    return any(name.rpartition("/")[2] in FILES for name in names)


def scan_svhn(tree: Tree) -> Parts:
    """The "train" and "test" images of SVHN, as far as they are there; the "extra" ones only where no others are for training.

    Raises DataError for files that are damaged, that are of another version of MATLAB, or that are there twice.
    """
    names: dict[str, str] = {}
    for name in tree.files:
        part = FILES.get(name.rpartition("/")[2])
        if part in names:
            raise DataError(
                f"{tree.origin} has two files of {part} images, {names[part]} and {name}. Keep one of them."
            )
        if part is not None:
            names[part] = name
    if not names:
        raise DataError(f"{tree.origin} has no file of SVHN. They are called {', '.join(FILES)}.")
    chosen = {"train": names.get("train", names.get("extra")), "test": names.get("test")}
    return {part: _read(tree.read(name), tree.path(name)) for part, name in chosen.items() if name is not None}


def _read(content: bytes, path: str) -> ImageSet:
    if content[124:128] in VERSION_7_3 or content.startswith(b"\x89HDF"):
        raise DataError(f"{path} is a MATLAB file of version 7.3. Save it again in MATLAB: save(..., 'X', 'y', '-v7')")
    if content[124:128] not in VERSION_5:
        raise DataError(f"{path} begins with {content[:8]!r} and is no MATLAB file of version 5. Fetch it again.")
    try:
        arrays = _arrays(memoryview(content))
    except (ValueError, struct.error, zlib.error) as error:
        raise DataError(f"{path} cannot be read: {error}. Fetch it again.") from error
    found = ", ".join(f"{name} {array.dtype} {array.shape}" for name, array in arrays.items()) or "neither"
    images, labels = arrays.get("X", np.zeros(0)), arrays.get("y", np.zeros(0))
    count = len(labels)
    if images.dtype != np.uint8 or images.shape != (32, 32, 3, count) or labels.shape != (count, 1) or count == 0:
        raise DataError(
            f"{path} is no file of SVHN: expected X uint8 (32, 32, 3, N) and y (N, 1), found {found}. Fetch it again."
        )
    is_known = np.isin(labels, np.arange(1, 11))
    if not is_known.all():
        raise DataError(f"{path} has the label {labels[~is_known][0]}; those of SVHN are 1 to 10. Fetch it again.")
    digits = [DIGITS[label % 10] for label in labels[:, 0].astype(np.int64).tolist()]
    return image_set(_channels_last(images), digits, DIGITS, path)


def _channels_last(images: UInt8[ndarray, "32 32 3 N"]) -> UInt8[ndarray, "N 32 32 3"]:
    return np.ascontiguousarray(images.transpose(3, 0, 1, 2))


class Head(NamedTuple):
    """What an array begins with; its numbers are at `offset`."""

    name: str
    shape: tuple[int, ...]
    is_plain: bool  # real numbers: neither text, cells and objects, nor complex
    offset: int


def _arrays(content: memoryview) -> dict[str, ndarray]:
    """The arrays of numbers called X and y. Raises ValueError, struct.error or zlib.error for a damaged file."""
    order = VERSION_5[bytes(content[124:128])]
    found: dict[str, ndarray] = {}
    place = 128
    while place < len(content):
        kind, body, place = _element(content, place, order)
        if kind == COMPRESSED:
            body = _unpacked(body, order)
        elif kind != MATRIX:
            raise ValueError(f"it has a data element of type {kind} where an array should be")
        head = _head(body, order)
        if head.name in found:
            raise ValueError(f"it has two arrays called {head.name}")
        if head.name in ("X", "y"):
            found[head.name] = _numbers(body, head, order)
    return found


def _element(view: memoryview, place: int, order: str) -> tuple[int, memoryview, int]:
    """The type and the content of the data element at `place`, and where the next one is."""
    kind, size = struct.unpack_from(f"{order}II", view, place)
    start, end = place + 8, place + 8 + size
    following = end if kind == COMPRESSED else end + -size % 8
    if kind >> 16:  # a small one: its length and type in one word, its content in the other
        kind, size = kind & 0xFFFF, kind >> 16
        start, end, following = place + 4, place + 4 + size, place + 8
    if end > min(following, len(view)):
        raise ValueError(f"a data element promises {size} bytes, which are not there")
    return kind, view[start:end], following


def _unpacked(body: memoryview, order: str) -> memoryview:
    """A compressed array: all of it if it is called X or y, else what it begins with."""
    stream = zlib.decompressobj()
    start = stream.decompress(body, HEAD)
    kind, size = struct.unpack_from(f"{order}II", start)
    if kind != MATRIX:
        raise ValueError(f"it has compressed data of type {kind} where an array should be")
    if _head(memoryview(start)[8:], order).name not in ("X", "y"):
        return memoryview(start)[8:]
    missing = 8 + size - len(start)
    rest = stream.decompress(stream.unconsumed_tail, missing) if missing > 0 else b""
    if stream.decompress(stream.unconsumed_tail, 1) or not stream.eof or len(rest) != missing:
        raise ValueError("its compressed data do not end where they should")
    return memoryview(start + rest)[8:]


def _head(body: memoryview, order: str) -> Head:
    begin = body[:HEAD]
    _, flags, place = _element(begin, 0, order)
    _, sides, place = _element(begin, place, order)
    _, name, place = _element(begin, place, order)
    (bits,) = struct.unpack_from(f"{order}I", flags)
    shape = struct.unpack(f"{order}{len(sides) // 4}i", sides)
    return Head(bytes(name).decode("latin-1"), shape, bits & 0xFF in CLASSES and not bits >> 8 & COMPLEX, place)


def _numbers(body: memoryview, head: Head, order: str) -> ndarray:
    kind, numbers, _ = _element(body, head.offset, order)
    if not head.is_plain or kind not in NUMBERS:
        raise ValueError(f"its {head.name} is no array of real numbers")
    dtype = np.dtype(order + NUMBERS[kind])
    if len(numbers) != prod(head.shape) * dtype.itemsize:
        raise ValueError(f"its {head.name} should have the shape {head.shape}, and has {len(numbers)} bytes")
    return np.frombuffer(numbers, dtype).reshape(head.shape, order="F")
