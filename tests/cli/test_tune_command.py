"""`foveal tune` in real processes."""

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest
from cli_process import command

pytest.importorskip("optuna", reason='optuna is not installed: pip install "foveal[tune]"')
SAID = ("--epochs", "1", "--threads", "1", "--set", "training.batch_size=30")


def test_tune_says_what_was_tried_and_writes_a_config_that_train_takes(digits_folder: Path, tmp_path: Path) -> None:
    done = command("tune", digits_folder, *SAID, "--trials", "3", cwd=tmp_path)
    assert done.stderr.count("trial ") == 3
    assert "next: foveal train --config tunings/few-digits-compact-1/config.toml" in done.stdout
    assert "too good to be a score" in done.stdout
    config = "tunings/few-digits-compact-1/config.toml"
    answer = json.loads(command("train", "--config", config, "--threads", "1", "--json", cwd=tmp_path).stdout)
    more = json.loads(
        command(
            "tune",
            "--resume",
            "tunings/few-digits-compact-1",
            "--trials",
            "4",
            "--threads",
            "1",
            "--json",
            cwd=tmp_path,
        ).stdout
    )
    assert [trial["number"] for trial in more["trials"]] == [0, 1, 2, 3]
    assert answer["val_accuracy"] == max(trial["accuracy"] for trial in more["trials"][:3])
    assert more["config"] == config
    assert all("training.batch_size" not in trial["settings"] for trial in more["trials"])


def test_a_killed_tuning_is_resumed(digits_folder: Path, tmp_path: Path) -> None:
    arguments = ["tune", str(digits_folder), *SAID, "--trials", "50", "--workers", "2", "--out", "tuning"]
    process = subprocess.Popen(
        [sys.executable, "-m", "foveal", *arguments], cwd=tmp_path, stderr=subprocess.PIPE, text=True
    )
    deadline = time.monotonic() + 120
    while not (tmp_path / "tuning" / "trials.csv").exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    process.kill()
    process.communicate(timeout=60)  # its workers have stderr open too: they do not outlive it
    done = command("tune", "--resume", "tuning", "--budget", "4s", "--threads", "1", "--json", cwd=tmp_path)
    answer = json.loads(done.stdout)
    assert answer["best"]["accuracy"] > 0.1
    assert not [trial for trial in answer["trials"] if trial["state"] == "running"]


def test_what_was_begun_cannot_be_told_other_settings(digits_folder: Path, tmp_path: Path) -> None:
    done = command("tune", digits_folder, "--resume", "tuning", cwd=tmp_path, expect=2)
    assert "--resume goes on with what was begun" in done.stderr
    done = command("tune", "--resume", "tuning", cwd=tmp_path, expect=1)
    assert "is no folder of a tuning" in done.stderr
