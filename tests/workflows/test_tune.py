"""Trials of other settings: what is tried, that it can be repeated and resumed, and what is refused."""

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cli_process import write_idx

from foveal.config import Config
from foveal.data.known import data_folder
from foveal.errors import ArtifactError, ConfigError
from foveal.lock import locked
from foveal.recipes import resolve
from foveal.settings import flat, merge, parse_config, parse_settings, read_toml
from foveal.workflows import tune as tune_workflow
from foveal.workflows.tune import begin_tuning, tune, write_result
from foveal.workflows.tune_study import Trial, begin_with, open_study, require_optuna, trials_of
from foveal.workflows.tune_trial import (
    DIVERGED,
    NO_HOPE,
    OUT_OF_TIME,
    Floats,
    run_trial,
    search_space,
    suggest,
    with_settings,
)

# What is tried


def config_of(*said: str, source: str = "mnist") -> Config:
    return resolve(merge({"data": {"source": source}, "threads": 1}, parse_settings(list(said))), "few")


def test_the_recipe_itself_is_within_the_space_and_wide_ranges_around_it() -> None:
    space, recipe = search_space(config_of(), 1000, 60, set())
    assert space["training.learning_rate"] == Floats(0.001, 0.1)
    assert space["training.batch_size"] == (32, 60, 64, 128)  # no batch of more than a quarter of the images
    assert space["augment.shift"] == (0, 1, 2, 3, 4)
    assert recipe == {
        "training.learning_rate": 0.01,
        "training.weight_decay": 0.01,
        "training.batch_size": 60,
        "augment.shift": 2,
        "model.width": 1.0,
    }


def test_what_was_said_is_not_tried() -> None:
    space, recipe = search_space(config_of(), 1000, 60, {"training.learning_rate", "augment.shift"})
    assert set(space) == set(recipe) == {"training.weight_decay", "training.batch_size", "model.width"}


@pytest.mark.parametrize("said", ["model.name=lenet5", "model.start=somewhere"])
def test_a_width_is_tried_only_where_the_network_takes_one(said: str) -> None:
    config: Config = parse_config(parse_settings([said]))
    assert "model.width" not in search_space(config, 1000, 60, set())[0]


def test_a_value_outside_its_range_is_left_to_chance() -> None:
    _, recipe = search_space(config_of("training.weight_decay=0", "augment.shift=6"), 1000, 60, set())
    assert "training.weight_decay" not in recipe
    assert recipe["augment.shift"] == 6


def test_settings_are_put_in_their_places() -> None:
    config = with_settings(config_of(), {"training.learning_rate": 3e-05, "model.width": 1.5, "augment.shift": 0})
    assert (config.training.learning_rate, config.model.width, config.augment.shift) == (3e-05, 1.5, 0)
    assert config.training.optimizer == "adamw"


# Trials


@pytest.fixture(scope="module")
def digits_folder(digits: Any, tmp_path_factory: pytest.TempPathFactory) -> str:
    """300 training and 100 test images as IDX files."""
    images, labels = digits
    folder = tmp_path_factory.mktemp("idx") / "few"
    write_idx(folder, "train", images[:300], labels[:300])
    return str(write_idx(folder, "t10k", images[300:400], labels[300:400]))


@pytest.fixture
def begin(digits_folder: str, tmp_path: Path) -> Callable[..., Path]:
    """A new tuning of a training of one epoch."""
    pytest.importorskip("optuna", reason='optuna is not installed: pip install "foveal[tune]"')

    def make(name: str = "tuning", *said: str) -> Path:
        config = config_of("training.epochs=2", *said, source=digits_folder)
        return begin_tuning(config, set(flat(parse_settings(list(said)))), tmp_path / name, "few")

    return make


def make_trials(folder: Path, count: int, **settings: Any) -> list[Trial]:
    return list(tune(folder, trials=count, threads=1, **settings))


def told(trials: list[Trial]) -> list[Any]:
    return [(trial.settings, trial.accuracy, trial.state, trial.updates) for trial in trials]


def test_the_recipe_comes_first_and_the_same_seed_tries_the_same(begin: Callable[..., Path]) -> None:
    one, other = begin("one"), begin("other")
    trials = make_trials(one, 4)
    assert dict(trials[0].settings) == json.loads((one / "space.json").read_text())["recipe"]
    assert told(trials) == told(make_trials(other, 4))
    assert len({str(trial.settings) for trial in trials}) == 4


def test_the_best_config_trains_to_the_accuracy_of_its_trial_and_no_test_image_was_opened(
    begin: Callable[..., Path], tmp_path: Path
) -> None:
    from foveal.run import Run
    from foveal.workflows.train import train

    folder = begin()
    trials = make_trials(folder, 4)
    tuned = write_result(folder)
    assert tuned.best is not None
    assert tuned.config is not None
    assert tuned.best.accuracy == max(trial.accuracy or 0 for trial in trials if trial.state == "complete")
    config: Config = parse_config(read_toml(tuned.config))
    run = Run(tmp_path / "run")
    run.folder.mkdir()
    train(config.model_copy(update={"threads": 1}), run)
    assert run.summary["val_accuracy"] == tuned.best.accuracy
    assert not (data_folder() / "test-log").exists()
    assert len((folder / "trials.csv").read_text().splitlines()) == 5


