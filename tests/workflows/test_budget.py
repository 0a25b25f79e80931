"""`--budget`: what the clock decided is written down, and gives the same weights without a clock."""

import json
from pathlib import Path
from typing import Any

import pytest

import foveal
from foveal.recipes import resolve
from foveal.run import Run
from foveal.settings import merge, read_toml
from foveal.workflows.train import train


def weights_of(run: Run) -> str:
    return str(json.loads((run.classifier / "classifier.json").read_text())["weights_sha256"])


def few(digits: Any) -> Any:
    return digits[0][:300], digits[1][:300]


@pytest.fixture
def budgeted(digits: Any, tmp_path: Path) -> Run:
    return foveal.train(few(digits), budget=3.0, threads=1, out=tmp_path / "run")


def test_what_was_decided_is_in_the_config_and_gives_the_same_weights_without_a_clock(
    budgeted: Run, digits: Any, tmp_path: Path
) -> None:
    training = read_toml(budgeted.folder / "config.toml")["training"]
    assert "budget" not in training
    turns = training["turns"]
    assert turns[0][0] == 0
    assert [start for start, _ in turns] == sorted(start for start, _ in turns)
    assert budgeted.summary["updates"] == turns[-1][1] > 10
    assert training["epochs"] == pytest.approx(budgeted.summary["epochs"])
    again = Run(tmp_path / "again")
    again.folder.mkdir()
    train(budgeted.config, again, few(digits))
    assert weights_of(again) == weights_of(budgeted)
    assert again.summary["updates"] == budgeted.summary["updates"]
    assert "fit into the budget of 3 s" in (budgeted.folder / "notes.txt").read_text()


def test_validations_and_checkpoints_follow_the_length_and_not_the_preset(budgeted: Run, digits: Any) -> None:
    measured = [record["update"] for record in budgeted.history if record["val_accuracy"] is not None]
    training = read_toml(budgeted.folder / "config.toml")["training"]
    per_epoch = 11  # 219 images in batches of 21
    spacing = round(training["validate_every"] * per_epoch)
    first = training["turns"][0][1]
    assert spacing >= -(-first // 6)
    updates = budgeted.summary["updates"]
    assert measured == [*range(spacing, updates, spacing), updates]
    # The preset's 800 updates would have been validated every 134 updates, whatever the budget.
    assert spacing != 134 or -(-first // 6) == 134


def test_what_was_said_of_validations_and_checkpoints_is_kept(digits: Any, tmp_path: Path) -> None:
    settings = {"training": {"validate_every": 2.0, "checkpoint_every": 7}}
    run = foveal.train(few(digits), budget=2.0, threads=1, out=tmp_path / "run", settings=settings)
    training = read_toml(run.folder / "config.toml")["training"]
    assert (training["validate_every"], training["checkpoint_every"]) == (2.0, 7)
    measured = [record["update"] for record in run.history if record["val_accuracy"] is not None]
    assert measured[:2] == [22, 44]


def test_a_recipe_does_not_say_how_often_a_budget_is_validated() -> None:
    said = {"data": {"source": "mnist"}}
    assert resolve(said, "mnist").training.validate_every is not None
    assert resolve(merge(said, {"training": {"budget": 60.0}}), "mnist").training.validate_every is None
    own = {"training": {"budget": 60.0, "validate_every": 0.5}}
    assert resolve(merge(said, own), "mnist").training.validate_every == 0.5


def test_the_last_update_has_hardly_any_rate_left(budgeted: Run) -> None:
    rates = [record["learning_rate"] for record in budgeted.history]
    assert rates[-1] < 0.05 * max(rates)


def test_a_budget_that_is_too_short_makes_one_update_and_says_so(digits: Any, tmp_path: Path) -> None:
    run = foveal.train(few(digits), budget=0.001, threads=1, out=tmp_path / "run")
    assert run.summary["updates"] == 1
    assert "one update is made" in (run.folder / "notes.txt").read_text()


def test_epochs_and_a_budget_cannot_both_be_kept(digits: Any, tmp_path: Path) -> None:
    with pytest.raises(foveal.ConfigError, match=r"2 epochs and a budget of 9 s cannot both be kept. Give one"):
        foveal.train(few(digits), budget=9.0, epochs=2.0, out=tmp_path / "run")
