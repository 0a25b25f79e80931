"""IDX, the format of the MNIST family: raw or gzip files of one array each.

Source: Y. LeCun, "The MNIST database", section "File formats": two zero bytes, the type, the number of dimensions,
each dimension as a big-endian 32-bit integer, then the values.
"""

import gzip
import hashlib
import struct
import zlib
from io import BytesIO
from math import prod
from pathlib import Path

import numpy as np
from jaxtyping import UInt8
from numpy import ndarray

from foveal.errors import DataError

UBYTE = 0x08
MAX_BYTES = 8 << 30  # a header that promises more is damaged, or an attack


def read_idx(path: Path, sha256: str | None = None) -> UInt8[ndarray, "..."]:
    """The array in an IDX file; see `parse_idx`. Raises DataError for a file that cannot be read, too."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror}. Check the path.") from error
    return parse_idx(content, str(path), sha256)


def parse_idx(content: bytes, name: str, sha256: str | None = None) -> UInt8[ndarray, "..."]:
    """The array of unsigned bytes in an IDX file, raw or gzip, after its length agrees (and the sha256 of what is unpacked).

    `name` is what errors call it. Raises DataError for a truncated or over-long file, a wrong magic number, another type
    of values.
    """
    content = _unpacked(content, name)
    if sha256 is not None:
        found = hashlib.sha256(content).hexdigest()
        if found != sha256:
            raise DataError(
                f"{name} is not the file it should be: the sha256 of its content is {found}, expected {sha256}. "
                "It is damaged or another data set; fetch it again."
            )
    if len(content) < 4:
        raise DataError(f"{name} has {len(content)} bytes, too few for an IDX file. Fetch it again.")
    zero, kind, dimensions = struct.unpack(">HBB", content[:4])
    if zero != 0 or kind != UBYTE or dimensions not in (1, 3, 4):
        raise DataError(
            f"{name} starts with the magic number 0x{content[:4].hex()}; an IDX file of bytes starts with "
            "0x00000801 (labels), 0x00000803 or 0x00000804 (images). It is another kind of file; name the right one."
        )
    start = 4 + 4 * dimensions
    shape = struct.unpack(f">{dimensions}I", content[4:start]) if len(content) >= start else ()
    expected = start + prod(shape)
    if len(content) != expected or not shape:
        raise DataError(
            f"{name} is {'truncated' if len(content) < expected else 'too long'}: its header promises shape {shape}, "
            f"which is {expected} bytes in all, and it has {len(content)}. Fetch it again."
        )
    if 0 in shape:  # (0, 2**31, 2**31) is more than NumPy can hold, though it holds nothing
        raise DataError(f"{name} has nothing in it: its header gives the shape {shape}. Name the file that has images.")
    return np.frombuffer(content, dtype=np.uint8, offset=start).reshape(shape)


def _unpacked(content: bytes, name: str) -> bytes:
    if not content.startswith(b"\x1f\x8b"):
        return content
    try:
        whole = zlib.decompressobj(
            wbits=31
        )  # of one piece, as files of this family are; half the time of gzip's reader
        unpacked = whole.decompress(content, MAX_BYTES + 1)
        if len(unpacked) <= MAX_BYTES and (not whole.eof or whole.unused_data):
            with gzip.open(BytesIO(content)) as packed:
                unpacked = packed.read(MAX_BYTES + 1)
    except (EOFError, zlib.error, OSError) as error:
        raise DataError(f"{name} is damaged: {error}. Fetch it again.") from error
    if len(unpacked) > MAX_BYTES:
        raise DataError(f"{name} unpacks to more than {MAX_BYTES >> 30} GiB, which no IDX file of ours does. Check it.")
    return unpacked


def as_images(array: UInt8[ndarray, "..."], name: str) -> UInt8[ndarray, "N H W C"]:
    """An IDX array as images with their channels last; colour may be stored as (N, C, H, W) or (N, H, W, C)."""
    if array.ndim == 3:
        return array[..., None]
    if array.ndim == 4 and array.shape[3] in (1, 3):
        return array
    if array.ndim == 4 and array.shape[1] in (1, 3):
        return np.ascontiguousarray(array.transpose(0, 2, 3, 1))
    raise DataError(f"{name} has shape {array.shape}, which is not that of images (N, H, W). Name the images file.")
