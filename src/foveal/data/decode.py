"""One picture of any format, decoded and brought to size. NumPy and Pillow, no torch.

Training, evaluation and prediction all come through here, so that one picture is always the same pixels.
"""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple, TypeVar

import numpy as np
from jaxtyping import Float64, UInt8
from numpy import ndarray
from PIL import Image, ImageOps, UnidentifiedImageError

from foveal.config import Preprocess
from foveal.data.opening import BUDGET, FORMATS, MAX_BYTES, bytes_needed, content_of, opened
from foveal.errors import DataError

DECODER = 3  # raised whenever the same file would give other pixels, so that no cache of before is used
GREY_MODES = ("1", "L", "LA", "La", "I", "I;16", "I;16B", "I;16L", "F")
DEEP_MODES = ("I", "I;16", "I;16B", "I;16L", "F")
BAND = 1 << 20  # pixels that are worked on at once where each takes more memory than before and after
Size = tuple[int, int]  # (width, height), as Pillow says it
Made = TypeVar("Made")

# EXIF 2.3, tag 0x0112: how a picture is to be turned to stand upright.
ORIENTATION = 0x0112
TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
SIDEWAYS = (5, 6, 7, 8)


def decode(source: Path | bytes, preprocess: Preprocess, name: str | None = None) -> UInt8[ndarray, "H W C"]:
    """One picture as the pixels that a network was trained on. Raises DataError with the reason when it is damaged."""
    size = (preprocess.width, preprocess.height)
    return _use_picture(source, size, name, lambda image, _: fit_image(image, preprocess))


def open_image(source: Path | bytes, at_least: Size | None = None, name: str | None = None) -> tuple[Image.Image, Size]:
    """A picture turned as its EXIF orientation says, in mode L or RGB, transparency laid on white; and its size as stored.

    A JPEG much larger than `at_least` (width, height) is decoded at a half, a quarter or an eighth of its size, never
    below `at_least`. `name` is what errors call bytes. Raises DataError.
    """
    return _use_picture(source, at_least, name, lambda image, size: (image, size))


def _use_picture(
    source: Path | bytes, at_least: Size | None, name: str | None, use: Callable[[Image.Image, Size], Made]
) -> Made:
    """What `use` makes of the picture and its size, while the memory that this takes is set aside."""
    try:
        content = content_of(source)
        with opened(content) as image:
            stored = image.size
            if at_least is not None:
                # Turned by EXIF or not: the picture must stay large enough either way.
                image.draft(None, (max(at_least), max(at_least)))
            needed = bytes_needed(image, stored, max(at_least or (0,)))
            needed += len(content) if isinstance(content, bytes) else 0
            _require_moderate(stored, needed)
            with BUDGET.taken(needed):
                image.load()
                return use(*_upright(image, stored))
    except Exception as error:  # Pillow's decoders raise anything from OSError to struct.error and SyntaxError
        raise DataError(_reason(source, name, error)) from error


def _require_moderate(size: Size, needed: int) -> None:
    if needed > MAX_BYTES:
        raise ValueError(
            f"its {size[0]:,} x {size[1]:,} pixels, as they are stored, would take {needed // 10**6:,} MB of memory to decode, "
            f"more than the {MAX_BYTES // 10**6} that pictures may take"
        )


def _upright(image: Image.Image, stored: Size) -> tuple[Image.Image, Size]:
    """A loaded picture in mode L or RGB, turned as it should be, and its size turned likewise."""
    orientation = _orientation(image)
    plain = _plain_mode(image)
    if plain is not image:
        image.close()  # or there would be three of it while it is turned
    size = stored[::-1] if orientation in SIDEWAYS else stored
    return (plain.transpose(TURNS[orientation]) if orientation in TURNS else plain), size


def _orientation(image: Image.Image) -> int:
    """What EXIF (or XMP) says of how the camera was held, 1 to 8; 1 where it is damaged, while the pixels are whole."""
    try:
        value = Image.Image.getexif(image).get(ORIENTATION)  # PNG's own getexif would decode all pixels first
    except Exception:  # anything, as in decoding
        return 1
    return value if isinstance(value, int) else 1


