"""Weights & Biases: one run of it for each run of foveal, online or offline as WANDB_MODE says."""

import os
import shutil
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from foveal.track.metrics import keep_id, known_id, metrics_of
from foveal.training.fit import Record

PROJECT = "foveal"  # unless WANDB_PROJECT names another


@contextmanager
def log_to_wandb(
    folder: Path, settings: Mapping[str, Any], earlier: Sequence[Record]
) -> Iterator[Callable[[Record], None]]:
    """A function that gives a Record to W&B, after those of the records there are that it has not got.

    Online, W&B says how far it has come. Offline, each process writes a folder of its own: it gets the whole series, and
    the folder of the process before it is removed.
    """
    import wandb

    identity = known_id(folder, "wandb") or uuid.uuid4().hex[:8]
    earlier_folders = list(folder.glob(f"wandb/offline-run-*-{identity}*"))
    run = wandb.init(
        project=os.environ.get("WANDB_PROJECT", PROJECT),
        name=folder.name,
        id=identity,
        resume="allow",
        dir=str(folder),
        config=dict(settings),
        settings=wandb.Settings(silent=True, console="off"),  # stdout is for results
    )
    keep_id(folder, "wandb", identity)
    first = run.step  # W&B takes no step twice

    def log(record: Record) -> None:
        if record.update >= first:
            run.log(metrics_of(record), step=record.update)

    for record in earlier:
        log(record)
    exit_code = 1
    try:
        yield log
        exit_code = 0
    finally:
        run.finish(exit_code=exit_code)
        if run.offline:
            for old in earlier_folders:
                shutil.rmtree(old, ignore_errors=True)
