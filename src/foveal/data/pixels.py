"""Decoding once: a set of images becomes one uint8 tensor, and what can be told about its pixels.

The tensor is (N, C, H, W) by name and channels-last in memory, which is how convolutions read it fastest and how
Pillow and NumPy hold pictures, so that nothing is ever copied to change the order.
"""

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from jaxtyping import Float, UInt8
from numpy import ndarray
from PIL import Image
from torch import Tensor

from foveal.config import Familiar, Fit, Preprocess
from foveal.data.images import ImageSet, decode, fit_image, image_size
from foveal.errors import DataError

MAX_SIDE = 64  # pixels; a larger image costs more than it gives a small network, unless the user asks for it


@dataclass(frozen=True)
class Pixels:
    """Decoded images with their labels; `refused` names the files that could not be read, with the reason."""

    pixels: UInt8[Tensor, "N C H W"]
    labels: Tensor  # int64 (N,)
    kept: ndarray  # int64 (N,): which images of the set these are
    refused: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.labels)


def load_pixels(images: ImageSet, preprocess: Preprocess) -> Pixels:
    """All images of a set, decoded and brought to size; files that cannot be read are left out and named.

    Raises DataError when none can be read.
    """
    if len(images) == 0:
        shape = (0, preprocess.height, preprocess.width, preprocess.channels)
        return Pixels(_channels_first(np.zeros(shape, np.uint8)), torch.zeros(0, dtype=torch.int64), np.arange(0))
    decoded = _decode_all(images, preprocess)
    kept = np.array([i for i, item in enumerate(decoded) if not isinstance(item, str)], dtype=np.int64)
    refused = tuple(item for item in decoded if isinstance(item, str))
    if len(kept) == 0:
        raise DataError(f"none of the {len(images)} images of {images.origin} can be read. The first: {refused[0]}")
    if isinstance(decoded, ndarray):
        stacked = np.ascontiguousarray(decoded)
    else:
        stacked = np.stack([item for item in decoded if not isinstance(item, str)])
    return Pixels(_channels_first(stacked), torch.from_numpy(images.labels[kept]), kept, refused)


def _channels_first(pixels: UInt8[ndarray, "N H W C"]) -> UInt8[Tensor, "N C H W"]:
    writable = pixels if pixels.flags.writeable else pixels.copy()
    return torch.from_numpy(writable).permute(0, 3, 1, 2)


def _decode_all(images: ImageSet, preprocess: Preprocess) -> ndarray | list[ndarray | str]:
    if isinstance(images.images, tuple):
        paths = images.images
        with ThreadPoolExecutor(os.cpu_count() or 1) as pool:  # Pillow lets go of the interpreter while it decodes
            return list(pool.map(lambda path: _decode_or_reason(path, preprocess), paths))
    if images.images.shape[1:] == (preprocess.height, preprocess.width, preprocess.channels):
        return images.images
    return np.stack([fit_image(_as_picture(pixels), preprocess) for pixels in images.images])


def _decode_or_reason(path: Path, preprocess: Preprocess) -> ndarray | str:
    try:
        return decode(path, preprocess)
    except DataError as error:
        return str(error)


def _as_picture(pixels: UInt8[ndarray, "H W C"]) -> Image.Image:
    return Image.fromarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels)


@dataclass(frozen=True)
class Sizes:
    """The sizes of a set's images before any resizing: (height, width), and whether all of them are grey."""

    sizes: tuple[tuple[int, int], ...]
    is_grey: bool

    @property
    def sides(self) -> list[int]:
        """The longer side of each image, in pixels."""
        return [max(size) for size in self.sizes]


def measure_sizes(images: ImageSet) -> Sizes:
    """The sizes of the images, read from headers only. Raises DataError when no file has a readable header."""
    if not isinstance(images.images, tuple):
        _, height, width, channels = images.images.shape
        return Sizes(((height, width),), channels == 1)
    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        found = [header for header in pool.map(image_size, images.images) if header is not None]
    if not found:
        raise DataError(
            f"none of the {len(images)} files of {images.origin} is an image that can be read. "
            f"The first is {images.images[0]}; open it in a viewer."
        )
    return Sizes(tuple((height, width) for height, width, _ in found), all(grey for *_, grey in found))


