"""`foveal tune`: trials of other settings, compared by validation accuracy, and the best of them as a config.toml."""

import csv
import io
import multiprocessing
import os
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import tomli_w

from foveal.config import Config
from foveal.data.sources import ARRAYS
from foveal.device import set_threads
from foveal.errors import ArtifactError, ConfigError, FovealError, TrainingError
from foveal.lock import locked
from foveal.run import plain_name
from foveal.settings import parse_config, read_toml
from foveal.storage import cannot_write, read_json, write_atomic, write_json
from foveal.workflows.prepare import prepare
from foveal.workflows.tune_study import (
    Trial,
    begin_with,
    fail,
    finish,
    next_trial,
    open_study,
    require_optuna,
    trials_of,
)
from foveal.workflows.tune_trial import Floats, Space, run_trial, search_space, suggest, with_settings

TUNINGS = Path("tunings")
BASE, SPACE, TABLE, CHOSEN = "base.toml", "space.json", "trials.csv", "config.toml"
POLL_SECONDS = 0.2


@dataclass(frozen=True)
class Tuned:
    """The trials of a tuning, and the best of those that were trained to their end; `config` trains with its settings."""

    folder: Path
    data: str
    model: str
    trials: tuple[Trial, ...]
    best: Trial | None
    config: Path | None

    def as_dict(self) -> dict[str, Any]:
        """What `foveal tune --json` prints."""
        return {**asdict(self), "folder": str(self.folder), "config": str(self.config) if self.config else None}


def begin_tuning(config: Config, fixed: set[str], out: Path | None, data_name: str) -> Path:
    """A new folder with what is tuned around `config`: all that can be but the `fixed` settings. Raises ConfigError."""
    require_optuna()
    if config.data.source == ARRAYS or config.model.name.startswith("python:"):
        raise ConfigError(
            "arrays and networks made in Python cannot be tuned: a trial could not find them. Name files."
        )
    if config.training.budget is not None:
        raise ConfigError("a trial has no budget of its own: all are trained for the same epochs. Say --epochs.")
    if "training.validate_every" not in fixed:  # evenly, so that what has no hope is seen early
        config = config.model_copy(update={"training": config.training.model_copy(update={"validate_every": None})})
    prepared = prepare(config)
    if len(prepared.validation) == 0:
        raise ConfigError("trials are compared on validation images, and none are held out. Set data.validation.")
    space, recipe = search_space(config, len(prepared.train), prepared.plan.batch_size, fixed)
    if not space:
        raise ConfigError("every setting that could be tuned was said. Leave one of them out.")
    folder = _new_folder(out, f"{plain_name(data_name)}-{plain_name(Path(config.model.name).stem)}")
    base = prepared.config.model_copy(update={"threads": config.threads})
    write_atomic(folder / BASE, _toml(base))
    write_json(folder / SPACE, {"space": {name: _as_json(each) for name, each in space.items()}, "recipe": recipe})
    return folder


def _new_folder(out: Path | None, stem: str) -> Path:
    for number in range(1, 1_000_000):
        folder = out if out is not None else TUNINGS / f"{stem}-{number}"
        try:
            folder.mkdir(parents=True)
        except FileExistsError:
            if out is not None:
                raise ArtifactError(
                    f"the folder {out} exists already. To go on with a tuning in it: foveal tune --resume {out}"
                ) from None
            continue
        except OSError as error:
            raise cannot_write(folder, error) from error
        return folder
    raise ArtifactError(f"no free number is left for {stem} in {TUNINGS}. Remove old ones.")


def _toml(config: Config) -> bytes:
    return tomli_w.dumps(config.model_dump(mode="json", exclude_none=True)).encode()


def _as_json(values: Floats | Sequence[float]) -> Any:
    return asdict(values) if isinstance(values, Floats) else list(values)


