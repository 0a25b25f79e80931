"""`foveal tune`: trials of other settings, compared by validation accuracy, and the best of them as a config.toml."""

import csv
import io
import json
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import tomli_w

from foveal.config import Config
from foveal.data.sources import ARRAYS
from foveal.device import set_threads
from foveal.errors import ArtifactError, ConfigError
from foveal.launch import place
from foveal.lock import locked
from foveal.run import plain_name
from foveal.settings import parse_config, read_toml
from foveal.storage import cannot_write, read_json, write_atomic, write_folder
from foveal.workflows.prepare import prepare
from foveal.workflows.tune_space import (
    search_space,
    space_as_json,
    space_from_json,
    wanted_choices,
    with_settings,
)
from foveal.workflows.tune_study import Trial, begin_with, open_study, require_optuna, trials_of
from foveal.workflows.tune_workers import Task, work, work_together

TUNINGS = Path("tunings")
BASE, SPACE, TABLE, CHOSEN = "base.toml", "space.json", "trials.csv", "config.toml"


@dataclass(frozen=True)
class Tuned:
    """The trials of a tuning, and the best of those that were trained to their end; `config` trains with its settings.

    `recipe` is the trial of the settings around which was tuned, where it was trained to its end too.
    """

    folder: Path
    data: str
    model: str
    trials: tuple[Trial, ...]
    best: Trial | None
    recipe: Trial | None
    config: Path | None

    def as_dict(self) -> dict[str, Any]:
        """What `foveal tune --json` prints."""
        return {**asdict(self), "folder": str(self.folder), "config": str(self.config) if self.config else None}


def begin_tuning(
    config: Config, fixed: set[str], out: Path | None, data_name: str, tried: Mapping[str, Any] | None = None
) -> Path:
    """A new folder with what is tuned around `config`: all that can be but the `fixed` settings, and what is `tried` too.

    Raises ConfigError, and ArtifactError where the folder is there already.
    """
    require_optuna()
    _require_tunable(config)
    wanted = wanted_choices(tried or {}, config, fixed)
    if out is not None and out.exists():
        raise ArtifactError(
            f"the folder {out} exists already. To go on with a tuning in it: foveal tune --resume {out}; else give --out "
            "a new name."
        )
    if "training.validate_every" not in fixed:  # evenly, so that what has no hope is seen early
        config = config.model_copy(update={"training": config.training.model_copy(update={"validate_every": None})})
    prepared = prepare(config)
    if len(prepared.validation) == 0:
        raise ConfigError("trials are compared on validation images, and none are held out. Set data.validation.")
    space, recipe = search_space(config, len(prepared.train), prepared.plan.batch_size, fixed, wanted)
    if not space:
        raise ConfigError("every setting that could be tuned was said. Leave one of them out.")
    facts = {"space": space_as_json(space), "recipe": recipe, "fingerprint": prepared.splits.fingerprint}
    # Threads, and the shards that follow from them and from a trial's batch, are settled in each trial.
    training = prepared.config.training.model_copy(update={"shards": config.training.shards})
    base = prepared.config.model_copy(update={"threads": config.threads, "training": training})
    contents = {BASE: _toml(base), SPACE: json.dumps(facts, indent=1).encode()}
    return _write_new(contents, out, f"{plain_name(data_name)}-{plain_name(Path(config.model.name).stem)}")


def _require_tunable(config: Config) -> None:
    if config.data.source == ARRAYS or config.model.name.startswith("python:"):
        raise ConfigError(
            "arrays and networks made in Python cannot be tuned: a trial could not find them. Name files."
        )
    if config.training.budget is not None or config.training.turns:
        raise ConfigError(
            "a trial has no budget of its own: all are trained for the same epochs. Say --epochs; --budget is for the "
            "whole tuning."
        )
    if place().workers > 1:
        raise ConfigError("torchrun's workers train one network together. Start foveal tune alone, with --workers.")


def _write_new(contents: Mapping[str, bytes], out: Path | None, stem: str) -> Path:
    """A new folder with these files, there whole or not at all: `out`, or the next free `tunings/<stem>-<n>`."""
    for number in range(1, 1_000_000):
        folder = out if out is not None else TUNINGS / f"{stem}-{number}"
        if out is None and folder.exists():
            continue
        try:
            folder.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise cannot_write(folder, error) from error
        try:
            write_folder(folder, contents)
        except ArtifactError:
            if out is None and folder.exists():  # made by somebody else just now
                continue
            raise
        return folder
    raise ArtifactError(f"no free number is left for {stem} in {TUNINGS}. Remove old ones.")


def _toml(config: Config) -> bytes:
    return tomli_w.dumps(config.model_dump(mode="json", exclude_none=True)).encode()


def _open(folder: Path) -> tuple[Config, dict[str, Any]]:
    """What is tuned in a folder: the config around which, and `space.json`."""
    if not (folder / BASE).is_file():
        raise ArtifactError(f"{folder} is no folder of a tuning: it has no {BASE}. Begin one: foveal tune DATA")
    return parse_config(read_toml(folder / BASE)), dict(read_json(folder / SPACE))


def tune(
    folder: Path, *, trials: int | None, workers: int = 1, seconds: float | None = None, threads: int | None = None
) -> Iterator[Trial]:
    """Make trials until there are so many in all or the time is over; each is given out as it ends.

    The threads are divided among the workers, which are processes. Raises ArtifactError where another process tunes there,
    or the data are others by now.
    """
    base, facts = _open(folder)
    deadline = None if seconds is None else time.time() + seconds
    each = max(1, set_threads(threads or base.threads) // workers)
    space = space_from_json(facts["space"])
    task = Task(folder, base, space, facts["fingerprint"], threads=each, limit=trials, deadline=deadline)
    with locked(folder):
        begin_with(open_study(folder), facts["recipe"])
        for trial in work(task) if workers == 1 else work_together(task, workers):
            write_result(folder)
            yield trial


def write_result(folder: Path) -> Tuned:
    """The tuning as it is now, its table and its best config written into its folder."""
    base, facts = _open(folder)
    trials = tuple(trials_of(open_study(folder)))
    complete = [trial for trial in trials if trial.state == "complete" and trial.accuracy is not None]
    best = max(complete, key=lambda trial: (trial.accuracy or 0.0, -trial.number), default=None)
    recipe = next((trial for trial in complete if trial.settings == facts["recipe"]), None)
    write_atomic(folder / TABLE, _table(trials))
    if best is not None:
        write_atomic(folder / CHOSEN, _toml(with_settings(base, best.settings)))
    chosen = folder / CHOSEN if best is not None else None
    return Tuned(folder, Path(base.data.source).name, Path(base.model.name).name, trials, best, recipe, chosen)


def _table(trials: Sequence[Trial]) -> bytes:
    names = sorted({name for trial in trials for name in trial.settings})
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("number", "state", "accuracy", *names, "seconds", "updates", "reason"))
    for trial in trials:
        settings = [trial.settings.get(name) for name in names]
        ends = (trial.seconds, trial.updates, trial.reason)
        writer.writerow((trial.number, trial.state, trial.accuracy, *settings, *ends))
    return text.getvalue().encode()
