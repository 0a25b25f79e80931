"""Decoding once: a set of images becomes one uint8 tensor, in memory or mapped from the cache.

The tensor is (N, C, H, W) by name and channels-last in memory, which is how convolutions read it fastest and how
Pillow and NumPy hold pictures, so that nothing is ever copied to change the order.
"""

import os
import warnings
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from mmap import mmap

import numpy as np
import PIL
import torch
from jaxtyping import Int64, UInt8
from numpy import ndarray
from PIL import Image
from torch import Tensor

from foveal.config import Preprocess
from foveal.data.cache import Cached, cache_key, clear_entries, new_entry, open_entry
from foveal.data.decode import DECODER, decode, fit_image
from foveal.data.images import Files, ImageSet, array_ids, digest
from foveal.data.index import Facts
from foveal.data.mapped import Images, Mapped, in_order
from foveal.data.memory import usable_memory
from foveal.errors import DataError
from foveal.launch import place

Show = Callable[[int, int], None]  # so many images of so many are decoded
SMALL = 100 * 100  # pixels of an image
PORTION = 256  # images decoded ahead of the file that they are written to: what is held in memory at once
DEFAULT_MEMORY_SHARE = 0.25  # of the memory that there is; larger sets are read from the mapped cache


@dataclass(frozen=True)
class Pixels:
    """Decoded images with their labels and the ids of their pixels, for finding copies.

    `kept` says which images of the set they are; `refused` names those that could not be read, with the reason.
    """

    pixels: Images
    labels: Int64[Tensor, " N"]
    kept: Int64[ndarray, " N"]
    ids: tuple[str, ...]
    refused: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.labels)


def load_pixels(
    images: ImageSet,
    preprocess: Preprocess,
    facts: Facts,
    *,
    allow_none: bool = False,
    show: Show | None = None,
    workers: int | None = None,
) -> Pixels:
    """All images of a set, decoded and brought to size; files that cannot be read are left out and named.

    They are decoded once: the second time they are mapped from the cache. Raises DataError when none can be read, unless
    `allow_none`.
    """
    array = images.images
    size = (preprocess.height, preprocess.width, preprocess.channels)
    if (
        not isinstance(array, Files)
        and array.shape[1:] == size
        and np.array_equal(images.numbers, np.arange(len(array)))
    ):
        return Pixels(_tensor(array), torch.from_numpy(images.labels), np.arange(len(images)), facts.ids)
    if len(images) == 0:
        empty = torch.zeros((0, preprocess.channels, *size[:2]), dtype=torch.uint8)
        return Pixels(empty, torch.zeros(0, dtype=torch.int64), np.arange(0), ())
    cached = _decoded(images, preprocess, facts, show, workers or useful_workers(facts))
    if len(cached.kept) == 0 and not allow_none:
        raise DataError(
            f"none of the {len(images)} images of {images.origin} can be read. The first: {cached.refused[0]}"
        )
    labels = torch.from_numpy(images.labels[cached.kept])
    return Pixels(_tensor(cached.pixels), labels, cached.kept, cached.ids, cached.refused)


def decode_now(images: ImageSet, preprocess: Preprocess) -> Pixels:
    """A few images, decoded into memory without a cache."""
    content = bytearray()
    kept, ids, refused = _decode_into(content.extend, images, preprocess, None, os.cpu_count() or 1)
    pixels = np.frombuffer(content, dtype=np.uint8).reshape(
        -1, preprocess.height, preprocess.width, preprocess.channels
    )
    return Pixels(_tensor(pixels), torch.from_numpy(images.labels[kept]), kept, tuple(ids), tuple(refused))


def useful_workers(facts: Facts) -> int:
    """How many threads decode images of these sizes fastest: one a core, or one where the images are small.

    Pillow lets go of the interpreter while it decodes; what little there is to decode of small images is over before
    another thread has taken its turn (benchmarks/data.py).
    """
    readable = facts.headers[facts.headers[:, 0] > 0]
    mean = float((readable[:, 0] * readable[:, 1]).mean()) if len(readable) else 0.0
    return (os.cpu_count() or 1) if mean >= SMALL else 1


def _tensor(pixels: UInt8[ndarray, "N H W C"]) -> UInt8[Tensor, "N C H W"]:
    if _is_mapped(pixels):
        with warnings.catch_warnings():  # of memory that may not be written, as nobody does
            warnings.simplefilter("ignore", UserWarning)
            return torch.from_numpy(pixels).permute(0, 3, 1, 2)
    return torch.from_numpy(pixels if pixels.flags.writeable else pixels.copy()).permute(0, 3, 1, 2)


def _is_mapped(pixels: ndarray) -> bool:
    """Whether an array lies in a file: then a copy of it may be more than memory holds."""
    base: object = pixels
    while isinstance(base, ndarray) and base.base is not None:
        base = base.base
    return isinstance(base, mmap)


