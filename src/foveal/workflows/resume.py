"""`foveal resume`: go on with a training that was stopped anywhere, and prove that nothing was lost by it."""

from collections.abc import Sequence
from pathlib import Path

from foveal.config import Config
from foveal.data.sources import Source
from foveal.lock import locked
from foveal.models.own import Own
from foveal.run import Run
from foveal.settings import merge, parse_config
from foveal.training.checkpoint import newest_checkpoint
from foveal.workflows.train import train_locked


def resume(
    run: Run,
    source: Source | None = None,
    own: Own | None = None,
    *,
    allow_difference: bool = False,
    log: Sequence[str] | None = None,
) -> Run:
    """Finish the training of a run from its newest whole checkpoint, or from the start where it has none.

    The weights are bit for bit those of a run that was never stopped. A finished run is left as it is. `source` and
    `own` stand for data and networks that a config cannot name; a `source` that is a path is where the data lie now. `log`
    names other trackers than those so far. Raises ArtifactError when something that decides the weights is not as it was,
    unless `allow_difference`, and when another process trains in the folder.
    """
    if run.is_finished:
        return run
    with locked(run.folder):
        if run.is_finished:  # by another process, while this one was loading
            return run
        checkpoint, damaged = newest_checkpoint(run.checkpoints)
        for reason in damaged:
            before = f"update {checkpoint.update:,}" if checkpoint is not None else "the start"
            run.note(f"{reason} The training goes on from {before}, which costs time and changes nothing.")
        config = run.config if not isinstance(source, str | Path) else moved(run.config, source)
        source = None if isinstance(source, str | Path) else source
        if log is not None:
            config = parse_config(merge(config.model_dump(), {"track": {"to": log}}))
        return train_locked(config, run, source, own, checkpoint=checkpoint, allow_difference=allow_difference)


def moved(config: Config, source: str | Path) -> Config:
    """The settings of a training whose data lie elsewhere now."""
    return config.model_copy(update={"data": config.data.model_copy(update={"source": str(source)})})
