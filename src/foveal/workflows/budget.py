"""`--budget`: as many updates as the time allows, measured before and on the way, and written down so that no clock is needed
to do the same again."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import torch

from foveal.models.catalog import build_model
from foveal.run import Run
from foveal.training.feed import on_device
from foveal.training.fit import Record, TrainState, measure
from foveal.training.pace import Turns, is_mark, progress, updates_for, validation_spacing
from foveal.training.plan import checkpoint_spacing
from foveal.workflows.describe import seconds_per_update
from foveal.workflows.prepare import Prepared

FINISHING = 0.2  # seconds to write the Classifier, beside the forward passes
NOISE = 0.01  # a change of the length by a smaller share is not worth a turn

Start = Callable[[TrainState, Prepared, torch.device], Iterator[Record]]


@dataclass(frozen=True)
class Budget:
    """When the training began, by the clock, when it is to end, and how long what comes after the last update takes."""

    begin: float
    seconds: float
    reserve: float

    @property
    def left(self) -> float:
        """Seconds for updates from now on."""
        return self.begin + self.seconds - self.reserve - time.perf_counter()


def fit_to_budget(prepared: Prepared, run: Run, device: torch.device, begin: float) -> tuple[Prepared, Budget | None]:
    """The training made as long as its budget allows; as it is when it has none.

    Validations and checkpoints follow the length, but for what the settings say of them.
    """
    seconds = prepared.config.training.budget
    if seconds is None:
        return prepared, None
    per_update, per_validation, reserve = _measured(prepared, device)
    budget = Budget(begin, seconds, reserve)
    bare = updates_for(budget.left, per_update, 0)
    is_said = prepared.config.training.validate_every is not None
    spacing = prepared.plan.validate_every if is_said else validation_spacing(bare, per_update, per_validation)
    total = updates_for(budget.left, per_update + per_validation / spacing, 0)
    if budget.left <= 0:
        run.note(
            f"the budget of {seconds:g} s is less than what comes before and after the training takes: one update is made"
        )
    run.note(f"{total:,} updates of {1000 * per_update:.1f} ms fit into the budget of {seconds:g} s")
    return with_turns(_spaced(prepared, spacing, total), ((0, total),), run), budget


def _spaced(prepared: Prepared, validate_every: int, total: int) -> Prepared:
    """The plan with these updates between validations, and checkpoints for so many updates, unless they were said."""
    plan, training = prepared.plan, prepared.config.training
    checkpoint_every = training.checkpoint_every or checkpoint_spacing(total, plan.updates_per_epoch)
    plan = replace(plan, validate_every=validate_every, checkpoint_every=checkpoint_every)
    training = training.model_copy(update={"validate_every": validate_every / plan.updates_per_epoch})
    return replace(prepared, plan=plan, config=prepared.config.model_copy(update={"training": training}))


def _measured(prepared: Prepared, device: torch.device) -> tuple[float, float, float]:
    """Seconds of an update, of a validation, and of all that comes after the last update.

    Measured on a network made for this and thrown away. After the last update come its validation and the calibration.
    """
    state = torch.random.get_rng_state()
    model = build_model(prepared.arch, len(prepared.classes), prepared.own).to(device)
    torch.random.set_rng_state(state)
    per_update = seconds_per_update(prepared, model)
    validation, calibration = len(prepared.validation), len(prepared.calibration)
    images = prepared.validation if validation else prepared.calibration
    if len(images) == 0:
        return per_update, 0.0, FINISHING
    pixels, labels = on_device(images, device)
    begin = time.perf_counter()
    measure(model, pixels, labels)
    per_image = (time.perf_counter() - begin) / len(images)
    return per_update, validation * per_image, FINISHING + (validation + calibration) * per_image


def with_turns(prepared: Prepared, turns: Turns, run: Run) -> Prepared:
    """The training with its length changed, written into `config.toml` so that it can be repeated without a clock."""
    total, plan = turns[-1][1], prepared.plan
    epochs = total / plan.updates_per_epoch
    settings: dict[str, Any] = {"budget": None, "turns": tuple(turns), "epochs": epochs}
    training = prepared.config.training.model_copy(update=settings)
    config = prepared.config.model_copy(update={"training": training})
    run.write_config(config)
    return replace(prepared, config=config, plan=replace(plan, updates=total, epochs=epochs))


def within_budget(
    start: Start, state: TrainState, prepared: Prepared, run: Run, device: torch.device, budget: Budget | None
) -> Iterator[Record]:
    """The Records of a training whose length is looked at again on the way, and changed where the clock asks for it."""
    turns = prepared.config.training.turns
    while True:
        since, clock, share = state.update, time.perf_counter(), progress(turns, state.update) if turns else 0.0
        new = None
        for record in start(state, prepared, device):
            yield record
            now = progress(turns, state.update) if turns else 0.0
            if budget is None or not is_mark(share, now):
                continue
            per_update = (time.perf_counter() - clock) / (state.update - since)
            new = updates_for(budget.left, per_update, state.update)
            if state.update < turns[-1][1] and abs(new - turns[-1][1]) > NOISE * turns[-1][1]:
                break
            since, clock, share, new = state.update, time.perf_counter(), now, None
        if new is None:
            return
        turns = (*turns, (state.update, new))
        prepared = with_turns(prepared, turns, run)
