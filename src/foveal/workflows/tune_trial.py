"""One trial of `foveal tune`: how good some settings are on the validation images.

No test image is opened, and no folder is written: a trial is its settings and its accuracy.
"""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from foveal.config import Config
from foveal.device import choose_device, out_of_memory_said
from foveal.errors import TrainingError
from foveal.training.fit import TrainState
from foveal.workflows.keeping import Progress, advance, is_exhausted
from foveal.workflows.load import Loaded
from foveal.workflows.prepare import Prepared, prepare
from foveal.workflows.train import make_state, start_fit

OUT_OF_TIME, NO_HOPE = "out of time", "below the median"


@dataclass(frozen=True)
class Ended:
    """How a trial ended: the best of its validations, and why it ended early, if it did."""

    accuracy: float | None
    reason: str | None
    seconds: float
    updates: int


def run_trial(trial: Any, config: Config, deadline: float | None, loaded: Loaded | None = None) -> Ended:
    """Train as `config` says and tell the trial of each validation; the pruner or the clock may end it early.

    A loss that runs away or memory that runs out ends the trial, and not the tuning. `deadline` is by `time.time`.
    """
    begin = time.perf_counter()
    progress, updates = Progress(), 0
    reason: str | None = None
    try:
        with out_of_memory_said("in a trial"):
            prepared = prepare(config, loaded=loaded)
            state = make_state(prepared, choose_device(config.device))
            for stretch in _stretches(trial, state, prepared, deadline):
                (progress, reason), updates = stretch, state.update
    except TrainingError as error:
        reason = str(error)
    accuracy = None if progress.best is None else progress.best.record.val_accuracy
    return Ended(accuracy, reason, time.perf_counter() - begin, updates)


def _stretches(
    trial: Any, state: TrainState, prepared: Prepared, deadline: float | None
) -> Iterator[tuple[Progress, str | None]]:
    """The progress after each Record, and at the last one why the trial ends early, if it does."""
    progress, validations, patience = Progress(), 0, prepared.config.training.patience
    for record in start_fit(state, prepared, choose_device(prepared.config.device)):
        progress = advance(progress, record, state)
        validations += record.val_accuracy is not None
        if record.update == prepared.plan.updates or is_exhausted(progress, patience):
            yield progress, None
            return
        reason = _reason_to_end(trial, progress, validations, deadline)
        yield progress, reason
        if reason is not None:
            return


def _reason_to_end(trial: Any, progress: Progress, validations: int, deadline: float | None) -> str | None:
    """Why a trial is not worth its time any more, None while it is."""
    if deadline is not None and time.time() > deadline:
        return OUT_OF_TIME
    if progress.newest is None or progress.newest.record.val_accuracy is None or progress.best is None:
        return None
    trial.report(progress.best.record.val_accuracy, validations)
    return NO_HOPE if trial.should_prune() else None
