"""Images and labels as NumPy saves them: an .npz with both, or .npy and .npz files side by side.

Nothing is unpickled, and headers are matched, not evaluated. Which array is which is told by its name.

Source: NumPy's documentation, "numpy.lib.format": magic and version (8 bytes), the length of the header, the header (a
Python dict of 'descr', 'fortran_order' and 'shape'), then the values. An .npz is a zip file of .npy files.
"""

import re
import zipfile
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from io import BytesIO
from math import prod
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy import ndarray

from foveal.data.images import EXTENSIONS, Parts, image_set, in_class_order, with_training_classes
from foveal.data.in_memory import names_of, pixels_of
from foveal.data.split_names import SPLIT_NAMES
from foveal.data.tree import Tree
from foveal.errors import DataError

ENDINGS = (".npy", ".npz")
MAX_BYTES = 8 << 30  # of one .npz, unpacked into memory: what promises more is an attack, or too much
MAX_ARRAYS = 1000
MAX_HEADER = 1 << 16  # bytes: longer are only those of structures with many fields
PLAIN_TYPE = re.compile(r"[<>|=]?(b1|[iu][1248]|f[248]|[SU][1-9]\d{0,3})")
ROLES = {
    "labels": {"y", "labels", "label", "targets", "target"},
    "images": {"x", "images", "image", "imgs", "img", "data"},
}
AXES = {"labels": (1, 2), "images": (3, 4)}
WORD = re.compile(r"(?i:[xy](?=train|val|test))|[A-Z]?[a-z0-9]+|[A-Z]+(?![a-z])")


class Header(NamedTuple):
    """What an .npy file says of its values, which begin at `offset`."""

    kind: str
    shape: tuple[int, ...]
    order: Literal["C", "F"]
    offset: int


Array = tuple[Header, Callable[[], ndarray]]


@dataclass(frozen=True)
class Stored:
    """An array that is not read yet, with the words of the names that lead to it, the nearest name first."""

    name: str
    words: list[list[str]]
    header: Header
    load: Callable[[], ndarray]

    def __str__(self) -> str:
        return f"{self.name[:200]} {self.header.kind[:80]} {self.header.shape}"

    @property
    def part(self) -> str:
        """The split that the nearest name tells, else "all"."""
        return next((SPLIT_NAMES[word] for words in self.words for word in words if word in SPLIT_NAMES), "all")

    @property
    def role(self) -> str | None:
        """What this is by the nearest name that tells; by the shape alone where NumPy gave the name ("arr_0")."""
        by_name = (role for words in self.words for role in ROLES if not ROLES[role].isdisjoint(words))
        by_shape = (role for role, axes in AXES.items() if len(self.header.shape) in axes)
        role = next(by_name, next(by_shape, None) if self.words[0][:1] == ["arr"] else None)
        return role if role is not None and len(self.header.shape) in AXES[role] else None


def is_numpy(names: Collection[str]) -> bool:
    """Whether there are NumPy files among these, and no pictures."""
    lower = [name.lower() for name in names]
    return any(name.endswith(ENDINGS) for name in lower) and not any(name.endswith(EXTENSIONS) for name in lower)


def scan_numpy(tree: Tree) -> Parts:
    """The parts whose images and labels are among the arrays of these files.

    The .npy files of a folder are mapped, not read. Labels are numbers, names or one-hot rows. Raises DataError for
    files that are damaged or hold Python objects, and when the names do not tell which array is what.
    """
    files = [name for name in tree.files if name.lower().endswith(ENDINGS)]
    pairs = _pairs(tree, [array for name in files for array in _arrays_in(tree, name)])
    parts: Parts = {}
    for part, (images, labels) in pairs.items():
        pixels, names = _read(tree, images, pixels_of), _read(tree, labels, _class_names)
        parts[part] = image_set(pixels, names, in_class_order(set(names)), tree.path(images.name))
    return with_training_classes(parts, "Remove its images, or add some to the training images.")


def _pairs(tree: Tree, stored: list[Stored]) -> dict[str, tuple[Stored, Stored]]:
    """The images and the labels of each part. Raises DataError, with a list of all arrays, when they cannot be told."""
    found: dict[tuple[str, str], Stored] = {}
    for array in stored:
        if array.role is None:
            continue
        place = array.part, array.role
        if place in found:
            what = " ".join(place).removeprefix("all ")
            raise DataError(f"{tree.origin} has two arrays of {what}, {found[place]} and {array}. Keep one of them.")
        found[place] = array
    parts = sorted({part for part, _ in found}, key=("train", "all", "validation", "test").index)
    if len(found) != 2 * len(parts) or not parts or {"train", "all"} <= set(parts):
        listed = "; ".join(map(str, stored[:20])) + (f"; and {len(stored) - 20} more" if len(stored) > 20 else "")
        raise DataError(
            f"{tree.origin} has arrays that do not tell what they are: {listed}. Understood are pairs of images, (N, H, W) or "
            "(N, H, W, C), and labels, (N,), named images and labels, x and y, data and target, or arr_0 and arr_1, with "
            "train, val and test in their names where there are several. Rename them."
        )
    # X and y beside X_test and y_test are what is learnt from.
    return {
        "train" if part == "all" and len(parts) > 1 else part: (found[part, "images"], found[part, "labels"])
        for part in parts
    }


def _read(tree: Tree, array: Stored, convert: Callable[[ndarray], Any]) -> Any:
    with _saying_where(tree.path(array.name)):
        return convert(array.load())


