"""The journal of a tuning: read back by Optuna's own reader, written by several processes, whole after a kill."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from data_helpers import files_of_at_most, skip_unless

from foveal.errors import ArtifactError
from foveal.workflows.tune_journal import Journal

RECORDS = [{"op_code": number, "text": "ä" * number} for number in range(5)]


def test_what_is_appended_is_read_back_from_any_number_on(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "trials.log")
    assert list(journal.read_logs(0)) == []
    journal.append_logs(RECORDS[:2])
    assert list(journal.read_logs(0)) == RECORDS[:2]
    journal.append_logs(RECORDS[2:])
    assert list(journal.read_logs(2)) == RECORDS[2:]
    assert list(journal.read_logs(5)) == []
    for start in (0, 1, 4):
        assert list(journal.read_logs(start)) == RECORDS[start:]
        assert list(Journal(tmp_path / "trials.log").read_logs(start)) == RECORDS[start:]


def test_optunas_own_backend_reads_the_same(tmp_path: Path) -> None:
    try:
        from optuna.storages.journal import JournalFileBackend
    except ImportError:
        skip_unless(False, 'optuna is not installed: pip install "foveal[tune]"')
    Journal(tmp_path / "trials.log").append_logs(RECORDS)
    assert list(JournalFileBackend(str(tmp_path / "trials.log")).read_logs(0)) == RECORDS


@pytest.mark.parametrize("torn", [b'{"op_code": 5, "te', b"\0\0\0\0", b"{"])
def test_a_line_that_was_torn_is_not_read_and_not_written_on(torn: bytes, tmp_path: Path) -> None:
    path = tmp_path / "trials.log"
    Journal(path).append_logs(RECORDS[:3])
    with path.open("ab") as file:
        file.write(torn)
    journal = Journal(path)
    assert list(journal.read_logs(0)) == RECORDS[:3]
    journal.append_logs(RECORDS[3:])
    assert list(journal.read_logs(3)) == RECORDS[3:]
    assert [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()] == RECORDS


def test_nothing_but_a_torn_line_is_an_empty_journal(tmp_path: Path) -> None:
    (tmp_path / "trials.log").write_bytes(b'{"op')
    journal = Journal(tmp_path / "trials.log")
    journal.append_logs(RECORDS)
    assert list(journal.read_logs(0)) == RECORDS


def test_a_damaged_line_in_the_middle_is_named(tmp_path: Path) -> None:
    (tmp_path / "trials.log").write_text('{"op_code": 0}\n{"op_co\n{"op_code": 2}\n')
    with pytest.raises(ArtifactError, match=r"line 2 of .*trials\.log is damaged: .* begin a new tuning"):
        list(Journal(tmp_path / "trials.log").read_logs(0))


def test_a_full_disk_is_said_and_leaves_what_was_there(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "trials.log")
    journal.append_logs(RECORDS)
    size = (tmp_path / "trials.log").stat().st_size
    with files_of_at_most(size + 10), pytest.raises(ArtifactError, match=r"cannot write .*trials\.log"):
        journal.append_logs(RECORDS)
    journal.append_logs(RECORDS[:1])
    assert list(Journal(tmp_path / "trials.log").read_logs(0)) == [*RECORDS, RECORDS[0]]


def test_processes_that_write_at_once_lose_nothing(tmp_path: Path) -> None:
    code = """
import sys
from pathlib import Path
from foveal.workflows.tune_journal import Journal
journal = Journal(Path("trials.log"))
for number in range(100):
    journal.append_logs([{"who": sys.argv[1], "number": number}])
"""
    writers = [subprocess.Popen([sys.executable, "-c", code, name], cwd=tmp_path) for name in ("one", "other")]
    assert [writer.wait(timeout=240) for writer in writers] == [0, 0]
    records = list(Journal(tmp_path / "trials.log").read_logs(0))
    for name in ("one", "other"):
        assert [record["number"] for record in records if record["who"] == name] == list(range(100))
