"""What a training keeps on its way: the best weights and the newest, and checkpoints to go on from."""

import logging
import signal
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from typing import Any

import torch
from torch import Tensor

from foveal.device import device_name
from foveal.environment import environment
from foveal.errors import ArtifactError, TrainingError
from foveal.launch import Place, place
from foveal.run import Run
from foveal.training.checkpoint import Checkpoint, save_checkpoint, tensors_of
from foveal.training.fit import Record, TrainState
from foveal.workflows.prepare import Prepared

MAX_SECONDS = 300  # between checkpoints, where epochs are long
LOG = logging.getLogger("foveal")


@dataclass(frozen=True)
class Kept:
    """The weights as they were at a Record."""

    record: Record
    weights: Mapping[str, Tensor]


@dataclass(frozen=True)
class Progress:
    """What a training has come to: the weights that did best on validation, the newest, and the newest but one."""

    best: Kept | None = None
    newest: Kept | None = None
    proven: Kept | None = None  # every loss since was a number
    without_gain: int = 0  # validations since `best`
    saved: float = 0.0  # seconds of training at the last checkpoint


def advance(progress: Progress, record: Record, state: TrainState) -> Progress:
    """The progress once this Record is counted in."""
    weights = {name: tensor.detach().clone() for name, tensor in state.model.state_dict().items()}
    newest = Kept(record, weights)
    progress = replace(progress, newest=newest, proven=progress.newest)
    if record.val_accuracy is None:
        return progress
    is_gain = progress.best is None or is_better(record, progress.best.record)
    return replace(
        progress,
        best=newest if is_gain else progress.best,
        without_gain=0 if is_gain else progress.without_gain + 1,
    )


def is_better(record: Record, best: Record) -> bool:
    """Whether a record has the higher validation accuracy, or the same with the lower loss."""
    ours, theirs = (
        (record.val_accuracy or 0.0, record.val_loss or 0.0),
        (best.val_accuracy or 0.0, best.val_loss or 0.0),
    )
    return (ours[0], -ours[1]) > (theirs[0], -theirs[1])


def is_exhausted(progress: Progress, patience: int | None) -> bool:
    """Whether validation has shown no gain as often as the user wants to wait."""
    return patience is not None and progress.without_gain >= patience


def is_checkpoint_due(progress: Progress, state: TrainState, every: int) -> bool:
    """Whether a checkpoint is to be written after this update, by its number or because the last one is long ago."""
    return state.update % every == 0 or state.seconds - progress.saved > MAX_SECONDS


def keep_checkpoint(run: Run, progress: Progress, state: TrainState, prepared: Prepared) -> Progress:
    """Write a checkpoint of the training as it is. Raises TrainingError for weights that are no numbers."""
    assert progress.newest is not None, "a checkpoint is written at a Record"
    tensors = tensors_of(state)
    for name, tensor in tensors.items():
        if tensor.is_floating_point() and not bool(torch.isfinite(tensor).all()):
            raise TrainingError(
                f"{name} holds NaN or infinities after update {state.update} (loss {progress.newest.record.loss:g}): the "
                "weights have run away. Lower the rate (--set training.learning_rate=...) or clip the gradients "
                "(--set training.clip_norm=1)."
            )
    if progress.best is not None:
        tensors |= {f"best.{name}": tensor for name, tensor in progress.best.weights.items()}
    if not place().is_first:
        return replace(progress, saved=state.seconds)
    facts = {
        "seconds": state.seconds,
        "seed": state.seed,
        "history_bytes": run.flush_history(),  # not the records, which become more and more
        "newest": asdict(progress.newest.record),
        "best": asdict(progress.best.record) if progress.best is not None else None,
        "without_gain": progress.without_gain,
        "depends_on": dependencies(prepared),
    }
    save_checkpoint(run.checkpoints, Checkpoint(state.update, tensors, facts))
    return replace(progress, saved=state.seconds)


def progress_in(checkpoint: Checkpoint) -> Progress:
    """The progress that a checkpoint was written at."""
    facts = checkpoint.facts
    newest = Kept(Record(**facts["newest"]), checkpoint.under("model"))
    best = Kept(Record(**facts["best"]), checkpoint.under("best")) if facts["best"] is not None else None
    return Progress(best, newest, newest, facts["without_gain"], facts["seconds"])


def dependencies(prepared: Prepared) -> dict[str, Any]:
    """What decides the bits of the weights besides the seed: settings, data, versions, processor, threads."""
    machine, settings = environment(), prepared.config.model_dump(mode="json", exclude={"track"})
    for name in ("source", "images"):  # wherever they lie: what they are follows
        settings["data"].pop(name)
    for name in ("epochs", "budget", "turns"):  # a budget changes them on the way; config.toml has all of the turns
        if prepared.config.training.turns or prepared.config.training.budget:
            settings["training"].pop(name)
    return {
        "settings": settings,
        "network": prepared.arch.model_dump(mode="json", exclude={"source"}),
        "data": prepared.splits.fingerprint,
        "splits": prepared.splits.order,
        "torch": torch.__version__,
        **{name: machine["packages"][name] for name in ("foveal", "numpy", "pillow")},
        "processor": f"{machine['processor']}, {torch.backends.cpu.get_cpu_capability()}",
        "threads": torch.get_num_threads(),
        "device": device_name(prepared.config.device),
        "workers": place().workers,
    }


def are_other_data(checkpoint: Checkpoint, prepared: Prepared) -> bool:
    """Whether the images, their labels, their order or their splits are not those of the checkpoint."""
    before = checkpoint.facts["depends_on"]
    return (before["data"], before["splits"]) != (prepared.splits.fingerprint, prepared.splits.order)


def require_the_same(checkpoint: Checkpoint, prepared: Prepared, *, allow_difference: bool) -> list[str]:
    """What is not as it was when the checkpoint was written, in words. Raises ArtifactError unless that is allowed."""
    before, now = checkpoint.facts["depends_on"], dependencies(prepared)
    others = [_difference(key, before.get(key), value) for key, value in now.items() if before.get(key) != value]
    found = list(dict.fromkeys(others))
    if found and not allow_difference:
        raise ArtifactError(
            f"the run cannot go on bit for bit: {'; '.join(found)}. Go on where it was begun, or accept other weights than "
            "those of a run that was never stopped: --allow-difference"
        )
    return found


def _difference(key: str, before: Any, now: Any) -> str:
    if key in ("data", "splits"):
        return "the images, their labels, their order or their splits are not those it was begun with"
    if key == "network":
        return "the network, or the statistics of its first layer, is another"
    if key == "settings":
        names = [name for name in now if now[name] != (before or {}).get(name)]
        return f"config.toml was changed ({', '.join(names)})"
    if key == "workers":
        return f"workers: {before} then, {now} now ({Place(workers=before, local_workers=before).launcher}foveal resume RUN)"
    return f"{key}: {before} then, {now} now"


@contextmanager
def stop_requests() -> Iterator[Any]:
    """Ctrl-C and SIGTERM wait until a stretch of training is done, so that all of it is kept; a second one stops at once.

    Gives a function that says whether to stop. Outside the main thread, where Python allows no handlers, it never does.
    """
    asked: list[int] = []

    def ask(number: int, _: Any) -> None:
        if asked:
            raise KeyboardInterrupt
        asked.append(number)
        LOG.info("stopping after this stretch of updates; once more stops at once")

    if threading.current_thread() is not threading.main_thread():
        yield lambda: False
        return
    before = {number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield lambda: bool(asked)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
