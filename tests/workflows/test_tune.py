"""Trials of other settings: that they can be repeated and resumed, what ends one early, and what is refused."""

import json
import time
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import own_networks
import pytest
from cli_process import write_idx
from data_helpers import skip_unless

from foveal.config import Config
from foveal.data.known import data_folder
from foveal.errors import ArtifactError, ConfigError, DataError, TrainingError
from foveal.lock import locked
from foveal.recipes import resolve
from foveal.run import Run
from foveal.settings import flat, merge, parse_config, parse_settings, read_toml
from foveal.workflows import tune_workers
from foveal.workflows.train import train
from foveal.workflows.tune import begin_tuning, tune, write_result
from foveal.workflows.tune_space import Floats, search_space, space_from_json, suggest
from foveal.workflows.tune_study import DIED, Trial, begin_with, open_study, require_optuna, trials_of
from foveal.workflows.tune_trial import NO_HOPE, OUT_OF_TIME, run_trial


def config_of(*said: str, source: str) -> Config:
    return resolve(merge({"data": {"source": source}, "threads": 1}, parse_settings(list(said))), "few")


@pytest.fixture(scope="module")
def digits_folder(digits: Any, tmp_path_factory: pytest.TempPathFactory) -> str:
    """300 training and 100 test images as IDX files."""
    images, labels = digits
    folder = tmp_path_factory.mktemp("idx") / "few"
    write_idx(folder, "train", images[:300], labels[:300])
    return str(write_idx(folder, "t10k", images[300:400], labels[300:400]))


@pytest.fixture
def begin(digits_folder: str, tmp_path: Path) -> Callable[..., Path]:
    """A new tuning of a training of two epochs."""
    skip_unless(find_spec("optuna") is not None, 'optuna is not installed: pip install "foveal[tune]"')

    def make(name: str = "tuning", *said: str, tried: tuple[str, ...] = ()) -> Path:
        config = config_of("training.epochs=2", *said, source=digits_folder).model_copy(update={"threads": None})
        fixed = set(flat(parse_settings(list(said))))
        return begin_tuning(config, fixed, tmp_path / name, "few", parse_settings(list(tried)))

    return make


def make_trials(folder: Path, count: int | None, **settings: Any) -> list[Trial]:
    return list(tune(folder, trials=count, threads=1, **settings))


def told(trials: list[Trial]) -> list[Any]:
    return [(trial.settings, trial.accuracy, trial.state, trial.updates) for trial in trials]


# That they can be repeated and resumed


def test_the_recipe_comes_first_and_the_same_seed_tries_the_same(begin: Callable[..., Path]) -> None:
    one, other = begin("one"), begin("other")
    trials = make_trials(one, 4)
    assert dict(trials[0].settings) == json.loads((one / "space.json").read_text())["recipe"]
    assert told(trials) == told(make_trials(other, 4))
    assert len({str(trial.settings) for trial in trials}) == 4


def test_the_best_config_trains_to_the_accuracy_of_its_trial_and_no_test_image_was_opened(
    begin: Callable[..., Path], tmp_path: Path
) -> None:
    folder = begin()
    trials = make_trials(folder, 4)
    tuned = write_result(folder)
    assert tuned.best is not None
    assert tuned.config is not None
    assert tuned.best.accuracy == max(trial.accuracy or 0 for trial in trials if trial.state == "complete")
    assert tuned.recipe is not None
    assert tuned.recipe.number == 0
    config: Config = parse_config(read_toml(tuned.config))
    run = Run(tmp_path / "run")
    run.folder.mkdir()
    train(config.model_copy(update={"threads": 1}), run)
    assert run.summary["val_accuracy"] == tuned.best.accuracy
    assert not (data_folder() / "test-log").exists()
    assert len((folder / "trials.csv").read_text().splitlines()) == 5


def test_threads_and_what_follows_from_them_are_left_to_whoever_trains(begin: Callable[..., Path]) -> None:
    folder = begin("tuning", "training.precision=float32")  # in which a batch is divided among threads
    assert make_trials(folder, 1)[0].accuracy is not None
    for name in ("base.toml", "config.toml"):
        assert not {"threads", "training.shards"} & set(flat(read_toml(folder / name)))


