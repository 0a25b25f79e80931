"""Several workers in real processes, under PyTorch's own launcher."""

import json
import os
import signal
import subprocess
import time
from pathlib import Path

import numpy as np
import pytest
from launched import children_of, ended, torchrun
from safetensors.numpy import load_file

PLAIN = ("--model", "twoconv-same", "--seed", "3", "--set", "augment.shift=0", "--set", "training.batch_size=20")


def train(data: Path, cwd: Path, workers: int, out: str, *said: str, restarts: int = 0) -> subprocess.Popen[str]:
    return torchrun("train", data, "--out", out, "--json", *said, cwd=cwd, workers=workers, restarts=restarts)


def summary_of(process: subprocess.Popen[str]) -> dict[str, object]:
    done = ended(process)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("\n") == 1, "one object, by the first worker alone"
    answer: dict[str, object] = json.loads(done.stdout)
    return answer


def weights(run: Path) -> dict[str, np.ndarray]:
    return load_file(run / "classifier" / "weights.safetensors")


@pytest.fixture(scope="module")
def runs(digits_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[int, Path]:
    """The same training by 1, 2 and 4 workers: a network whose images do not look at each other, in 32 bits."""
    folder = tmp_path_factory.mktemp("workers")
    for count in (1, 2, 4):
        said = (*PLAIN, "--epochs", "3", "--set", "training.precision=float32")
        summary_of(train(digits_folder, folder, count, str(count), *said))
    return {count: folder / str(count) for count in (1, 2, 4)}


@pytest.mark.parametrize("count", [2, 4])
def test_more_workers_come_to_the_same_weights_up_to_rounding(count: int, runs: dict[int, Path]) -> None:
    alone, together = weights(runs[1]), weights(runs[count])
    assert alone.keys() == together.keys()
    for name, values in alone.items():
        np.testing.assert_allclose(together[name], values, rtol=0.02, atol=2e-3, err_msg=name)


@pytest.mark.parametrize("count", [2, 4])
def test_losses_and_accuracies_count_every_image_once(count: int, runs: dict[int, Path]) -> None:
    alone, together = (
        [json.loads(line) for line in (runs[number] / "history.jsonl").read_text().splitlines()]
        for number in (1, count)
    )
    assert [record["update"] for record in together] == [record["update"] for record in alone]
    for ours, theirs in zip(together, alone, strict=True):
        assert ours["loss"] == pytest.approx(theirs["loss"], rel=1e-2)
        assert ours["accuracy"] == pytest.approx(theirs["accuracy"], abs=0.011)
        if theirs["val_loss"] is not None:
            assert ours["val_loss"] == pytest.approx(theirs["val_loss"], rel=1e-2)


def test_the_first_worker_writes_what_a_run_alone_would_write(runs: dict[int, Path]) -> None:
    names = [{path.relative_to(run) for path in run.rglob("*")} for run in runs.values()]
    assert names[0] == names[1] == names[2]


def test_a_worker_that_is_killed_is_started_again_and_the_weights_are_those_of_a_run_that_went_well(
    digits_folder: Path, tmp_path: Path
) -> None:
    said = ("--model", "lenet-dropout2d", "--seed", "1", "--epochs", "30", "--checkpoint-every", "20")
    # Three workers: with two, sums are the same in any order.
    summary_of(train(digits_folder, tmp_path, 3, "whole", *said))
    process = train(digits_folder, tmp_path, 3, "run", *said, restarts=3)
    deadline = time.monotonic() + 120
    while not any((tmp_path / "run").glob("checkpoint/[0-9]*")) and time.monotonic() < deadline:
        time.sleep(0.01)
    os.kill(children_of(process.pid)[-1], signal.SIGKILL)
    assert summary_of(process)["stopped"] is False
    assert "goes on from update" in (tmp_path / "run" / "notes.txt").read_text()
    ours, theirs = weights(tmp_path / "run"), weights(tmp_path / "whole")
    assert all(np.array_equal(ours[name], theirs[name]) for name in theirs)


def test_a_run_of_somebody_else_is_not_taken_over_by_workers_that_are_started_again(
    digits_folder: Path, runs: dict[int, Path]
) -> None:
    before = {path: path.stat().st_mtime_ns for path in runs[2].rglob("*")}
    process = train(digits_folder, runs[2].parent, 2, "2", *PLAIN, "--epochs", "2", restarts=1)
    done = ended(process)
    assert done.returncode != 0
    assert "the run folder 2 exists already" in done.stderr
    assert {path: path.stat().st_mtime_ns for path in runs[2].rglob("*")} == before


def test_workers_without_a_named_folder_are_refused(digits_folder: Path, tmp_path: Path) -> None:
    done = ended(torchrun("train", digits_folder, cwd=tmp_path, workers=2))
    assert done.returncode != 0
    assert "several workers need one run folder" in done.stderr
    assert not (tmp_path / "runs").exists()


def test_who_is_told_of_the_training_is_said_behind_two_dashes(digits_folder: Path, tmp_path: Path) -> None:
    said = ("train", digits_folder, *PLAIN, "--epochs", "1", "--out", "run", "--log", "tensorboard")
    done = ended(torchrun(*said, cwd=tmp_path, workers=2, dashes=True))
    assert done.returncode == 0, done.stderr
    assert len(list((tmp_path / "run" / "tensorboard").iterdir())) == 1, "by the first worker alone"
