"""`foveal train`, from a Config to a finished run. This is the file to read first: the whole product in one page.

Everything named here is a plain function of the room it is imported from; the only value that changes is TrainState.
"""

import time
from collections.abc import Iterator
from dataclasses import asdict, replace
from functools import partial

import torch

from foveal.classifier import replace_classifier
from foveal.config import Config
from foveal.data.mapped import in_order
from foveal.data.sources import Source
from foveal.device import choose_device, out_of_memory_said, seed_everything, set_threads
from foveal.errors import ArtifactError, MemoryRanOut, TrainingError
from foveal.lock import locked
from foveal.models.catalog import build_model, look_at_images
from foveal.models.own import Own
from foveal.report.progress import progress_bar
from foveal.run import Run
from foveal.storage import remove_folder
from foveal.track.tracking import require_trackers, tracked
from foveal.training.checkpoint import Checkpoint, share
from foveal.training.distributed import ALONE, Workers, first_one_first, joined_workers
from foveal.training.feed import on_device
from foveal.training.fit import Record, TrainState, fit
from foveal.training.optim import balanced_weights, make_loss, make_optimizer
from foveal.training.schedule import make_schedule
from foveal.workflows.augmenting import make_augmentation, make_mix
from foveal.workflows.budget import fit_to_budget, within_budget
from foveal.workflows.going_on import prepare_to_go_on, record_going_on
from foveal.workflows.keeping import (
    Progress,
    advance,
    is_checkpoint_due,
    is_exhausted,
    keep_checkpoint,
    stop_requests,
)
from foveal.workflows.measuring import with_validation
from foveal.workflows.picture import draw_training
from foveal.workflows.prepare import Prepared, prepare
from foveal.workflows.recording import (
    Outcome,
    Stopped,
    calibrate,
    finished_later,
    how_it_stopped,
    how_to_go_on,
    make_card,
    record_beginning,
    sha256_of,
    summarise,
)

SMALLER_DATA = "Use smaller images (--size 32), or keep fewer of them in memory (--set data.memory_mb=500)."


def train(
    config: Config,
    run: Run,
    source: Source | None = None,
    own: Own | None = None,
    *,
    checkpoint: Checkpoint | None = None,
    allow_difference: bool = False,
) -> Run:
    """Train as `config` says, into the folder `run`: weights chosen on validation, temperature fitted on calibration.

    The test images are not decoded. `source` and `own` stand for data and networks that a config cannot name. A
    `checkpoint` is where to go on from (see workflows/resume.py).
    On Ctrl-C, SIGTERM or a TrainingError the best weights so far are kept as a Classifier, and the exception goes on.
    """
    with locked(run.folder):
        return train_locked(config, run, source, own, checkpoint=checkpoint, allow_difference=allow_difference)


def train_locked(
    config: Config,
    run: Run,
    source: Source | None,
    own: Own | None,
    *,
    checkpoint: Checkpoint | None,
    allow_difference: bool,
) -> Run:
    """The same by who holds the lock of the run folder."""
    begin = time.perf_counter()
    require_trackers(config.track.to)
    set_threads(config.threads)
    device = choose_device(config.device)
    with joined_workers(device) as workers:
        with out_of_memory_said("before the first update", SMALLER_DATA):
            with first_one_first(workers):
                prepared = prepare(config, source, own)
            checkpoint = share(checkpoint, workers)
            if checkpoint is not None:
                prepared = prepare_to_go_on(prepared, source, run, checkpoint, workers)
            state = make_state(prepared, device)
        if checkpoint is None:
            progress = record_beginning(run, prepared)
        else:
            progress = record_going_on(
                run, prepared, state, checkpoint, device, workers, allow_difference=allow_difference
            )
        before = state.seconds
        prepared, budget = fit_to_budget(prepared, run, device, begin)
        start = partial(start_fit, workers=workers)
        records = within_budget(start, state, prepared, run, device, budget)
        progress, stopped = learn(records, state, prepared, run, progress, workers)
        with finished_later(run, progress, state, prepared):
            outcome = conclude(progress, stopped, state, prepared, device, workers)
            if not workers.place.is_first:
                if outcome.stopped is not None:
                    raise outcome.stopped
                return run
            state.model.load_state_dict(outcome.weights)
            card = make_card(outcome, prepared, run, temperature=calibrate(state.model.cpu(), prepared))
            replace_classifier(run.classifier, outcome.weights, card)
            seconds = before + time.perf_counter() - begin
            draw_training(run, state.model, prepared)
            run.write_summary(
                summarise(outcome, prepared, run, state.model, seconds)
            )  # last: it says that the run is finished
        if outcome.stopped is not None:
            run.note(how_it_stopped(outcome, prepared, run))
            raise outcome.stopped
        remove_folder(run.checkpoints)
    return run


