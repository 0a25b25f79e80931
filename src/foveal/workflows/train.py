"""`foveal train`, from a Config to a finished run. This is the file to read first: the whole product in one page.

Everything named here is a plain function of the room it is imported from; the only value that changes is TrainState.
"""

import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Int64
from torch import Tensor, nn

from foveal.classifier import logits_of, save_classifier
from foveal.config import Config
from foveal.data.mapped import Images, numpy_batches
from foveal.data.pixels import Pixels
from foveal.data.sources import Source
from foveal.device import choose_device, out_of_memory_said, seed_everything, set_threads
from foveal.errors import TrainingError
from foveal.evaluation.calibration import fit_temperature
from foveal.models.catalog import build_model
from foveal.models.own import Own
from foveal.report.progress import progress_bar
from foveal.run import Run
from foveal.training.fit import Record, TrainState, fit, measure
from foveal.training.optim import balanced_weights, make_loss, make_optimizer
from foveal.training.schedule import make_schedule
from foveal.workflows.augmenting import make_augmentation, make_mix
from foveal.workflows.changes import changes_since_last
from foveal.workflows.picture import draw_training
from foveal.workflows.prepare import Prepared, prepare


def train(config: Config, run: Run, source: Source | None = None, own: Own | None = None) -> Run:
    """Train as `config` says, into the folder `run`: weights chosen on validation, temperature fitted on calibration.

    The test images are not decoded. `source` and `own` stand for data and networks that a config cannot name.
    On Ctrl-C or a TrainingError the best weights so far are kept as a Classifier, and the exception goes on.
    """
    begin = time.perf_counter()
    set_threads(config.threads)
    device = choose_device(config.device)
    prepared = prepare(config, source, own)
    record_beginning(run, prepared)

    generator = seed_everything(config.seed)
    model = build_model(prepared.arch, len(prepared.classes), prepared.own).to(device)
    optimizer = make_optimizer(
        model.parameters(),
        config.training.optimizer,
        learning_rate=config.training.learning_rate,
        momentum=config.training.momentum,
        nesterov=config.training.nesterov,
        weight_decay=config.training.weight_decay,
        epsilon=config.training.epsilon,
    )
    outcome = learn(TrainState(model, optimizer, generator), prepared, run, device)

    model.load_state_dict(outcome.weights)
    temperature = calibrate(model.cpu(), prepared)
    save_classifier(run.classifier, outcome.weights, make_card(outcome, prepared, run, temperature))
    run.write_summary(summarise(outcome, prepared, run, model, time.perf_counter() - begin))
    draw_training(run, model, prepared)
    if outcome.stopped is not None:
        run.note(
            f"stopped at update {outcome.last.update:,} of {prepared.plan.updates:,}; the weights of update "
            f"{outcome.chosen.update:,} are kept in {run.classifier}: foveal evaluate {run.folder}"
        )
        raise outcome.stopped
    return run


@dataclass(frozen=True)
class Outcome:
    """The chosen weights, the Record they were chosen by, what was trained in all, and what stopped it early."""

    weights: Mapping[str, Tensor]
    chosen: Record
    last: Record
    stopped: KeyboardInterrupt | TrainingError | None = None


def start_fit(state: TrainState, prepared: Prepared, device: torch.device) -> Iterator[Record]:
    """The training as a stream of Records: the settings, spelt out for `fit`."""
    training, plan = prepared.config.training, prepared.plan
    pixels, labels = on_device(prepared.train, device)
    class_weights = balanced_weights(labels, len(prepared.classes)) if training.balance else None
    return fit(
        state,
        (pixels, labels),
        on_device(prepared.validation, device) if len(prepared.validation) else None,
        loss=make_loss(training.loss, label_smoothing=training.label_smoothing, class_weights=class_weights),
        schedule=make_schedule(
            training.schedule,
            training.learning_rate,
            plan.updates,
            warmup=training.warmup,
            updates_per_epoch=plan.updates_per_epoch,
            step_every=training.step_every,
            step_factor=training.step_factor,
        ),
        augment=make_augmentation(prepared.config.augment),
        mix=make_mix(prepared.config.augment, len(prepared.classes)),
        batch_size=plan.batch_size,
        updates=plan.updates,
        report_every=plan.report_every,
        validate_every=plan.validate_every,
        clip_norm=training.clip_norm,
    )


@dataclass(frozen=True)
class Kept:
    """The weights as they were at a Record."""

    record: Record
    weights: Mapping[str, Tensor]


