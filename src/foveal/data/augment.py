"""Changes to a batch of training images that leave the label true: batched tensor work, each with its own generator."""

from collections.abc import Callable

import torch
from jaxtyping import UInt8
from torch import Generator, Tensor

Augmentation = Callable[[UInt8[Tensor, "N C H W"], Generator], UInt8[Tensor, "N C H W"]]


def shift(pixels: UInt8[Tensor, "N C H W"], generator: Generator, max_shift: int) -> UInt8[Tensor, "N C H W"]:
    """Each image moved by up to `max_shift` pixels up or down and left or right; the edge is repeated into the gap."""
    n, _, height, width = pixels.shape
    offsets = torch.randint(-max_shift, max_shift + 1, (2, n, 1), generator=generator)
    rows = (offsets[0] + torch.arange(height)).clamp_(0, height - 1)  # (N, H)
    columns = (offsets[1] + torch.arange(width)).clamp_(0, width - 1)  # (N, W)
    images = pixels.permute(0, 2, 3, 1)  # (N, H, W, C), as it lies in memory
    each = torch.arange(n, device=pixels.device)[:, None, None]
    moved = images[each, rows.to(pixels.device)[:, :, None], columns.to(pixels.device)[:, None, :]]
    return moved.permute(0, 3, 1, 2)


def flip(pixels: UInt8[Tensor, "N C H W"], generator: Generator) -> UInt8[Tensor, "N C H W"]:
    """Each image mirrored left to right with probability 1/2: wrong for digits and letters, right for most photos."""
    is_flipped = torch.randint(0, 2, (len(pixels), 1, 1, 1), generator=generator, dtype=torch.bool)
    return torch.where(is_flipped.to(pixels.device), pixels.flip(3), pixels)


def augmentation(*, max_shift: int, is_flipping: bool) -> Augmentation:
    """The changes that the settings ask for, as one function."""

    def change(pixels: UInt8[Tensor, "N C H W"], generator: Generator) -> UInt8[Tensor, "N C H W"]:
        if max_shift:
            pixels = shift(pixels, generator, max_shift)
        return flip(pixels, generator) if is_flipping else pixels

    return change
