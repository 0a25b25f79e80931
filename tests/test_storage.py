"""Files and folders that are there whole or not at all."""

import errno
import json
import os
import stat
from pathlib import Path

import pytest

from foveal.errors import ArtifactError
from foveal.storage import cannot_write, read_json, remove_folder, write_atomic, write_folder, write_json


@pytest.fixture
def full_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk that takes no more: the system says so when a file is flushed."""

    def refuse(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", refuse)


@pytest.mark.parametrize(
    ("code", "advice"),
    [
        (errno.ENOSPC, "Free some space on that disk, or choose a folder on another."),
        (errno.EACCES, "Choose a folder you may write to."),
        (errno.EROFS, "Choose a folder that is not read-only."),
        (errno.EIO, "Choose another place."),
    ],
)
def test_each_reason_not_to_write_has_its_advice(code: int, advice: str) -> None:
    error = cannot_write(Path("a/b"), OSError(code, os.strerror(code)))
    assert str(error) == f"cannot write a/b: {os.strerror(code)}. {advice}"


def test_a_file_is_replaced_as_a_whole_and_everyone_may_read_it(tmp_path: Path) -> None:
    path = tmp_path / "file"
    write_atomic(path, b"old")
    write_atomic(path, b"new")
    assert path.read_bytes() == b"new"
    assert stat.S_IMODE(path.stat().st_mode) == 0o644
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.usefixtures("full_disk")
def test_a_full_disk_leaves_the_old_content_and_no_temporary_file(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"old")
    with pytest.raises(ArtifactError, match=r"cannot write .*file: No space left on device. Free some space"):
        write_atomic(path, b"new")
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_file_cannot_take_the_place_of_a_folder_and_leaves_nothing_behind(tmp_path: Path) -> None:
    (tmp_path / "file").mkdir()
    with pytest.raises(ArtifactError, match=r"cannot write .*file: Is a directory"):
        write_atomic(tmp_path / "file", b"new")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_file_in_a_folder_that_is_gone_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match=r"cannot write .*gone/file: No such file or directory"):
        write_atomic(tmp_path / "gone" / "file", b"new")


def test_json_comes_back_as_it_was_written(tmp_path: Path) -> None:
    value = {"a": [1, 2.5, None, True], "ü": "数字"}
    write_json(tmp_path / "value.json", value)
    assert read_json(tmp_path / "value.json") == value == json.loads((tmp_path / "value.json").read_text())


def test_a_missing_json_file_is_refused_with_a_question(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match=r"cannot read .*none.json: No such file .* the folder you meant\?"):
        read_json(tmp_path / "none.json")


@pytest.mark.parametrize("content", [b"{", b"", b"\xff\xfe"])
def test_a_damaged_json_file_is_refused(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "bad.json").write_bytes(content)
    with pytest.raises(ArtifactError, match=r"bad.json is not valid JSON: .* damaged; train again"):
        read_json(tmp_path / "bad.json")


def test_a_pipe_is_written_into_and_stays_a_pipe(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    try:
        write_atomic(pipe, b"whole")
        assert os.read(reader, 100) == b"whole"
    finally:
        os.close(reader)
    assert pipe.is_fifo()


def test_a_folder_is_there_with_all_its_files_and_everyone_may_read_it(tmp_path: Path) -> None:
    write_folder(tmp_path / "new", {"a": b"1", "b": b"22"})
    assert {path.name: path.read_bytes() for path in (tmp_path / "new").iterdir()} == {"a": b"1", "b": b"22"}
    assert stat.S_IMODE((tmp_path / "new").stat().st_mode) == 0o755
    assert list(tmp_path.iterdir()) == [tmp_path / "new"]


@pytest.mark.usefixtures("full_disk")
def test_on_a_full_disk_there_is_no_folder_and_nothing_else(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match=r"cannot write .*new: No space left on device. Free some space"):
        write_folder(tmp_path / "new", {"a": b"1"})
    assert list(tmp_path.iterdir()) == []


def test_a_folder_is_never_written_over_another(tmp_path: Path) -> None:
    write_folder(tmp_path / "new", {"a": b"old"})
    with pytest.raises(ArtifactError, match=r"cannot write .*new: Directory not empty"):
        write_folder(tmp_path / "new", {"a": b"new"})
    assert (tmp_path / "new" / "a").read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [tmp_path / "new"]


def test_a_folder_that_is_removed_is_gone_and_one_that_is_not_there_is_no_error(tmp_path: Path) -> None:
    write_folder(tmp_path / "new", {"a": b"1"})
    remove_folder(tmp_path / "new")
    remove_folder(tmp_path / "new")
    assert list(tmp_path.iterdir()) == []
