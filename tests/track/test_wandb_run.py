"""What W&B wrote offline, read as its format is written. Nothing here reaches its servers."""

import json
import struct
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tracked_records import SETTINGS, points, records

from foveal.run import Run
from foveal.track.wandb_run import log_to_wandb

pytest.importorskip("wandb", reason='wandb is not installed: pip install "foveal[track]"')


@pytest.fixture(autouse=True)
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.delenv("WANDB_PROJECT", raising=False)


def read(folder: Path) -> tuple[Any, list[dict[str, Any]]]:
    """The run and its points, of the one offline folder there is; its writer may end a moment after `finish`."""
    from wandb.proto.wandb_internal_pb2 import Record

    (path,) = folder.glob("wandb/offline-run-*/run-*.wandb")
    deadline = time.monotonic() + 20
    while True:
        found = [Record.FromString(content) for content in contents(path.read_bytes())]
        if any(record.HasField("exit") for record in found) or time.monotonic() > deadline:
            break
        time.sleep(0.05)
    (run,) = (record.run for record in found if record.HasField("run"))
    points = [record.history.item for record in found if record.HasField("history")]
    return run, [{item.key or item.nested_key[0]: json.loads(item.value_json) for item in each} for each in points]


def contents(data: bytes) -> Iterator[bytes]:
    """The records of a log as LevelDB writes them, after W&B's header of 7 bytes.

    Blocks of 32 KiB hold pieces: checksum (4 bytes), length (2), type (whole, first, middle, last), content. Source:
    LevelDB, doc/log_format.md.
    """
    assert data.startswith(b":W&B")
    place, pieces = 7, b""
    while place + 7 <= len(data):
        if 32768 - place % 32768 < 7:  # no room for another piece's header
            place += 32768 - place % 32768
            continue
        length, kind = struct.unpack_from("<HB", data, place + 4)
        if place + 7 + length > len(data):  # it is being written
            return
        pieces += data[place + 7 : place + 7 + length]
        place += 7 + length
        if kind in (1, 4):
            yield pieces
            pieces = b""


def series(rows: list[dict[str, Any]], name: str) -> list[tuple[int, float]]:
    return [(row["_step"], row[name]) for row in rows if name in row]


def test_a_killed_and_resumed_training_is_one_series_in_one_folder(
    killed_and_resumed: Callable[..., Run], series_of: Any
) -> None:
    run = killed_and_resumed(["wandb"])
    found, rows = read(run.folder)
    assert (found.project, found.display_name) == ("foveal", "run")
    assert found.run_id == json.loads((run.folder / "track.json").read_text())["wandb"]
    for name in ("loss", "accuracy", "val_loss", "val_accuracy", "learning_rate", "epoch", "seconds"):
        assert series(rows, name) == series_of(run, name)
    settings = {item.key: item.value_json for item in found.config.update}
    assert settings["training.batch_size"] == "40"


def test_the_id_stays_and_the_folder_of_the_process_before_goes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WANDB_PROJECT", "mine")
    with log_to_wandb(tmp_path, SETTINGS, []) as log:
        for record in records(1, 2, 3, 4):
            log(record)
    before, _ = read(tmp_path)
    with log_to_wandb(tmp_path, SETTINGS, records(1, 2)) as log:
        for record in records(3, 5):
            log(record)
    after, rows = read(tmp_path)
    assert after.run_id == before.run_id
    assert after.project == "mine"
    assert series(rows, "loss") == points("loss", 1, 2, 3, 5)
