"""`--log` on `train` and `resume`, in real processes that are really killed."""

import csv
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from cli_process import command

SAID = ("--threads", "1", "--model", "lenet-dropout2d", "--epochs", "12", "--checkpoint-every", "5", "--out", "run")


def killed(data: Path, cwd: Path, *said: str) -> None:
    """A training that SIGKILL ended some time after its first checkpoint."""
    arguments = ["train", str(data), *SAID, *said]
    process = subprocess.Popen([sys.executable, "-m", "foveal", *arguments], cwd=cwd, stderr=subprocess.PIPE, text=True)
    while process.poll() is None and not any(cwd.glob("run/checkpoint/0*10")):
        time.sleep(0.01)
    process.kill()
    _, errors = process.communicate()
    assert (cwd / "run").exists(), errors


def history(run: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (run / "history.jsonl").read_text().splitlines()]


def test_a_killed_training_is_one_series_once_it_is_resumed(digits_folder: Path, tmp_path: Path) -> None:
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    killed(digits_folder, tmp_path, "--log", "tensorboard")
    command("resume", "run", cwd=tmp_path)
    reader = accumulator.EventAccumulator(str(tmp_path / "run" / "tensorboard"))
    reader.Reload()
    for name in ("loss", "val_accuracy"):
        measured = [each for each in history(tmp_path / "run") if each[name] is not None]
        assert [event.step for event in reader.Scalars(name)] == [each["update"] for each in measured]
        values = [event.value for event in reader.Scalars(name)]
        assert values == pytest.approx([each[name] for each in measured], rel=1e-6)


def test_the_table_is_always_there_and_the_trackers_can_be_changed(digits_folder: Path, tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    killed(digits_folder, tmp_path, "--set", 'track.to=["tensorboard"]', "--log", "none")  # --set wins
    config = tmp_path / "run" / "config.toml"
    assert "tensorboard" in config.read_text()
    command("resume", "run", "--log", "none", cwd=tmp_path)
    assert "tensorboard" not in config.read_text()
    with (tmp_path / "run" / "history.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    told = history(tmp_path / "run")
    assert list(rows[0]) == list(told[0])
    assert [{name: float(cell) if cell else None for name, cell in row.items()} for row in rows] == told


@pytest.mark.parametrize(("said", "why"), [("tensorbord", "track.to.0 cannot be 'tensorbord'"), ("a,b", "'a'")])
def test_an_unknown_tracker_is_a_wrong_usage(said: str, why: str, digits_folder: Path, tmp_path: Path) -> None:
    done = command("train", digits_folder, "--log", said, cwd=tmp_path, expect=2)
    assert why in done.stderr
    assert "tensorboard" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_proof_is_not_tracked_a_second_time(digits_folder: Path, tmp_path: Path) -> None:
    pytest.importorskip("mlflow")
    environment = {"MLFLOW_TRACKING_URI": f"sqlite:///{tmp_path}/mlflow.db", "MLFLOW_DISABLE_TELEMETRY": "true"}
    said = ("--epochs", "2", "--threads", "1", "--log", "mlflow", "--out", "run")
    command("train", digits_folder, *said, cwd=tmp_path, **environment)
    command("resume", "run", "--verify", cwd=tmp_path, **environment)
    code = "from mlflow import MlflowClient; c = MlflowClient(); print(len(c.search_runs(['1'])))"
    done = subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, **environment}, cwd=tmp_path, capture_output=True, text=True
    )
    assert done.stdout.strip() == "1", done.stderr
