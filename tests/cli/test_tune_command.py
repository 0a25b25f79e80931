"""`foveal tune` in real processes: what it writes, that a killed one goes on, and that test images have no part in it."""

import csv
import json
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from cli_process import command, no_half_written, python, write_idx
from data_helpers import skip_unless

SAID = ("--epochs", "1", "--threads", "1", "--set", "training.batch_size=30")


@pytest.fixture(autouse=True)
def needs_optuna() -> None:
    skip_unless(find_spec("optuna") is not None, 'optuna is not installed: pip install "foveal[tune]"')


def told(trials: list[dict[str, Any]]) -> list[Any]:
    """Of the trials that count, what may not differ."""
    counted = [trial for trial in trials if trial["state"] in ("complete", "pruned")]
    return [(trial["settings"], trial["accuracy"], trial["state"], trial["updates"]) for trial in counted]


def started(arguments: list[str], cwd: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "foveal", *arguments],
        cwd=cwd,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )


def wait_until(is_time: Callable[[], bool], process: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + 120
    while not is_time() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.02)


def rows(folder: Path) -> list[dict[str, str]]:
    """The lines of trials.csv."""
    path = folder / "trials.csv"
    return list(csv.DictReader(path.read_text().splitlines())) if path.exists() else []


def test_tune_says_what_was_tried_and_writes_a_config_that_train_takes(digits_folder: Path, tmp_path: Path) -> None:
    done = command("tune", digits_folder, *SAID, "--trials", "3", cwd=tmp_path)
    folder = tmp_path / "tunings" / "few-digits-compact-1"
    config = "tunings/few-digits-compact-1/config.toml"
    assert done.stderr.count("trial ") == 3
    assert f"next: foveal train --config {config}" in done.stdout
    assert "too good to be a score" in done.stdout
    assert [row["number"] for row in rows(folder)] == ["0", "1", "2"]
    answer = json.loads(command("train", "--config", config, "--threads", "1", "--json", cwd=tmp_path).stdout)
    said = ("--resume", "tunings/few-digits-compact-1", "--trials", "4", "--threads", "1", "--json")
    more = json.loads(command("tune", *said, cwd=tmp_path).stdout)
    assert [trial["number"] for trial in more["trials"]] == [0, 1, 2, 3]
    assert answer["val_accuracy"] == max(trial["accuracy"] for trial in more["trials"][:3])
    assert (more["config"], more["folder"], more["data"], more["model"]) == (
        config,
        "tunings/few-digits-compact-1",
        "few-digits",
        "compact",
    )
    assert more["recipe"]["number"] == 0
    assert all("training.batch_size" not in trial["settings"] for trial in more["trials"])
    for trial, row in zip(more["trials"], rows(folder), strict=True):
        assert row["accuracy"] == str(trial["accuracy"])
        assert row["training.learning_rate"] == str(trial["settings"]["training.learning_rate"])
    assert no_half_written(tmp_path)


def test_a_tuning_killed_again_and_again_makes_the_trials_of_one_that_never_was(
    digits_folder: Path, tmp_path: Path
) -> None:
    whole = json.loads(
        command("tune", digits_folder, *SAID, "--trials", "8", "--out", "whole", "--json", cwd=tmp_path).stdout
    )
    chance, folder = random.Random(0), tmp_path / "killed"
    process = started(["tune", str(digits_folder), *SAID, "--trials", "8", "--out", "killed", "--json"], tmp_path)
    for count in (1, 3, 5):
        wait_until(lambda count=count: len(rows(folder)) >= count, process)  # type: ignore[misc]
        time.sleep(chance.uniform(0, 0.4))
        process.kill()
        process.communicate()
        process = started(["tune", "--resume", "killed", "--trials", "8", "--threads", "1", "--json"], tmp_path)
    output, errors = process.communicate(timeout=240)
    assert process.returncode == 0, errors
    answer = json.loads(output)
    assert told(answer["trials"]) == told(whole["trials"])
    assert len(told(whole["trials"])) == 8
    assert (folder / "config.toml").read_text() == (tmp_path / "whole" / "config.toml").read_text()


def test_workers_do_not_outlive_a_killed_tuning_and_it_is_resumed(digits_folder: Path, tmp_path: Path) -> None:
    said = ["tune", str(digits_folder), *SAID, "--trials", "50", "--workers", "2", "--out", "tuning"]
    process = started(said, tmp_path)
    wait_until(lambda: len(rows(tmp_path / "tuning")) > 0, process)
    process.kill()
    process.communicate(timeout=60)  # its workers have stderr open too: this returns when they are gone
    begun = len(rows(tmp_path / "tuning"))
    more = str(begun + 4)
    done = command(
        "tune", "--resume", "tuning", "--trials", more, "--workers", "2", "--threads", "2", "--json", cwd=tmp_path
    )
    answer = json.loads(done.stdout)
    assert answer["best"]["accuracy"] > 0.1
    assert {trial["state"] for trial in answer["trials"]} <= {"complete", "pruned", "failed"}
    assert len(told(answer["trials"])) == begun + 4


