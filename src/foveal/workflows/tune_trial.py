"""One trial of `foveal tune`: which settings it tries, and how good they are on the validation images.

No test image is opened, and no folder is written: a trial is its settings and its accuracy.
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from foveal.config import Config
from foveal.device import choose_device, out_of_memory_said
from foveal.errors import TrainingError
from foveal.settings import merge, parse_config, parse_settings
from foveal.workflows.keeping import Progress, advance, is_exhausted
from foveal.workflows.prepare import prepare
from foveal.workflows.train import make_state, start_fit

BATCH_SIZES = (32, 64, 128, 256)
WIDTHS = (0.5, 0.75, 1.0, 1.5, 2.0)  # of `compact`
MAX_SHIFT = 4  # pixels
DIVERGED, OUT_OF_TIME, NO_HOPE = "diverged", "out of time", "below the median"


@dataclass(frozen=True)
class Floats:
    """A setting between two values, tried evenly over the magnitudes."""

    low: float
    high: float


Choices = tuple[int | float, ...]
Space = dict[str, Floats | Choices]  # by the names that `--set` takes


def search_space(base: Config, n: int, batch_size: int, fixed: set[str]) -> tuple[Space, dict[str, Any]]:
    """What is tried, but for `fixed` settings, and the values of the recipe itself; n training images, in its batches."""
    training, shift = base.training, base.augment.shift
    space: Space = {
        "training.learning_rate": Floats(training.learning_rate / 10, training.learning_rate * 10),
        "training.weight_decay": Floats(1e-5, 0.3),
        "training.batch_size": tuple(sorted({batch_size, *(size for size in BATCH_SIZES if size <= n // 4)})),
        "augment.shift": tuple(range(max(MAX_SHIFT, shift) + 1)),
        "model.width": tuple(sorted({base.model.width, *WIDTHS})),
    }
    recipe: dict[str, Any] = {
        "training.learning_rate": training.learning_rate,
        "training.weight_decay": training.weight_decay,
        "training.batch_size": batch_size,
        "augment.shift": shift,
        "model.width": base.model.width,
    }
    if base.model.name != "compact" or base.model.start is not None:  # weights that are continued have their width
        fixed = fixed | {"model.width"}
    space = {name: values for name, values in space.items() if name not in fixed}
    return space, {name: recipe[name] for name, values in space.items() if _holds(values, recipe[name])}


def _holds(values: Floats | Choices, value: float) -> bool:
    return values.low <= value <= values.high if isinstance(values, Floats) else value in values


def with_settings(base: Config, settings: Mapping[str, Any]) -> Config:
    """The Config with these settings, by the names that `--set` takes, in the place of its own."""
    said = parse_settings([f"{name}={value}" for name, value in settings.items()])
    config: Config = parse_config(merge(base.model_dump(mode="json", exclude_none=True), said))
    return config


def suggest(trial: Any, space: Space) -> dict[str, Any]:
    """What Optuna would like to try."""
    return {
        name: trial.suggest_float(name, values.low, values.high, log=True)
        if isinstance(values, Floats)
        else trial.suggest_categorical(name, values)
        for name, values in space.items()
    }


@dataclass(frozen=True)
class Ended:
    """How a trial ended: the best of its validations, and why it ended early, if it did."""

    accuracy: float | None
    reason: str | None
    seconds: float
    updates: int


def run_trial(trial: Any, config: Config, deadline: float | None) -> Ended:
    """Train as `config` says and tell the trial of each validation; it may be ended early by the pruner or the clock."""
    begin = time.perf_counter()
    device = choose_device(config.device)
    prepared = prepare(config)
    state, progress, validations, reason = make_state(prepared, device), Progress(), 0, None
    try:
        with out_of_memory_said("in a trial"):
            for record in start_fit(state, prepared, device):
                progress = advance(progress, record, state)
                validations += record.val_accuracy is not None
                if record.update == prepared.plan.updates or is_exhausted(progress, config.training.patience):
                    break
                reason = _reason_to_end(trial, progress, validations, deadline)
                if reason is not None:
                    break
    except TrainingError as error:
        reason = f"{DIVERGED}: {error}"
    accuracy = None if progress.best is None else progress.best.record.val_accuracy
    return Ended(accuracy, reason, time.perf_counter() - begin, state.update)


def _reason_to_end(trial: Any, progress: Progress, validations: int, deadline: float | None) -> str | None:
    """Why a trial is not worth its time any more, None while it is."""
    if deadline is not None and time.time() > deadline:
        return OUT_OF_TIME
    if progress.newest is None or progress.newest.record.val_accuracy is None or progress.best is None:
        return None
    trial.report(progress.best.record.val_accuracy, validations)
    return NO_HOPE if trial.should_prune() else None
