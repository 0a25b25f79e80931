"""What torchrun says of a process, and what it tells it."""

import os
import signal
from pathlib import Path

import cli_process
import pytest

from foveal.errors import WorkerError
from foveal.launch import Place, told_to_stop


def test_to_be_told_to_stop_is_a_sentence_for_one_of_several_workers() -> None:
    before = signal.getsignal(signal.SIGTERM)
    with (
        pytest.raises(WorkerError, match=r"worker 1 of 2 was told to stop .*another one has ended"),
        told_to_stop(Place(1, 2)),
    ):
        os.kill(os.getpid(), signal.SIGTERM)
    assert signal.getsignal(signal.SIGTERM) is before


def test_a_process_that_is_alone_is_stopped_as_ever() -> None:
    before = signal.getsignal(signal.SIGTERM)
    with told_to_stop(Place()):
        assert signal.getsignal(signal.SIGTERM) is before


@pytest.mark.parametrize(
    ("here", "command"),
    [
        (Place(), ""),
        (Place(1, 4, 1, 4), "torchrun --standalone --nproc-per-node 4 -m "),
        (
            Place(9, 16, 1, 8),
            "torchrun --nnodes 2 --nproc-per-node 8 --rdzv-backend c10d --rdzv-endpoint FIRST:29500 -m ",
        ),
    ],
)
def test_a_place_knows_the_command_that_starts_as_many_workers_again(here: Place, command: str) -> None:
    assert here.launcher == command


@pytest.mark.parametrize("said", [("evaluate",), ("reproduce",), ("data", "list")])
def test_what_several_workers_would_each_do_all_of_is_refused(said: tuple[str, ...], tmp_path: Path) -> None:
    done = cli_process.command(*said, cwd=tmp_path, expect=2, RANK="1", WORLD_SIZE="4")
    assert f"foveal {said[0]} is for one process, and torchrun started 4" in done.stderr


def test_workers_that_may_be_started_again_need_a_name_to_know_their_run_by(tmp_path: Path) -> None:
    said = {"RANK": "0", "WORLD_SIZE": "2", "TORCHELASTIC_MAX_RESTARTS": "3", "TORCHELASTIC_RUN_ID": "none"}
    done = cli_process.command("train", "--out", "run", cwd=tmp_path, expect=2, **said)
    assert "Say --rdzv-id NAME, a new one for each training" in done.stderr
    assert not (tmp_path / "run").exists()
