"""The records of a training, handed on as they come. A tracker that fails costs its own records, never the training."""

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from foveal.config import Config
from foveal.errors import ConfigError
from foveal.run import Run
from foveal.settings import flat
from foveal.track.event_file import log_to_tensorboard
from foveal.track.history_table import log_to_table
from foveal.track.mlflow_run import log_to_mlflow
from foveal.track.wandb_run import log_to_wandb
from foveal.training.fit import Record

Log = Callable[[Record], None]
# Called with the run's folder, its settings by name and the records there are already.
Tracker = Callable[[Path, Mapping[str, Any], Sequence[Record]], AbstractContextManager[Log]]

# By name, which is also the name of the package.
TRACKERS: dict[str, Tracker] = {
    "tensorboard": log_to_tensorboard,
    "mlflow": log_to_mlflow,
    "wandb": log_to_wandb,
}


def require_trackers(names: Sequence[str]) -> None:
    """Raise ConfigError, with the command to run, where the package of a tracker is not installed."""
    absent = [name for name in names if find_spec(name) is None]
    if absent:
        raise ConfigError(
            f"logging to {' and '.join(absent)} needs a package that is not installed. "
            'Install it with: pip install "foveal[track]"'
        )


@contextmanager
def tracked(run: Run, config: Config) -> Iterator[Log]:
    """A function to call with each new Record: into `history.csv`, and to the trackers of the config.

    Each of them first gets the records that the run has already, so that a resumed training goes on with one series
    without double points. Raises ConfigError when a tracker cannot begin.
    """
    earlier = [Record(**each) for each in run.history]
    settings = flat(config.model_dump(mode="json"))
    with ExitStack() as stack:
        add_row = stack.enter_context(log_to_table(run.folder, earlier))
        logs = {
            name: stack.enter_context(_begun(name, run, settings, earlier)) for name in dict.fromkeys(config.track.to)
        }

        def log(record: Record) -> None:
            add_row(record)
            for name in list(logs):
                try:
                    logs[name](record)
                except Exception as error:  # whatever a server or its client comes up with
                    del logs[name]
                    _tell(run, name, f"takes no more records from update {record.update:,} on", error)

        yield log


@contextmanager
def _begun(name: str, run: Run, settings: Mapping[str, Any], earlier: Sequence[Record]) -> Iterator[Log]:
    """A tracker that says before the training what is wrong, and after it only tells of it."""
    tracker = TRACKERS[name](run.folder, settings, earlier)
    try:
        log = tracker.__enter__()
    except Exception as error:
        raise ConfigError(
            f"logging to {name} cannot begin: {_reason(error)}. Nothing was trained. Mend it, or train without: --log none"
        ) from error
    try:
        yield log
    finally:
        try:
            tracker.__exit__(*sys.exc_info())
        except Exception as error:
            _tell(run, name, "did not take the last records", error)


def _tell(run: Run, name: str, what: str, error: Exception) -> None:
    run.note(f"{name} {what}: {_reason(error)}. The training goes on; history.jsonl has all of them")


def _reason(error: Exception) -> str:
    return " ".join(str(error).split())[:300].rstrip(".") or type(error).__name__
