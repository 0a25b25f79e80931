"""Labelled images that are not decoded yet: which there are, what they are called, what they are told apart by."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from jaxtyping import Int64, UInt8
from numpy import ndarray

from foveal.data.tree import Stamp, Tree
from foveal.errors import DataError

EXTENSIONS = (".png", ".jpg", ".jpeg", ".jfif", ".gif", ".bmp", ".tif", ".tiff", ".webp", ".ppm", ".pgm", ".pbm")
MAX_FILE = 1 << 29  # bytes; a sparse file of terabytes would be read into memory


@dataclass(frozen=True)
class Files:
    """Pictures as they are kept: their names in a tree (a folder or an archive).

    `missing` are those that a table names and that are not there, with the sentence that says so.
    """

    tree: Tree
    names: tuple[str, ...]
    missing: Mapping[str, str] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.names)

    def read(self, index: int) -> bytes:
        """The bytes of one picture's file. Raises DataError, also for one that is missing, or too large to be a picture."""
        name = self.names[index]
        if name in self.missing:
            raise DataError(self.missing[name])
        size = self.tree.files[name].size
        if size > MAX_FILE:
            raise DataError(
                f"{self.tree.path(name)} has {size >> 20:,} MB, and files above {MAX_FILE >> 20} are not read as pictures. "
                "Make it smaller, or remove it."
            )
        return self.tree.read(name)

    def stamp(self, name: str) -> Stamp:
        """The size and the time of one picture's file; zeros for one that is missing."""
        return Stamp(0, 0) if name in self.missing else self.tree.files[name]


@dataclass(frozen=True)
class ImageSet:
    """Images with their labels. `numbers` say which ones of `images` are meant; image i is `images` number `numbers[i]`.

    `images` are files, or an array (N, H, W, C) that is in memory (or mapped) already; sets that were taken out of one
    another share them. `labels` index `classes`. Images with the same entry in `groups` (a person, a video) must not be
    divided between splits. `content_ids` are those of an array's `images` where a reader knows them already.
    """

    images: Files | UInt8[ndarray, "N H W C"]
    labels: Int64[ndarray, " M"]
    classes: tuple[str, ...]
    origin: str
    numbers: Int64[ndarray, " M"]
    groups: tuple[str, ...] | None = None
    content_ids: tuple[str, ...] | None = None

    def __len__(self) -> int:
        return len(self.labels)

    def take(self, indices: Int64[ndarray, " L"]) -> "ImageSet":
        """These images only, in this order; nothing is copied but their labels."""
        groups = None if self.groups is None else tuple(self.groups[i] for i in indices)
        return replace(self, labels=self.labels[indices], numbers=self.numbers[indices], groups=groups)

    def name(self, index: int) -> str:
        """How a report calls one image: its path, or its number in the file that it came from."""
        number = self.numbers[index]
        if isinstance(self.images, Files):
            return self.images.tree.path(self.images.names[number])
        return f"{self.origin} #{number}"

    @property
    def names(self) -> list[str]:
        """The images' names within their folder, archive or array."""
        if isinstance(self.images, Files):
            return [self.images.names[number] for number in self.numbers.tolist()]
        return [f"#{number}" for number in self.numbers.tolist()]


Parts = dict[str, ImageSet]  # by "train", "validation" and "test", or "all" where the data do not divide them


def image_set(
    images: Files | UInt8[ndarray, "N H W C"], labels: Sequence[str], classes: tuple[str, ...], origin: str
) -> ImageSet:
    """An ImageSet of all of `images`, from one class name an image. Raises DataError when the counts differ."""
    if len(images) != len(labels):
        raise DataError(f"{origin} has {len(images)} images but {len(labels)} labels. Each image needs one label.")
    index = {name: number for number, name in enumerate(classes)}
    numbers = np.array([index[name] for name in labels], dtype=np.int64)
    return ImageSet(images, numbers, classes, origin, np.arange(len(labels)))


def with_classes(images: ImageSet, classes: tuple[str, ...], *, known_to: str, remedy: str) -> ImageSet:
    """The same images with labels that index `classes`. Raises DataError, naming a class that is not among them."""
    strangers = sorted({images.classes[label] for label in np.unique(images.labels)} - set(classes))
    if strangers:
        raise DataError(
            f"{images.origin} has the class {strangers[0]!r}, which {known_to}. "
            f"The classes known are: {', '.join(classes[:20])}{', ...' if len(classes) > 20 else ''}. {remedy}"
        )
    index = {name: number for number, name in enumerate(classes)}
    table = np.array([index.get(name, -1) for name in images.classes], dtype=np.int64)
    return replace(images, labels=table[images.labels], classes=classes)


def with_training_classes(parts: Parts, remedy: str) -> Parts:
    """The parts with one list of classes, that of the training images (or of all, or of the first part there is).

    Raises DataError, naming a class that only another part has.
    """
    base = parts.get("train") or parts.get("all") or next(iter(parts.values()))
    lacking = "the training images do not have"
    return {part: with_classes(each, base.classes, known_to=lacking, remedy=remedy) for part, each in parts.items()}


def in_class_order(labels: set[str]) -> tuple[str, ...]:
    """Class names in order: whole numbers by their value ("2" before "10"), then all others by their letters."""
    numbers = {name for name in labels if name.isdecimal()}
    # By length instead of int(), which refuses thousands of digits.
    by_value = sorted(numbers, key=lambda name: (len(name.lstrip("0")), name.lstrip("0"), name))
    return (*by_value, *sorted(labels - numbers))


def digest(content: bytes | memoryview) -> str:
    """What tells one content from another: 16 hexadecimal digits of its BLAKE2b hash."""
    return hashlib.blake2b(content, digest_size=8).hexdigest()


def array_ids(images: UInt8[ndarray, "N H W C"], numbers: Int64[ndarray, " M"]) -> tuple[str, ...]:
    """The `digest` of each of these images' pixels, read one after another."""
    if not images.flags.c_contiguous or images[:1].nbytes == 0:
        return tuple(digest(np.ascontiguousarray(images[i]).data) for i in numbers)
    # Slices of one view of bytes: to index the array for each image would take as long as to hash it.
    size, content = images[0].nbytes, images.reshape(-1).view(np.uint8).data
    return tuple(digest(content[i * size : (i + 1) * size]) for i in numbers.tolist())
