"""Pictures of any kind to predictions, in batches. One picture that cannot be read does not stop the rest. No torch."""

import glob
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain, count, islice
from pathlib import Path

import numpy as np
from jaxtyping import UInt8
from numpy import ndarray
from PIL import Image, ImageOps

from foveal.classifier import Classifier, LogitsFn, probabilities
from foveal.config import Familiar
from foveal.data.decode import fit_image, open_image
from foveal.data.images import EXTENSIONS
from foveal.errors import ConfigError, DataError
from foveal.launch import Place

PictureSource = str | Path | bytes | ndarray  # an array is uint8, (H, W) or (H, W, 1 or 3)
Named = tuple[str, Path | bytes | ndarray]  # what a source is called, and the source
BATCH, ALONE = 256, Place()
MUCH_LARGER, MUCH_SMALLER, MUCH_LIGHTER = 8, 0.5, 64  # times the longest, times the shortest side; levels of 255


@dataclass(frozen=True)
class Prediction:
    """The answer for one picture; `top` are the likeliest labels with their calibrated probabilities, best first."""

    source: str
    label: str
    probability: float
    top: tuple[tuple[str, float], ...]
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class Refused:
    """A picture that could not be read, and why."""

    source: str
    reason: str


@dataclass(frozen=True)
class _Picture:
    source: str
    pixels: ndarray  # (H, W, C)
    warnings: tuple[str, ...]


def predict(
    classifier: Classifier,
    sources: str | Path | bytes | Iterable[PictureSource],
    *,
    top: int = 3,
    invert: bool = False,
    batch_size: int = BATCH,
    logits_fn: LogitsFn | None = None,
) -> Iterator[Prediction | Refused]:
    """One answer for each picture, in order. A source is a file, a folder, a glob, encoded bytes or an array.

    `invert` turns light and dark round first. `logits_fn` stands in for the Classifier's own network. Raises
    ConfigError when `top` is below 1; a picture that cannot be read is a Refused, never an error.
    """
    logits = logits_fn or classifier.logits
    for answers in predict_batches(classifier, expand(sources), top, invert, batch_size=batch_size, logits_fn=logits):
        yield from answers


def predict_batches(
    classifier: Classifier,
    named: Iterator[Named],
    top: int,
    invert: bool,
    *,
    batch_size: int = BATCH,
    logits_fn: LogitsFn,
    here: Place = ALONE,
) -> Iterator[list[Prediction | Refused]]:
    """The answers batch by batch. Of several workers each gets every W-th batch, and opens no picture of the others.

    Batches are the same for any number of workers, and so are the bits of the answers. Raises ConfigError.
    """
    if top < 1:
        raise ConfigError(f"top is {top}; at least the likeliest label must be given. Use 1 or more.")
    for number in count():
        batch = list(islice(named, batch_size))
        if not batch:
            return
        if number % here.workers != here.rank:
            continue
        items = [_open(classifier, name, source, invert) for name, source in batch]
        pictures = [item for item in items if isinstance(item, _Picture)]
        answers = iter(_answer(classifier, pictures, top, logits_fn))
        yield [next(answers) if isinstance(item, _Picture) else item for item in items]


def expand(sources: str | Path | bytes | Iterable[PictureSource]) -> Iterator[Named]:
    """Each source with its name: a folder becomes the pictures below it, a glob the files that it matches."""
    if isinstance(sources, str | Path | bytes):
        sources = [sources]  # letter by letter, "/home" would begin with the whole disk
    for number, source in enumerate(sources):
        if isinstance(source, bytes):
            yield f"<bytes {number}>", source
        elif isinstance(source, ndarray):
            yield f"<array {number}>", source
        elif os.path.isdir(source):  # noqa: PTH112 -- unlike Path.is_dir, never raises, as for a name that is too long
            below = _pictures_below(str(source))
            first = next(below, Path(source))  # the folder itself, to be refused, where it holds none
            yield from ((str(path), path) for path in chain([first], below))
        elif not os.path.exists(source) and glob.has_magic(str(source)):  # noqa: PTH110
            matches = sorted(glob.glob(str(source), recursive=True))  # noqa: PTH207 -- absolute patterns too
            yield from ((match, Path(match)) for match in matches or [str(source)])
        else:
            yield str(source), Path(source)


