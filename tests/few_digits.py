"""120 real digits of three classes, and the pieces that data on disk are made of: pictures, tables, archives, arrays."""

import csv
import gzip
import io
import struct
import tarfile
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from numpy import ndarray
from PIL import Image

MNIST = Path(__file__).parents[1] / "src/foveal/data/bundled/mnist"
COUNT = 120
PARTS = {"train": range(90), "validation": range(90, 105), "test": range(105, COUNT)}
Part = tuple[ndarray, list[str]]  # uint8 (N, H, W, C), and the class of each


@dataclass(frozen=True)
class Source:
    """Data on disk: what to name to foveal, and what it must find there, by part. `images` is for --images."""

    path: Path
    parts: Mapping[str, Part]
    classes: tuple[str, ...] = ("0", "1", "2")
    images: Path | None = None

    @property
    def counts(self) -> dict[str, int]:
        """How many images of each class there are, in the order of the classes."""
        labels = [label for _, own in self.parts.values() for label in own]
        return {name: labels.count(name) for name in self.classes}


@cache
def digits() -> tuple[ndarray, list[int]]:
    """The first 120 training images of MNIST that are a 0, 1 or 2, uint8 (120, 28, 28), and which they are."""
    with gzip.open(MNIST / "train-images-idx3-ubyte.gz") as file:
        images = np.frombuffer(file.read(16 + 600 * 784), np.uint8, offset=16).reshape(-1, 28, 28)
    with gzip.open(MNIST / "train-labels-idx1-ubyte.gz") as file:
        labels = np.frombuffer(file.read(8 + 600), np.uint8, offset=8)
    chosen = np.flatnonzero(labels < 3)[:COUNT]
    return images[chosen], labels[chosen].tolist()


@cache
def photos() -> ndarray:
    """Digits in red, green or blue on noise, uint8 (300, 32, 32, 3), no two alike."""
    pixels = np.random.default_rng(0).integers(0, 100, (300, 32, 32, 3), dtype=np.uint8)
    for number in range(len(pixels)):
        inner = pixels[number, 2:30, 2:30, number % 3]
        np.maximum(inner, digits()[0][number % COUNT], out=inner)
    return pixels


def part(rows: range, names: tuple[str, ...] = ("0", "1", "2")) -> Part:
    """These digits, as they must be read."""
    images, labels = digits()
    return images[rows.start : rows.stop, ..., None], [names[label] for label in labels[rows.start : rows.stop]]


def colour_part(rows: range, names: tuple[str, ...]) -> Part:
    """These photos, as they must be read; the class of each is its number, counted round."""
    return photos()[rows.start : rows.stop], [names[number % len(names)] for number in rows]


ALL = {"all": part(range(COUNT))}
DIVIDED = {name: part(rows) for name, rows in PARTS.items()}


def encoded(pixels: ndarray, form: str = "png") -> bytes:
    """A picture file."""
    content = io.BytesIO()
    Image.fromarray(pixels).save(content, form)
    return content.getvalue()


def pictures(name: str, form: str = "png") -> dict[str, bytes]:
    """All digits as picture files, by names such as "{label}/{number:03}.png"."""
    rows = enumerate(zip(*digits(), strict=True))
    return {name.format(label=label, number=number): encoded(image, form) for number, (image, label) in rows}


def written(folder: Path, files: Mapping[str, bytes | str]) -> Path:
    """The folder, with these files in it."""
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content.encode() if isinstance(content, str) else content)
    return folder


def zipped(path: Path, files: Mapping[str, bytes | str]) -> Path:
    """A zip of these files."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path


def tarred(path: Path, files: Mapping[str, bytes]) -> Path:
    """A tar of these files, packed by gzip when it ends so."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w:gz" if path.suffix == ".gz" else "w") as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return path


def table(name: str, header: tuple[str, str], *, delimiter: str = ",", ends: str = "\n") -> str:
    """A table of all digits: what `name` calls each, and its label."""
    text = io.StringIO()
    writer = csv.writer(text, delimiter=delimiter, lineterminator=ends)
    writer.writerow(header)
    writer.writerows((name.format(number=number), label) for number, label in enumerate(digits()[1]))
    return text.getvalue()


def idx(array: ndarray) -> bytes:
    """An IDX file of bytes, as Y. LeCun's page specifies it."""
    return struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape) + array.tobytes()


def planes(images: ndarray) -> ndarray:
    """(N, 3072): all red values of an image, row by row, then the green, then the blue ones."""
    return np.ascontiguousarray(images.transpose(0, 3, 1, 2)).reshape(len(images), -1)