def choose_preprocess(sizes: Sizes, size: int | None, fit: Fit) -> tuple[Preprocess, str | None]:
    """What every image goes through, and a sentence on what that does to them (None when it changes nothing).

    Images of one size stay as they are, up to 64 pixels a side. Images of several sizes become squares of their
    median longer side, at most 64. `size` overrules both.
    """
    channels: Literal[1, 3] = 1 if sizes.is_grey else 3
    first, is_uniform = sizes.sizes[0], len(set(sizes.sizes)) == 1
    if size is not None:
        target = (size, size)
    elif is_uniform:
        scale = min(1.0, MAX_SIDE / max(first))
        target = (max(1, round(first[0] * scale)), max(1, round(first[1] * scale)))
    else:
        side = min(MAX_SIDE, int(np.median(sizes.sides)))
        target = (side, side)
    preprocess = Preprocess(channels=channels, height=target[0], width=target[1], fit=fit)
    if is_uniform and first == target:
        return preprocess, None
    how = {"pad": "padded to shape and scaled", "stretch": "stretched", "crop": "cropped to shape and scaled"}[fit]
    return preprocess, (
        f"images of {_describe(sizes)} are {how} to {target[0]}x{target[1]} "
        f"(at most {MAX_SIDE} a side unless --size says otherwise; --fit pad, stretch or crop)"
        if size is None
        else f"images of {_describe(sizes)} are {how} to {target[0]}x{target[1]}, as asked"
    )


def _describe(sizes: Sizes) -> str:
    distinct = set(sizes.sizes)
    if len(distinct) == 1:
        return "{}x{}".format(*sizes.sizes[0])
    small, large = (pick(distinct, key=lambda size: size[0] * size[1]) for pick in (min, max))
    return f"{len(distinct)} sizes ({small[0]}x{small[1]} to {large[0]}x{large[1]})"


def drop_equal_channels(pixels: Pixels, preprocess: Preprocess) -> tuple[Pixels, Preprocess]:
    """Grey pictures that were saved in colour become grey: one channel instead of three equal ones."""
    images = pixels.pixels
    is_grey = (
        images.shape[1] == 3 and torch.equal(images[:, 0], images[:, 1]) and torch.equal(images[:, 1], images[:, 2])
    )
    if not is_grey:
        return pixels, preprocess
    return replace(pixels, pixels=images[:, :1].contiguous()), preprocess.model_copy(update={"channels": 1})


def channel_statistics(pixels: UInt8[Tensor, "N C H W"]) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and standard deviation of each channel, in pixels 0-255; exact, from counts of the 256 values.

    A channel without spread gets the standard deviation 1, so that it can be divided by.
    """
    means, deviations = [], []
    values = torch.arange(256, dtype=torch.float64)
    for channel in pixels.unbind(dim=1):
        counts = torch.bincount(channel.flatten(), minlength=256).double()
        mean = float((counts * values).sum() / counts.sum())
        variance = float((counts * (values - mean) ** 2).sum() / counts.sum())
        means.append(mean)
        deviations.append(variance**0.5 if variance > 0 else 1.0)
    return tuple(means), tuple(deviations)


def border_brightness(pixels: UInt8[Tensor, "N C H W"]) -> Float[Tensor, " N"]:
    """The median brightness of each image's outermost pixels: how light its background is."""
    edges = [pixels[:, :, 0], pixels[:, :, -1], pixels[:, :, :, 0], pixels[:, :, :, -1]]
    return torch.cat([edge.flatten(1) for edge in edges], dim=1).median(dim=1).values.float()


def familiar(pixels: UInt8[Tensor, "N C H W"], sides: Sequence[int]) -> Familiar:
    """What the training images look like, for the warning that a picture to predict looks like none of them."""
    low, high = torch.quantile(border_brightness(pixels[:100_000]), torch.tensor([0.01, 0.99])).tolist()
    return Familiar(min_side=min(sides), max_side=max(sides), min_border=low, max_border=high)