def test_a_tuning_that_was_killed_goes_on_as_if_it_had_not_been(
    begin: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, stopped = begin("whole"), begin("stopped")
    expected = make_trials(whole, 5)
    assert told(make_trials(stopped, 2)) == told(expected[:2])

    def interrupted(*_: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(tune_workflow, "run_trial", interrupted)
        with pytest.raises(KeyboardInterrupt):
            make_trials(stopped, 5)
    open_study(stopped).ask()  # of a process that was killed: it is running for ever
    assert told(make_trials(stopped, 5)) == told(expected[2:])
    states = [trial.state for trial in trials_of(open_study(stopped))]
    assert states.count("failed") == 2
    assert make_trials(stopped, 5) == []


def test_several_workers_make_as_many_trials_as_were_asked_for(begin: Callable[..., Path]) -> None:
    folder = begin()
    trials = make_trials(folder, 5, workers=2)
    assert sorted(trial.number for trial in trials) == list(range(5))
    assert all(trial.accuracy is not None for trial in trials)


def test_what_goes_wrong_in_a_worker_is_told(begin: Callable[..., Path], digits_folder: str) -> None:
    folder = begin()
    base = folder / "base.toml"
    base.write_text(base.read_text().replace(digits_folder, "/nosuch/few"))
    with pytest.raises(Exception, match="there is no data set, folder or file called '/nosuch/few'"):
        make_trials(folder, 2, workers=2)


def test_no_trial_begins_after_the_time_is_over(begin: Callable[..., Path]) -> None:
    folder = begin()
    assert make_trials(folder, 3, seconds=0) == []
    assert write_result(folder).best is None


@pytest.mark.parametrize(
    ("said", "deadline", "reason"),
    [("training.learning_rate=1e-9", None, NO_HOPE), ("seed=0", 0.0, OUT_OF_TIME)],
)
def test_a_trial_without_hope_or_time_is_ended_early(
    said: str, deadline: float | None, reason: str, begin: Callable[..., Path], digits_folder: str
) -> None:
    folder = begin()
    study = open_study(folder)
    for _ in range(6):
        good = study.ask()
        for step in range(1, 7):
            good.report(0.99, step)
        study.tell(good, 0.99)
    ended = run_trial(study.ask(), config_of("training.epochs=6", said, source=digits_folder), deadline)
    assert ended.reason == reason
    assert 0 < ended.updates < 66


def test_a_loss_that_runs_away_ends_a_trial_and_not_the_tuning(begin: Callable[..., Path]) -> None:
    folder = begin("wild", "training.optimizer=sgd", "training.learning_rate=1e30", "training.clip_norm=1e30")
    trials = make_trials(folder, 2)
    assert [trial.state for trial in trials] == ["pruned", "pruned"]
    assert all(str(trial.reason).startswith(DIVERGED) for trial in trials)
    assert (write_result(folder).best, (folder / "config.toml").exists()) == (None, False)


def test_suggestions_stay_within_the_space(begin: Callable[..., Path]) -> None:
    study = open_study(begin())
    space, recipe = search_space(config_of(), 1000, 60, set())
    begin_with(study, recipe)
    for number in range(12):
        tried = suggest(study.ask(), space)
        assert set(tried) == set(space)
        assert number or tried == recipe
        for name, values in space.items():
            inside = values.low <= tried[name] <= values.high if isinstance(values, Floats) else tried[name] in values
            assert inside


# Refused


def test_a_folder_in_use_and_a_folder_that_exists_are_refused(begin: Callable[..., Path]) -> None:
    folder = begin()
    with locked(folder), pytest.raises(ArtifactError, match="in use by process"):
        make_trials(folder, 1)
    with pytest.raises(ArtifactError, match=r"exists already\. To go on with a tuning in it: foveal tune --resume"):
        begin()


def test_a_folder_of_something_else_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match=r"is no folder of a tuning: it has no base\.toml"):
        make_trials(tmp_path, 1)


ALL = ("training.learning_rate", "training.weight_decay", "training.batch_size", "augment.shift", "model.width")


@pytest.mark.parametrize(
    ("said", "why"),
    [
        (("data.validation=0",), "none are held out"),
        (("training.budget=5", "training.epochs=1", "training.turns=[[0, 5]]"), "a trial has no budget of its own"),
        (("data.source=arrays",), "arrays and networks made in Python cannot be tuned"),
        (tuple(f"{name}=1" for name in ALL), "every setting that could be tuned was said"),
    ],
)
def test_what_cannot_be_tuned_is_refused(
    said: tuple[str, ...], why: str, begin: Callable[..., Path], tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match=why):
        begin("tuning", *said)
    assert not (tmp_path / "tuning").exists()


def test_without_optuna_the_command_that_installs_it_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("foveal.workflows.tune_study.find_spec", lambda _: None)
    with pytest.raises(ConfigError, match=r'not installed\. Install it with: pip install "foveal\[tune\]"'):
        require_optuna()


def test_a_deadline_in_the_middle_of_a_trial_ends_it(begin: Callable[..., Path]) -> None:
    folder = begin("long", "training.epochs=500")
    start = time.perf_counter()
    trials = make_trials(folder, 50, seconds=3)
    assert time.perf_counter() - start < 15
    assert trials[-1].reason == OUT_OF_TIME
