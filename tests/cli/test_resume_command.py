"""`foveal resume` in real processes: killed at random, stopped by signals, locked, proven, refused."""

import json
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from cli_process import command, no_half_written

SAID = ("--model", "lenet-dropout2d", "--threads", "1", "--seed", "3", "--set", "augment.shift=1")
EPOCHS = 40


def begin(data: Path, cwd: Path, out: str, *said: str) -> subprocess.Popen[str]:
    """A training in a process of its own."""
    arguments = ["train", str(data), *SAID, "--epochs", str(EPOCHS), "--out", out, "--json", *said]
    return started(arguments, cwd)


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
        time.sleep(0.005)


def newest(run: Path) -> int:
    """The update of the newest checkpoint, 0 before the first."""
    return max((int(path.name) for path in run.glob("checkpoint/[0-9]*")), default=0)


def reaches(run: Path, update: int) -> bool:
    return newest(run) >= update


def weights_of(run: Path) -> tuple[str, str]:
    card = json.loads((run / "classifier" / "classifier.json").read_text())
    return card["weights_sha256"], json.loads((run / "summary.json").read_text())["last_weights_sha256"]


@pytest.fixture(scope="module")
def whole(digits_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that was never stopped."""
    folder = tmp_path_factory.mktemp("whole")
    process = begin(digits_folder, folder, "run")
    _, errors = process.communicate(timeout=240)
    assert process.returncode == 0, errors
    return folder / "run"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_stops_it_at_a_checkpoint_and_the_sentence_says_how_to_go_on(
    number: signal.Signals, digits_folder: Path, whole: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    process = begin(digits_folder, tmp_path, "run")
    wait_until(lambda: (run / "history.jsonl").exists() and (run / "history.jsonl").stat().st_size > 2000, process)
    process.send_signal(number)
    _, errors = process.communicate(timeout=120)
    assert process.returncode == 130, errors
    assert "Traceback" not in errors
    update = newest(run)
    assert f"To go on from update {update:,}: foveal resume run" in " ".join(errors.split())
    summary = json.loads((run / "summary.json").read_text())
    assert (summary["stopped"], summary["updates"]) == (True, update)
    answer = json.loads(command("resume", "run", "--json", cwd=tmp_path).stdout)
    assert answer["stopped"] is False
    assert weights_of(run) == weights_of(whole)
    assert no_half_written(tmp_path)


def check_random_kills(count: int, data: Path, whole: Path, tmp_path: Path) -> None:
    """Kill trainings, and what resumes them, at moments drawn by chance, until each is finished; count the differences."""
    chance = random.Random(0)
    different, unreadable, kills = [], [], 0
    while kills < count:
        run = tmp_path / "run"
        process = begin(data, tmp_path, "run", "--checkpoint-every", str(chance.choice([1, 5, 11, 50])))
        wait_until((run / "config.toml").exists, process)
        while not (run / "summary.json").exists() and kills < count:
            least = newest(run) + 1 if kills % 2 else 1  # at any time from the start on, or once it has trained on
            wait_until(partial(reaches, run, least), process)
            time.sleep(chance.expovariate(1 / (0.1 if kills % 2 else 0.5)))
            if process.poll() is None:
                process.kill()
                kills += 1
            process.communicate()
            process = started(["resume", "run", "--json"], tmp_path)
        _, errors = process.communicate(timeout=240)
        if process.returncode:
            unreadable.append(errors)
        elif weights_of(run) != weights_of(whole):
            different.append(kills)
        shutil.rmtree(run)
    assert (different, unreadable) == ([], [])


def test_twenty_random_kills_change_no_bit(digits_folder: Path, whole: Path, tmp_path: Path) -> None:
    check_random_kills(20, digits_folder, whole, tmp_path)


@pytest.mark.slow
def test_two_hundred_random_kills_change_no_bit(digits_folder: Path, whole: Path, tmp_path: Path) -> None:
    check_random_kills(200, digits_folder, whole, tmp_path)


def test_a_second_process_on_a_run_is_refused_and_the_first_is_named(digits_folder: Path, tmp_path: Path) -> None:
    process = begin(digits_folder, tmp_path, "run", "--epochs", "5000", "--checkpoint-every", "5")
    try:
        wait_until(partial(reaches, tmp_path / "run", 1), process)
        done = command("resume", "run", cwd=tmp_path, expect=1)
        assert f"the run run is in use by process {process.pid} on" in " ".join(done.stderr.split())
    finally:
        process.kill()
        process.communicate()


def test_verify_trains_again_kills_resumes_and_compares(digits_folder: Path, whole: Path, tmp_path: Path) -> None:
    shutil.copytree(whole, tmp_path / "run")
    proof = json.loads(command("resume", "run", "--verify", "--json", cwd=tmp_path).stdout)["verified"]
    assert (proof["chosen_sha256"], proof["last_sha256"]) == weights_of(whole)
    assert 0 < proof["killed_after"] < proof["updates"]
    said = command("resume", "run", cwd=tmp_path).stdout
    assert "finished already: nothing was changed" in said


def test_verify_sees_a_single_other_bit(whole: Path, tmp_path: Path) -> None:
    shutil.copytree(whole, tmp_path / "run")
    path = tmp_path / "run" / "summary.json"
    summary = json.loads(path.read_text())
    path.write_text(json.dumps({**summary, "last_weights_sha256": "0" + summary["last_weights_sha256"][1:]}))
    done = command("resume", "run", "--verify", cwd=tmp_path, expect=1)
    assert "the weights are not the same" in done.stderr


def test_data_that_were_moved_are_named_again(digits_folder: Path, whole: Path, tmp_path: Path) -> None:
    shutil.copytree(digits_folder, tmp_path / digits_folder.name)
    process = begin(tmp_path / digits_folder.name, tmp_path, "run", "--checkpoint-every", "5")
    wait_until(partial(reaches, tmp_path / "run", 5), process)
    process.kill()
    process.communicate()
    (tmp_path / digits_folder.name).rename(tmp_path / "moved")
    assert "there is no data set" in command("resume", "run", cwd=tmp_path, expect=1).stderr
    command("resume", "run", "--data", "moved", cwd=tmp_path)
    assert weights_of(tmp_path / "run") == weights_of(whole)
    config = (tmp_path / "run" / "config.toml").read_text()
    assert f'source = "{tmp_path / "moved"}"' in config


def test_what_is_no_run_cannot_be_resumed(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    assert "empty is not a run folder" in command("resume", "empty", cwd=tmp_path, expect=1).stderr
    assert "nowhere is not a run folder" in command("resume", "nowhere", cwd=tmp_path, expect=1).stderr
