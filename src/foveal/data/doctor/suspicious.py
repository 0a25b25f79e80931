"""Pictures that look as if they did not belong: blank ones, placeholders, and files unlike the rest of their class."""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

import numpy as np
from jaxtyping import Float64, Int64, UInt8
from numpy import ndarray

from foveal.data.doctor.gathered import Gathered
from foveal.data.doctor.kinds import Kind
from foveal.data.images import Files
from foveal.data.mapped import Images, in_order

# Grey levels of spread. The plainest of CIFAR-10's 60,000 pictures has 9.6, a white sheet saved as a JPEG less than 1.
BLANK = 4.0
# A placeholder ("no image available") is a flat ground with a little drawing: drawn at 100 to 640 pixels and brought to
# 32 or 64, 82 to 91 % of it is one shade, and it has 16 to 25 of 64 shades. Of CIFAR-10 this holds for 13 in 60,000,
# birds and planes in an even sky; where half of a class is like that, as digits are, nothing is said.
PLAIN_SHARE, PLAIN_SHADES, PLAIN_CLASS = 0.8, 25, 0.4
MIN_CLASS = 20  # images: with fewer there is no rest of the class to be unlike
RARE = 0.02  # of a class: a format less frequent than that
FAR = 4.0  # times as large, or as small, as the class's median longer side
COMMON_NAME = 0.1  # of a class: a name that more files than that have is how its files are named
AT_ONCE = 1024

# Whole words of a file's name; "test", "sample", "new" and numbers (404) are too ordinary to tell anything.
TELLTALES = (
    (r"place[\W_]*holder", "a placeholder"),
    (r"no[\W_]*(image|photo|picture|img)", "a picture that stands for none"),
    (r"(image|photo|picture|img)?[\W_]*(un|not[\W_]*)available", "a picture that stands for none"),
    (r"(image|photo|picture|img|page)?[\W_]*not[\W_]*found", "an error page"),
    (r"missing|coming[\W_]*soon", "a picture that stands for none"),
    (r"default|dummy|untitled", "a stand-in that nobody named"),
    (r"copy([\W_]*of)?|duplicate", "a copy"),
    (r"thumb(s|nail|nails)?", "a small version of another file"),
    (r"screen[\W_]*(shot|cap|grab)s?", "a picture of a screen"),
)
NUMBERED_COPY = re.compile(r"\(\d{1,2}\)$")  # what browsers and file managers add to the name of a second copy

ENDINGS = {
    ".jpg": "JPEG", ".jpeg": "JPEG", ".jfif": "JPEG", ".png": "PNG", ".gif": "GIF", ".bmp": "BMP", ".tif": "TIFF",
    ".tiff": "TIFF", ".webp": "WEBP", ".ppm": "PPM", ".pgm": "PPM", ".pbm": "PPM",
}  # fmt: skip


@dataclass(frozen=True)
class Suspicion:
    """One image, by its number in the row, what kind of doubt there is, and a sentence on it."""

    image: int
    kind: str
    reason: str


def suspicions(images: Gathered, kinds: Sequence[Kind]) -> list[Suspicion]:
    """What is odd about single images; `kinds` are theirs, in the order of the row."""
    names = [_file_name(images, i) for i in range(len(images))]
    found = [*_plain(images), *_odd_sizes(images), *_odd_formats(images, kinds)]
    found += [*_false_endings(names, kinds), *_telltale_names(names, images.labels)]
    return sorted(found, key=lambda each: each.image)


def _file_name(images: Gathered, image: int) -> str:
    """The name of a file without its folders; "" for an image of an array."""
    is_file = isinstance(images.data.parts[images.split(image)].images, Files)
    return PurePosixPath(images.short_name(image)).name if is_file else ""


def tones(pixels: Images) -> Float64[ndarray, "N 3"]:
    """Of each image: the spread of its grey levels, the share of it that is one shade, and how many of 64 shades it has."""
    rows = [np.empty((0, 3))]
    for batch in in_order(pixels, AT_ONCE):
        rows.append(_tones(batch.permute(0, 2, 3, 1).numpy()))
    return np.concatenate(rows)


