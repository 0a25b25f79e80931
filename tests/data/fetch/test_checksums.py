"""Checksums against hashlib, of files and of what they unpack to, and the record of those that nobody states."""

import gzip
import hashlib
import json
from pathlib import Path

import pytest
from data_helpers import as_an_ordinary_user

from foveal.data.fetch.checksums import checksum_of, mismatch, record, recorded
from foveal.errors import DataError

CONTENT = b"some bytes " * 1000
PACKED = gzip.compress(CONTENT)


@pytest.mark.parametrize("algorithm", ["sha256", "md5"])
def test_a_checksum_is_of_the_file_or_of_what_it_unpacks_to(algorithm: str, tmp_path: Path) -> None:
    path = tmp_path / "a.gz"
    path.write_bytes(PACKED)
    assert checksum_of(path, algorithm) == f"{algorithm}:{hashlib.new(algorithm, PACKED).hexdigest()}"
    content = f"content-{algorithm}:{hashlib.new(algorithm, CONTENT).hexdigest()}"
    assert checksum_of(path, f"content-{algorithm}") == content
    path.write_bytes(gzip.compress(CONTENT, 1))
    assert checksum_of(path, f"content-{algorithm}") == content
    path.write_bytes(CONTENT)
    assert checksum_of(path, f"content-{algorithm}") == content


def test_a_kind_of_checksum_that_is_unknown_is_an_error_of_the_table(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"no checksum of the kind 'crc'. Known: sha256, md5, content-sha256"):
        checksum_of(tmp_path, "crc")


def test_a_difference_is_told_with_both_checksums(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(CONTENT)
    right = checksum_of(tmp_path / "a")
    assert mismatch(tmp_path / "a", right) is None
    assert mismatch(tmp_path / "a", "sha256:00ff") == f"its checksum is {right}, expected sha256:00ff"


@pytest.mark.parametrize(
    "damaged", [PACKED[:-3], PACKED[:40], PACKED[:-6] + b"\0" * 6, b"\x1f\x8b", b"\x1f\x8bno gzip"]
)
def test_content_that_cannot_be_unpacked_is_not_the_right_one(damaged: bytes, tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(damaged)
    assert str(mismatch(tmp_path / "a", "content-sha256:00ff")).startswith("it cannot be unpacked (")


def test_a_file_that_is_not_there_cannot_be_compared(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"cannot read .*/none: No such file or directory. Make it readable, or remove"):
        mismatch(tmp_path / "none", "sha256:00ff")


def test_what_is_recorded_is_there_afterwards_beside_what_was(tmp_path: Path) -> None:
    assert recorded(tmp_path) == {}
    record(tmp_path, "b", "sha256:1")
    record(tmp_path, "a", "sha256:2")
    record(tmp_path, "b", "sha256:3")
    assert (
        recorded(tmp_path)
        == json.loads((tmp_path / "checksums.json").read_bytes())
        == {"a": "sha256:2", "b": "sha256:3"}
    )
    assert [path.name for path in tmp_path.iterdir()] == ["checksums.json"]


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"a": 1}', b'{"a": "00ff"}', b"\xff\xfe", b"[" * 100_000])
def test_a_record_that_cannot_be_understood_is_named_with_the_way_out(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "checksums.json").write_bytes(content)
    with pytest.raises(
        DataError, match=r"cannot read .*/checksums.json, the checksums recorded when .* Remove it; they"
    ):
        recorded(tmp_path)


def test_a_folder_that_may_not_be_written_is_named(open_folder: Path) -> None:
    open_folder.chmod(0o555)
    with as_an_ordinary_user(), pytest.raises(DataError, match=r"cannot write .*/checksums.json: Permission denied"):
        record(open_folder, "a", "sha256:1")
