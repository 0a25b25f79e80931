"""How far a training is when its length is changed on the way, as a budget of time asks for. Arithmetic only, no clock."""

from collections.abc import Sequence
from math import ceil

from foveal.training.plan import VALIDATIONS

Turns = Sequence[tuple[int, int]]  # (from this update on, updates in all), the first from update 0
MAX_SHARE = 0.05  # of a budget, for validations on the way
MARKS = (0.05, 0.2, 0.4, 0.6, 0.8, 0.9, 0.97)  # shares of a training after which its length is looked at again


def progress(turns: Turns, update: float) -> float:
    """The share of the training that is done after so many updates; each turn spreads what is left over its own length.

    >>> progress([(0, 100)], 50), progress([(0, 100), (50, 75)], 50), progress([(0, 100), (50, 75)], 62.5)
    (0.5, 0.5, 0.75)
    """
    done = 0.0
    for number, (start, total) in enumerate(turns):
        is_last = number == len(turns) - 1
        end = update if is_last else min(update, turns[number + 1][0])
        done += (1 - done) * (end - start) / (total - start)
        if end == update:
            break
    return done


def updates_for(seconds_left: float, seconds_per_update: float, update: int) -> int:
    """How many updates there are in all, when from this one on there is so much time: at least one more."""
    return update + max(1, round(seconds_left / seconds_per_update))


def validation_spacing(updates: int, seconds_per_update: float, seconds_per_validation: float) -> int:
    """Updates from one validation to the next: six of them evenly, or fewer where they would take over 5 % of the time.

    With s updates of u seconds between validations of v seconds, v / (s u + v) of the time is theirs. The last update is
    validated in any case.

    >>> validation_spacing(600, 0.01, 0.05), validation_spacing(600, 0.01, 0.1), validation_spacing(600, 0.01, 60.0)
    (100, 190, 600)
    """
    least = (1 - MAX_SHARE) / MAX_SHARE * seconds_per_validation / seconds_per_update
    return min(updates, max(ceil(updates / VALIDATIONS), ceil(least - 1e-9)))


def is_mark(before: float, now: float) -> bool:
    """Whether the training has passed one of the shares after which its length is looked at."""
    return any(before < mark <= now for mark in MARKS)
