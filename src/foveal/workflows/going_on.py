"""How a resumed training goes on from a checkpoint: bit for bit, or knowingly with something that is not as it was."""

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import torch

from foveal.data.changes import what_changed
from foveal.data.sources import Source
from foveal.errors import ArtifactError
from foveal.launch import place
from foveal.run import ENVIRONMENT, HISTORY, Run
from foveal.storage import read_json, remove_folder
from foveal.training.checkpoint import Checkpoint, restore
from foveal.training.distributed import Workers
from foveal.training.fit import TrainState
from foveal.workflows.keeping import Kept, Progress, are_other_data, progress_in, require_the_same
from foveal.workflows.load import load
from foveal.workflows.measuring import with_validation
from foveal.workflows.prepare import Prepared, prepare
from foveal.workflows.recording import record_data
from foveal.workflows.start_known import met_by


def prepare_to_go_on(
    prepared: Prepared, source: Source | None, run: Run, checkpoint: Checkpoint, workers: Workers
) -> Prepared:
    """The training on the splits that its run folder tells of, where they are not those that follow from its config.

    So it is after the data were edited: each image stays in the split that it was in, also one that was edited and has kept
    its name, so that nothing that was learnt from is ever tested on. The first layer keeps its statistics.
    """
    if not are_other_data(checkpoint, prepared):
        return prepared
    met = json.loads(workers.broadcast(json.dumps(_met(run, prepared)).encode() if place().is_first else b""))
    again = prepare(prepared.config, source, prepared.own, loaded=load(prepared.config, source, earlier=met))
    network = checkpoint.facts["depends_on"]["network"]
    known = {"mean": tuple(network["mean"]), "std": tuple(network["std"])}
    return replace(again, arch=again.arch.model_copy(update=known))


def _met(run: Run, prepared: Prepared) -> dict[str, str] | None:
    """By content id, the split of each image that the run has met, and of those that have the name of one.

    None where its folder does not say.
    """
    try:
        met, saved = met_by(run), run.splits["splits"]
    except ArtifactError:
        return None
    by_name = {name: part for part, columns in saved.items() for name in columns["names"]}
    named = {
        image_id: by_name[name]
        for piece in prepared.splits.pieces
        for name, image_id in zip(piece.images.names, piece.ids, strict=True)
        if name in by_name
    }
    return {**named, **met}


def record_going_on(
    run: Run,
    prepared: Prepared,
    state: TrainState,
    checkpoint: Checkpoint,
    device: torch.device,
    workers: Workers,
    *,
    allow_difference: bool,
) -> Progress:
    """Make state and run folder what they were at a checkpoint, and tell the user where it goes on.

    Raises ArtifactError when the weights would be others than those of a run that was never stopped. Where that is allowed,
    the run folder says what is the case from now on, and keeps what was.
    """
    differences = require_the_same(checkpoint, prepared, allow_difference=allow_difference)
    for difference in differences:
        run.note(f"not as it was begun: {difference}")
    for left in run.checkpoints.glob(".*"):  # half-written ones of processes that were killed
        remove_folder(left)
    restore(state, checkpoint)
    progress = progress_in(checkpoint)
    if are_other_data(checkpoint, prepared):
        progress = _measured_anew(progress, state, prepared, device, workers)
    run.write_config(prepared.config)  # who is told of its records may be another now
    if place().is_first:
        _rewrite(run, prepared, checkpoint, is_other=bool(differences))
    run.note(f"goes on from update {checkpoint.update:,} of {prepared.plan.updates:,}")
    return progress


def _measured_anew(
    progress: Progress, state: TrainState, prepared: Prepared, device: torch.device, workers: Workers
) -> Progress:
    """The progress with its best weights measured on the validation images there are now, to compare later ones with."""
    if progress.best is None or progress.newest is None:
        return progress
    bare = Kept(replace(progress.best.record, val_loss=None, val_accuracy=None), progress.best.weights)
    record = with_validation(bare, state, prepared, device, workers)
    state.model.load_state_dict(progress.newest.weights)
    return replace(progress, best=Kept(record, progress.best.weights))


def _rewrite(run: Run, prepared: Prepared, checkpoint: Checkpoint, *, is_other: bool) -> None:
    """The history as far as the checkpoint; where something is not as it was, also what the run was trained on and with."""
    if not run.cut_history(checkpoint.facts["history_bytes"]):
        run.note(f"{HISTORY} has lost records of before update {checkpoint.update:,}; the weights do not depend on it")
    if is_other:
        before = _environment_of(run)
        earlier = [*before.pop("earlier", []), before]
        learnt = _tell_changes(run, prepared, checkpoint) if are_other_data(checkpoint, prepared) else []
        facts = {"started": before.get("started"), "earlier": earlier}
        record_data(run, prepared, facts, learnt_before=learnt)


def _tell_changes(run: Run, prepared: Prepared, checkpoint: Checkpoint) -> list[str]:
    """Note what of the data changed; the ids of the pixels that were learnt from before."""
    try:
        saved = run.splits
    except ArtifactError:
        return []
    changes = what_changed(prepared.splits.pieces, saved)
    run.note(f"the data since update {checkpoint.update:,}: {'; '.join(changes)}")
    return list(saved["pixel_ids"])


def _environment_of(run: Run) -> dict[str, Any]:
    try:
        found: Mapping[str, Any] = read_json(run.folder / ENVIRONMENT)
    except ArtifactError:
        return {}
    return dict(found)
