"""Checkpoints: all that a training needs to go on as if it had never stopped, written so that damage is always seen.

A checkpoint is a folder called after its update: `tensors.safetensors` (weights, the optimizer's state, the weights chosen so
far), `state.json` (everything else) and `manifest.json` (sizes and sha256 of both; compared byte for byte). The one before is
kept until the next is complete.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors
from torch import Tensor

from foveal.errors import ArtifactError
from foveal.storage import remove_folder, write_folder
from foveal.training.distributed import Workers
from foveal.training.fit import TrainState

FORMAT = 2  # 1 had all records of the training in it
TENSORS, STATE, MANIFEST = "tensors.safetensors", "state.json", "manifest.json"
KEPT = 2  # checkpoints in a run folder: the newest, and the one before it


@dataclass(frozen=True)
class Checkpoint:
    """The tensors by name ("model.", "optimizer.", ...), and all else as JSON has it."""

    update: int
    tensors: Mapping[str, Tensor]
    facts: Mapping[str, Any]

    def under(self, prefix: str) -> dict[str, Tensor]:
        """The tensors whose names begin with this prefix and a dot, without it."""
        return {
            name.removeprefix(f"{prefix}."): each
            for name, each in self.tensors.items()
            if name.startswith(f"{prefix}.")
        }


def tensors_of(state: TrainState) -> dict[str, Tensor]:
    """The weights and the optimizer's state, by name. The optimizer's settings follow from the config."""
    found = {f"model.{name}": tensor for name, tensor in state.model.state_dict().items()}
    return found | {f"optimizer.{name}": tensor for name, tensor in state.optimizer.tensors().items()}


def restore(state: TrainState, checkpoint: Checkpoint) -> None:
    """Make the state what it was when the checkpoint was written; the seed says how to go on. Raises ArtifactError."""
    try:
        state.model.load_state_dict(checkpoint.under("model"))
        state.optimizer.restore(checkpoint.under("optimizer"))
    except (RuntimeError, KeyError) as error:
        raise ArtifactError(
            f"the checkpoint of update {checkpoint.update} does not fit the network: {str(error).splitlines()[-1].strip()} "
            "Was config.toml or the network's code changed? Train again."
        ) from error
    state.update = checkpoint.update
    state.seconds = float(checkpoint.facts["seconds"])


def share(checkpoint: Checkpoint | None, workers: Workers) -> Checkpoint | None:
    """Rank 0's checkpoint, for everyone."""
    if workers.is_alone:
        return checkpoint
    facts = {"update": checkpoint.update, "facts": checkpoint.facts} if checkpoint is not None else None
    shared = json.loads(workers.broadcast(json.dumps(facts).encode()))
    tensors = workers.broadcast(save_tensors(_plain(checkpoint.tensors)) if checkpoint is not None else b"")
    return Checkpoint(shared["update"], load_tensors(tensors), shared["facts"]) if shared is not None else None


def save_checkpoint(folder: Path, checkpoint: Checkpoint) -> None:
    """Write a checkpoint into the folder of checkpoints and remove all but the newest two. Raises ArtifactError."""
    contents = {TENSORS: save_tensors(_plain(checkpoint.tensors)), STATE: json.dumps(checkpoint.facts).encode()}
    contents[MANIFEST] = _manifest(checkpoint.update, contents)
    folder.mkdir(exist_ok=True)
    place = folder / f"{checkpoint.update:09d}"
    remove_folder(place)  # of a training that was stopped after it, and began before it again
    write_folder(place, contents)
    for old in _places(folder)[KEPT:]:
        remove_folder(old)


def newest_checkpoint(folder: Path) -> tuple[Checkpoint | None, Sequence[str]]:
    """The newest checkpoint that is whole, None where there is none, and what is wrong with those that are newer."""
    faults: list[str] = []
    for place in _places(folder):
        try:
            return load_checkpoint(place), faults
        except ArtifactError as error:
            faults.append(str(error))
    return None, faults


def load_checkpoint(place: Path) -> Checkpoint:
    """The checkpoint in a folder, every byte of it checked first. Raises ArtifactError where one differs."""
    try:
        contents = {name: (place / name).read_bytes() for name in (TENSORS, STATE, MANIFEST)}
    except OSError as error:
        raise ArtifactError(f"the checkpoint {place} cannot be read: {error.strerror} ({error.filename}).") from error
    written = contents.pop(MANIFEST)
    if written != _manifest(int(place.name), contents):
        raise ArtifactError(
            f"the checkpoint {place} is damaged: its files are not those that {MANIFEST} was written for (format {FORMAT})."
        )
    return Checkpoint(int(place.name), load_tensors(contents[TENSORS]), json.loads(contents[STATE]))


def _plain(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    # Clones, because safetensors refuses two names for the same memory, as tied weights have.
    return {name: tensor.detach().cpu().contiguous().clone() for name, tensor in tensors.items()}


def _places(folder: Path) -> list[Path]:
    """The folders of the checkpoints there are, the newest first."""
    try:
        return sorted((each for each in folder.iterdir() if each.name.isdecimal()), reverse=True)
    except FileNotFoundError:
        return []


def _manifest(update: int, contents: Mapping[str, bytes]) -> bytes:
    files = {name: {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()} for name, data in contents.items()}
    return (json.dumps({"format": FORMAT, "update": update, "files": files}, indent=1) + "\n").encode()