def workers_of(process: subprocess.Popen[str]) -> list[int]:
    """The processes that it began to train in."""
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
    pids = children.read_text().split() if children.exists() else []
    return [int(pid) for pid in pids if b"spawn_main" in Path(f"/proc/{pid}/cmdline").read_bytes()]


@pytest.mark.skipif(sys.platform != "linux", reason="processes are found in /proc")
def test_a_worker_that_is_killed_is_told_of_and_the_tuning_goes_on_afterwards(
    digits_folder: Path, tmp_path: Path
) -> None:
    said = ["tune", str(digits_folder), *SAID, "--trials", "50", "--workers", "2", "--out", "tuning"]
    process = started(said, tmp_path)
    wait_until(lambda: len(rows(tmp_path / "tuning")) > 1, process)
    subprocess.run(["kill", "-9", str(workers_of(process)[0])], check=True)
    _, errors = process.communicate(timeout=120)
    assert process.returncode == 1
    assert "a worker ended without a word" in errors
    assert "to go on: foveal tune --resume tuning" in errors
    assert "Traceback" not in errors
    done = command("tune", "--resume", "tuning", "--trials", "4", "--threads", "1", "--json", cwd=tmp_path)
    assert not [trial for trial in json.loads(done.stdout)["trials"] if trial["state"] == "running"]


def test_ctrl_c_says_how_to_go_on(digits_folder: Path, tmp_path: Path) -> None:
    process = started(["tune", str(digits_folder), *SAID, "--trials", "50", "--out", "tuning"], tmp_path)
    wait_until(lambda: len(rows(tmp_path / "tuning")) > 0, process)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=120)
    assert process.returncode == 130
    assert "stopped; to go on: foveal tune --resume tuning" in errors
    assert "Traceback" not in errors
    assert no_half_written(tmp_path)


def test_test_images_have_no_part_in_it(digits: Any, tmp_path: Path) -> None:
    images, labels = digits
    for name, test in (("one", images[300:400]), ("other", 255 - images[300:400])):
        data = write_idx(tmp_path / name / "data", "train", images[:300], labels[:300])
        write_idx(data, "t10k", test, labels[300:400] if name == "one" else labels[400:500])
    said = ("data", *SAID, "--trials", "4", "--json", "--out", "tuning")
    answers = [
        json.loads(command("tune", *said, cwd=tmp_path / name, FOVEAL_DATA=str(tmp_path / name / "kept")).stdout)
        for name in ("one", "other")
    ]
    assert told(answers[0]["trials"]) == told(answers[1]["trials"])
    fingerprints = {
        json.loads((tmp_path / n / "tuning" / "space.json").read_text())["fingerprint"] for n in ("one", "other")
    }
    assert len(fingerprints) == 2  # the test images are part of the data, and of nothing that was chosen
    for name in ("one", "other"):
        assert not (tmp_path / name / "kept" / "test-log").exists()
        assert not (tmp_path / name / "runs").exists()


@pytest.mark.parametrize(
    ("said", "code", "why"),
    [
        (("data", "--resume", "tuning"), 2, "--resume goes on with what was begun"),
        (("--resume", "tuning", "--try", "augment.shift=[1,2]"), 2, "--resume goes on with what was begun"),
        (("--resume", "tuning"), 1, "is no folder of a tuning"),
        (("--budget", "soon"), 2, "'soon' is no time"),
        (("--trials", "0"), 2, "Input should be greater than or equal to 1"),
        (("--workers", "0"), 2, "Input should be greater than or equal to 1"),
        (("nosuch",), 1, "there is no data set, folder or file called 'nosuch'"),
        (("--model", "compat"), 2, "there is no network 'compat'. Did you mean 'compact'"),
        (("--set", "training.learnign_rate=1"), 2, "Did you mean 'learning_rate'"),
        (("--try", "augment.rotate"), 2, "--try takes key=value"),
        (("--try", "augment.rotate=5"), 2, "--try takes a list of at least two values"),
        (("--out", "/proc/foveal/tuning", "--epochs", "0.01"), 1, "cannot write /proc/foveal/tuning"),
    ],
)
def test_what_is_asked_wrongly_is_answered_in_a_sentence(
    said: tuple[str, ...], code: int, why: str, tmp_path: Path
) -> None:
    done = command("tune", *said, cwd=tmp_path, expect=code)
    assert why in " ".join(done.stderr.split())
    assert "Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_without_optuna_the_command_that_installs_it_is_said_before_anything_is_read(tmp_path: Path) -> None:
    code = """
import sys
sys.modules["optuna"] = None  # as where it is not installed
sys.argv = ["foveal", "tune"]
from foveal.cli.app import main
sys.exit(main())"""
    done = python(code, cwd=tmp_path, expect=2)
    assert 'Install it with: pip install "foveal[tune]"' in " ".join(done.stderr.split())
    assert list(tmp_path.iterdir()) == []
