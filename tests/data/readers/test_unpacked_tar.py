"""Compressed tars: in pieces, damaged, made to fill memory or disk, and what is left of them."""

import bz2
import gzip
import lzma
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest
from archive_writers import CONTENT, contents, memory, open_descriptors, tar_bytes, tar_header, write_archive, written
from data_helpers import files_of_at_most

from foveal.data.readers import archive_members, unpacked_tar
from foveal.data.readers.archives import open_archive
from foveal.errors import DataError

TAR = tar_bytes(CONTENT)
EACH = pytest.mark.parametrize("pack", [gzip.compress, bz2.compress, lzma.compress], ids=["gzip", "bzip2", "xz"])
Packing = Callable[[bytes], bytes]


@EACH
def test_a_tar_compressed_in_pieces_is_read_to_its_end(pack: Packing, tmp_path: Path) -> None:
    pieces = pack(TAR[:1000]) + pack(b"") + pack(TAR[1000:])
    assert contents(open_archive(written(tmp_path / "a", pieces))) == CONTENT


def test_an_xz_file_may_be_padded_with_zeros(tmp_path: Path) -> None:
    padded = lzma.compress(TAR[:1000]) + bytes(8) + lzma.compress(TAR[1000:]) + bytes(4)
    assert contents(open_archive(written(tmp_path / "a", padded))) == CONTENT


DAMAGED = {
    "gzip cut off": (gzip.compress(TAR)[:-20], "is damaged or cut off: Compressed file ended before"),
    "bzip2 cut off": (bz2.compress(TAR)[:-20], "is damaged or cut off: Compressed file ended before"),
    "xz cut off": (
        lzma.compress(TAR)[:-20],
        "is damaged or cut off: it ends in the middle of a stream. Fetch it again",
    ),
    "gzip with wrong bits": (gzip.compress(TAR)[:10] + b"\xff" * 200, "is damaged or cut off: Error -3"),
    "bzip2 with wrong bits": (bz2.compress(TAR)[:20] + b"\xff" * 200, "is damaged or cut off: Invalid data stream"),
    "xz with wrong bits": (lzma.compress(TAR)[:30] + b"\xff" * 200, "is damaged or cut off: Corrupt input data"),
    "gzip with a wrong checksum": (gzip.compress(TAR)[:-8] + bytes(8), "is damaged or cut off: CRC check failed"),
    "xz with more behind it": (lzma.compress(TAR) + b"more" * 9, "is damaged or cut off: Input format not supported"),
    "too short": (gzip.compress(b"hello"), "ends at byte 5 without the empty block that ends every tar"),
    "nothing in it": (gzip.compress(b""), "ends at byte 0 without the empty block that ends every tar"),
    "another file": (gzip.compress(bytes(range(256)) * 4), "has no tar in it"),
}


@pytest.mark.parametrize(("content", "sentence"), DAMAGED.values(), ids=list(DAMAGED))
def test_a_damaged_file_is_refused_with_its_reason(content: bytes, sentence: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=rf"a\.tgz .*{sentence}"):
        open_archive(written(tmp_path / "a.tgz", content))


@EACH
def test_a_bomb_is_refused_while_it_unpacks(pack: Packing, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive_members, "RATIO_FREE_BYTES", 1 << 20)  # it is 256 MiB, too slow for a test
    path = written(tmp_path / "bomb", pack(tar_header(b"a", 32 << 20) + bytes(32 << 20)))
    sentence = r"bomb has [\d,]+ bytes and unpacks to [\d,]+ or more\. .* If you trust it, unpack it yourself"
    with memory() as measured, pytest.raises(DataError, match=sentence):
        open_archive(path)
    assert measured.peak < 16 << 20  # xz asks for 9 MiB, bzip2 for 4


def test_an_xz_header_that_asks_for_too_much_memory_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unpacked_tar, "XZ_MEMORY_BYTES", 1 << 20)  # it is 256 MiB; writing such a file takes 2 GiB
    with pytest.raises(DataError, match="is damaged or cut off: Memory usage limit exceeded"):
        open_archive(write_archive(tmp_path, ".tar.xz", CONTENT))


def test_unpacking_leaves_no_named_file_even_while_the_archive_is_open(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    tree = open_archive(write_archive(tmp_path, ".tar.gz", CONTENT))
    assert list(temporary.iterdir()) == []
    assert contents(tree) == CONTENT


def test_a_full_disk_is_told_with_the_folder_and_the_variable_that_moves_it(tmp_path: Path) -> None:
    path = write_archive(tmp_path, ".tar.gz", CONTENT)
    before = open_descriptors()
    sentence = (
        rf"cannot unpack .*data\.tar\.gz into {tempfile.gettempdir()}: File too large\. Make room there, set TMPDIR"
    )
    with files_of_at_most(4096), pytest.raises(DataError, match=sentence):
        open_archive(path)
    assert open_descriptors() == before


def test_a_missing_temporary_folder_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "nowhere"))
    with pytest.raises(DataError, match=r"into .*nowhere: No such file or directory\. Make room there, set TMPDIR to"):
        open_archive(write_archive(tmp_path, ".tar.gz", CONTENT))
