"""The learning rate at each update: a plain function of how far the training is."""

from collections.abc import Callable
from math import cos, pi

from foveal.training.pace import Turns, progress

Schedule = Callable[[int], float]


def make_schedule(
    name: str,
    peak: float,
    updates: int,
    *,
    warmup: float = 0.25,
    updates_per_epoch: int = 1,
    step_every: float = 1.0,
    step_factor: float = 0.1,
    turns: Turns = (),
) -> Schedule:
    """The learning rate as a function of the update's number, 0 to updates - 1.

    `triangular` climbs to the peak for `warmup` of the training and falls straight to zero; `one_cycle` does it along
    half cosines (Smith and Topin 2018, arXiv:1708.07120); `cosine` only falls (Loshchilov and Hutter 2017,
    arXiv:1608.03983); `step` is multiplied by `step_factor` every `step_every` epochs; `constant` stays. `turns` say how
    the number of updates was changed on the way (see pace.py).
    """
    shapes: dict[str, Callable[[float], float]] = {
        "constant": lambda _: 1.0,
        "triangular": lambda t: _climb(t, warmup) if t < warmup else 1 - _after(t, warmup),
        "one_cycle": lambda t: _ease(_climb(t, warmup)) if t < warmup else 1 - _ease(_after(t, warmup)),
        "cosine": lambda t: 1 - _ease(t),
    }
    if name == "step":
        every = updates_per_epoch * step_every
        # A hair more than the quotient: 3 / (10 * .1) must not be 2.9999999999999996 steps.
        return lambda update: peak * step_factor ** int(update / every + 1e-9)
    shape = shapes[name]
    # The middle of each update: neither the first nor the last one is lost to a rate of zero.
    return lambda update: peak * shape(progress(turns or ((0, updates),), update + 0.5))


def _climb(t: float, warmup: float) -> float:
    return t / warmup


def _after(t: float, warmup: float) -> float:
    return (t - warmup) / (1 - warmup)


def _ease(x: float) -> float:
    """From 0 to 1 along half a cosine."""
    return (1 - cos(pi * x)) / 2