def make_state(prepared: Prepared, device: torch.device) -> TrainState:
    """The network, with first weights drawn from the seed, and its optimizer."""
    config = prepared.config
    seed_everything(config.seed)
    model = build_model(prepared.arch, len(prepared.classes), prepared.own).to(device)
    look_at_images(model, in_order(prepared.train.pixels, 500))
    if prepared.start is not None:
        model.load_state_dict(prepared.start.weights, strict=False)
    optimizer = make_optimizer(
        model.parameters(),
        config.training.optimizer,
        momentum=config.training.momentum,
        nesterov=config.training.nesterov,
        weight_decay=config.training.weight_decay,
        epsilon=config.training.epsilon,
    )
    return TrainState(model, optimizer, config.seed)


def start_fit(
    state: TrainState, prepared: Prepared, device: torch.device, workers: Workers = ALONE
) -> Iterator[Record]:
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
            turns=training.turns,
        ),
        augment=make_augmentation(prepared.config.augment, state.seed),
        mix=make_mix(prepared.config.augment, len(prepared.classes)),
        batch_size=plan.batch_size,
        updates=plan.updates,
        report_every=plan.report_every,
        validate_every=plan.validate_every,
        checkpoint_every=plan.checkpoint_every,
        clip_norm=training.clip_norm,
        precision=training.precision,
        shards=training.shards or 1,
        workers=workers,
    )


def learn(
    records: Iterator[Record],
    state: TrainState,
    prepared: Prepared,
    run: Run,
    progress: Progress,
    workers: Workers,
) -> tuple[Progress, Stopped]:
    """The training itself: the loop is the documentation. What it came to, and what stopped it early, if anything did."""
    plan, patience = prepared.plan, prepared.config.training.patience
    stopped: Stopped = None
    try:
        with (
            progress_bar(plan.updates, plan.epochs, plan.batch_size) as show,
            out_of_memory_said("while training"),
            stop_requests() as is_stop_asked,
            tracked(run, prepared.config) as log,
        ):
            for record in () if is_exhausted(progress, patience) else records:
                run.append_history([asdict(record)])
                log(record)
                show(record)
                progress = advance(progress, record, state)
                is_stopping = workers.agree(is_stop_asked())
                if is_stopping or workers.agree(is_checkpoint_due(progress, state, plan.checkpoint_every)):
                    progress = keep_checkpoint(run, progress, state, prepared)
                if is_stopping:
                    raise KeyboardInterrupt
                if is_exhausted(progress, patience):
                    run.note(f"stopped early: no gain on validation in {patience} measurements")
                    break
    except KeyboardInterrupt as reason:
        stopped = reason
    except ArtifactError as reason:
        raise ArtifactError(f"{reason}{how_to_go_on(run)}") from reason
    except MemoryRanOut as reason:
        stopped = reason
    except TrainingError as reason:
        stopped, progress = reason, replace(progress, newest=progress.proven)
    return progress, stopped


def conclude(
    progress: Progress, stopped: Stopped, state: TrainState, prepared: Prepared, device: torch.device, workers: Workers
) -> Outcome:
    """The weights that are kept, with their validation. Raises what stopped the training where there are none."""
    chosen = progress.best or progress.newest
    if chosen is None or progress.newest is None:
        raise stopped or TrainingError("the training made no update. Ask for more epochs.")
    last = progress.newest
    # After an error the other workers may be anywhere: this one measures alone.
    together = ALONE if isinstance(stopped, TrainingError) else workers
    validated = with_validation(chosen, state, prepared, device, together)
    return Outcome(chosen.weights, validated, last.record, sha256_of(last.weights), stopped)
