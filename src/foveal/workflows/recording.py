"""What a training writes into its run folder besides weights: how it began, how it went on, what it came to."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.torch import save as save_tensors
from torch import Tensor, nn

from foveal.classifier import logits_of
from foveal.data.mapped import numpy_batches
from foveal.device import out_of_memory_said
from foveal.errors import ArtifactError, MemoryRanOut, TrainingError
from foveal.evaluation.calibration import fit_temperature
from foveal.launch import place
from foveal.run import CONFIG, Run
from foveal.training.fit import Record, TrainState
from foveal.workflows.changes import changes_since_last
from foveal.workflows.keeping import Progress, keep_checkpoint
from foveal.workflows.prepare import Prepared
from foveal.workflows.start_known import by_split

Stopped = KeyboardInterrupt | TrainingError | None  # what ended a training early


@dataclass(frozen=True)
class Outcome:
    """The chosen weights, the Record they were chosen by, what was trained in all, and what stopped it early."""

    weights: Mapping[str, Tensor]
    chosen: Record
    last: Record
    last_sha256: str  # of the weights after the last update
    stopped: Stopped = None


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
            **_start_of(prepared),
        },
    }


def _start_of(prepared: Prepared) -> dict[str, str]:
    """Of a training that continued a Classifier: which one."""
    if prepared.start is None:
        return {}
    return {"start": str(prepared.start.folder), "start_sha256": prepared.start.sha256}


def record_beginning(run: Run, prepared: Prepared) -> Progress:
    """Write what is known before the first update, and tell the user what was decided."""
    run.rewrite_history([])  # of a training that was killed before its first checkpoint
    run.write_config(prepared.config)
    record_data(run, prepared)
    run.note_each("left out: ", prepared.refused)
    for note in (*prepared.notes, *changes_since_last(run, prepared)):
        run.note(note)
    return Progress()


def record_data(
    run: Run, prepared: Prepared, facts: Mapping[str, Any] | None = None, *, learnt_before: Sequence[str] = ()
) -> None:
    """Write what the run is trained on, and with what versions and threads; `facts` are put on top of the environment.

    `learnt_before` are ids of decoded pixels that were learnt from or chosen with before that.
    """
    earlier, pixel_ids = by_split(prepared.earlier), list(dict.fromkeys([*prepared.pixel_ids, *learnt_before]))
    run.write_splits({**prepared.splits.as_dict(), "pixel_ids": pixel_ids, "earlier": earlier})
    known = {"threads": prepared.config.threads, "workers": place().workers, "fingerprint": prepared.splits.fingerprint}
    run.write_environment({**known, **(facts or {})})


def sha256_of(weights: Mapping[str, Tensor]) -> str:
    """What tells these weights from any others: a hash of their names, types, shapes and bits."""
    tensors = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in sorted(weights.items())}
    return hashlib.sha256(save_tensors(tensors)).hexdigest()


@contextmanager
def finished_later(run: Run, progress: Progress, state: TrainState, prepared: Prepared) -> Iterator[None]:
    """Where memory or disk gives out once the updates are done, keep what `foveal resume` needs for the rest, and say so."""
    try:
        with out_of_memory_said("once the updates were done", "End other programs, or use a machine with more of it."):
            yield
    except MemoryRanOut as error:
        newest = progress.newest
        if newest is not None and newest.record.update == state.update:  # else an error has stopped it in between
            state.model.load_state_dict(newest.weights)  # those that were measured may be others
            keep_checkpoint(run, progress, state, prepared)
        raise MemoryRanOut(f"{error}{how_to_go_on(run)}") from error
    except ArtifactError as error:
        raise ArtifactError(f"{error}{how_to_go_on(run)}") from error


def how_it_stopped(outcome: Outcome, prepared: Prepared, run: Run) -> str:
    """Where a training stopped, what is kept, and what can be done with it: after a loss that ran away not to go on."""
    again = (
        f" To try with other settings: foveal train --config {run.folder / CONFIG} --set training.learning_rate=..."
        if isinstance(outcome.stopped, TrainingError) and not isinstance(outcome.stopped, MemoryRanOut)
        else how_to_go_on(run)
    )
    return (
        f"stopped at update {outcome.last.update:,} of {prepared.plan.updates:,}; the weights of update "
        f"{outcome.chosen.update:,} are kept in {run.classifier}: foveal evaluate {run.folder}.{again}"
    )


def how_to_go_on(run: Run) -> str:
    """The sentence that says how to go on, empty before the first checkpoint."""
    newest = max((int(each.name) for each in run.checkpoints.glob("[0-9]*")), default=None)
    if newest is None:
        return ""
    return f" To go on from update {newest:,}: {place().launcher}foveal resume {run.folder}"


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
        "workers": place().workers,
        "last_weights_sha256": outcome.last_sha256,
        "stopped": outcome.stopped is not None,
    }


def calibrate(model: nn.Module, prepared: Prepared) -> float:
    """The temperature that fits the calibration images."""
    images = prepared.calibration
    if len(images) == 0:
        return 1.0
    logits = np.concatenate([logits_of(model, batch) for batch in numpy_batches(images.pixels)])
    return fit_temperature(logits, images.labels.numpy())
