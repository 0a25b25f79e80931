"""How a training ends when it cannot go on: Ctrl-C, a loss that runs away, a disk that is full, a folder refused."""

import json
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import own_networks
import pytest
from cli_process import command, no_half_written

import foveal

FILES = Path(__file__).parents[1] / "files"


def interrupt(arguments: list[str], cwd: Path, is_time: Callable[[], bool]) -> subprocess.CompletedProcess[str]:
    """A training that gets a real SIGINT as soon as `is_time`."""
    process = subprocess.Popen(
        [sys.executable, "-m", "foveal", *arguments],
        cwd=cwd,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # A shell that runs the tests in the background hands down that SIGINT is ignored.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    deadline = time.monotonic() + 120
    while not is_time() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    stdout, stderr = process.communicate(timeout=120)
    return subprocess.CompletedProcess(process.args, process.returncode, stdout, stderr)


def test_ctrl_c_keeps_what_is_learnt_and_leaves_with_130(digits_folder, tmp_path):
    history = tmp_path / "run" / "history.jsonl"
    arguments = ["train", str(digits_folder), "--epochs", "5000", "--threads", "1", "--out", "run", "--json"]
    done = interrupt(arguments, tmp_path, lambda: history.exists() and history.read_text().count("\n") > 2)
    assert done.returncode == 130, done.stderr
    assert "Traceback" not in done.stderr
    assert "stopped at update" in done.stderr
    classifier = foveal.load(tmp_path / "run")
    assert next(foveal.predict(classifier, [FILES / "digit.png"])).label in classifier.classes
    summary = json.loads((tmp_path / "run" / "summary.json").read_text())
    assert summary["stopped"] is True
    assert summary["updates"] < 5000 * 11
    assert no_half_written(tmp_path)
    assert [json.loads(line)["update"] for line in history.read_text().splitlines()]


def test_ctrl_c_before_the_first_update_leaves_no_run(digits_folder, tmp_path):
    config = tmp_path / "run" / "config.toml"
    done = interrupt(["train", str(digits_folder), "--out", "run"], tmp_path, config.exists)
    assert done.returncode == 130, done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "run").exists()


def test_a_loss_that_runs_away_stops_names_epoch_and_batch_and_leaves_no_run(digits_folder, tmp_path):
    wild = ("training.optimizer=sgd", "training.learning_rate=1e30", "training.schedule=constant")
    settings = [word for setting in wild for word in ("--set", setting)]
    said = ("--model", "twoconv-same", "--threads", "1", "--out", "run")
    done = command("train", digits_folder, *said, *settings, cwd=tmp_path, expect=1)
    assert "in epoch 1, batch 2 (update 2, learning rate 1e+30)" in " ".join(done.stderr.split())
    assert "--set training.clip_norm=1" in done.stderr
    assert "Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_loss_that_runs_away_late_keeps_the_last_good_weights(digits_folder, tmp_path):
    said = (
        "--model",
        f"{own_networks.__file__}:FailsLate",
        "--epochs",
        "4",
        "--threads",
        "1",
        "--out",
        "run",
        "--json",
    )
    done = command("train", digits_folder, *said, "--set", "training.validate_every=0.5", cwd=tmp_path, expect=1)
    assert "in epoch 2, batch " in " ".join(done.stderr.split())
    assert "Traceback" not in done.stderr
    summary = json.loads((tmp_path / "run" / "summary.json").read_text())
    assert summary["stopped"] is True
    assert summary["chosen_update"] <= 15
    assert foveal.load(tmp_path / "run", own_networks.FailsLate).logits(np.zeros((1, 28, 28, 1), np.uint8)).shape == (
        1,
        10,
    )
    assert no_half_written(tmp_path / "run")


def test_a_disk_that_is_full_is_one_paragraph_and_leaves_nothing_half_written(digits_folder, tmp_path):
    def only_small_files() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))  # the weights need 245,000 bytes

    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "foveal",
            "train",
            str(digits_folder),
            "--epochs",
            "1",
            "--threads",
            "1",
            "--out",
            "run",
        ],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        preexec_fn=only_small_files,
        check=False,
    )
    assert done.returncode == 1
    assert "error: cannot write" in done.stderr
    assert "Choose" in done.stderr or "Free some space" in done.stderr
    assert "Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_an_existing_out_is_refused_and_left_alone(digits_folder, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").write_text("keep me")
    done = command("train", digits_folder, "--out", "mine", cwd=tmp_path, expect=1)
    assert "the run folder mine exists already" in done.stderr
    assert (tmp_path / "mine" / "notes.txt").read_text() == "keep me"


@pytest.mark.parametrize("out", ["/proc/foveal/run", "a-file/run"])
def test_an_out_that_cannot_be_made_is_refused_with_the_reason(digits_folder, tmp_path, out):
    (tmp_path / "a-file").write_text("not a folder")
    done = command("train", digits_folder, "--out", out, cwd=tmp_path, expect=1)
    assert f"error: cannot write {out}" in done.stderr
    assert "Choose" in done.stderr or "Free some space" in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["a-file"]
