"""Cutting batches out of a tensor that is in memory: the order of an epoch, and every image in it once."""

from collections.abc import Iterator

import torch
from jaxtyping import Int64, UInt8
from numpy import ndarray
from torch import Generator, Tensor


def updates_per_epoch(n: int, batch_size: int) -> int:
    """How many batches n images make; the last one may be short.

    >>> updates_per_epoch(60_000, 64)
    938
    """
    return -(-n // batch_size)


def endless_batches(n: int, batch_size: int, generator: Generator) -> Iterator[Int64[Tensor, " B"]]:
    """Indices of one batch after another, for ever: each epoch is a new order in which every image comes once."""
    while True:
        yield from torch.split(torch.randperm(n, generator=generator), batch_size)


def numpy_batches(pixels: UInt8[Tensor, "N C H W"], batch_size: int = 500) -> Iterator[UInt8[ndarray, "B H W C"]]:
    """The images in order, as NumPy arrays (B, H, W, C), for a LogitsFn."""
    for batch in torch.split(pixels, batch_size):
        yield batch.permute(0, 2, 3, 1).contiguous().numpy()
