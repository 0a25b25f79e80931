"""What `foveal train` does as one of several workers under torchrun: the first writes the run, the others keep step."""

import logging
import tempfile
from pathlib import Path
from typing import Any

from foveal.errors import ConfigError
from foveal.launch import Place
from foveal.run import CONFIG, Run, removed_if_empty, start_run


def train_together(config: Any, out: Path | None, name: str, here: Place) -> Run | None:
    """Train as one of the workers; the run for the first of them, None for the others.

    Workers that torchrun started again after one of them died go on from the newest checkpoint in `out`.
    """
    if out is None:
        raise ConfigError("several workers need one run folder, also when they are started again. Name it: --out DIR")
    if config.training.budget is not None:
        raise ConfigError("--budget is for one process: the clocks of several would not agree. Say --epochs instead.")
    is_again = here.restarts > 0 and (out / CONFIG).is_file()
    if is_again and Run(out).is_finished:
        return Run(out) if here.is_first else None
    if not here.is_first:
        _keep_step(config)
        return None
    if is_again:
        from foveal.workflows.resume import resume

        return resume(Run(out))
    run = start_run(config, out, name)
    with removed_if_empty(run):
        from foveal.workflows.train import train

        return train(config, run)


def _keep_step(config: Any) -> None:
    """Take part in the training; what would be written goes into a folder that is thrown away."""
    logging.getLogger("foveal").setLevel(logging.ERROR)
    from foveal.config import TrackConfig
    from foveal.workflows.train import train

    with tempfile.TemporaryDirectory(prefix="foveal-worker-") as folder:
        train(config.model_copy(update={"track": TrackConfig()}), Run(Path(folder)))  # the first one tells the trackers
