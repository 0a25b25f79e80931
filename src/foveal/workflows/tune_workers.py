"""The processes that make the trials of a tuning: this one, or several at once that share the journal."""

import multiprocessing
import os
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from foveal.config import Config
from foveal.device import set_threads
from foveal.errors import ArtifactError, FovealError, TrainingError
from foveal.workflows.load import load
from foveal.workflows.tune_space import Space, with_settings
from foveal.workflows.tune_study import Trial, fail, finish, next_trial, open_study, trials_of
from foveal.workflows.tune_trial import run_trial

POLL_SECONDS = 0.2
FAULT = "fault"  # what went wrong in a worker, for the process that began it


@dataclass(frozen=True)
class Task:
    """What a worker has to do. `deadline` is by `time.time`, `limit` the number of trials in all."""

    folder: Path
    base: Config
    space: Space
    fingerprint: str  # of the data that the trials are compared on
    threads: int
    limit: int | None
    deadline: float | None


def work(task: Task) -> Iterator[Trial]:
    """One worker: a trial after the other, on data that are read once. Raises ArtifactError where they are others now."""
    set_threads(task.threads)
    base = task.base.model_copy(update={"threads": task.threads})
    loaded = load(base)
    if loaded.splits.fingerprint != task.fingerprint:
        raise ArtifactError(
            f"the data {base.data.source} are not those that the tuning in {task.folder} was begun with (fingerprint "
            f"{loaded.splits.fingerprint}, it was {task.fingerprint}): its trials could not be compared with new ones. Bring "
            "them back, or begin a new tuning."
        )
    study = open_study(task.folder)
    while task.deadline is None or time.time() < task.deadline:
        found = next_trial(study, task.folder, task.space, seed=base.seed, limit=task.limit)
        if found is None:
            return
        trial, settings = found
        try:
            ended = run_trial(trial, with_settings(base, settings), task.deadline, loaded)
        except BaseException:
            fail(study, trial)
            raise
        yield finish(study, trial, ended)


def work_together(task: Task, workers: int) -> Iterator[Trial]:
    """Several workers at once; what they end is found in the journal. Raises TrainingError where one of them fails."""
    study = open_study(task.folder)
    study.set_user_attr(FAULT, "")
    known = {trial.number for trial in trials_of(study) if trial.is_ended}
    context = multiprocessing.get_context("spawn")  # a forked torch keeps threads that are not there
    processes = [context.Process(target=_work_alone, args=(task,)) for _ in range(workers)]
    for process in processes:
        process.start()
    try:
        is_running = True
        while is_running and not any(process.exitcode for process in processes):
            is_running = any(process.is_alive() for process in processes)
            for trial in trials_of(study):
                if trial.is_ended and trial.number not in known:
                    known.add(trial.number)
                    yield trial
            time.sleep(POLL_SECONDS)
    finally:
        for process in processes:
            process.terminate()
            process.join()
    _require_success(study, [process.exitcode for process in processes])


def _require_success(study: Any, exit_codes: list[int | None]) -> None:
    if any(exit_codes):
        fault = study.user_attrs[FAULT]
        raise TrainingError(
            fault
            or f"a worker ended without a word (exit codes {', '.join(map(str, exit_codes))}; -9 is what a system does that "
            "has no memory left). Go on with fewer: --workers."
        )


def _work_alone(task: Task) -> None:
    """A worker in a process of its own; the process that began it says what went wrong, and is not outlived."""
    threading.Thread(target=_end_with_parent, daemon=True).start()
    try:
        for _ in work(task):
            pass
    except FovealError as error:
        open_study(task.folder).set_user_attr(FAULT, str(error))
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        sys.exit(130)


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