def test_a_tuning_that_was_interrupted_goes_on_as_if_it_had_not_been(
    begin: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, stopped = begin("whole"), begin("stopped")
    expected = make_trials(whole, 5)
    assert told(make_trials(stopped, 2)) == told(expected[:2])

    def interrupted(*_: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(tune_workers, "run_trial", interrupted)
        with pytest.raises(KeyboardInterrupt):
            make_trials(stopped, 5)
    open_study(stopped).ask()  # of a process that was killed: it is running for ever
    assert told(make_trials(stopped, 5)) == told(expected[2:])
    states = [trial.state for trial in trials_of(open_study(stopped))]
    assert states.count("failed") == 2
    assert make_trials(stopped, 5) == []


def test_a_recipe_that_was_cut_off_is_tried_again(begin: Callable[..., Path]) -> None:
    folder = begin()
    study, recipe = open_study(folder), json.loads((folder / "space.json").read_text())["recipe"]
    begin_with(study, recipe)
    study.ask()
    done = study.ask()  # of another worker, and done before the first was killed
    study.tell(done, 0.5)
    begin_with(study, recipe)
    begin_with(study, recipe)  # killed again before it was taken up
    space = space_from_json(json.loads((folder / "space.json").read_text())["space"])
    assert suggest(study.ask(), space) == recipe
    begin_with(study, recipe)
    assert [trial.state for trial in trials_of(study)].count("waiting") == 1


def test_settings_whose_process_was_killed_twice_are_not_tried_for_ever(begin: Callable[..., Path]) -> None:
    study = open_study(begin())
    for state in ("failed", "pruned"):
        trial = study.ask()
        trial.set_user_attr("settings", {"model.width": 2.0})
        begin_with(study, {})
        ended = trials_of(study)[trial.number]
        assert (ended.state, ended.reason) == (state, DIED)


def test_several_workers_make_as_many_trials_as_were_asked_for(begin: Callable[..., Path]) -> None:
    folder = begin()
    trials = make_trials(folder, 5, workers=2)
    assert sorted(trial.number for trial in trials) == list(range(5))
    assert all(trial.accuracy is not None for trial in trials)
    assert make_trials(folder, 5, workers=2) == []


def test_settings_that_were_asked_for_are_tried(begin: Callable[..., Path]) -> None:
    said = ("training.learning_rate=0.01", "training.weight_decay=0.01", "training.batch_size=21")
    folder = begin("tuning", *said, tried=('training.optimizer=["adamw", "sgd", "muon"]', "augment.rotate=[0, 30]"))
    trials = make_trials(folder, 6)
    names = {"training.optimizer", "augment.rotate", "augment.shift", "augment.scale", "model.width"}
    assert all(set(trial.settings) == names for trial in trials)
    assert {trial.settings["augment.rotate"] for trial in trials} == {0.0, 30.0}
    assert len({trial.settings["training.optimizer"] for trial in trials}) > 1


# What ends one early


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
    study = open_study(begin())
    for _ in range(6):
        good = study.ask()
        for step in range(1, 7):
            good.report(0.99, step)
        study.tell(good, 0.99)
    ended = run_trial(study.ask(), config_of("training.epochs=6", said, source=digits_folder), deadline)
    assert ended.reason == reason
    assert 0 < ended.updates < 66


def test_a_trial_that_had_no_time_is_not_counted_and_tried_again(begin: Callable[..., Path]) -> None:
    folder = begin("long", "training.epochs=500")
    cut = make_trials(folder, None, seconds=2)
    assert [(trial.state, trial.reason) for trial in cut] == [("failed", OUT_OF_TIME)]
    again = make_trials(folder, 1, seconds=2)
    assert [trial.settings for trial in again] == [trial.settings for trial in cut]
    assert write_result(folder).best is None


def test_a_loss_that_runs_away_ends_a_trial_and_not_the_tuning(begin: Callable[..., Path]) -> None:
    folder = begin("wild", "training.optimizer=sgd", "training.learning_rate=1e30", "training.clip_norm=1e30")
    trials = make_trials(folder, 2)
    assert [trial.state for trial in trials] == ["pruned", "pruned"]
    assert all("the weights have run away" in str(trial.reason) for trial in trials)
    assert (write_result(folder).best, (folder / "config.toml").exists()) == (None, False)


def test_memory_that_runs_out_ends_a_trial_and_not_the_tuning(begin: Callable[..., Path]) -> None:
    network = f"model.name={own_networks.__file__}:GreedyWithMany"
    trials = make_trials(begin("greedy", network, tried=("training.batch_size=[20, 50]",)), 6)
    by_size = {size: [each for each in trials if each.settings["training.batch_size"] == size] for size in (20, 50)}
    assert by_size[20]
    assert by_size[50]
    assert all(trial.reason is None or trial.reason == NO_HOPE for trial in by_size[20])
    assert all("memory ran out in a trial" in str(trial.reason) for trial in by_size[50])


def test_suggestions_stay_within_the_space(begin: Callable[..., Path], digits_folder: str) -> None:
    study = open_study(begin())
    space, recipe = search_space(config_of(source=digits_folder), 1000, 60, set())
    begin_with(study, recipe)
    for number in range(12):
        tried = suggest(study.ask(), space)
        assert set(tried) == set(space)
        assert number or tried == recipe
        for name, values in space.items():
            inside = values.low <= tried[name] <= values.high if isinstance(values, Floats) else tried[name] in values
            assert inside


# What is refused


def test_what_goes_wrong_in_a_worker_is_told(begin: Callable[..., Path], digits_folder: str) -> None:
    folder = begin()
    base = folder / "base.toml"
    base.write_text(base.read_text().replace(digits_folder, "/nosuch/few"))
    why = "there is no data set, folder or file called '/nosuch/few'"
    with pytest.raises(TrainingError, match=why):
        make_trials(folder, 2, workers=2)
    with pytest.raises(DataError, match=why):
        make_trials(folder, 2)


def test_data_that_were_edited_since_are_refused(digits: Any, begin: Callable[..., Path], tmp_path: Path) -> None:
    images, labels = digits
    data = write_idx(tmp_path / "data", "all", images[:300], labels[:300])
    folder = begin("tuning", f"data.source={data}")
    assert len(make_trials(folder, 1)) == 1
    write_idx(tmp_path / "data", "all", images[:299], labels[:299])
    with pytest.raises(ArtifactError, match=r"the data .* are not those that the tuning in .* was begun with"):
        make_trials(folder, 2)


def test_a_folder_in_use_and_a_folder_that_exists_are_refused(begin: Callable[..., Path]) -> None:
    folder = begin()
    with locked(folder), pytest.raises(ArtifactError, match="in use by process"):
        make_trials(folder, 1)
    with pytest.raises(ArtifactError, match=r"exists already\. To go on with a tuning in it: foveal tune --resume"):
        begin()


def test_a_folder_of_something_else_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match=r"is no folder of a tuning: it has no base\.toml"):
        make_trials(tmp_path, 1)


ALL = (
    "training.learning_rate=0.1",
    "training.weight_decay=0.1",
    "training.batch_size=8",
    "augment.shift=1",
    "augment.rotate=1",
    "augment.scale=0.1",
    "model.width=1",
)


@pytest.mark.parametrize(
    ("said", "why"),
    [
        (("data.validation=0",), "none are held out"),
        (("training.budget=5", "training.epochs=1", "training.turns=[[0, 5]]"), "a trial has no budget of its own"),
        (("data.source=arrays",), "arrays and networks made in Python cannot be tuned"),
        (ALL, "every setting that could be tuned was said"),
    ],
)
def test_what_cannot_be_tuned_is_refused(
    said: tuple[str, ...], why: str, begin: Callable[..., Path], tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match=why):
        begin("tuning", *said)
    assert list(tmp_path.iterdir()) == []


def test_under_torchrun_it_is_refused(begin: Callable[..., Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RANK", "0")
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(ConfigError, match=r"Start foveal tune alone, with --workers"):
        begin()


def test_without_optuna_the_command_that_installs_it_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("foveal.workflows.tune_study.find_spec", lambda _: None)
    with pytest.raises(ConfigError, match=r'not installed\. Install it with: pip install "foveal\[tune\]"'):
        require_optuna()


def test_a_deadline_in_the_middle_of_a_trial_ends_it(begin: Callable[..., Path]) -> None:
    folder = begin("long", "training.epochs=500")
    begun = time.time()
    trials = make_trials(folder, 50, seconds=2)
    assert trials[-1].reason == OUT_OF_TIME
    assert sum(trial.seconds or 0 for trial in trials) < time.time() - begun
