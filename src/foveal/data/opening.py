"""Pillow within bounds: which formats it opens, how much memory its pictures may take, and without its warnings.

It knows forty formats more. Some start other programs (EPS runs Ghostscript); some take noise for a picture (TGA).
"""

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from threading import Condition, Lock

from PIL import Image, _imaging
from PIL.TiffImagePlugin import TiffImageFile

FORMATS = ("PNG", "JPEG", "GIF", "BMP", "PPM", "TIFF", "WEBP")
MAX_BYTES = 480_000_000  # that all pictures which are decoded at one time may take together
# Bytes a pixel: four channels and as much for what is made of them. Of a WebP, two canvases and a frame come to it.
BYTES_A_PIXEL, OF_WEBP = 8, 18
BYTES_A_LINE = 64  # of each row and column, kept by Pillow and for resizing: all there is to a strip of 1 x 1,000,000
COEFFICIENT = 2  # bytes of a JPEG's component, all of which are kept until the last scan of a progressive one
WIDTH, HEIGHT, BITS, STRIP_HEIGHT, TILE_WIDTH, TILE_HEIGHT = (
    0x100,
    0x101,
    0x102,
    0x116,
    0x142,
    0x143,
)  # tags of TIFF 6.0


def content_of(source: Path | bytes) -> Path | bytes:
    """The bytes of a picture, so that Pillow says the same of it wherever it is; a pipe or a device is left to Pillow."""
    if isinstance(source, bytes) or not source.is_file():
        return source
    size = source.stat().st_size
    if size > MAX_BYTES:
        raise ValueError(f"it has {size // 10**6:,} MB, more than the {MAX_BYTES // 10**6} that pictures may take")
    return source.read_bytes()


@contextmanager
def opened(content: Path | bytes) -> Iterator[Image.Image]:
    """A picture whose header has been read. Pillow's warnings are not shown; its errors, of any kind, are raised."""
    stream = BytesIO(content) if isinstance(content, bytes) else content
    with _QUIET, Image.open(stream, formats=FORMATS) as image:
        yield image


def bytes_needed(image: Image.Image, stored: tuple[int, int], side: int) -> int:
    """The most memory that it takes to decode an opened picture of the size `stored` and to bring it to `side` pixels."""
    width, height = image.size  # smaller than stored where a JPEG is decoded at a fraction
    pixels = width * height * (OF_WEBP if image.format == "WEBP" else BYTES_A_PIXEL)
    scans = COEFFICIENT * getattr(image, "layers", 0) * stored[0] * stored[1] if "progressive" in image.info else 0
    return pixels + scans + _piece_of_tiff(image) + (width + height) * (BYTES_A_LINE + 4 * side)


def _piece_of_tiff(image: Image.Image) -> int:
    """The bytes of a tile or a strip, which libtiff decodes whole: a tile may be far larger than its picture."""
    if not isinstance(image, TiffImageFile) or not image.use_load_libtiff:
        return 0
    tags = {tag: value for tag, value in image.tag_v2.items() if isinstance(value, int)}
    rows = min(tags.get(STRIP_HEIGHT, tags[HEIGHT]), tags[HEIGHT])
    bits = sum(image.tag_v2.get(BITS, (1,)))
    return tags.get(TILE_WIDTH, tags[WIDTH]) * tags.get(TILE_HEIGHT, rows) * bits // 8


class Budget:
    """So many bytes for all threads together: who needs more than is left waits until others are done."""

    def __init__(self, total: int) -> None:
        self._left = total
        self._changed = Condition()

    @contextmanager
    def taken(self, needed: int) -> Iterator[None]:
        """While this lasts, so many bytes less are there for others. They must not be more than the total."""
        with self._changed:
            self._changed.wait_for(lambda: self._left >= needed)
            self._left -= needed
        try:
            yield
        finally:
            with self._changed:
                self._left += needed
                self._changed.notify_all()


class _Quiet:
    """No warning of Pillow's is shown (of a large picture, of odd EXIF) while any thread is inside.

    With catch_warnings in each thread, the last to leave would put back what another had set, for good.
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._inside = 0
        self._before = warnings.catch_warnings()

    def __enter__(self) -> None:
        with self._lock:
            if self._inside == 0:
                self._before = warnings.catch_warnings()
                self._before.__enter__()
                warnings.filterwarnings("ignore", module=r"PIL\.")
            self._inside += 1

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._inside -= 1
            if self._inside == 0:
                self._before.__exit__(None, None, None)


logging.getLogger("PIL").addHandler(logging.NullHandler())  # or what it logs of a damaged TIFF appears on stderr
# Pillow's blocks of 1 MB come from each thread's heap, which keeps up to 460 MB when they are freed; a large block is given back.
_imaging.set_block_size(1 << 28)
BUDGET = Budget(MAX_BYTES)
_QUIET = _Quiet()