@contextmanager
def _saying_where(path: str) -> Iterator[None]:
    try:
        yield
    except Exception as error:  # zipfile raises anything from OSError and zlib.error to NotImplementedError
        reason = " ".join(str(error).split()) or type(error).__name__
        remedy = "" if isinstance(error, DataError) else ". Fetch it or save it again."
        raise DataError(f"{path} cannot be used: {reason}{remedy}") from error


def _class_names(labels: ndarray) -> list[str]:
    """Class names from numbers, from names, or from one-hot rows."""
    if labels.ndim == 2 and labels.shape[1] > 1 and labels.dtype.kind in "biuf":
        is_wrong = (np.count_nonzero(labels, axis=1) != 1) | (labels.max(axis=1) != 1)
        if is_wrong.any():
            raise DataError(
                f"row {is_wrong.argmax()} of its labels {labels.shape} is not a single 1 among zeros, so that they are not "
                "one-hot. Give one number an image."
            )
        labels = labels.argmax(axis=1)
    return names_of(labels)


def _arrays_in(tree: Tree, name: str) -> list[Stored]:
    with _saying_where(tree.path(name)):
        path = tree.origin / name if tree.origin.is_dir() else None
        if name.lower().endswith(".npz"):
            found = _members(path or BytesIO(tree.read(name)))
        else:
            found = {"": _alone(path or tree.read(name))}
    file, *folders = (_words(part) for part in reversed(name[:-4].split("/")))
    outer = [file, *(words for words in folders if len(words) == 1)]
    if len(found) > 1:  # what the file is called says which split all of its arrays are, not which of them is what
        outer = [[word for word in words if word in SPLIT_NAMES] for words in outer]
    return [
        Stored(f"{name}[{key}]" if key else name, ([_words(key)] if key else []) + outer, header, load)
        for key, (header, load) in found.items()
    ]


def _words(name: str) -> list[str]:
    return [word.lower() for word in WORD.findall(name)]


def _alone(source: Path | bytes) -> Array:
    with source.open("rb") if isinstance(source, Path) else BytesIO(source) as file:
        header = _header(file.read(MAX_HEADER))
    return header, partial(_values, source, header)


def _members(source: Path | BytesIO) -> dict[str, Array]:
    with zipfile.ZipFile(source) as archive:
        members = [member for member in archive.infolist() if member.filename.endswith(".npy")]
        size = sum(member.file_size for member in members)
        if size > MAX_BYTES or len(members) > MAX_ARRAYS:
            raise DataError(
                f"its {len(members)} arrays unpack to {size} bytes; no more than {MAX_ARRAYS} arrays and {MAX_BYTES} bytes "
                "are unpacked. Save each as an .npy file, which is not read into memory."
            )
        headers = [_header(_unpacked(archive, member, MAX_HEADER)) for member in members]
    return {
        member.filename.removesuffix(".npy"): (header, partial(_member, source, member, header))
        for member, header in zip(members, headers, strict=True)
    }


def _member(source: Path | BytesIO, member: zipfile.ZipInfo, header: Header) -> ndarray:
    _type(header, member.file_size)  # before anything is unpacked
    with zipfile.ZipFile(source) as archive:
        return _values(_unpacked(archive, member, member.file_size), header)


def _unpacked(archive: zipfile.ZipFile, member: zipfile.ZipInfo, count: int) -> bytes:
    if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):  # others unpack more than is asked for
        raise DataError("it is compressed in a way that NumPy does not use. Save it again with numpy.savez_compressed.")
    with archive.open(member) as file:
        return file.read(count)


def _header(start: bytes) -> Header:
    width = 2 if start[6:7] == b"\x01" else 4
    offset = 8 + width + int.from_bytes(start[8 : 8 + width], "little")
    text = start[8 + width : offset].decode("latin-1")
    kind = re.search(r"""['"]descr['"]\s*:\s*['"]([^'"]*)['"]""", text)
    order = re.search(r"""['"]fortran_order['"]\s*:\s*(True|False)""", text)
    shape = re.search(r"""['"]shape['"]\s*:\s*\(([\d\s,L]{0,200})\)""", text)
    if not start.startswith(b"\x93NUMPY") or offset > len(start) or order is None or shape is None:
        raise DataError(f"it begins with {start[:8]!r} and has no header of NumPy's. Save it again with numpy.save.")
    sides = tuple(int(side) for side in re.findall(r"\d+", shape[1]))
    return Header(kind[1] if kind else "structures", sides, "F" if order[1] == "True" else "C", offset)


def _values(source: Path | bytes, header: Header) -> ndarray:
    """The values of an .npy file; those on disk are mapped in mode "c", as torch wants memory that may be written."""
    dtype = _type(header, source.stat().st_size if isinstance(source, Path) else len(source))
    if isinstance(source, Path):
        return np.memmap(source, dtype, mode="r", offset=header.offset, shape=header.shape, order=header.order)
    return np.frombuffer(source, dtype, offset=header.offset).reshape(header.shape, order=header.order)


def _type(header: Header, size: int) -> "np.dtype[Any]":
    """The type of plain values, after what the header promises agrees with the size of the file."""
    if not PLAIN_TYPE.fullmatch(header.kind):
        what = "Python objects" if "O" in header.kind else f"values of the type {header.kind[:80]!r}"
        raise DataError(
            f"it holds {what}, which are not read. Save numbers or text: numpy.save(path, numpy.stack(list(array)))"
        )
    dtype = np.dtype(header.kind)
    expected = header.offset + prod(header.shape) * dtype.itemsize
    if size != expected or 0 in header.shape:
        raise DataError(
            f"its header promises {header.shape} values, {expected} bytes in all, and it has {size}. Save it again."
        )
    return dtype
