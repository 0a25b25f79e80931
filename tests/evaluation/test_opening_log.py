"""Every opening of a test split is counted, by however many processes at once, or the split stays closed."""

import errno
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from foveal.errors import ArtifactError
from foveal.evaluation.test_log import count_openings, log_path, record_opening


def test_openings_are_counted_for_each_data_set(own_data_folder: Path) -> None:
    assert count_openings("mnist-print") == 0
    assert [record_opening("mnist-print", command="evaluate", run="runs/a") for _ in range(3)] == [1, 2, 3]
    assert record_opening("other-print", command="reproduce", run="runs/b") == 1
    assert count_openings("mnist-print") == 3
    assert log_path("mnist-print").parent.parent == own_data_folder


def test_a_line_says_when_by_what_and_for_which_run() -> None:
    record_opening("print", command="evaluate", run="runs/数字\n1")
    (line,) = log_path("print").read_text().splitlines()
    entry = json.loads(line)
    assert (entry["command"], entry["run"]) == ("evaluate", "runs/数字\n1")
    assert len(entry["time"]) == len("2025-01-01T00:00:00Z")


def test_two_processes_that_open_at_once_are_both_counted(own_data_folder: Path) -> None:
    code = (
        "from foveal.evaluation.test_log import record_opening\n"
        "input()\n"
        "for _ in range(50): record_opening('print', command='evaluate', run='r' * 900)"
    )
    begun = [
        subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    for process in begun:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    errors = [process.communicate(timeout=60)[1] for process in begun]
    assert errors == ["", ""]
    assert count_openings("print") == 100
    assert all(json.loads(line)["run"] == "r" * 900 for line in log_path("print").read_text().splitlines())


def test_where_it_cannot_be_counted_it_is_not_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("no folder")
    monkeypatch.setenv("FOVEAL_DATA", str(tmp_path / "file"))
    with pytest.raises(
        ArtifactError, match=r"opening of the test split cannot be written to .*Set FOVEAL_DATA to a folder"
    ):
        record_opening("print", command="evaluate", run="r")


def test_on_a_full_disk_it_is_not_opened(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", refuse)
    with pytest.raises(ArtifactError, match=r"cannot be written to .*print.jsonl: No space left on device"):
        record_opening("print", command="evaluate", run="r")
