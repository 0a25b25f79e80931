"""Gzip files of IDX images, unpacked once: their pixels and the ids of these lie in the cache, found by the packed bytes."""

import hashlib
import struct
from contextlib import suppress

import numpy as np
from jaxtyping import UInt8
from numpy import ndarray

from foveal.data.cache import Cached, cache_key, clear_entries, new_entry, open_entry
from foveal.data.images import array_ids
from foveal.data.readers.idx import UBYTE, as_images, parse_idx

LARGE = 1 << 20  # bytes of a packed file: smaller ones are unpacked sooner than looked up


def unpack_idx(
    content: bytes, name: str, sha256: str | None = None
) -> tuple[UInt8[ndarray, "..."], tuple[str, ...] | None]:
    """The array in an IDX file, and the content ids of its images where they are known already; see `parse_idx`.

    Grey images of a large gzip file come as (N, H, W, 1), mapped from the cache once they are in it. The sha256 of what
    is unpacked is compared every time. Raises DataError as `parse_idx` does.
    """
    if not content.startswith(b"\x1f\x8b") or len(content) < LARGE:
        return parse_idx(content, name, sha256), None
    key = cache_key([hashlib.sha256(content).hexdigest()], "idx")
    entry = open_entry(key)
    if entry is not None and _is_right(entry, sha256):
        return entry.pixels, entry.ids
    if entry is not None:
        clear_entries([key])
    array = parse_idx(content, name, sha256)
    if array.ndim != 3:
        return array, None
    images = as_images(array, name)
    places = np.arange(len(images))
    ids = array_ids(images, places)
    with (
        suppress(OSError),
        new_entry(key, name) as draft,
    ):  # a full disk or a read-only cache costs time, not the result
        draft.write(images.tobytes())
        draft.finish(images.shape, places, ids, ())
    return images, ids


def _is_right(entry: Cached, sha256: str | None) -> bool:
    if sha256 is None:
        return True
    n, height, width, _ = entry.pixels.shape
    found = hashlib.sha256(struct.pack(">HBBIII", 0, UBYTE, 3, n, height, width))
    found.update(entry.pixels.data)
    return found.hexdigest() == sha256
