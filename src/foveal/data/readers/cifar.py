"""CIFAR-10 and CIFAR-100 as their authors give them out: "binary version" and "python version".

Source: https://www.cs.toronto.edu/~kriz/cifar.html. A picture is 3072 bytes: its 32x32 red values, then green, then blue.
"""

from collections import defaultdict
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import UInt8
from numpy import ndarray

from foveal.data.images import EXTENSIONS, ImageSet, Parts, image_set
from foveal.data.readers.plain_pickle import read_plain_pickle
from foveal.data.tree import Tree
from foveal.errors import DataError

PIXELS = 3 * 32 * 32


@dataclass(frozen=True)
class Form:
    """One of the forms that CIFAR comes in: its files, and what is in them."""

    title: str
    train: tuple[str, ...]
    test: str
    class_names: str  # the file that names the classes
    num_classes: int
    is_pickle: bool
    beside: tuple[str, ...] = ()  # one of these must be there too: others call their files `train` as well

    @property
    def label_bytes(self) -> int:
        """CIFAR-100 gives a coarse label, which is not used here, before the fine one."""
        return 1 if self.num_classes == 10 else 2

    @property
    def prefix(self) -> str:
        """What the keys of the python version begin with."""
        return "" if self.num_classes == 10 else "fine_"


BATCHES = tuple(f"data_batch_{number}" for number in range(1, 6))
BINARY_BATCHES = tuple(f"{batch}.bin" for batch in BATCHES)
NAMES_100 = ("fine_label_names.txt", "coarse_label_names.txt")
FORMS = (
    Form("CIFAR-10", BINARY_BATCHES, "test_batch.bin", "batches.meta.txt", 10, False),
    Form("CIFAR-10", BATCHES, "test_batch", "batches.meta", 10, True),
    Form("CIFAR-100", ("train.bin",), "test.bin", NAMES_100[0], 100, False, beside=NAMES_100),
    Form("CIFAR-100", ("train",), "test", "meta", 100, True, beside=("meta",)),
)
FILES = {name for form in FORMS for name in (*form.train, form.test, *form.beside)}


def is_cifar(names: Collection[str]) -> bool:
    """Whether the files of CIFAR-10 or CIFAR-100 are among these, in whatever folder."""
    return bool(_places(names))


def scan_cifar(tree: Tree) -> Parts:
    """The "train" and "test" images of CIFAR-10 or CIFAR-100 (with its fine labels), as far as their files are there.

    Classes have the names that the files give them, else their numbers. Raises DataError for files that are damaged.
    """
    places = _places(tree.files)
    if len(places) != 1:
        found = "".join(f", {title} in {folder or 'it directly'}" for folder, title in places)
        raise DataError(
            f"{tree.origin} holds {len(places)} data sets of the CIFAR family{found}. Name a folder with one of them."
        )
    (((folder, _), form),) = places.items()
    classes = _class_names(tree, _below(folder, form.class_names), form)
    files = {"train": [_below(folder, name) for name in form.train], "test": [_below(folder, form.test)]}
    there = {part: [name for name in names if name in tree.files] for part, names in files.items()}
    return {
        part: _read_files(tree, names, form, classes, f"{tree.path(folder)} {part}")
        for part, names in there.items()
        if names
    }


def _below(folder: str, name: str) -> str:
    return f"{folder}/{name}" if folder else name


def _places(names: Collection[str]) -> dict[tuple[str, str], Form]:
    """The form of each data set, by its folder and title; of two forms in one folder the first of FORMS."""
    inside: dict[str, set[str]] = defaultdict(set)
    for name in names:
        folder, _, file = name.rpartition("/")
        if file in FILES:
            inside[folder].add(file)
    has_pictures = bool(inside) and any(name.lower().endswith(EXTENSIONS) for name in names)
    found: dict[tuple[str, str], Form] = {}
    for folder, files in sorted(inside.items()):
        for form in FORMS:
            is_sure = not form.beside or (not files.isdisjoint(form.beside) and not has_pictures)
            if is_sure and not files.isdisjoint((*form.train, form.test)):
                found.setdefault((folder, form.title), form)
    return found


def _read_files(tree: Tree, names: list[str], form: Form, classes: tuple[str, ...], origin: str) -> ImageSet:
    read = _read_pickle if form.is_pickle else _read_binary
    batches = [read(tree.read(name), form, tree.path(name)) for name in names]
    images = np.concatenate([images for images, _ in batches])
    return image_set(images, [classes[label] for _, labels in batches for label in labels], classes, origin)


