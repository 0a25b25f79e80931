"""Tars in every dialect, written by tarfile and by hand, and damaged ones."""

import io
import os
import shutil
import subprocess
import tarfile
from pathlib import Path

import pytest
from archive_writers import (
    CONTENT,
    add,
    contents,
    memory,
    sealed,
    sparse_file,
    tar_bytes,
    tar_header,
    written,
)
from data_helpers import skip_unless

from foveal.data.readers.archives import open_archive
from foveal.errors import DataError

END = bytes(1024)
LONG = {"d" * 90 + "/" + "f" * 90: b"1", "/".join(["é" * 60] * 8) + "/1.png": b"2", "s.png": b"3"}


@pytest.mark.parametrize("form", [tarfile.PAX_FORMAT, tarfile.GNU_FORMAT], ids=["pax", "gnu"])
def test_long_names_are_read_in_each_dialect(form: int, tmp_path: Path) -> None:
    assert contents(open_archive(written(tmp_path / "a.tar", tar_bytes(LONG, form)))) == LONG


def test_a_name_in_two_parts_is_put_together(tmp_path: Path) -> None:
    name = "d" * 90 + "/" + "f" * 90
    content = tar_bytes({name: b"1"}, tarfile.USTAR_FORMAT)
    assert list(open_archive(written(tmp_path / "a.tar", content)).files) == [name]


@pytest.mark.parametrize("form", ["v7", "oldgnu", "gnu", "ustar", "posix"])
def test_what_gnu_tar_writes_is_read(form: str, tmp_path: Path) -> None:
    skip_unless(shutil.which("tar") is not None, "there is no tar command")
    for name, data in CONTENT.items():
        (tmp_path / "files" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "files" / name).write_bytes(data)
    (tmp_path / "files" / "empty").mkdir()
    command = ["tar", f"--format={form}", "-C", str(tmp_path / "files"), "-cf", str(tmp_path / "a.tar"), "."]
    subprocess.run(command, check=True)
    tree = open_archive(tmp_path / "a.tar")
    assert contents(tree) == CONTENT
    assert tree.empty == ("empty",)


def test_names_that_are_not_utf8_are_kept_byte_by_byte(tmp_path: Path) -> None:
    tree = open_archive(written(tmp_path / "a.tar", tar_header(b"\xff.png", 0) + END))
    assert [os.fsencode(name) for name in tree.files] == [b"\xff.png"]


def test_pax_headers_with_other_things_in_them_change_nothing(tmp_path: Path) -> None:
    target = io.BytesIO()
    with tarfile.open(
        fileobj=target, mode="w", format=tarfile.PAX_FORMAT, pax_headers={"comment": "for all"}
    ) as archive:
        add(archive, "first.png", b"x" * 700, {"mtime": "1.5", "SCHILY.xattr.user.note": "a b=c\nd"})
        add(archive, "second.png", b"y")
    tree = open_archive(written(tmp_path / "a.tar", target.getvalue()))
    assert contents(tree) == {"first.png": b"x" * 700, "second.png": b"y"}


def test_a_pax_header_gives_size_and_name_to_one_member(tmp_path: Path) -> None:
    records = b"9 size=3\n15 path=ab.png\n"
    content = tar_header(b"pax", len(records), b"x") + records.ljust(512, b"\0") + tar_header(b"short", 0)
    content += b"abc".ljust(512, b"\0") + tar_header(b"next", 0) + END
    assert contents(open_archive(written(tmp_path / "a.tar", content))) == {"ab.png": b"abc", "next": b""}


def test_sizes_in_base_256_are_read_as_gnu_tar_writes_them(tmp_path: Path) -> None:
    header = tar_header(b"a.png", 0)
    header = sealed(header[:124] + b"\x80" + (3).to_bytes(11, "big") + header[136:])
    path = written(tmp_path / "a.tar", header + b"abc".ljust(512, b"\0") + END)
    assert contents(open_archive(path)) == {"a.png": b"abc"}


def test_a_tar_of_before_posix_is_told_by_its_name(tmp_path: Path) -> None:
    header = tar_header(b"a.png", 1, b"\0")
    header = sealed(header[:257] + bytes(8) + header[265:])
    path = written(tmp_path / "a.tar", header + b"1".ljust(512, b"\0") + END)
    assert contents(open_archive(path)) == {"a.png": b"1"}


def test_a_volume_label_is_no_member(tmp_path: Path) -> None:
    content = tar_header(b"label", 0, b"V") + tar_header(b"a.png", 0) + END
    assert list(open_archive(written(tmp_path / "a.tar", content)).files) == ["a.png"]


def test_a_folder_has_no_bytes_whatever_its_size_says(tmp_path: Path) -> None:
    content = tar_header(b"a/", 4096, b"5") + tar_header(b"a/1.png", 0) + END
    assert list(open_archive(written(tmp_path / "a.tar", content)).files) == ["a/1.png"]