def _tones(batch: UInt8[ndarray, "B H W C"]) -> Float64[ndarray, "B 3"]:
    weights = (299, 587, 114) if batch.shape[3] == 3 else (1000,)  # ITU-R 601-2, as Pillow makes grey of colour
    grey = np.zeros(batch.shape[:3], dtype=np.uint32)
    for channel, weight in enumerate(weights):
        grey += weight * batch[..., channel].astype(np.uint32)
    grey //= 1000
    shades = (grey // 4).reshape(len(batch), -1) + 64 * np.arange(len(batch))[:, None]
    counts = np.bincount(shades.ravel(), minlength=64 * len(batch)).reshape(len(batch), 64)
    shared = (counts[:, :-1] + counts[:, 1:]).max(axis=1) / counts.sum(axis=1)  # a shade may lie on a border of two
    return np.stack([grey.std(axis=(1, 2)), shared, (counts > 0).sum(axis=1)], axis=1)


def _plain(images: Gathered) -> Iterator[Suspicion]:
    spread, share, shades = np.concatenate([tones(images.pixels[name].pixels) for name in images.parts]).T
    usual = _by_class(share, images.labels)
    for i in np.flatnonzero(spread < BLANK).tolist():
        yield Suspicion(i, "blank", f"it is blank: its grey levels spread by {spread[i]:.1f} of 255")
    is_plain = (spread >= BLANK) & (share >= PLAIN_SHARE) & (shades <= PLAIN_SHADES) & (usual <= PLAIN_CLASS)
    for i in np.flatnonzero(is_plain).tolist():
        reason = f"it looks like a placeholder: {share[i]:.0%} of it is one shade, {usual[i]:.0%} is usual in its class"
        yield Suspicion(i, "plain", reason)


def _by_class(values: ndarray, labels: Int64[ndarray, " N"]) -> ndarray:
    """Of each image, the median of its class; NaN, which no comparison holds for, where the class is small."""
    medians = np.full(int(labels.max(initial=-1)) + 1, np.nan)
    for k, count in enumerate(np.bincount(labels)):
        if count >= MIN_CLASS:
            medians[k] = np.median(values[labels == k])
    return np.asarray(medians[labels])


def _odd_sizes(images: Gathered) -> Iterator[Suspicion]:
    sides = images.headers[:, :2].max(axis=1)
    usual = _by_class(sides, images.labels)
    for i in np.flatnonzero((sides > FAR * usual) | (sides * FAR < usual)).tolist():
        height, width, _ = images.headers[i].tolist()
        reason = f"it has {height}x{width} pixels; the longer side of its class is {usual[i]:.0f} as a rule"
        yield Suspicion(i, "size", reason)


def _odd_formats(images: Gathered, kinds: Sequence[Kind]) -> Iterator[Suspicion]:
    formats = np.array([kind.format for kind in kinds])
    for k in range(len(images.classes)):
        members = np.flatnonzero(images.labels == k)
        for name, count in Counter(formats[members].tolist()).items():
            if len(members) >= MIN_CLASS and count <= RARE * len(members):
                for i in members[formats[members] == name].tolist():
                    reason = f"it is a {name} by its content, which {count} of the {len(members)} of its class are"
                    yield Suspicion(i, "format", reason)


def _false_endings(names: Sequence[str], kinds: Sequence[Kind]) -> Iterator[Suspicion]:
    for i, (name, kind) in enumerate(zip(names, kinds, strict=True)):
        expected = ENDINGS.get(PurePosixPath(name).suffix.lower())
        if kind.format and expected and kind.format != expected:
            yield Suspicion(i, "ending", f"its name says {expected}, its content is {kind.format}: someone renamed it")


def _telltale_names(names: Sequence[str], labels: Int64[ndarray, " N"]) -> Iterator[Suspicion]:
    sizes, stems = np.bincount(labels), [PurePosixPath(name).stem for name in names]
    patterns = [(re.compile(rf"(?<![^\W_\d])({words})(?![^\W_\d])", re.IGNORECASE), what) for words, what in TELLTALES]
    named: set[int] = set()
    for pattern, what in [*patterns, (NUMBERED_COPY, "a second copy of a file")]:
        matching = np.flatnonzero([bool(name) and pattern.search(name) is not None for name in stems])
        per_class = np.bincount(labels[matching], minlength=len(sizes))
        for i in matching.tolist():
            if i not in named and per_class[labels[i]] <= max(1, COMMON_NAME * sizes[labels[i]]):
                named.add(i)
                yield Suspicion(i, "name", f"its name tells of {what}")
