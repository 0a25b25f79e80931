"""Labelled images that are not decoded yet, and one picture decoded to fit. NumPy and Pillow, no torch."""

import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from io import BytesIO
from pathlib import Path

import numpy as np
from jaxtyping import Int64, UInt8
from numpy import ndarray
from PIL import Image, ImageOps, UnidentifiedImageError

from foveal.config import Preprocess
from foveal.errors import DataError

EXTENSIONS = (".png", ".jpg", ".jpeg", ".jfif", ".gif", ".bmp", ".tif", ".tiff", ".webp", ".ppm", ".pgm", ".pbm")
GREY_MODES = ("1", "L", "LA", "La", "I", "I;16", "I;16B", "I;16L", "F")


@dataclass(frozen=True)
class ImageSet:
    """Images with their labels: files, or an array (N, H, W, C) that is in memory already.

    `labels` index `classes`. `numbers` say which images of `origin` these are, for names in reports.
    """

    images: tuple[Path, ...] | UInt8[ndarray, "N H W C"]
    labels: Int64[ndarray, " N"]
    classes: tuple[str, ...]
    origin: str
    numbers: Int64[ndarray, " N"]

    def __len__(self) -> int:
        return len(self.labels)

    def take(self, indices: Int64[ndarray, " M"]) -> "ImageSet":
        """These images only, in this order."""
        images = tuple(self.images[i] for i in indices) if isinstance(self.images, tuple) else self.images[indices]
        return replace(self, images=images, labels=self.labels[indices], numbers=self.numbers[indices])

    def name(self, index: int) -> str:
        """How a report calls one image: its path, or its number in the file it came from."""
        if isinstance(self.images, tuple):
            return str(self.images[index])
        return f"{self.origin} #{self.numbers[index]}"


def image_set(
    images: Sequence[Path] | UInt8[ndarray, "N H W C"], labels: Sequence[str], classes: tuple[str, ...], origin: str
) -> ImageSet:
    """An ImageSet from one class name an image. Raises DataError when the counts differ."""
    if len(images) != len(labels):
        raise DataError(f"{origin} has {len(images)} images but {len(labels)} labels. Each image needs one label.")
    index = {name: number for number, name in enumerate(classes)}
    numbers = np.array([index[name] for name in labels], dtype=np.int64)
    kept = images if isinstance(images, ndarray) else tuple(images)
    return ImageSet(kept, numbers, classes, origin, np.arange(len(labels)))


def content_ids(images: ImageSet) -> tuple[str, ...]:
    """A hash of each image's content (its pixels, or its file's bytes): the same image, the same id."""
    if isinstance(images.images, tuple):
        return tuple(_digest(_read(path)) for path in images.images)
    return tuple(_digest(pixels.data) for pixels in np.ascontiguousarray(images.images))


def _digest(content: bytes | memoryview) -> str:
    return hashlib.blake2b(content, digest_size=8).hexdigest()


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise DataError(f"cannot read the image {path}: {error.strerror}. Make it readable, or remove it.") from error


def decode(source: Path | BytesIO, preprocess: Preprocess) -> UInt8[ndarray, "H W C"]:
    """One picture of any format and size as the pixels that a network was trained on.

    Raises DataError with the reason when Pillow cannot read it to the end.
    """
    with open_image(source) as image:
        return fit_image(image, preprocess)


def open_image(source: Path | BytesIO) -> Image.Image:
    """A picture turned as its EXIF orientation says, in mode L or RGB, with transparency laid on white."""
    try:
        with Image.open(source) as image:
            image.load()
            return _plain_mode(ImageOps.exif_transpose(image))
    except Exception as error:  # Pillow's decoders raise anything from OSError to struct.error and SyntaxError
        raise DataError(_reason(source, error)) from error


def _reason(source: Path | BytesIO, error: Exception) -> str:
    name = source if isinstance(source, Path) else "the data given"
    if isinstance(error, FileNotFoundError):
        return f"there is no file {name}. Check the path."
    if isinstance(source, Path) and os.path.isfile(source) and source.stat().st_size == 0:  # noqa: PTH113 -- never raises
        return f"{name} is empty (0 bytes). Fetch it again, or remove it."
    is_unknown = isinstance(error, UnidentifiedImageError)  # whose own text shows the address of a stream
    text = (
        "it is in no format that Pillow knows" if is_unknown else " ".join(str(error).split()) or type(error).__name__
    )
    return f"{name} cannot be read as an image: {text}. Open it in a viewer, fetch it again, or remove it."


def _plain_mode(image: Image.Image) -> Image.Image:
    if image.mode in ("I", "I;16", "I;16B", "I;16L", "F"):
        return _to_8_bits(image)
    if image.has_transparency_data:
        laid = Image.new("RGBA", image.size, "white")
        laid.alpha_composite(image.convert("RGBA"))
        return laid.convert("L" if image.mode in GREY_MODES else "RGB")
    return image.convert("L" if image.mode in GREY_MODES else "RGB")


def _to_8_bits(image: Image.Image) -> Image.Image:
    """Sixteen bits, or floats in 0-1, scaled to eight; what already fits into eight bits stays as it is."""
    values = np.asarray(image, dtype=np.float64)
    high = values.max(initial=0)
    scale = 1 / 255 if image.mode == "F" and high <= 1 else 1.0 if high <= 255 else 257.0
    return Image.fromarray(np.clip(np.round(values / scale), 0, 255).astype(np.uint8))


def fit_image(image: Image.Image, preprocess: Preprocess) -> UInt8[ndarray, "H W C"]:
    """A picture brought to the channels and the size of `preprocess`."""
    image = image.convert("L" if preprocess.channels == 1 else "RGB")
    size = (preprocess.width, preprocess.height)
    if image.size != size:
        image = _resize(image, size, preprocess.fit)
    pixels = np.asarray(image, dtype=np.uint8)
    return pixels.reshape(preprocess.height, preprocess.width, preprocess.channels)


def _resize(image: Image.Image, size: tuple[int, int], fit: str) -> Image.Image:
    # Bilinear in Pillow averages over all pixels that fall into one, so that shrinking leaves no aliases.
    bilinear = Image.Resampling.BILINEAR
    if fit == "stretch":
        return image.resize(size, bilinear)
    if fit == "crop":
        return ImageOps.fit(image, size, bilinear)
    return ImageOps.pad(image, size, bilinear, color=border_colour(image))


def border_colour(image: Image.Image) -> int | tuple[int, ...]:
    """The median of the outermost pixels, per channel: what the background is, so that padding looks like it."""
    pixels = np.asarray(image)
    edges = np.concatenate([pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]])
    median = np.median(edges, axis=0).astype(int)
    return int(median) if median.ndim == 0 else tuple(int(value) for value in median)


def image_size(path: Path) -> tuple[int, int, bool] | None:
    """(height, width, is grey) from a file's header, orientation applied; None when it has none that is readable."""
    try:
        with Image.open(path) as image:
            width, height = image.size
            is_turned = image.getexif().get(0x0112, 1) in (5, 6, 7, 8)
            is_grey = image.mode in GREY_MODES
        return (width, height, is_grey) if is_turned else (height, width, is_grey)
    except Exception:  # the reason is said when the file is decoded
        return None
