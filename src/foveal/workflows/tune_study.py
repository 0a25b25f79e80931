"""The trials of a tuning, remembered in a journal. The one file that knows Optuna."""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

from filelock import FileLock

from foveal.data.augment.draws import derived_seed
from foveal.errors import ArtifactError, ConfigError
from foveal.workflows.tune_journal import Journal
from foveal.workflows.tune_space import Space, suggest
from foveal.workflows.tune_trial import OUT_OF_TIME, Ended

JOURNAL, TURN = "trials.log", "turn.lock"
AT_CHANCE = 8  # trials before the sampler begins to learn from them
UNPRUNED = 4  # trials that are trained to their end before any is pruned
DIED = "its process was killed"
COUNTED = ("running", "complete", "pruned")
State = Literal["running", "complete", "pruned", "failed", "waiting"]


@dataclass(frozen=True)
class Trial:
    """One trial: the settings it tried, by the names that `--set` takes, and what they came to on validation.

    `reason` says why it ended early: no hope, no time, no memory, or a loss that ran away. A failed one is not counted.
    """

    number: int
    state: State
    accuracy: float | None
    settings: Mapping[str, Any]
    seconds: float | None = None
    updates: int | None = None
    reason: str | None = None

    @property
    def is_ended(self) -> bool:
        """Whether it came to an end that is worth telling, and was not cut off by Ctrl-C or a kill."""
        return self.state in ("complete", "pruned") or (self.state == "failed" and self.reason == OUT_OF_TIME)


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
    journal: Any = Journal(folder / JOURNAL)
    return optuna.create_study(
        storage=optuna.storages.JournalStorage(journal),
        # Akiba et al. 2019, arXiv:1907.10902, section 3.2, for pruning; the first validation says too little.
        pruner=optuna.pruners.MedianPruner(n_startup_trials=UNPRUNED, n_warmup_steps=1),
        study_name="foveal",
        direction="maximize",
        load_if_exists=True,
    )


def trials_of(study: Any) -> list[Trial]:
    """All trials, in the order in which they were begun."""
    states: dict[str, State] = {"FAIL": "failed"}
    died = study.user_attrs.get(DIED, [])
    return [
        Trial(
            each.number,
            states.get(each.state.name, each.state.name.lower()),
            each.user_attrs.get("accuracy"),
            each.user_attrs.get("settings", {}),
            each.user_attrs.get("seconds"),
            each.user_attrs.get("updates"),
            DIED if each.number in died else each.user_attrs.get("reason"),
        )
        for each in study.get_trials(deepcopy=False)
    ]


def begin_with(study: Any, recipe: Mapping[str, Any]) -> None:
    """End what a killed process left, and let the recipe itself be tried first, unless it was or is about to be.

    A trial that was cut off so is tried again; settings whose process was killed twice (by a system without memory, for
    one) are not.
    """
    import optuna

    states = optuna.trial.TrialState
    for left in study.get_trials(deepcopy=False, states=(states.RUNNING,)):
        settings = left.user_attrs.get("settings")
        is_second = any(each.reason == DIED and each.settings == settings for each in trials_of(study))
        study.set_user_attr(DIED, [*study.user_attrs.get(DIED, []), left.number])
        study.tell(left.number, state=states.PRUNED if is_second else states.FAIL)
    counted = [each for each in study.get_trials(deepcopy=False) if each.state != states.FAIL]
    if not any(each.user_attrs.get("is_recipe") for each in counted):
        study.enqueue_trial(dict(recipe), user_attrs={"is_recipe": True})


def next_trial(
    study: Any, folder: Path, space: Space, *, seed: int, limit: int | None
) -> tuple[Any, dict[str, Any]] | None:
    """The next trial and its settings, None where there are `limit` of them.

    What is proposed follows from the seed and the trials so far (Bergstra et al. 2011, section 4; at first by chance).
    """
    import optuna

    with FileLock(folder / TURN):  # two workers must not both take the last one
        known = [trial for trial in trials_of(study) if trial.state in COUNTED]
        if limit is not None and len(known) >= limit:
            return None
        chance = derived_seed(seed, len(known)) % 2**32
        study.sampler = optuna.samplers.TPESampler(n_startup_trials=AT_CHANCE, seed=chance)
        trial = study.ask()
        settings = suggest(trial, space)
        trial.set_user_attr("settings", settings)
        return trial, settings


def finish(study: Any, trial: Any, ended: Ended) -> Trial:
    """Remember how a trial ended. One that had no time is not counted: it is tried again when the tuning goes on."""
    import optuna

    facts = {"accuracy": ended.accuracy, "reason": ended.reason, "seconds": ended.seconds, "updates": ended.updates}
    for name, value in facts.items():
        trial.set_user_attr(name, value)
    if ended.reason is None:
        study.tell(trial, ended.accuracy)
    else:
        states = optuna.trial.TrialState
        study.tell(trial, state=states.FAIL if ended.reason == OUT_OF_TIME else states.PRUNED)
    number: int = trial.number
    return trials_of(study)[number]


def fail(study: Any, trial: Any) -> None:
    """Forget a trial that was interrupted, as far as the disk lets us; it is not counted, and tried again."""
    import optuna

    with suppress(ArtifactError):
        study.tell(trial, state=optuna.trial.TrialState.FAIL)
