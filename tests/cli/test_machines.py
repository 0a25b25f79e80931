"""Several machines in real processes: the same training over a network, and what becomes of it when one worker dies."""

import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from cli_process import command
from launched import children_of, ended, torchrun
from safetensors.numpy import load_file
from two_machines import Machine, two_machines

SAID = ("--model", "lenet-dropout2d", "--seed", "1", "--epochs", "20", "--checkpoint-every", "20", "--threads", "1")


@pytest.fixture
def machines(tmp_path: Path) -> Iterator[tuple[Machine, Machine]]:
    with two_machines(tmp_path) as both:
        yield both


@pytest.fixture(scope="module")
def on_one(digits_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The training by two workers on one machine."""
    folder = tmp_path_factory.mktemp("one")
    done = ended(torchrun("train", digits_folder, *SAID, "--out", "run", "--json", cwd=folder, workers=2))
    assert done.returncode == 0, done.stderr
    return folder / "run"


def weights(run: Path) -> dict[str, np.ndarray]:
    return load_file(run / "classifier" / "weights.safetensors")


def same(ours: Path, theirs: Path) -> bool:
    """Whether all bits of two runs' weights are."""
    one, other = weights(ours), weights(theirs)
    return one.keys() == other.keys() and all(np.array_equal(one[name], other[name]) for name in one)


def start_both(machines, *said: object, cwd: Path, launch: str, restarts: int = 0) -> list[subprocess.Popen[str]]:
    return [machine.torchrun(*said, cwd=cwd, launch=launch, restarts=restarts) for machine in machines]


def test_two_machines_come_to_the_weights_of_two_workers_on_one(
    machines, digits_folder: Path, on_one: Path, tmp_path: Path
) -> None:
    said = ("train", digits_folder, *SAID, "--out", "run", "--json")
    done = [ended(process) for process in start_both(machines, *said, cwd=tmp_path, launch="june")]
    assert [each.returncode for each in done] == [0, 0], done[0].stderr + done[1].stderr
    answers = [each.stdout for each in done if each.stdout]
    assert len(answers) == 1, "one object, by the first worker alone"
    assert json.loads(answers[0])["stopped"] is False
    assert same(tmp_path / "run", on_one)


@pytest.mark.parametrize("who", ["the first worker", "the other one"])
def test_a_worker_that_dies_on_one_machine_is_started_again_with_those_of_the_other(
    who: str, machines, digits_folder: Path, on_one: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    said = ("train", digits_folder, *SAID, "--out", "run", "--json")
    processes = start_both(machines, *said, cwd=tmp_path, launch="june", restarts=2)
    deadline = time.monotonic() + 120
    while not any(run.glob("checkpoint/[0-9]*")) and time.monotonic() < deadline:
        time.sleep(0.01)
    first_one = json.loads((run / "lock.json").read_text())
    assert first_one["computer"] in ("first", "second")
    here, there = processes if first_one["computer"] == "first" else processes[::-1]
    assert first_one["process"] in children_of(here.pid), "one worker writes, and the lock says where it is"
    os.kill(children_of((here if who == "the first worker" else there).pid)[0], signal.SIGKILL)
    done = [ended(process) for process in processes]
    assert [each.returncode for each in done] == [0, 0], done[0].stderr + done[1].stderr
    assert "goes on from update" in (run / "notes.txt").read_text()
    assert same(run, on_one)


def test_both_machines_predict_what_one_process_does(machines, digits_folder: Path, trained, tmp_path: Path) -> None:
    from few_digits import digits, encoded

    for number in range(600):
        (tmp_path / "in").mkdir(exist_ok=True)
        (tmp_path / "in" / f"{number}.png").write_bytes(encoded(digits()[0][number % 120]))
    command("predict", trained.folder, "in", "--csv", "one.csv", "--threads", "1", cwd=tmp_path)
    said = ("predict", trained.folder, "in", "--csv", "two.csv", "--threads", "1")
    done = [ended(process) for process in start_both(machines, *said, cwd=tmp_path, launch="july")]
    assert [each.returncode for each in done] == [0, 0], done[0].stderr + done[1].stderr
    assert (tmp_path / "two.csv").read_bytes() == (tmp_path / "one.csv").read_bytes()
