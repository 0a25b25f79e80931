"""The trials of a tuning, remembered in a journal. The one file that knows Optuna."""

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

from filelock import FileLock

from foveal.data.augment.draws import derived_seed
from foveal.errors import ConfigError
from foveal.workflows.tune_trial import Ended

JOURNAL, TURN = "trials.log", "turn.lock"
AT_CHANCE = 8  # trials before the sampler begins to learn from them
UNPRUNED = 4  # trials that are trained to their end before any is pruned
State = Literal["running", "complete", "pruned", "failed", "waiting"]


@dataclass(frozen=True)
class Trial:
    """One trial: the settings it tried, by the names that `--set` takes, and what they came to on validation.

    `reason` says why it ended early: no hope, no time, or a loss that ran away.
    """

    number: int
    state: State
    accuracy: float | None
    settings: Mapping[str, Any]
    seconds: float | None = None
    updates: int | None = None
    reason: str | None = None


def require_optuna() -> None:
    """Raise ConfigError, with the command to run, where Optuna is not installed."""
    if find_spec("optuna") is None:
        raise ConfigError(
            'tuning needs the package optuna, which is not installed. Install it with: pip install "foveal[tune]"'
        )


def open_study(folder: Path) -> Any:
    """The study in a tuning's folder, a new one where there is none."""
    require_optuna()
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    backend = optuna.storages.journal.JournalFileBackend(str(folder / JOURNAL))
    return optuna.create_study(
        storage=optuna.storages.JournalStorage(backend),
        pruner=optuna.pruners.MedianPruner(n_startup_trials=UNPRUNED, n_warmup_steps=1),
        study_name="foveal",
        direction="maximize",
        load_if_exists=True,
    )


def trials_of(study: Any) -> list[Trial]:
    """All trials, in the order in which they were begun."""
    states: dict[str, State] = {"FAIL": "failed"}
    return [
        Trial(
            each.number,
            states.get(each.state.name, each.state.name.lower()),
            each.user_attrs.get("accuracy"),
            each.user_attrs.get("settings", {}),
            each.user_attrs.get("seconds"),
            each.user_attrs.get("updates"),
            each.user_attrs.get("reason"),
        )
        for each in study.get_trials(deepcopy=False)
    ]


def begin_with(study: Any, recipe: Mapping[str, Any]) -> None:
    """Fail what a killed process left, and let the recipe itself be tried first, unless it was."""
    import optuna

    for trial in study.get_trials(deepcopy=False, states=(optuna.trial.TrialState.RUNNING,)):
        study.tell(trial.number, state=optuna.trial.TrialState.FAIL)
    if all(trial.state == "failed" for trial in trials_of(study)):
        study.enqueue_trial(dict(recipe))


def next_trial(study: Any, folder: Path, *, seed: int, limit: int | None) -> Any | None:
    """The next trial, None where there are `limit` of them. What is proposed follows from the seed and the trials so far."""
    import optuna

    with FileLock(folder / TURN):  # two workers must not both take the last one
        known = [trial for trial in trials_of(study) if trial.state in ("running", "complete", "pruned")]
        if limit is not None and len(known) >= limit:
            return None
        chance = derived_seed(seed, len(known)) % 2**32
        study.sampler = optuna.samplers.TPESampler(n_startup_trials=AT_CHANCE, seed=chance)
        return study.ask()


def finish(study: Any, trial: Any, settings: Mapping[str, Any], ended: Ended) -> Trial:
    """Remember how a trial ended."""
    import optuna

    facts = {"settings": dict(settings), "accuracy": ended.accuracy, "reason": ended.reason}
    for name, value in {**facts, "seconds": ended.seconds, "updates": ended.updates}.items():
        trial.set_user_attr(name, value)
    if ended.reason is None:
        study.tell(trial, ended.accuracy)
    else:
        study.tell(trial, state=optuna.trial.TrialState.PRUNED)
    number: int = trial.number
    return trials_of(study)[number]


def fail(study: Any, trial: Any) -> None:
    """Forget a trial that was interrupted; it is not counted."""
    import optuna

    study.tell(trial, state=optuna.trial.TrialState.FAIL)
