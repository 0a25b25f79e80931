"""`foveal resume --verify` of a training by two workers: as many train again, one is killed, and every bit is compared."""

import json
import os
import shutil
import signal
import time
from pathlib import Path

import pytest
from cli_process import command
from launched import children_of, ended, torchrun

SAID = ("--model", "lenet-dropout2d", "--seed", "1", "--epochs", "10", "--json")


@pytest.fixture(scope="module")
def of_two(digits_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run of two workers."""
    folder = tmp_path_factory.mktemp("two")
    done = ended(torchrun("train", digits_folder, *SAID, "--out", "run", cwd=folder, workers=2))
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["workers"] == 2
    return folder / "run"


def sha256_in(run: Path) -> tuple[str, str]:
    chosen = json.loads((run / "classifier" / "classifier.json").read_text())["weights_sha256"]
    return chosen, json.loads((run / "summary.json").read_text())["last_weights_sha256"]


def test_one_process_verifies_a_run_of_two_workers_with_two(of_two: Path, tmp_path: Path) -> None:
    proof = json.loads(command("resume", of_two, "--verify", "--json", cwd=tmp_path).stdout)["verified"]
    assert (proof["chosen_sha256"], proof["last_sha256"]) == sha256_in(of_two)
    assert proof["workers"] == 2
    assert 0 < proof["killed_after"] < proof["updates"]


def test_two_workers_verify_it_too_and_the_first_one_says_so(of_two: Path, tmp_path: Path) -> None:
    done = ended(torchrun("resume", of_two, "--verify", cwd=tmp_path, workers=2))
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("verified: the same training was run again by 2 workers") == 1
    assert sha256_in(of_two)[1] in done.stdout


def test_weights_of_another_number_of_workers_are_not_the_same(of_two: Path, tmp_path: Path) -> None:
    """The comparison can fail: a summary that claims one worker is found out."""
    shutil.copytree(of_two, tmp_path / "run")
    summary = json.loads((of_two / "summary.json").read_text())
    (tmp_path / "run" / "summary.json").write_text(json.dumps({**summary, "workers": 1}))
    done = command("resume", "run", "--verify", cwd=tmp_path, expect=1)
    assert "the weights are not the same" in done.stderr


def test_a_run_of_two_workers_is_not_gone_on_with_by_one_who_is_told_how(digits_folder: Path, tmp_path: Path) -> None:
    process = torchrun("train", digits_folder, *SAID[:-3], "--epochs", "2000", "--out", "run", cwd=tmp_path, workers=2)
    deadline = time.monotonic() + 120
    while not any((tmp_path / "run").glob("checkpoint/[0-9]*")) and time.monotonic() < deadline:
        time.sleep(0.01)
    for worker in children_of(process.pid):
        os.kill(worker, signal.SIGKILL)
    assert ended(process).returncode == 1
    done = command("resume", "run", cwd=tmp_path, expect=1)
    assert "workers: 2 then, 1 now (torchrun --standalone --nproc-per-node 2 -m foveal resume RUN)" in done.stderr
