"""A policy with two numbers: so many operations an image, picked by chance from one list, all of one magnitude.

RandAugment, Cubuk et al. 2020, arXiv:1909.13719, with its fourteen operations. What differs from the authors' code:

- magnitude 0 changes nothing but by auto_contrast and equalize, which have no magnitude, and 10 changes most: theirs
  counts solarize and posterize backwards;
- enhancements go either way, as rotations do: theirs go from .1 to 1.9 as the magnitude rises;
- what comes in from outside the picture repeats its edge: theirs is grey;
- translations reach .3 of the side, the 10 of 32 pixels that they use on CIFAR.
"""

from collections.abc import Callable

import torch
from jaxtyping import Float, UInt8
from torch import Generator, Tensor

from foveal.data.augment import tone, warp
from foveal.data.augment.layout import as_it_lies, by_name, take

Batch = UInt8[Tensor, "N C H W"]
Strengths = Float[Tensor, " N"]  # -1 to 1: the magnitude over 10, with a sign by chance
Operation = Callable[[Batch, Strengths], Batch]

MAX_MAGNITUDE = 10
MAX_DEGREES, MAX_SHEAR, MAX_SHIFT, MAX_CHANGE = 30.0, 0.3, 0.3, 0.9

OPERATIONS: dict[str, Operation] = {
    "identity": lambda pixels, strengths: pixels,
    "auto_contrast": lambda pixels, strengths: tone.stretched(pixels),
    "equalize": lambda pixels, strengths: tone.equalized(pixels),
    "rotate": lambda pixels, strengths: warp.warped(pixels, warp.rotations(MAX_DEGREES * strengths)),
    "solarize": lambda pixels, strengths: tone.solarized(pixels, 256 * (1 - strengths.abs())),
    "colour": lambda pixels, strengths: tone.coloured(pixels, 1 + MAX_CHANGE * strengths),
    "posterize": lambda pixels, strengths: tone.posterized(pixels, (8 - 4 * strengths.abs()).round().int()),
    "contrast": lambda pixels, strengths: tone.contrasted(pixels, 1 + MAX_CHANGE * strengths),
    "brightness": lambda pixels, strengths: tone.brightened(pixels, 1 + MAX_CHANGE * strengths),
    "sharpness": lambda pixels, strengths: tone.sharpened(pixels, 1 + MAX_CHANGE * strengths),
    "shear_x": lambda pixels, strengths: warp.warped(pixels, warp.shears(MAX_SHEAR * strengths, 0 * strengths)),
    "shear_y": lambda pixels, strengths: warp.warped(pixels, warp.shears(0 * strengths, MAX_SHEAR * strengths)),
    "translate_x": lambda pixels, strengths: warp.warped(
        pixels, warp.translations(MAX_SHIFT * pixels.shape[3] * strengths, 0 * strengths)
    ),
    "translate_y": lambda pixels, strengths: warp.warped(
        pixels, warp.translations(0 * strengths, MAX_SHIFT * pixels.shape[2] * strengths)
    ),
}


def rand_augment(pixels: Batch, generator: Generator, operations: int, magnitude: float) -> Batch:
    """Each image through `operations` of OPERATIONS, one after the other, its own each time; magnitude is 0 to 10."""
    for _ in range(operations):
        pixels = _one_each(pixels, generator, magnitude / MAX_MAGNITUDE)
    return pixels


def _one_each(pixels: Batch, generator: Generator, strength: float) -> Batch:
    """Each image through one operation: those that drew the same one go through it together."""
    picked = torch.randint(len(OPERATIONS), (len(pixels),), generator=generator)
    signs = 2 * torch.randint(0, 2, (len(pixels),), generator=generator) - 1
    strengths = (strength * signs).to(pixels.device)
    changed = as_it_lies(pixels).clone()
    for number, operation in enumerate(OPERATIONS.values()):
        rows = (picked == number).nonzero().view(-1).to(pixels.device)
        if len(rows):
            changed.index_copy_(0, rows, as_it_lies(operation(take(pixels, rows), strengths[rows])))
    return by_name(changed)