Batch = tuple[UInt8[ndarray, "N 32 32 3"], list[int]]


def _read_binary(content: bytes, form: Form, path: str) -> Batch:
    size = form.label_bytes + PIXELS
    if not content or len(content) % size:
        raise DataError(
            f"{path} has {len(content)} bytes, which is not a number of images of {form.title}: each takes {size}, "
            f"{form.label_bytes} for its label and {PIXELS} for its pixels. Fetch it again."
        )
    records = np.frombuffer(content, np.uint8).reshape(-1, size)
    labels = records[:, form.label_bytes - 1].tolist()
    return _images(records[:, form.label_bytes :]), _checked(labels, form, path)


def _read_pickle(content: bytes, form: Form, path: str) -> Batch:
    batch = _read_dict(content, form, path)
    pixels, labels = _entry(batch, "data"), _entry(batch, f"{form.prefix}labels")
    labels = labels.tolist() if isinstance(labels, ndarray) else labels
    if not isinstance(pixels, ndarray) or pixels.dtype != np.uint8 or pixels.shape[1:] != (PIXELS,) or not len(pixels):
        raise DataError(
            f"{path} has no images of {form.title}: under 'data' it has {_described(pixels)}, expected bytes (N, {PIXELS}). "
            "Fetch it again."
        )
    if not isinstance(labels, list) or len(labels) != len(pixels):
        raise DataError(
            f"{path} has {len(pixels)} images, and under '{form.prefix}labels' {_described(labels)}; expected one number "
            "an image. Fetch it again."
        )
    return _images(pixels), _checked(labels, form, path)


def _images(planes: UInt8[ndarray, "N 3072"]) -> UInt8[ndarray, "N 32 32 3"]:
    return np.ascontiguousarray(planes.reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1))


def _checked(labels: list[Any], form: Form, path: str) -> list[int]:
    for number, label in enumerate(labels):
        if type(label) is not int or not 0 <= label < form.num_classes:
            shown = label if type(label) is int and abs(label) < 1 << 64 else _described(label)
            raise DataError(
                f"the label of image {number} in {path} is {shown}; those of {form.title} are 0 to {form.num_classes - 1}. "
                "Fetch it again."
            )
    return labels


def _read_dict(content: bytes, form: Form, path: str) -> dict[Any, Any]:
    try:
        value = read_plain_pickle(content)
    except DataError as error:
        raise DataError(f"{path} is not the file of {form.title} that its name says: {error}") from error
    if not isinstance(value, dict):
        raise DataError(f"{path} holds {_described(value)}, where {form.title} has a dict. Fetch it again.")
    return value


def _entry(batch: dict[Any, Any], key: str) -> Any:
    """What is under a key; Python 2, which wrote the official files, wrote it as bytes."""
    return batch.get(key.encode(), batch.get(key))


def _described(value: Any) -> str:
    if isinstance(value, ndarray):
        return f"an array of {value.dtype} {value.shape}"
    if isinstance(value, list | tuple | dict):
        return f"a {type(value).__name__} of {len(value)}"
    return "nothing" if value is None else f"a value of type {type(value).__name__}"


def _class_names(tree: Tree, name: str, form: Form) -> tuple[str, ...]:
    """The names of the classes in the order of their labels, or their numbers where no file names them."""
    if name not in tree.files:
        return tuple(str(number) for number in range(form.num_classes))
    path, content = tree.path(name), tree.read(name)
    entry = (
        _entry(_read_dict(content, form, path), f"{form.prefix}label_names") if form.is_pickle else content.split(b"\n")
    )
    lines = entry if isinstance(entry, list) else []
    try:
        text = [line.decode() if isinstance(line, bytes) else line for line in lines if isinstance(line, str | bytes)]
    except UnicodeDecodeError as error:
        raise DataError(f"the names of the classes in {path} are no text: {error}. Fetch it again.") from error
    names = tuple(line.strip() for line in text if line.strip())
    if len(names) != form.num_classes or len(set(names)) != form.num_classes:
        raise DataError(
            f"{path} has {len(set(names))} different names of classes; {form.title} has {form.num_classes}. Fetch it again."
        )
    return names
