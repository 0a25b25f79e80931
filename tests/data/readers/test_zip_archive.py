"""Zips as programs write them, and patched ones whose directory lies."""

import io
import os
import stat
import struct
import zipfile
from pathlib import Path

import pytest
from archive_writers import (
    CONTENT,
    CRC,
    FLAGS,
    METHOD,
    OFFSET,
    SIZE,
    STORED,
    contents,
    memory,
    patched,
    sparse_file,
    written,
    zip_bytes,
)

from foveal.data.readers.archives import open_archive
from foveal.errors import DataError


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED], ids=["stored", "deflated"])
def test_a_zip_may_have_a_program_before_it_and_a_comment_behind(method: int, tmp_path: Path) -> None:
    path = written(tmp_path / "a.zip", b"#!/bin/sh\n" * 50 + zip_bytes(CONTENT, method))
    with zipfile.ZipFile(path, "a") as archive:
        archive.comment = b"a comment" * 1000
    assert contents(open_archive(path)) == CONTENT


def test_a_zip_with_64_bit_sizes_is_read(tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as archive, archive.open("large.bin", "w", force_zip64=True) as member:
        member.write(b"abc")
    assert contents(open_archive(path)) == {"large.bin": b"abc"}


class Pipe(io.BytesIO):
    """What zipfile cannot go back in, so that it writes sizes behind the data."""

    def seekable(self) -> bool:
        return False

    def seek(self, position: int, whence: int = 0) -> int:
        raise OSError

    def tell(self) -> int:
        raise OSError


def test_a_zip_written_to_a_pipe_is_read(tmp_path: Path) -> None:
    pipe = Pipe()
    with zipfile.ZipFile(pipe, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.bin", b"abc" * 100)
    assert b"PK\x07\x08" in pipe.getvalue()  # the mark of sizes behind the data
    assert contents(open_archive(written(tmp_path / "a.zip", pipe.getvalue()))) == {"a.bin": b"abc" * 100}


@pytest.mark.parametrize(
    ("mode", "sentence"),
    [
        (stat.S_IFLNK | 0o777, "is a symbolic link"),
        (stat.S_IFIFO, r"is no file but a device or a pipe \(mode 10000\)"),
    ],
)
def test_what_is_no_plain_file_is_refused(mode: int, sentence: str, tmp_path: Path) -> None:
    info = zipfile.ZipInfo("x.png")
    info.external_attr = mode << 16
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr(info, "/etc/passwd")
    with pytest.raises(DataError, match=rf"member 'x\.png' {sentence}\. If you trust it, unpack it yourself"):
        open_archive(tmp_path / "a.zip")


@pytest.mark.parametrize("bit", [0, 6])
def test_an_encrypted_member_is_refused(bit: int, tmp_path: Path) -> None:
    content = patched(zip_bytes({"x.png": b"1"}), FLAGS, 1 << bit)
    with pytest.raises(DataError, match=r"member 'x\.png' is encrypted\. If you trust it, unpack it yourself"):
        open_archive(written(tmp_path / "a.zip", content))


@pytest.mark.parametrize("method", [9, 12, 14, 99])
def test_other_methods_of_packing_are_refused_by_their_number(method: int, tmp_path: Path) -> None:
    content = patched(zip_bytes({"x.png": b"1"}), METHOD, method)
    with pytest.raises(DataError, match=rf"member 'x\.png' is packed by zip's method {method}; 0 \(stored\) and 8"):
        open_archive(written(tmp_path / "a.zip", content))


ZIP = zip_bytes(CONTENT)
DAMAGED = {
    "cut off": (ZIP[: len(ZIP) * 9 // 10], "File is not a zip file"),
    "no zip": (b"no zip at all", "File is not a zip file"),
    "a wrong directory": (ZIP.replace(b"PK\x01\x02", b"PK\x09\x09"), "Bad magic number for central directory"),
    "a cut directory": (ZIP[:-30] + ZIP[-22:], "Bad offset|Bad magic|Truncated"),
    "a name in no encoding": (
        patched(zip_bytes({"b_d.png": b""}), FLAGS, 0x800).replace(b"b_d.png", b"b\xffd.png"),
        "'utf-8' codec can't decode",
    ),
    "the future": (patched(ZIP, (6, "H"), 0xFF), "zip file version 25.5"),
}


@pytest.mark.parametrize(("content", "reason"), DAMAGED.values(), ids=list(DAMAGED))
def test_a_zip_without_a_readable_directory_is_refused(content: bytes, reason: str, tmp_path: Path) -> None:
    sentence = (
        rf"a\.zip is damaged or cut off: the list of its members, .* cannot be read \(.*({reason}).*Fetch it again"
    )
    with pytest.raises(DataError, match=sentence):
        open_archive(written(tmp_path / "a.zip", content))


STORED_ZIP = zip_bytes({"x.png": b"0123456789"}, zipfile.ZIP_STORED)
DEFLATED_ZIP = zip_bytes({"x.png": b"0123456789" * 9})
LIES = {
    "deflated to more": (patched(DEFLATED_ZIP, SIZE, 89), "it should have 89 bytes and has more"),
    "deflated to less": (patched(DEFLATED_ZIP, SIZE, 91), "it should have 91 bytes and has 90"),
    "deflated to nothing": (patched(DEFLATED_ZIP, SIZE, 0), "it should have 0 bytes and has more"),
    "stored more": (patched(STORED_ZIP, SIZE, 9), "it should have 9 bytes and has more"),
    "stored less": (patched(STORED_ZIP, SIZE, 11), "it should have 11 bytes and has 10"),
    "half of the deflated bytes": (patched(DEFLATED_ZIP, STORED, 7), "it should have 90 bytes and has"),
    "checksum": (patched(STORED_ZIP, CRC, 0xABCD), "its checksum is a684c7c6 and should be 0000abcd"),
    "content": (STORED_ZIP.replace(b"0123456789", b"0123456788"), "its checksum is .* and should be a684c7c6"),
    "not deflated": (patched(STORED_ZIP, METHOD, 8), "Error -3 while decompressing data"),
}


@pytest.mark.parametrize(("content", "sentence"), LIES.values(), ids=list(LIES))
def test_a_member_that_is_not_what_its_header_says_is_refused_when_it_is_read(
    content: bytes, sentence: str, tmp_path: Path
) -> None:
    tree = open_archive(written(tmp_path / "a.zip", content))
    with pytest.raises(DataError, match=rf"file 'x\.png' in .*a\.zip cannot be read: {sentence}.* Fetch the archive"):
        tree.read("x.png")


def test_a_member_that_unpacks_to_more_than_promised_takes_no_memory_for_it(tmp_path: Path) -> None:
    tree = open_archive(written(tmp_path / "a.zip", patched(zip_bytes({"x.png": bytes(64 << 20)}), SIZE, 100)))
    with memory() as measured, pytest.raises(DataError, match="it should have 100 bytes and has more"):
        tree.read("x.png")
    assert measured.peak < 1 << 20


TWO = zip_bytes({"a.png": b"1" * 50, "b.png": b"2" * 50}, zipfile.ZIP_STORED)
OVERLAPPING = {
    "two entries for one member": patched(TWO, OFFSET, 0, entry=1),
    "data that runs over the next header": patched(TWO, STORED, 51),
    "data that runs over the directory": patched(TWO, STORED, 51, entry=1),
    "a header that was cut away": TWO.replace(b"PK\x03\x04", b"PK\x09\x09"),
    "a header where the directory is": patched(TWO, OFFSET, TWO.index(b"PK\x01\x02"), entry=1),
    "a header far away": patched(TWO, OFFSET, 0xFFFFFFFE, entry=1),
}


@pytest.mark.parametrize("content", OVERLAPPING.values(), ids=list(OVERLAPPING))
def test_members_that_share_bytes_or_have_none_are_refused_at_opening(content: bytes, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"is damaged, or made to harm: its member '.\.png' .* Fetch it again"):
        open_archive(written(tmp_path / "a.zip", content))


def test_headers_beyond_what_a_file_can_have_are_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        for number in range(2):
            info = zipfile.ZipInfo(f"{number}.png")
            info.extra = struct.pack("<HHQ", 1, 8, 2**63 + 1000 * number)  # APPNOTE 4.5.3: the offset in 64 bits
            archive.writestr(info, b"")
    content = (tmp_path / "a.zip").read_bytes()
    content = patched(patched(content, OFFSET, 0xFFFFFFFF), OFFSET, 0xFFFFFFFF, entry=1)
    with pytest.raises(DataError, match=r"is damaged, or made to harm: its member '0\.png' has no header of its own"):
        open_archive(written(tmp_path / "a.zip", content))


def end_record(entries: int, directory_bytes: int, start: int) -> bytes:
    """The last bytes of a zip (APPNOTE 4.3.16), which count entries modulo 65,536."""
    count = entries & 0xFFFF
    return struct.pack("<4s4H2IH", b"PK\x05\x06", 0, 0, count, count, directory_bytes, start, 0)


def test_a_zip_with_too_many_entries_is_refused_before_they_take_memory(tmp_path: Path) -> None:
    content = zip_bytes({"a": b""})
    start, end = content.index(b"PK\x01\x02"), content.index(b"PK\x05\x06")
    directory = content[start:end] * 100_000
    path = written(tmp_path / "a.zip", content[:start] + directory + end_record(100_000, len(directory), start))
    with (
        memory() as measured,
        pytest.raises(DataError, match=r"a\.zip has 100,000 entries or more, the limit .* Unpack"),
    ):
        open_archive(path)
    assert measured.peak < 10_000_000  # the directory has 4.7 MB; the objects for its entries would have 60 MB


def test_a_directory_that_is_too_large_is_refused_unread(tmp_path: Path) -> None:
    path = sparse_file(tmp_path / "a.zip", b"", 110 << 20)
    with path.open("r+b") as file:
        file.seek(0, os.SEEK_END)
        file.write(end_record(1, 110 << 20, 0))
    with memory() as measured, pytest.raises(DataError, match=r"cannot be read \(it takes 115,343,360 bytes\)"):
        open_archive(path)
    assert measured.peak < 1 << 20