def _open(folder: Path) -> tuple[Config, Space, dict[str, Any]]:
    """What is tuned in a folder: the config around which, the space, and the recipe's own values."""
    if not (folder / BASE).is_file():
        raise ArtifactError(f"{folder} is no folder of a tuning: it has no {BASE}. Begin one: foveal tune DATA")
    kept = read_json(folder / SPACE)
    space = {name: Floats(**each) if isinstance(each, dict) else tuple(each) for name, each in kept["space"].items()}
    return parse_config(read_toml(folder / BASE)), space, kept["recipe"]


def tune(
    folder: Path, *, trials: int | None, workers: int = 1, seconds: float | None = None, threads: int | None = None
) -> Iterator[Trial]:
    """Make trials until there are so many in all or the time is over; each is given out as it ends.

    The threads are divided among the workers, which are processes. Raises ArtifactError where another process tunes there.
    """
    _, _, recipe = _open(folder)
    deadline = None if seconds is None else time.time() + seconds
    each = max(1, set_threads(threads) // workers)
    with locked(folder):
        study = open_study(folder)
        begin_with(study, recipe)
        ended = (
            work(folder, trials, deadline, each)
            if workers == 1
            else _in_processes(study, workers, (folder, trials, deadline, each))
        )
        for trial in ended:
            write_result(folder)
            yield trial


def work(folder: Path, limit: int | None, deadline: float | None, threads: int) -> Iterator[Trial]:
    """One worker: a trial after the other."""
    base, space, _ = _open(folder)
    set_threads(threads)
    base = base.model_copy(update={"threads": threads})
    study = open_study(folder)
    while deadline is None or time.time() < deadline:
        trial = next_trial(study, folder, seed=base.seed, limit=limit)
        if trial is None:
            return
        try:
            settings = suggest(trial, space)
            ended = run_trial(trial, with_settings(base, settings), deadline)
        except BaseException:
            fail(study, trial)
            raise
        yield finish(study, trial, settings, ended)


Task = tuple[Path, int | None, float | None, int]


def _in_processes(study: Any, workers: int, task: Task) -> Iterator[Trial]:
    """Several workers at once; what they end is found in the journal."""
    known = {trial.number for trial in trials_of(study) if _is_ended(trial)}
    context = multiprocessing.get_context("spawn")  # a forked torch keeps threads that are not there
    processes = [context.Process(target=_work_alone, args=task) for _ in range(workers)]
    for process in processes:
        process.start()
    try:
        is_running = True
        while is_running:
            is_running = any(process.is_alive() for process in processes)
            for trial in trials_of(study):
                if _is_ended(trial) and trial.number not in known:
                    known.add(trial.number)
                    yield trial
            time.sleep(POLL_SECONDS)
    finally:
        for process in processes:
            process.terminate()
            process.join()
    if any(process.exitcode for process in processes):
        raise TrainingError(study.user_attrs.get("error", "a worker was killed. Go on with foveal tune --resume."))


def _is_ended(trial: Trial) -> bool:
    return trial.state in ("complete", "pruned")


def _work_alone(folder: Path, limit: int | None, deadline: float | None, threads: int) -> None:
    """A worker in a process of its own; the process that began it says what went wrong, and is not outlived."""
    threading.Thread(target=_end_with_parent, daemon=True).start()
    try:
        for _ in work(folder, limit, deadline, threads):
            pass
    except FovealError as error:
        open_study(folder).set_user_attr("error", str(error))
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        sys.exit(130)


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def write_result(folder: Path) -> Tuned:
    """The tuning as it is now, its table and its best config written into its folder."""
    base, _, _ = _open(folder)
    trials = tuple(trials_of(open_study(folder)))
    complete = [trial for trial in trials if trial.state == "complete" and trial.accuracy is not None]
    best = max(complete, key=lambda trial: (trial.accuracy or 0.0, -trial.number), default=None)
    write_atomic(folder / TABLE, _table(trials))
    if best is not None:
        write_atomic(folder / CHOSEN, _toml(with_settings(base, best.settings)))
    chosen = folder / CHOSEN if best is not None else None
    model = Path(base.model.name).name
    return Tuned(folder, Path(base.data.source).name, model, trials, best, chosen)


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
