"""Whole pictures of every kind that foveal reads: those of tests/files, and the same in what else Pillow can write."""

import struct
import zlib
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from data_helpers import FILES
from numpy import ndarray
from PIL import Image

from foveal.data.images import EXTENSIONS

BROKEN = ("empty.png", "text.png", "truncated.jpg")  # of tests/files
SIGNATURE = b"\x89PNG\r\n\x1a\n"
TURNED = Image.Exif()
TURNED[0x0112] = 6  # the camera was held on its side


@cache
def originals() -> dict[str, bytes]:
    """Each by its name."""
    kept = {path.name: path.read_bytes() for path in sorted(FILES.iterdir()) if path.suffix in EXTENSIONS}
    photo, digit, alpha = (Image.open(FILES / name) for name in ("photo.bmp", "digit.png", "alpha.png"))
    wide, real = (Image.fromarray(np.asarray(digit).astype(kind)) for kind in (np.uint16, np.float32))
    more: tuple[tuple[str, Image.Image, dict[str, Any]], ...] = (
        ("progressive.jpg", photo, {"progressive": True}),
        *((f"turned{ending}", photo, {"exif": TURNED, "lossless": True}) for ending in (".png", ".tif", ".webp")),
        ("lossy.webp", photo, {"quality": 50}),
        ("alpha.webp", alpha, {}),
        ("animated.webp", photo, {"save_all": True, "append_images": [alpha, photo]}),
        ("animated.png", photo, {"save_all": True, "append_images": [photo.rotate(90), photo]}),
        ("colour.gif", photo, {}),
        ("grey_alpha.png", alpha.convert("LA"), {}),
        ("one_bit.bmp", digit.convert("1"), {}),
        ("one_bit.tif", digit.convert("1"), {"compression": "group4"}),
        ("palette.bmp", photo.quantize(16), {}),
        ("deflate.tif", photo, {"compression": "tiff_adobe_deflate"}),
        ("jpeg.tif", photo, {"compression": "jpeg"}),
        ("pages.tif", photo, {"save_all": True, "append_images": [alpha, digit]}),
        ("bits.tif", wide, {}),
        ("float.tif", real, {"compression": "tiff_lzw"}),
        ("cmyk.tif", photo.convert("CMYK"), {}),
        ("photo.ppm", photo, {}),
        ("bits.pgm", wide, {}),
        ("one_bit.pbm", digit.convert("1"), {}),
    )
    kept |= {name: encoded(image, name, **options) for name, image, options in more}
    kept["interlaced.png"] = interlaced_png(np.asarray(photo))
    return {name: content for name, content in kept.items() if name not in BROKEN}


def encoded(image: Image.Image, name: str, **options: Any) -> bytes:
    """A picture in the format that the ending of `name` says."""
    content = BytesIO()
    image.save(content, format=Image.registered_extensions()[Path(name).suffix.lower()], **options)
    return content.getvalue()


def png(width: int, height: int, depth: int, colour: int, rows: bytes, *, interlace: int = 0) -> bytes:
    """A PNG of these filtered rows, put together as ISO/IEC 15948 specifies it."""
    head = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, interlace)
    return SIGNATURE + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows, 1)) + chunk(b"IEND", b"")


def chunk(kind: bytes, content: bytes) -> bytes:
    """A part of a PNG, with its checksum."""
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def interlaced_png(pixels: ndarray) -> bytes:
    """Colour pixels (H, W, 3) as an Adam7 PNG, which Pillow reads but does not write."""
    passes = ((0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2), (1, 0, 2, 1))
    parts = (pixels[top::down, left::right] for top, left, down, right in passes)
    rows = b"".join(b"\0" + row.tobytes() for part in parts if part.size for row in part)
    return png(pixels.shape[1], pixels.shape[0], 8, 2, rows, interlace=1)