KINDS = {
    tarfile.SYMTYPE: "is a symbolic link",
    tarfile.LNKTYPE: "is a hard link",
    tarfile.CHRTYPE: "is a device",
    tarfile.BLKTYPE: "is a device",
    tarfile.FIFOTYPE: "is a pipe",
    tarfile.GNUTYPE_SPARSE: r"is stored without its holes \(sparse\)",
    b"M": r"is of a kind that is not known \(b'M'\)",
}


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_no_plain_file_is_refused_unless_it_is_hidden(kind: bytes, tmp_path: Path) -> None:
    content = tar_header(b"a.png", 0) + tar_header(b".git/x", 0, kind) + END
    assert list(open_archive(written(tmp_path / "a.tar", content)).files) == ["a.png"]
    content = tar_header(b"a.png", 0) + tar_header(b"x.png", 0, kind) + END
    with pytest.raises(DataError, match=rf"a\.tar is not read: its member 'x\.png' {KINDS[kind]}\. If you trust it"):
        open_archive(written(tmp_path / "a.tar", content))


def test_a_file_that_a_pax_header_calls_sparse_is_refused(tmp_path: Path) -> None:
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w", format=tarfile.PAX_FORMAT) as archive:
        add(archive, "x.png", extended={"GNU.sparse.major": "1", "GNU.sparse.minor": "0"})
    with pytest.raises(DataError, match=r"member 'x\.png' is stored without its holes"):
        open_archive(written(tmp_path / "a.tar", target.getvalue()))


TAR = tar_bytes({"a": b"1" * 1000, "b": b"2"})
DAMAGED = {
    "another file": (b"no tar at all".ljust(2048), "has no tar in it: it does not begin with a header of one. Name an"),
    "a header alone": (TAR[:512], "damaged or cut off: what begins at byte 0 would end beyond the end, at 1,512"),
    "cut between members": (TAR[:1536], "ends at byte 1,536 without the empty block that ends every tar. Fetch it"),
    "cut in a header": (TAR[:1600], "ends at byte 1,600 without the empty block"),
    "cut in a member": (TAR[:2048], "what begins at byte 1,536 would end beyond the end, at 2,049"),
    "a wrong letter": (
        TAR.replace(b"b\0\0", b"c\0\0"),
        "damaged or cut off: the header at byte 1,536 is wrong. Fetch it",
    ),
    "an extension alone": (tar_header(b"a", 0, b"x") + tar_header(b"a", 9), "what begins at byte 512 would end beyond"),
}


@pytest.mark.parametrize(("content", "sentence"), DAMAGED.values(), ids=list(DAMAGED))
def test_a_damaged_tar_is_refused_with_its_place(content: bytes, sentence: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=rf"a\.tar .*{sentence}"):
        open_archive(written(tmp_path / "a.tar", content))


PAX = [b"9 path=a", b"99 path=a\n", b"0 path=a\n", b"-9 path=a\n", b"path=a\n", b"1 \n", b"9" * 600, b"9 size=x\n"]


@pytest.mark.parametrize("records", PAX, ids=range(len(PAX)))
def test_a_damaged_pax_header_is_refused(records: bytes, tmp_path: Path) -> None:
    content = tar_header(b"pax", len(records), b"x") + records.ljust(-(-len(records) // 512) * 512, b"\0")
    with pytest.raises(DataError, match=r"a\.tar is damaged or cut off: the (extended )?header at byte .* is wrong"):
        open_archive(written(tmp_path / "a.tar", content + tar_header(b"a", 0) + END))


@pytest.mark.parametrize(
    "field", [b"-0000000001\0", b"00000000008\0", b"0o0000000_1\0", b"\xff" * 12, b"\x80" + b"\xff" * 11]
)
def test_a_size_that_is_no_number_or_below_zero_is_refused(field: bytes, tmp_path: Path) -> None:
    header = tar_header(b"b.png", 0)
    header = sealed(header[:124] + field + header[136:])
    path = written(tmp_path / "a.tar", tar_header(b"a.png", 0) + header + END)
    with pytest.raises(DataError, match=r"is damaged or cut off: (the header|what begins) at byte 512"):
        open_archive(path)


@pytest.mark.parametrize("kind", [b"L", b"x"])
def test_a_header_of_a_gibibyte_is_refused_unread(kind: bytes, tmp_path: Path) -> None:
    path = sparse_file(tmp_path / "a.tar", tar_header(b"a", 1 << 30, kind), (1 << 30) + 1024)
    sentence = "header at byte 512 has 1,073,741,824 bytes, above the limit of 1,048,576. Fetch it again"
    with memory() as measured, pytest.raises(DataError, match=sentence):
        open_archive(path)
    assert measured.peak < 1 << 20
