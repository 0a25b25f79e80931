"""Rectangles in pictures, and what is erased by them."""

from typing import Literal

import torch
from jaxtyping import Bool, Int64, UInt8
from torch import Generator, Tensor

from foveal.data.augment.draws import uniform
from foveal.data.augment.layout import by_name, rounded

MIN_AREA, MAX_AREA = 0.02, 0.4  # shares of the image's: Zhong et al. 2020, section 5
MIN_RATIO, MAX_RATIO = 0.3, 1 / 0.3  # of height to width: the same


def rectangles(
    pixels: UInt8[Tensor, "N C H W"], corners: Int64[Tensor, "2 N"], sizes: Int64[Tensor, "2 N"]
) -> Bool[Tensor, "N C H W"]:
    """Which pixels lie within each image's rectangle: `corners` are its top and left, `sizes` its height and width."""
    n, channels, height, width = pixels.shape
    y = torch.arange(height, device=pixels.device)
    x = torch.arange(width, device=pixels.device).repeat_interleave(channels)  # so that the mask lies as the pixels do
    (top, left), (bottom, right) = corners[:, :, None], (corners + sizes)[:, :, None]
    is_row, is_column = (y >= top) & (y < bottom), (x >= left) & (x < right)  # (N, H), (N, W*C)
    inside: Tensor = is_row[:, :, None] & is_column[:, None, :]
    return inside.view(n, height, width, channels).permute(0, 3, 1, 2)


def erase(
    pixels: UInt8[Tensor, "N C H W"],
    generator: Generator,
    probability: float,
    fill: Literal["mean", "random"] = "mean",
) -> UInt8[Tensor, "N C H W"]:
    """With this probability, a rectangle somewhere in each image filled with the image's mean colour, or with noise.

    Source: Zhong et al. 2020, arXiv:1708.04896. A side that would be longer than the image is as long as it.
    """
    n, _, height, width = pixels.shape
    sides = torch.tensor([[height], [width]], device=pixels.device)
    erased = uniform(n, 0, 1, generator, pixels.device) < probability
    areas = uniform(n, MIN_AREA, MAX_AREA, generator, pixels.device)
    ratios = uniform(n, MIN_RATIO, MAX_RATIO, generator, pixels.device)
    places = uniform(2 * n, 0, 1, generator, pixels.device).view(2, n)
    shares = torch.stack([(areas * ratios).sqrt(), (areas / ratios).sqrt()])
    sizes = torch.minimum((shares * (height * width) ** 0.5).round().long(), sides)
    corners = (places * (sides - sizes + 1)).long().clamp_(max=sides - sizes)
    mask = rectangles(pixels, corners, sizes * erased)
    return torch.where(mask, _fill(pixels, generator, fill), pixels)


def _fill(pixels: UInt8[Tensor, "N C H W"], generator: Generator, fill: str) -> UInt8[Tensor, "N C #H W"]:
    n, channels, height, width = pixels.shape
    if fill == "mean":
        means = pixels.float().mean(dim=(2, 3), keepdim=True)
        return by_name(rounded(means).view(n, 1, 1, channels).repeat(1, 1, width, 1))
    values = torch.randint(0, 256, (n, height, width, channels), dtype=torch.uint8, generator=generator)
    return by_name(values.to(pixels.device))
