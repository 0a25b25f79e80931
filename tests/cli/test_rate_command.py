"""`foveal rate` in real processes."""

import json
from pathlib import Path

import pytest
from cli_process import command
from PIL import Image

SAID = ("--threads", "1", "--updates", "100", "--json")


def test_rate_says_what_to_train_with_and_draws_it(digits_folder: Path, tmp_path: Path) -> None:
    done = command("rate", digits_folder, "--threads", "1", "--updates", "100", cwd=tmp_path)
    assert "the loss falls fastest at" in done.stdout
    assert "--set training.learning_rate=" in done.stdout
    assert "as the highest of a schedule that falls" in done.stdout
    assert [path.name for path in tmp_path.iterdir()] == ["rate-few-digits-compact.png"]
    with Image.open(tmp_path / "rate-few-digits-compact.png") as picture:
        assert picture.size == (800, 450)


def test_rate_as_json_has_rates_losses_and_the_suggestion(digits_folder: Path, tmp_path: Path) -> None:
    answer = json.loads(command("rate", digits_folder, *SAID, "--out", "x.png", cwd=tmp_path).stdout)
    rates, losses, suggestion = answer["rates"], answer["losses"], answer["suggestion"]
    assert rates[0] == pytest.approx(1e-6)
    assert len(rates) == len(losses) == len(answer["smoothed"]) <= 100
    assert rates == sorted(rates)
    assert rates[0] < suggestion["steepest"] <= suggestion["lowest"] < suggestion["diverges"] <= 10
    assert 1e-4 < suggestion["lowest"] < 1  # compact trains at .01
    assert (answer["picture"], answer["batch_size"], answer["optimizer"]) == ("x.png", 24, "adamw")


def test_the_same_seed_gives_the_same_answer_whatever_the_schedule_but_for_what_suits_it(
    digits_folder: Path, tmp_path: Path
) -> None:
    schedule = ("--set", "training.learning_rate=0.5", "--set", "training.schedule=constant")
    answers = [
        json.loads(command("rate", digits_folder, *SAID, *said, cwd=tmp_path).stdout)
        for said in ((), schedule, ("--seed", "1"))
    ]
    shown = [(answer["rates"], answer["losses"]) for answer in answers]
    assert shown[0] == shown[1]
    assert shown[0] != shown[2]
    falling, constant = answers[0]["suggestion"], answers[1]["suggestion"]
    assert falling["learning_rate"] == falling["lowest"] == constant["lowest"]
    assert constant["learning_rate"] == falling["steepest"] == constant["steepest"]


def test_a_rate_that_must_be_found_elsewhere_is_said(digits_folder: Path, tmp_path: Path) -> None:
    said = ("--lowest", "1e-9", "--highest", "1e-8", "--threads", "1", "--updates", "60")
    done = command("rate", digits_folder, *said, cwd=tmp_path)
    assert "the loss did not fall between 1e-09 and 1e-08" in done.stdout
    assert "next:" not in done.stdout


@pytest.mark.parametrize(
    ("said", "why"),
    [
        (("--lowest", "1", "--highest", "0.1"), "the rate cannot climb from 1 to 0.1"),
        (("--lowest", "0"), "the rate cannot climb from 0 to 10. Give --lowest above 0"),
        (("--lowest", "nan"), "the rate cannot climb from nan to 10"),
        (("--highest", "inf"), "the rate cannot climb from 1e-06 to inf"),
        (("--out", "rates.jpg"), "the picture cannot be rates.jpg: it is a PNG file"),
        (("--out", "."), "the picture cannot be .: it is a PNG file"),
        (("--updates", "5"), "Input should be greater than or equal to 30"),
    ],
)
def test_what_is_asked_wrongly_is_answered_before_anything_is_trained(
    said: tuple[str, ...], why: str, digits_folder: Path, tmp_path: Path
) -> None:
    done = command("rate", digits_folder, *said, cwd=tmp_path, expect=2)
    assert why in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_the_length_of_a_training_that_is_not_made_is_not_told(digits_folder: Path, tmp_path: Path) -> None:
    answer = json.loads(command("rate", digits_folder, *SAID, cwd=tmp_path).stdout)
    assert answer["notes"] == []
