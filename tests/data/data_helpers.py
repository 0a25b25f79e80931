"""What the tests of foveal.data share: writers of IDX files and pictures, and the MNIST digits read without foveal."""

import gzip
import os
import resource
import struct
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from numpy import ndarray
from PIL import Image

from foveal.data.images import Files, ImageSet, image_set
from foveal.data.index import facts_of
from foveal.data.sources import Data
from foveal.data.tree import Stamp, Tree, reader

FILES = Path(__file__).parents[1] / "files"
BUNDLED_MNIST = Path(__file__).parents[2] / "src/foveal/data/bundled/mnist"
NOBODY = 65534


def idx_bytes(array: ndarray) -> bytes:
    """An IDX file of unsigned bytes, put together as Y. LeCun's page specifies it."""
    return struct.pack(">HBB", 0, 0x08, array.ndim) + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()


def write_idx(folder: Path, stem: str, images: ndarray | None, labels: Sequence[int] | None) -> Path:
    """`stem-images-idx3-ubyte` and `stem-labels-idx1-ubyte` in the folder, whichever is given."""
    folder.mkdir(parents=True, exist_ok=True)
    if images is not None:
        (folder / f"{stem}-images-idx{images.ndim}-ubyte").write_bytes(idx_bytes(images))
    if labels is not None:
        (folder / f"{stem}-labels-idx1-ubyte").write_bytes(idx_bytes(np.array(labels, dtype=np.uint8)))
    return folder


@cache
def mnist_digits(count: int = 200) -> ndarray:
    """The first MNIST training images, uint8 (count, 28, 28), by gzip and NumPy alone."""
    with gzip.open(BUNDLED_MNIST / "train-images-idx3-ubyte.gz") as file:
        return np.frombuffer(file.read(16 + count * 784), np.uint8, offset=16).reshape(count, 28, 28)


def write_picture(path: Path, pixels: ndarray) -> Path:
    """One picture at `path`, with its folders; the name's ending chooses the format."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)
    return path


def write_class_folders(root: Path, counts: dict[str, int], first: int = 0) -> Path:
    """MNIST digits as PNG files, `counts[name]` of them in each class folder, no two alike."""
    number = first
    for name, count in counts.items():
        for _ in range(count):
            write_picture(root / name / f"{number:03d}.png", mnist_digits()[number])
            number += 1
    return root


def noise(count: int, *shape: int, seed: int = 0) -> ndarray:
    """Random images, uint8 (count, *shape), no two alike."""
    return np.random.default_rng(seed).integers(0, 256, (count, *shape), dtype=np.uint8)


@contextmanager
def as_an_ordinary_user() -> Iterator[None]:
    """Root may read everything; while this lasts it is nobody, whom file modes do keep out."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)


@contextmanager
def files_of_at_most(size: int) -> Iterator[None]:
    """No file of this process may become larger than so many bytes, as on a disk that is full."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def skip_unless(is_there: bool, reason: str) -> None:
    """Skip a test for want of something outside the clone; under CI=true, where it is installed, fail instead."""
    if is_there:
        return
    if os.environ.get("CI") == "true":
        pytest.fail(f"CI must have it: {reason}")
    pytest.skip(reason)


def files_in(folder: Path, *names: str) -> Files:
    """These files of a folder, whether they are there or not."""
    stamps = {name: Stamp(*(found(folder / name))) for name in names}
    return Files(Tree(folder, stamps, reader(folder)), names)


def found(path: Path) -> tuple[int, int]:
    """Size and time of a file, zeros when it is not there."""
    return (path.stat().st_size, path.stat().st_mtime_ns) if path.exists() else (0, 0)


def files_set(folder: Path, *names: str, labels: Sequence[str] | None = None) -> ImageSet:
    """A set of these files; each is of the class "x" unless its label is given."""
    labels = labels or ["x"] * len(names)
    return image_set(files_in(folder, *names), labels, tuple(dict.fromkeys(labels)) or ("x",), "files")


def array_set(pixels: ndarray) -> ImageSet:
    """A set of images in memory, (N, H, W, C), all of the class "x"."""
    return image_set(pixels, ["x"] * len(pixels), ("x",), "memory")


def ids_of(data: Data) -> dict[str, tuple[str, ...]]:
    """The content ids of each part."""
    return {part: facts_of(images).ids for part, images in data.parts.items()}


def pixels_in(images: ImageSet) -> ndarray:
    """The pixels of a set that is in memory, in its order."""
    assert isinstance(images.images, ndarray)
    return images.images[images.numbers]


def paths_of(images: ImageSet) -> list[Path]:
    """The paths of a set of files, in its order."""
    return [Path(images.name(i)) for i in range(len(images))]
