"""Trackers that are absent, cannot begin or fail on the way: what is said, and that the training goes on."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from tracked_records import records

from foveal.config import Config, TrackConfig
from foveal.errors import ConfigError
from foveal.run import Run
from foveal.settings import flat
from foveal.track import tracking
from foveal.track.tracking import TRACKERS, require_trackers, tracked

CONFIG = Config(track=TrackConfig(to=("mlflow", "tensorboard", "mlflow")))


@pytest.fixture
def run(tmp_path: Path) -> Run:
    run = Run(tmp_path)
    run.rewrite_history([vars(record) for record in records(1, 2)])
    return run


def fake(name: str, monkeypatch: pytest.MonkeyPatch, *, at: str = "never") -> list[Any]:
    """Let a tracker be one that writes down what it is given, and fails `at` its beginning, a record or its end."""
    given: list[Any] = []

    @contextmanager
    def tracker(folder: Path, settings: Any, earlier: Any) -> Iterator[Callable[..., None]]:
        if at == "beginning":
            raise OSError("no server\nat home.")
        given.extend(earlier)

        def log(record: Any) -> None:
            if at == record.update:
                raise RuntimeError("connection lost")
            given.append(record)

        try:
            yield log
        finally:
            if at == "end":
                raise ValueError

    monkeypatch.setitem(TRACKERS, name, tracker)
    return given


def test_each_tracker_gets_what_the_run_has_and_what_comes_once(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    given = [fake(name, monkeypatch) for name in ("mlflow", "tensorboard", "wandb")]
    with tracked(run, CONFIG) as log:
        log(records(3)[0])
    assert given == [records(1, 2, 3), records(1, 2, 3), []]
    assert (run.folder / "history.csv").read_text().count("\n") == 4


@pytest.mark.parametrize("at", [4, "end"])
def test_a_tracker_that_fails_is_told_and_the_others_go_on(at: str, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    failing, other = fake("mlflow", monkeypatch, at=at), fake("tensorboard", monkeypatch)
    with tracked(run, CONFIG) as log:
        for record in records(3, 4, 5):
            log(record)
    assert other == records(1, 2, 3, 4, 5)
    assert failing == (records(1, 2, 3) if at == 4 else other)
    said = "takes no more records from update 4 on: connection lost" if at == 4 else "the last records: ValueError"
    notes = (run.folder / "notes.txt").read_text()
    assert said in notes
    assert "The training goes on" in notes


def test_a_tracker_that_fails_at_its_end_hides_no_error_of_the_training(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake("mlflow", monkeypatch, at="end")
    fake("tensorboard", monkeypatch)
    with pytest.raises(KeyboardInterrupt), tracked(run, CONFIG):
        raise KeyboardInterrupt
    assert "did not take the last records" in (run.folder / "notes.txt").read_text()


def test_a_tracker_that_cannot_begin_is_said_before_anything_is_trained(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake("mlflow", monkeypatch, at="beginning")
    with (
        pytest.raises(ConfigError, match=r"logging to mlflow cannot begin: no server at home\. Nothing.*--log none"),
        tracked(run, CONFIG),
    ):
        pass


def test_an_absent_package_is_one_sentence_with_the_command(
    monkeypatch: pytest.MonkeyPatch, killed_and_resumed: Callable[..., Run], tmp_path: Path
) -> None:
    monkeypatch.setattr(tracking, "find_spec", lambda name: None if name in ("mlflow", "wandb") else name)
    require_trackers(["tensorboard"])
    match = r'logging to mlflow and wandb needs .*not installed\. Install it with: pip install "foveal\[track\]"'
    with pytest.raises(ConfigError, match=match):
        killed_and_resumed(["mlflow", "wandb"])
    assert not (tmp_path / "run").exists()


def test_other_trackers_do_not_make_a_training_another_one(
    killed_and_resumed: Callable[..., Run], monkeypatch: pytest.MonkeyPatch
) -> None:
    given = fake("wandb", monkeypatch)
    monkeypatch.setattr(tracking, "find_spec", lambda name: name)
    run = killed_and_resumed([], ["wandb"])  # a changed config is refused otherwise
    assert [record.update for record in given] == [record["update"] for record in run.history]


def test_settings_are_told_by_the_names_that_set_takes() -> None:
    settings = flat(Config().model_dump(mode="json"))
    assert settings["training.optimizer"] == "adamw"
    assert settings["seed"] == 0
    assert not [value for value in settings.values() if isinstance(value, dict)]
