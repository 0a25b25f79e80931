"""What is told from images before they are trained on: their sizes, what every one is brought to, what they look like."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Literal

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from foveal.config import Familiar, Fit, Preprocess
from foveal.data.images import ImageSet
from foveal.data.index import Facts
from foveal.data.mapped import Images, in_order
from foveal.errors import DataError

MAX_SIDE = 64  # pixels; a larger image costs more than it gives a small network, unless the user asks for it
AT_ONCE = 1000  # images looked at together: of a set that is mapped, no more are in memory
ENOUGH = 100_000  # images that say what the background of all of them is


@dataclass(frozen=True)
class Sizes:
    """The sizes of a set's images before any resizing: (height, width), and whether all of them are grey."""

    sizes: tuple[tuple[int, int], ...]
    is_grey: bool

    @property
    def sides(self) -> list[int]:
        """The longer side of each image, in pixels."""
        return [max(size) for size in self.sizes]


def measure_sizes(images: ImageSet, facts: Facts) -> Sizes:
    """The sizes of the images, from their headers. Raises DataError when no file has a readable one."""
    readable = facts.headers[facts.headers[:, 0] > 0]
    if len(readable) == 0:
        raise DataError(
            f"none of the {len(images)} files of {images.origin} is an image that can be read. "
            f"The first is {images.name(0)}; open it in a viewer."
        )
    first = tuple(readable[0, :2].tolist())
    is_uniform = bool((readable[:, :2] == first).all())
    sizes = (first,) * len(readable) if is_uniform else tuple(map(tuple, readable[:, :2].tolist()))
    return Sizes(sizes, bool(readable[:, 2].all()))


def choose_preprocess(
    sizes: Sizes, size: int | None, fit: Fit, channels: Literal[1, 3] | None = None
) -> tuple[Preprocess, str | None]:
    """What every image goes through, and a sentence on what that does to them (None when it changes nothing).

    Images of one size stay as they are, up to 64 pixels a side. Images of several sizes become squares of their
    median longer side, at most 64. `size` overrules both; `channels` overrules what the images' headers say.
    """
    channels = channels or (1 if sizes.is_grey else 3)
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


def channel_statistics(pixels: Images, border: int = 0) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and standard deviation of each channel, in pixels 0-255; exact, from counts of the 256 values.

    `border` pixels on each side are left out. A channel without spread gets the standard deviation 1, so that it can be
    divided by.
    """
    counts = torch.zeros((pixels.shape[1], 256), dtype=torch.float64)
    for batch in in_order(pixels, AT_ONCE):
        inner = batch[:, :, border or None : -border or None, border or None : -border or None]
        for number, channel in enumerate(inner.unbind(dim=1)):
            counts[number] += torch.bincount(channel.flatten(), minlength=256)
    values = torch.arange(256, dtype=torch.float64)
    means = (counts * values).sum(dim=1) / counts.sum(dim=1)
    variances = (counts * (values - means[:, None]) ** 2).sum(dim=1) / counts.sum(dim=1)
    deviations = [variance**0.5 if variance > 0 else 1.0 for variance in variances.tolist()]
    return tuple(means.tolist()), tuple(deviations)


def border_brightness(pixels: Images) -> Float[Tensor, " N"]:
    """The median brightness of each image's outermost pixels: how light its background is; of the first 100,000 images."""
    medians = []
    for batch in islice(in_order(pixels, AT_ONCE), ENOUGH // AT_ONCE):
        edges = [batch[:, :, 0], batch[:, :, -1], batch[:, :, :, 0], batch[:, :, :, -1]]
        medians.append(torch.cat([edge.flatten(1) for edge in edges], dim=1).median(dim=1).values.float())
    return torch.cat(medians)


def familiar(pixels: Images, sides: Sequence[int]) -> Familiar:
    """What the training images look like, for the warning that a picture to predict looks like none of them."""
    low, high = torch.quantile(border_brightness(pixels), torch.tensor([0.01, 0.99])).tolist()
    return Familiar(min_side=min(sides), max_side=max(sides), min_border=low, max_border=high)
