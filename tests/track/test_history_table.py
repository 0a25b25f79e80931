"""`history.csv` is `history.jsonl` as a table, also after a crash and a resume."""

import csv
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tracked_records import records

from foveal.errors import ArtifactError
from foveal.run import Run
from foveal.track.history_table import TABLE, log_to_table


def rows(folder: Path) -> list[dict[str, Any]]:
    """The table, its numbers as numbers and its empty cells as None."""
    with (folder / TABLE).open(newline="") as file:
        return [{key: float(cell) if cell else None for key, cell in row.items()} for row in csv.DictReader(file)]


def test_the_table_says_what_the_history_says_after_a_kill_and_a_resume(killed_and_resumed: Callable[..., Run]) -> None:
    run = killed_and_resumed([])
    assert rows(run.folder) == run.history
    updates = [record["update"] for record in run.history]
    assert updates == sorted(set(updates))
    assert {4, 5, 6, 8, 10} < set(updates)


def test_a_row_is_there_as_soon_as_it_is_logged_and_a_torn_one_is_mended(tmp_path: Path) -> None:
    with log_to_table(tmp_path, []) as log:
        for record in records(1, 2):
            log(record)
        assert [row["update"] for row in rows(tmp_path)] == [1, 2]
    with (tmp_path / TABLE).open("a") as file:
        file.write("3,0.3,0.3")
    with log_to_table(tmp_path, records(1, 2)) as log:
        log(records(1, 2, 3)[2])
    assert [row["update"] for row in rows(tmp_path)] == [1, 2, 3]


def test_a_table_that_cannot_be_written_is_an_error_of_ours(tmp_path: Path) -> None:
    with log_to_table(tmp_path, []) as log:
        (tmp_path / TABLE).unlink()
        (tmp_path / TABLE).mkdir()
        with pytest.raises(ArtifactError, match=r"cannot write .*history\.csv"):
            log(records(1)[0])