def _decoded(images: ImageSet, preprocess: Preprocess, facts: Facts, show: Show | None, workers: int) -> Cached:
    """The images from the cache, decoded into it first where they are not there; in memory where it cannot be written."""
    how = f"{DECODER} {PIL.__version__} {preprocess.model_dump_json()}"
    key = cache_key(facts.ids, how)
    entry = open_entry(key)
    if entry is not None:
        refused = _named_anew(entry, images, preprocess)
        if len(refused) == len(images) - len(entry.kept):
            return replace(entry, refused=refused)
        clear_entries([key])  # a file that could not be read when it was made can be read now
    try:
        with new_entry(key, images.origin) as draft:
            kept, ids, reasons = _decode_into(draft.write, images, preprocess, show, workers)
            draft.finish((len(kept), preprocess.height, preprocess.width, preprocess.channels), kept, ids, reasons)
        entry = open_entry(key)
    except OSError as error:
        _require_room(images, preprocess, error)
    if entry is not None:
        return entry
    content = bytearray()
    kept, ids, reasons = _decode_into(content.extend, images, preprocess, show, workers)
    shape = (len(kept), preprocess.height, preprocess.width, preprocess.channels)
    return Cached(np.frombuffer(content, dtype=np.uint8).reshape(shape), kept, tuple(ids), tuple(reasons))


def _named_anew(entry: Cached, images: ImageSet, preprocess: Preprocess) -> tuple[str, ...]:
    """The reasons of what was left out, with the names that the files have now: the same data may have moved."""
    left_out = np.setdiff1d(np.arange(len(images)), entry.kept)
    return tuple(each for i in left_out.tolist() if isinstance(each := _decode_one(images, i, preprocess), str))


def _require_room(images: ImageSet, preprocess: Preprocess, error: OSError) -> None:
    """Raise DataError when images that cannot be cached are too many to be held in memory instead."""
    size = len(images) * preprocess.height * preprocess.width * preprocess.channels
    if size > default_memory():
        raise DataError(
            f"the {len(images):,} decoded images of {images.origin} take {size >> 20:,} MB, more than memory should hold, and "
            f"the cache cannot be written: {error.strerror or error}. Free that space, or set FOVEAL_DATA to another folder."
        ) from error


def default_memory() -> int:
    """Bytes of decoded images that are held in memory unless the settings say: a quarter of what there is.

    Under torchrun the workers of a machine share that quarter, as each of them holds its own copy.
    """
    return int(usable_memory() * DEFAULT_MEMORY_SHARE) // place().local_workers


def _decode_into(
    write: Callable[[bytes], object], images: ImageSet, preprocess: Preprocess, show: Show | None, workers: int
) -> tuple[Int64[ndarray, " M"], list[str], list[str]]:
    """Decode all images, in order, and write their pixels one after another: (which ones, their ids, reasons)."""
    kept: list[int] = []
    ids: list[str] = []
    refused: list[str] = []
    with ThreadPoolExecutor(workers) as pool:  # Pillow lets go of the interpreter while it decodes and resizes
        for start in range(0, len(images), PORTION):
            portion = range(start, min(start + PORTION, len(images)))
            for i, item in zip(portion, pool.map(lambda i: _decode_one(images, i, preprocess), portion), strict=True):
                if isinstance(item, str):
                    refused.append(item)
                    continue
                write(item[0])
                kept.append(i)
                ids.append(item[1])
            if show is not None:
                show(portion.stop, len(images))
    return np.array(kept, dtype=np.int64), ids, refused


def _decode_one(images: ImageSet, index: int, preprocess: Preprocess) -> tuple[bytes, str] | str:
    """One image as the bytes of its pixels (H, W, C) and their id, or the reason why not."""
    number, held = int(images.numbers[index]), images.images
    try:
        if isinstance(held, Files):
            pixels = decode(held.read(number), preprocess, images.name(index))
        else:
            stored = held[number]
            pixels = fit_image(Image.fromarray(stored[..., 0] if stored.shape[2] == 1 else stored), preprocess)
    except DataError as error:
        return str(error)
    content = pixels.tobytes()
    return content, digest(content)


def part_of(pixels: Pixels, whole: ImageSet, part: ImageSet, *, max_bytes: int) -> Pixels:
    """The pixels of a part of the images that were decoded: copied into memory, unless all take more than `max_bytes`."""
    where = np.full(len(whole.images), -1, dtype=np.int64)
    where[whole.numbers[pixels.kept]] = np.arange(len(pixels))
    found = where[part.numbers]
    kept = np.flatnonzero(found >= 0)
    rows = torch.from_numpy(found[kept])
    is_lost = np.ones(len(whole), dtype=bool)
    is_lost[pixels.kept] = False
    lost = np.flatnonzero(is_lost)
    is_ours = np.isin(whole.numbers[lost], part.numbers)
    base = pixels.pixels
    assert isinstance(base, Tensor)  # only parts are Mapped
    return Pixels(
        base[rows] if base.numel() <= max_bytes else Mapped(base, rows),
        torch.from_numpy(part.labels[kept]),
        kept,
        tuple(pixels.ids[row] for row in rows.tolist()),
        tuple(reason for reason, ours in zip(pixels.refused, is_ours, strict=True) if ours),
    )


def drop_equal_channels(pixels: Pixels, preprocess: Preprocess) -> tuple[Pixels, Preprocess]:
    """Grey pictures that were saved in colour become grey: one channel instead of three equal ones."""
    if pixels.pixels.shape[1] != 3 or not all(_is_grey(batch) for batch in in_order(pixels.pixels, 1024)):
        return pixels, preprocess
    base = pixels.pixels
    assert isinstance(base, Tensor)
    grey = base[:, :1]
    ids = array_ids(grey.permute(0, 2, 3, 1).numpy(), np.arange(len(grey)))
    return replace(pixels, pixels=grey, ids=ids), preprocess.model_copy(update={"channels": 1})


def _is_grey(batch: UInt8[Tensor, "B C H W"]) -> bool:
    return torch.equal(batch[:, 0], batch[:, 1]) and torch.equal(batch[:, 1], batch[:, 2])
