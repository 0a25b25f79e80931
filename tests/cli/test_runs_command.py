"""`foveal runs` in real processes: what is listed, compared, asked and deleted."""

import json
import os
import pty
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from cli_process import command

TIMEOUT = 120


@pytest.fixture
def here(trained: Any, tmp_path: Path) -> Path:
    """A folder with two runs in its `runs`, one of them as a kill would have left it."""
    shutil.copytree(trained.folder, tmp_path / "runs" / "one")
    shutil.copytree(trained.folder, tmp_path / "runs" / "two")
    (tmp_path / "runs" / "two" / "summary.json").unlink()
    return tmp_path


def rows(stdout: str) -> list[list[str]]:
    """The cells of a table."""
    return [[cell.strip() for cell in line.split("│")[1:-1]] for line in stdout.splitlines() if line.startswith("│")]


def test_runs_lists_those_of_this_folder(here: Path, trained: Any) -> None:
    one, two = rows(command("runs", cwd=here).stdout)
    summary = trained.answer
    assert one[:4] == ["runs/one", "few-digits", "compact", "finished"]
    assert one[4:7] == [f"{summary['val_accuracy']:.2%}", "", f"{summary['train_seconds']:,.1f}"]
    assert two[3] == f"killed at update {summary['updates']} of {summary['updates']}"
    assert rows(command("runs", "list", cwd=here).stdout) == [one, two]
    named = rows(command("runs", "runs/two", cwd=here).stdout)
    assert [each[:4] for each in named] == [two[:4]]


def test_runs_as_json_is_one_object(here: Path, trained: Any) -> None:
    answer = json.loads(command("runs", "--json", cwd=here).stdout)
    one, two = answer["runs"]
    assert (one["folder"], one["state"], one["val_accuracy"]) == (
        "runs/one",
        "finished",
        trained.answer["val_accuracy"],
    )
    assert (two["state"], two["update"], two["tested"]) == ("killed", trained.answer["updates"], None)


def test_no_run_is_no_error(tmp_path: Path) -> None:
    assert "train one: foveal train" in command("runs", cwd=tmp_path).stdout
    assert json.loads(command("runs", "--json", cwd=tmp_path).stdout) == {"runs": []}
    done = command("runs", "comapre", cwd=tmp_path, expect=1)
    assert "there is no folder comapre" in done.stderr


def test_a_run_that_is_trained_now_is_told_and_cannot_be_deleted(trained: Any, tmp_path: Path) -> None:
    arguments = ["train", str(trained.data), "--epochs", "5000", "--threads", "1", "--out", "run"]
    process = subprocess.Popen([sys.executable, "-m", "foveal", *arguments], cwd=tmp_path, stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + TIMEOUT
        while not (tmp_path / "run" / "history.jsonl").exists() and time.monotonic() < deadline:
            time.sleep(0.05)
        state = "".join(row[3] for row in rows(command("runs", "run", cwd=tmp_path).stdout))  # folded
        assert state.replace(" ", "").startswith(f"trainingnow,process{process.pid}on")
        done = command("runs", "delete", "run", "--yes", cwd=tmp_path, expect=1)
        assert f"in use by process {process.pid} on" in done.stderr
        assert "Traceback" not in done.stderr
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    (run,) = json.loads(command("runs", "run", "--json", cwd=tmp_path).stdout)["runs"]
    assert run["state"] in ("killed", "begun")
    command("runs", "delete", "run", "--yes", cwd=tmp_path)
    assert not (tmp_path / "run").exists()


def test_compare_shows_settings_results_and_intervals(here: Path, trained: Any) -> None:
    for name in ("one", "two"):
        command("evaluate", f"runs/{name}", cwd=here)
    config = here / "runs" / "two" / "config.toml"
    config.write_text(config.read_text().replace("balance = false", "balance = true"))
    done = command("runs", "compare", "runs/one", "runs/two", cwd=here)
    assert ["training.balance", "false", "true"] in rows(done.stdout)
    assert "runs/one and runs/two were tested on the same images, and their intervals overlap" in done.stdout
    answer = json.loads(command("runs", "compare", "runs/one", "runs/two", "--json", cwd=here).stdout)
    assert answer["settings"] == {"training.balance": [False, True]}
    assert answer["pairs"] == [{"runs": ["runs/one", "runs/two"], "same_test_images": True, "intervals_overlap": True}]
    done = command("runs", "compare", "runs/one", cwd=here, expect=2)
    assert "Name two or more" in done.stderr


def answered(answer: str, cwd: Path) -> tuple[int, str]:
    """`foveal runs delete runs/two` on a terminal where somebody types this: its exit code, and what was shown."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "foveal", "runs", "delete", "runs/two"],
        cwd=cwd,
        stdin=theirs,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    os.write(ours, f"{answer}\n".encode())
    out, errors = process.communicate(timeout=TIMEOUT)
    os.close(ours)
    os.close(theirs)
    return process.returncode, out + errors


def test_delete_asks_and_takes_no_for_an_answer(here: Path) -> None:
    code, shown = answered("n", here)
    assert (code, (here / "runs" / "two").exists()) == (1, True)
    assert "Delete runs/two (" in shown
    assert "nothing was deleted" in shown
    code, shown = answered("y", here)
    assert (code, (here / "runs" / "two").exists()) == (0, False)
    assert "deleted: runs/two (" in shown
    assert (here / "runs" / "one").exists()


def test_delete_needs_a_yes_where_nobody_can_be_asked(here: Path) -> None:
    done = command("runs", "delete", "runs/one", cwd=here, expect=2)
    assert "nobody can be asked whether to delete runs/one" in done.stderr
    assert (here / "runs" / "one").exists()
    answer = json.loads(command("runs", "delete", "runs/one", "runs/two", "--yes", "--json", cwd=here).stdout)
    assert answer["deleted"] == ["runs/one", "runs/two"]
    assert answer["freed_bytes"] > 0
    assert list((here / "runs").iterdir()) == []
