"""A batch as it lies in memory, (N, H, W, C), under its name (N, C, H, W); and real numbers as pixels again."""

import torch
from jaxtyping import Float, Int64, UInt8
from torch import Tensor, uint8


def as_it_lies(pixels: UInt8[Tensor, "N C H W"]) -> UInt8[Tensor, "N H W C"]:
    """The same memory with its channels last, as it is read in one go."""
    return pixels.permute(0, 2, 3, 1)


def by_name(images: UInt8[Tensor, "N H W C"]) -> UInt8[Tensor, "N C H W"]:
    """The same memory under the order of axes that the rest of foveal speaks of."""
    return images.permute(0, 3, 1, 2)


def take(
    pixels: UInt8[Tensor, "N C H W"], indices: Int64[Tensor, " M"], *, is_pinned: bool = False
) -> UInt8[Tensor, "M C H W"]:
    """These images, copied whole: for 128 colour images of 32x32 in 9 microseconds, where indexing takes 99.

    `is_pinned`: into memory that is never paged out, from which a GPU fetches them by itself.
    """
    images = as_it_lies(pixels)
    if not is_pinned:
        return by_name(images.index_select(0, indices.to(pixels.device)))
    copied = torch.empty((len(indices), *images.shape[1:]), dtype=uint8, pin_memory=True)
    return by_name(torch.index_select(images, 0, indices, out=copied))


def rounded(values: Float[Tensor, "N C H W"]) -> UInt8[Tensor, "N C H W"]:
    """The nearest pixels 0-255. Changes `values` on the way."""
    return values.round_().clamp_(0, 255).to(uint8)
