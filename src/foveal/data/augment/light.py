"""Light, colour and noise by chance: what a camera and an hour of the day change, and what the picture shows does not."""

import torch
from jaxtyping import UInt8
from torch import Generator, Tensor

from foveal.data.augment import tone
from foveal.data.augment.draws import uniform
from foveal.data.augment.layout import rounded


def _factors(pixels: Tensor, generator: Generator, max_change: float) -> tone.Factors:
    return uniform(len(pixels), 1 - max_change, 1 + max_change, generator, pixels.device)


def brightness(pixels: UInt8[Tensor, "N C H W"], generator: Generator, max_change: float) -> UInt8[Tensor, "N C H W"]:
    """Each image lighter or darker by up to this share."""
    return tone.brightened(pixels, _factors(pixels, generator, max_change))


def contrast(pixels: UInt8[Tensor, "N C H W"], generator: Generator, max_change: float) -> UInt8[Tensor, "N C H W"]:
    """Each image with more or less contrast, by up to this share."""
    return tone.contrasted(pixels, _factors(pixels, generator, max_change))


def colour(pixels: UInt8[Tensor, "N C H W"], generator: Generator, max_change: float) -> UInt8[Tensor, "N C H W"]:
    """Each image more or less colourful, by up to this share; grey images stay as they are."""
    return tone.coloured(pixels, _factors(pixels, generator, max_change))


def hue(pixels: UInt8[Tensor, "N C H W"], generator: Generator, max_degrees: float) -> UInt8[Tensor, "N C H W"]:
    """Each image's colours turned by up to so many degrees of the colour circle; wrong where a colour is the class."""
    return tone.turned(pixels, uniform(len(pixels), -max_degrees, max_degrees, generator, pixels.device))


def noise(pixels: UInt8[Tensor, "N C H W"], generator: Generator, deviation: float) -> UInt8[Tensor, "N C H W"]:
    """Each pixel and channel with its own Gaussian error, of this standard deviation in levels of 255."""
    n, channels, height, width = pixels.shape
    errors = torch.randn((n, height, width, channels), generator=generator).to(pixels.device).permute(0, 3, 1, 2)
    return rounded(torch.add(pixels, errors, alpha=deviation))
