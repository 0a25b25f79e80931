"""Numbers by chance, one for each image: drawn on the CPU, so that every device gets the same, and used where asked."""

import numpy as np
import torch
from jaxtyping import Bool, Float32, Int64, UInt64
from numpy import ndarray
from torch import Generator, Tensor

GOLDEN = 0x9E3779B97F4A7C15  # SplitMix64 moves on by this


def uniform(
    count: int, low: float, high: float, generator: Generator, device: torch.device
) -> Float32[Tensor, " {count}"]:
    """Real numbers between `low` and `high`."""
    return torch.empty(count).uniform_(low, high, generator=generator).to(device)


def beta(count: int, alpha: float, generator: Generator, device: torch.device) -> Float32[Tensor, " {count}"]:
    """Shares from Beta(alpha, alpha): near 0 and 1 for a small alpha, even for 1, near 1/2 for a large one."""
    # torch's own Beta takes no generator; NumPy's does, and one draw of ours seeds it.
    seed = int(torch.randint(2**63 - 1, (), generator=generator))
    shares = np.random.default_rng(seed).beta(alpha, alpha, count)
    return torch.from_numpy(shares.astype(np.float32)).to(device)


def derived_seed(seed: int, *path: int) -> int:
    """A seed of its own for each place that the numbers of `path` name, the same whenever it is asked for.

    The draws of an update are then a function of its number: nothing of them has to be kept to go on from there.
    """
    for number in path:
        seed = _mixed((seed + (number + 1) * GOLDEN) % 2**64)
    return seed


def _mixed(value: int) -> int:
    """SplitMix64's output function for one value: NumPy takes 25 microseconds for it, this one 1."""
    value = (value ^ (value >> 30)) * 0xBF58476D1CE4E5B9 % 2**64
    value = (value ^ (value >> 27)) * 0x94D049BB133111EB % 2**64
    return value ^ (value >> 31)


def coins(seed: int, numbers: Int64[Tensor, " N"]) -> Bool[Tensor, " N"]:
    """A fair coin for each number that falls the same way whenever it is thrown again: nothing is kept between calls."""
    return torch.from_numpy(splitmix(seed, numbers.cpu().numpy()) >> np.uint64(63) == 1)


def splitmix(seed: int, numbers: Int64[ndarray, " N"]) -> UInt64[ndarray, " N"]:
    """The outputs of SplitMix64 at these places, 0 being the first.

    Source: Steele, Lea, Flood 2014, Fast Splittable Pseudorandom Number Generators, figure 17, with the constants of
    Java's SplittableRandom.
    """
    # Unsigned arrays wrap around at 2**64, which is what the algorithm asks for.
    mixed = np.uint64(seed % 2**64) + (numbers.astype(np.uint64) + np.uint64(1)) * np.uint64(GOLDEN)
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return mixed ^ (mixed >> np.uint64(31))