def learn(state: TrainState, prepared: Prepared, run: Run, device: torch.device) -> Outcome:
    """The training itself: the loop is the documentation."""
    plan, patience = prepared.plan, prepared.config.training.patience
    best: Kept | None = None  # on validation
    newest: Kept | None = None
    proven: Kept | None = None  # the newest but one: every loss since was a number
    stopped: KeyboardInterrupt | TrainingError | None = None
    without_gain = 0
    try:
        with progress_bar(plan.updates, plan.epochs, plan.batch_size) as show, out_of_memory_said("while training"):
            for record in start_fit(state, prepared, device):
                run.append_history([asdict(record)])
                show(record)
                newest, proven = keep(record, state), newest
                if record.val_accuracy is None:
                    continue
                if best is None or is_better(record, best.record):
                    best, without_gain = newest, 0
                else:
                    without_gain += 1
                if patience is not None and without_gain >= patience:
                    run.note(f"stopped early: no gain on validation in {patience} measurements")
                    break
    except KeyboardInterrupt as reason:
        stopped = reason
    except TrainingError as reason:
        stopped, newest = reason, proven
    chosen = best or newest
    if chosen is None or newest is None:
        raise stopped or TrainingError("the training made no update. Ask for more epochs.")
    return Outcome(chosen.weights, with_validation(chosen, state, prepared, device), newest.record, stopped)


def on_device(images: Pixels, device: torch.device) -> tuple[Images, Int64[Tensor, " N"]]:
    """Images and labels on the device; images that are mapped from a file stay there."""
    pixels = images.pixels.to(device) if isinstance(images.pixels, Tensor) else images.pixels
    return pixels, images.labels.to(device)


def is_better(record: Record, best: Record) -> bool:
    """Whether a record has the higher validation accuracy, or the same with the lower loss."""
    ours, theirs = (
        (record.val_accuracy or 0.0, record.val_loss or 0.0),
        (best.val_accuracy or 0.0, best.val_loss or 0.0),
    )
    return (ours[0], -ours[1]) > (theirs[0], -theirs[1])


def keep(record: Record, state: TrainState) -> Kept:
    """A copy of the weights as they are at this Record."""
    return Kept(record, {name: tensor.detach().clone() for name, tensor in state.model.state_dict().items()})


def with_validation(kept: Kept, state: TrainState, prepared: Prepared, device: torch.device) -> Record:
    """The Record with its validation, measured now where the training stopped before it was."""
    if kept.record.val_accuracy is not None or len(prepared.validation) == 0:
        return kept.record
    state.model.load_state_dict(kept.weights)
    val_loss, val_accuracy = measure(state.model, *on_device(prepared.validation, device))
    return replace(kept.record, val_loss=val_loss, val_accuracy=val_accuracy)


def calibrate(model: nn.Module, prepared: Prepared) -> float:
    """The temperature that fits the calibration images."""
    images = prepared.calibration
    if len(images) == 0:
        return 1.0
    logits = np.concatenate([logits_of(model, batch) for batch in numpy_batches(images.pixels)])
    return fit_temperature(logits, images.labels.numpy())


def make_card(outcome: Outcome, prepared: Prepared, run: Run, temperature: float) -> dict[str, Any]:
    """All that the Classifier has to know besides its weights."""
    return {
        "arch": prepared.arch,
        "classes": prepared.classes,
        "preprocess": prepared.preprocess,
        "familiar": prepared.familiar,
        "temperature": temperature,
        "provenance": {
            "run": run.folder.name,
            "data": prepared.data.name,
            "fingerprint": prepared.splits.fingerprint,
            "update": outcome.chosen.update,
            "val_accuracy": outcome.chosen.val_accuracy,
            "seed": prepared.config.seed,
        },
    }


def record_beginning(run: Run, prepared: Prepared) -> None:
    """Write what is known before the first update, and tell the user what was decided."""
    run.write_config(prepared.config)
    run.write_splits({**prepared.splits.as_dict(), "pixel_ids": prepared.pixel_ids})
    run.write_environment({"threads": prepared.config.threads, "fingerprint": prepared.splits.fingerprint})
    run.note_each("left out: ", prepared.refused)
    for note in (*prepared.notes, *changes_since_last(run, prepared)):
        run.note(note)


def summarise(outcome: Outcome, prepared: Prepared, run: Run, model: nn.Module, seconds: float) -> dict[str, Any]:
    """What `foveal train --json` prints."""
    images = outcome.last.epoch * len(prepared.train)  # the last batch of an epoch may be short
    return {
        "run": str(run.folder),
        "classifier": str(run.classifier),
        "model": Path(prepared.config.model.name).name,  # of a file, not where it lies
        "data": prepared.data.name,
        "epochs": outcome.last.epoch,
        "updates": outcome.last.update,
        "seed": prepared.config.seed,
        "parameters": sum(parameter.numel() for parameter in model.parameters()),
        "train_seconds": seconds,
        "images_per_second": images / outcome.last.seconds,
        "val_accuracy": outcome.chosen.val_accuracy,
        "val_loss": outcome.chosen.val_loss,
        "chosen_update": outcome.chosen.update,
        "threads": prepared.config.threads,
        "stopped": outcome.stopped is not None,
    }
