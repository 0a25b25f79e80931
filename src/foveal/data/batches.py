"""Cutting batches out of a tensor that is in memory: the order of an epoch, and every image in it once."""

from collections.abc import Iterator

import torch
from jaxtyping import Int64
from torch import Generator, Tensor


def updates_per_epoch(n: int, batch_size: int) -> int:
    """How many batches n images make; the last one may be short, or one image too long.

    >>> updates_per_epoch(60_000, 64), updates_per_epoch(129, 64)
    (938, 2)
    """
    full, rest = divmod(n, batch_size)
    return full + (rest > 1 or n == 1 < batch_size)


def endless_batches(n: int, batch_size: int, generator: Generator) -> Iterator[Int64[Tensor, " B"]]:
    """Indices of one batch after another, for ever: each epoch is a new order in which every image comes once.

    A last image that would be alone joins the batch before it: BatchNorm has no variance of a single value.
    """
    count = updates_per_epoch(n, batch_size)
    starts = [number * batch_size for number in range(1, count)]
    while True:
        yield from torch.tensor_split(torch.randperm(n, generator=generator), starts)