def _pictures_below(folder: str) -> Iterator[Path]:
    """The picture files in a folder and below it, sorted by path; held are the names of one folder at each depth."""
    names, folders = [], set()
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    folders.add(entry.name)
                elif Path(entry.name).suffix.lower() not in EXTENSIONS:
                    continue
                names.append(entry.name)
    except PermissionError:  # as of a folder like lost+found
        return
    for name in sorted(names):
        path = os.path.join(folder, name)  # noqa: PTH118 -- plain text, as there may be millions
        if name in folders:
            yield from _pictures_below(path)
        elif os.path.isfile(path):  # noqa: PTH113 -- never raises
            yield Path(path)


def _open(classifier: Classifier, name: str, source: Path | bytes | ndarray, invert: bool) -> _Picture | Refused:
    try:
        if isinstance(source, Path) and os.path.isdir(source):  # noqa: PTH112
            raise DataError(f"the folder {source} holds no picture ({', '.join(EXTENSIONS)}). Name another.")
        preprocess = classifier.card.preprocess
        if isinstance(source, ndarray):
            image = _from_array(source)
            size = image.size
        else:
            image, size = open_image(source, at_least=(preprocess.width, preprocess.height))
        if invert:
            image = ImageOps.invert(image)
        pixels = fit_image(image, preprocess)
    except (DataError, ValueError, MemoryError) as error:
        return Refused(name, str(error))
    return _Picture(name, pixels, tuple(strangeness(size, pixels, classifier.card.familiar)))


def _from_array(array: ndarray) -> Image.Image:
    flat = array[..., 0] if array.ndim == 3 and array.shape[2] == 1 else array
    if flat.dtype != np.uint8 or flat.ndim not in (2, 3) or (flat.ndim == 3 and flat.shape[2] != 3) or 0 in flat.shape:
        raise DataError(
            f"the array has shape {array.shape} and type {array.dtype}; a picture is uint8, (H, W) or (H, W, 3). Convert it."
        )
    return Image.fromarray(flat)


def strangeness(size: tuple[int, int], pixels: UInt8[ndarray, "H W C"], known: Familiar) -> Iterator[str]:
    """Sentences on what makes a picture of `size` (width, height) unlike the training images: lightness, a far other size."""
    side = max(size)
    if side > MUCH_LARGER * known.max_side or side < MUCH_SMALLER * known.min_side:
        yield (
            f"{size[1]}x{size[0]} pixels, but the training images had {known.min_side} to {known.max_side} on "
            "their longer side: cut out the object, or expect a guess"
        )
    edges = np.concatenate([pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]])
    border = float(np.median(edges))
    is_outside = border > known.max_border + MUCH_LIGHTER or border < known.min_border - MUCH_LIGHTER
    if is_outside and known.min_border - MUCH_LIGHTER <= 255 - border <= known.max_border + MUCH_LIGHTER:
        kind, usual = ("light", "dark") if border > known.max_border else ("dark", "light")
        yield f"its background is {kind}, that of the training images was {usual}: try --invert (Python: invert=True)"


def _answer(classifier: Classifier, pictures: list[_Picture], top: int, logits_fn: LogitsFn) -> Iterator[Prediction]:
    if not pictures:
        return
    logits = logits_fn(np.stack([picture.pixels for picture in pictures]))
    chances = probabilities(logits, classifier.card.temperature)
    for picture, row in zip(pictures, chances, strict=True):
        order = np.argsort(-row, kind="stable")[:top]
        ranked = tuple((classifier.classes[i], float(row[i])) for i in order)
        yield Prediction(picture.source, ranked[0][0], ranked[0][1], ranked, picture.warnings)
