"""What `foveal train` does as one of several workers under torchrun: the first writes the run, the others keep step."""

import hashlib
import logging
import tempfile
from pathlib import Path
from typing import Any

from foveal.errors import ArtifactError, ConfigError
from foveal.launch import Place
from foveal.run import Run, removed_if_empty, start_run
from foveal.storage import read_json, write_json

LOG = logging.getLogger("foveal")
LAUNCH = "launch.json"  # in the run folder of a training that torchrun started


def train_together(config: Any, out: Path | None, name: str, here: Place) -> Run | None:
    """Train as one of the workers; the run for the first of them, None for the others.

    Workers that torchrun started again after one of them died go on from the newest checkpoint in `out`. (How often that was
    is no help: torchrun counts the restarts of each machine by itself.) Raises ConfigError.
    """
    if out is None:
        raise ConfigError("several workers need one run folder, also when they are started again. Name it: --out DIR")
    if config.training.budget is not None:
        raise ConfigError("--budget is for one process: the clocks of several would not agree. Say --epochs instead.")
    if here.may_restart and not here.launch:
        raise ConfigError(
            "torchrun may start the workers again, and has no name for them, by which they would know their run. Say "
            "--rdzv-id NAME, a new one for each training."
        )
    said = {"launch": here.launch, "settings": hashlib.sha256(config.model_dump_json().encode()).hexdigest()}
    is_again = bool(here.launch) and _said_in(out) == said
    if is_again and Run(out).is_finished:
        if here.is_first:
            LOG.info(f"{out} is finished already: nothing was changed")
        return Run(out) if here.is_first else None
    if not here.is_first:
        _keep_step(config)
        return None
    if is_again:
        from foveal.workflows.resume import resume

        return resume(Run(out))
    run = start_run(config, out, name)
    with removed_if_empty(run):
        write_json(out / LAUNCH, said)
        from foveal.workflows.train import train

        return train(config, run)


def resume_together(run: Run, here: Place, *, data: str | None, allow_difference: bool) -> Run | None:
    """Go on with a run of several workers as one of them; the run for the first, None for the others."""
    if run.is_finished:
        return run if here.is_first else None
    if not here.is_first:
        from foveal.workflows.resume import moved

        _keep_step(run.config if data is None else moved(run.config, data), allow_difference=allow_difference)
        return None
    from foveal.workflows.resume import resume

    return resume(run, data, allow_difference=allow_difference)


def _said_in(out: Path) -> Any:
    """By which launch, and with which settings, a run was begun; None where it was begun otherwise."""
    try:
        return read_json(out / LAUNCH)
    except ArtifactError:
        return None


def _keep_step(config: Any, *, allow_difference: bool = False) -> None:
    """Take part in the training; what would be written goes into a folder that is thrown away."""
    LOG.setLevel(logging.ERROR)
    from foveal.config import TrackConfig
    from foveal.workflows.train import train

    quiet = config.model_copy(update={"track": TrackConfig()})  # the first one tells the trackers
    with tempfile.TemporaryDirectory(prefix="foveal-worker-") as folder:
        run = Run(Path(folder) / "run")
        run.folder.mkdir()
        train(quiet, run, allow_difference=allow_difference)