def _reason(source: Path | bytes, name: str | None, error: Exception) -> str:
    name = _printable(name or (str(source) if isinstance(source, Path) else "the data given"))
    if isinstance(error, FileNotFoundError):
        return f"there is no file {name}. Check the path."
    is_file = isinstance(source, Path) and os.path.isfile(source)  # noqa: PTH113 -- never raises
    if source == b"" or (is_file and isinstance(source, Path) and source.stat().st_size == 0):
        return f"{name} is empty (0 bytes). Fetch it again, or remove it."
    if isinstance(error, UnidentifiedImageError):  # whose own text shows the address of a stream
        text = f"its content is none of {', '.join(FORMATS)}"
    else:
        text = " ".join(str(error).split()).rstrip(".") or type(error).__name__
    return f"{name} cannot be read as an image: {text}. Open it in a viewer, fetch it again, or remove it."


def _printable(name: str) -> str:
    """A file's name in one line, of characters that every terminal and file takes; others as Python writes them."""
    return "".join(each if each.isprintable() else each.encode("unicode_escape").decode() for each in name)


def _plain_mode(image: Image.Image) -> Image.Image:
    if image.mode in DEEP_MODES:
        return _to_8_bits(image)
    mode = "L" if image.mode in GREY_MODES else "RGB"
    if image.has_transparency_data:
        return _on_white(image, mode)
    return image if image.mode == mode else image.convert(mode)


def _on_white(image: Image.Image, mode: str) -> Image.Image:
    plain = Image.new(mode, image.size)
    for top, band in _bands(image):
        laid = Image.new("RGBA", band.size, "white")
        laid.alpha_composite(band.convert("RGBA"))
        plain.paste(laid.convert(mode), (0, top))
    return plain


def _bands(image: Image.Image) -> Iterator[tuple[int, Image.Image]]:
    """The picture from top to bottom, in parts of full width and the rows where they begin."""
    rows = max(1, BAND // image.width)
    for top in range(0, image.height, rows):
        box = (0, top, image.width, min(top + rows, image.height))
        yield top, image if box[3] - top == image.height else image.crop(box)


def _to_8_bits(image: Image.Image) -> Image.Image:
    """Sixteen bits, or floats in 0-1, scaled to eight; what already fits into eight bits stays as it is."""
    high = max(_numbers(band).max() for _, band in _bands(image))
    scale = 1 / 255 if image.mode == "F" and high <= 1 else 1.0 if high <= 255 else 257.0
    grey = Image.new("L", image.size)
    for top, band in _bands(image):
        values = np.clip(np.round(_numbers(band) / scale), 0, 255)
        grey.paste(Image.fromarray(values.astype(np.uint8)), (0, top))
    return grey


def _numbers(image: Image.Image) -> Float64[ndarray, "H W"]:
    return np.nan_to_num(np.asarray(image, dtype=np.float64))


def fit_image(image: Image.Image, preprocess: Preprocess) -> UInt8[ndarray, "H W C"]:
    """A picture brought to the channels and the size of `preprocess`."""
    mode = "L" if preprocess.channels == 1 else "RGB"
    image = image if image.mode == mode else image.convert(mode)
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
    if image.width * size[1] == image.height * size[0]:  # of the right shape: there is nothing to pad
        return image.resize(size, bilinear)
    return ImageOps.pad(image, size, bilinear, color=border_colour(image))


def border_colour(image: Image.Image) -> int | tuple[int, ...]:
    """The median of the outermost pixels, per channel: what the background is, so that padding looks like it."""
    width, height = image.size
    # Only the edges are made arrays: of a large picture that would be two copies more.
    boxes = ((0, 0, width, 1), (0, height - 1, width, height), (0, 0, 1, height), (width - 1, 0, width, height))
    bands = [np.asarray(image.crop(box)) for box in boxes]
    edges = np.concatenate([band.reshape(-1, *band.shape[2:]) for band in bands])
    median = np.median(edges, axis=0).astype(int)
    return int(median) if median.ndim == 0 else tuple(int(value) for value in median)


class Header(NamedTuple):
    """What the first bytes of a picture declare: its size in pixels as it stands upright; format and mode as Pillow says them."""

    height: int
    width: int
    is_grey: bool
    format: str
    mode: str


def image_header(content: bytes) -> Header | None:
    """What a picture's header says, orientation applied; None when none is readable."""
    try:
        with opened(content) as image:
            width, height = image.size
            # Of a TIFF, Pillow turns the size itself.
            is_turned = image.format != "TIFF" and _orientation(image) in SIDEWAYS
            height, width = (width, height) if is_turned else (height, width)
            return Header(height, width, image.mode in GREY_MODES, image.format or "", image.mode)
    except Exception:  # the reason is said when the file is decoded
        return None
