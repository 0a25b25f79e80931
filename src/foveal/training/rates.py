"""Which learning rates a network learns from: the rate climbs while it is trained, and the loss says where that helps.

Source: Smith 2017, arXiv:1506.01186, section 3.3. There the rate climbs along a line and accuracy is looked at; here it
climbs by the same factor with each update, which shows all magnitudes alike, and the loss is looked at.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64
from numpy import ndarray

from foveal.errors import TrainingError
from foveal.training.fit import Record
from foveal.training.schedule import Schedule

SMOOTHED = 5  # losses to either side that the mean is taken over: of 11 of 200 in all
SLOPE = 10  # losses to either side through which the line is laid whose slope counts
WORSE = 2.0  # times the loss at the beginning: what comes after is not looked at
NOISE = 3.0  # standard deviations of the losses by which the loss has to fall at all


@dataclass(frozen=True)
class RateTest:
    """The losses by rate, and what they say. A rate is None where the losses do not show it.

    `steepest` is where the loss falls fastest, `lowest` where it is lowest, and from `diverges` on half of what was gained
    is lost again.
    """

    rates: tuple[float, ...]
    losses: tuple[float, ...]
    smoothed: tuple[float, ...]
    steepest: float | None
    lowest: float | None
    diverges: float | None


def climbing(lowest: float, highest: float, updates: int) -> Schedule:
    """The rate from the lowest at update 0 to the highest at the last one, by the same factor each time."""
    return lambda update: lowest * (highest / lowest) ** (update / max(1, updates - 1))


def losses_by_rate(records: Iterable[Record]) -> tuple[list[float], list[float], bool]:
    """Rates and losses of a training with a Record for each update, and whether it was ended because the loss ran away.

    Raises TrainingError when the very first loss is no number: that is not the rate's fault.
    """
    rates: list[float] = []
    losses: list[float] = []
    try:
        for record in records:
            rates.append(record.learning_rate)
            losses.append(record.loss)
            if np.mean(losses[-SMOOTHED:]) > WORSE * np.mean(losses[:SMOOTHED]):
                return rates, losses, True
    except TrainingError:
        if not losses:
            raise
        return rates, losses, True
    return rates, losses, False


def judge(rates: Sequence[float], losses: Sequence[float], *, has_run_away: bool) -> RateTest:
    """What the losses by rate say."""
    values, logarithms = np.array(losses), np.log(rates)
    smoothed = _smooth(values)
    best = int(smoothed.argmin())
    first = float(smoothed[: SLOPE + 1].max())
    noise = float(np.std(values[: 2 * SLOPE] - smoothed[: 2 * SLOPE]))
    gain = first - float(smoothed[best])
    if best == 0 or gain <= NOISE * noise:
        return RateTest(tuple(rates), tuple(losses), tuple(smoothed.tolist()), None, None, None)
    slopes = [_slope(logarithms, smoothed, number) for number in range(best + 1)]
    lost = np.flatnonzero(smoothed[best:] > smoothed[best] + gain / 2)
    diverges = rates[best + int(lost[0])] if len(lost) else rates[-1] if has_run_away else None
    steepest = rates[int(np.argmin(slopes))]
    return RateTest(tuple(rates), tuple(losses), tuple(smoothed.tolist()), steepest, rates[best], diverges)


def _smooth(losses: Float64[ndarray, " N"]) -> Float64[ndarray, " N"]:
    """The mean of each loss and its neighbours: centred, so that it does not come late."""
    return np.array([losses[max(0, i - SMOOTHED) : i + SMOOTHED + 1].mean() for i in range(len(losses))])


def _slope(x: Float64[ndarray, " N"], y: Float64[ndarray, " N"], number: int) -> float:
    """The slope of the line through a value and its neighbours."""
    near = slice(max(0, number - SLOPE), number + SLOPE + 1)
    away = x[near] - x[near].mean()
    return float((away * y[near]).sum() / max(float((away**2).sum()), 1e-12))
