"""Cutting batches out of a tensor that is in memory: the order of an epoch, and every image in it once."""

from collections.abc import Iterator
from itertools import count

import torch
from jaxtyping import Int64
from torch import Generator, Tensor

from foveal.data.augment.draws import derived_seed

ORDER = 1  # the draws of the order among all that a seed decides; 2 and 3 are in training/fit.py


def updates_per_epoch(n: int, batch_size: int) -> int:
    """How many batches n images make; the last one may be short, or one image too long.

    >>> updates_per_epoch(60_000, 64), updates_per_epoch(129, 64)
    (938, 2)
    """
    full, rest = divmod(n, batch_size)
    return full + (rest > 1 or n == 1 < batch_size)


def endless_batches(n: int, batch_size: int, seed: int, update: int = 0) -> Iterator[Int64[Tensor, " B"]]:
    """Indices of one batch after another, for ever, from this update on: every image comes once an epoch.

    A last image that would be alone joins the batch before it: BatchNorm has no variance of a single value.
    """
    per_epoch = updates_per_epoch(n, batch_size)
    starts = [number * batch_size for number in range(1, per_epoch)]
    first, done = divmod(update, per_epoch)
    for epoch in count(first):
        batches = torch.tensor_split(epoch_order(n, seed, epoch), starts)
        yield from batches[done if epoch == first else 0 :]


def epoch_order(n: int, seed: int, epoch: int) -> Int64[Tensor, " {n}"]:
    """The order of n images in an epoch: a function of the seed and of the epoch's number, from 0."""
    return torch.randperm(n, generator=Generator().manual_seed(derived_seed(seed, ORDER, epoch)))
