"""Archives of any content come back as they were written; bytes of any kind are read or refused, and nothing else."""

import bz2
import gzip
import lzma
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from archive_writers import contents, sealed, tar_bytes, tar_header, written, zip_bytes
from hypothesis import given, settings
from hypothesis import strategies as st

from foveal.data.readers.archives import is_archive, open_archive
from foveal.errors import DataError

SMALL = {"a/1.png": b"1" * 600, "a/2.png": bytes(range(256)), "b/": b"", "b/c/ü.png": b"3"}
WHOLE = [
    zip_bytes(SMALL),
    zip_bytes(SMALL, zipfile.ZIP_STORED),
    *(tar_bytes({**SMALL, "n" * 150: b""}, form) for form in (tarfile.PAX_FORMAT, tarfile.GNU_FORMAT)),
]
COMPRESSED = [pack(WHOLE[2]) for pack in (gzip.compress, bz2.compress, lzma.compress)]


@pytest.fixture(scope="module")
def any_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One name for all of them, with an ending that lets everything be tried."""
    return tmp_path_factory.mktemp("archives") / "any.tar"


def is_read_or_refused(path: Path) -> None:
    """Open an archive and read all that is in it; whatever is not a DataError fails the test."""
    is_archive(path)
    try:
        tree = open_archive(path)
    except DataError:
        return
    for name, stamp in tree.files.items():
        assert not name.startswith("/")
        assert ".." not in name.split("/")
        try:
            assert len(tree.read(name)) == stamp.size
        except DataError:
            continue


@st.composite
def damaged(draw: st.DrawFn, whole: list[bytes]) -> bytes:
    """One of these archives with some bytes changed, some taken out, and its end cut off, or not."""
    content = bytearray(draw(st.sampled_from(whole)))
    for _ in range(draw(st.integers(0, 4))):
        content[draw(st.integers(0, len(content) - 1))] = draw(
            st.sampled_from([0, 1, 0x7F, 0x80, 0xFF]) | st.integers(0, 255)
        )
    if draw(st.booleans()):
        start = draw(st.integers(0, len(content)))
        del content[start : start + draw(st.integers(0, 600))]
    return bytes(content[: draw(st.just(len(content)) | st.integers(0, len(content)))])


MAGIC = st.sampled_from([b"", b"PK\3\4", b"PK\5\6", b"\x1f\x8b\x08", b"BZh9", b"\xfd7zXZ\0"])


@settings(max_examples=150, deadline=None)
@given(content=st.builds(bytes.__add__, MAGIC, st.binary(max_size=600)))
@pytest.mark.parametrize("ending", [".tar", ".zip", ".tgz"])
def test_bytes_of_any_kind_are_read_or_refused(content: bytes, ending: str, any_file: Path) -> None:
    is_read_or_refused(written(any_file.with_suffix(ending), content))


@settings(max_examples=300, deadline=None)
@given(content=damaged(WHOLE) | damaged(COMPRESSED))
def test_damaged_archives_are_read_or_refused(content: bytes, any_file: Path) -> None:
    is_read_or_refused(written(any_file, content))


FIELD = (
    st.binary(min_size=12, max_size=12)
    | st.from_regex(rb"[0-7]{11}\0", fullmatch=True)
    | st.just(b"\x80" + bytes(9) + b"\2\0")
)


@settings(max_examples=300, deadline=None)
@given(
    members=st.lists(
        st.tuples(
            st.sampled_from(list(b"0123567LKxgSV\0")),
            st.binary(max_size=100),
            FIELD | st.integers(0, 1500).map(lambda size: b"%011o\0" % size),
            st.binary(max_size=600)
            | st.builds(
                lambda size, text: b"%d %s" % (size, text), st.integers(0, 40), st.just(b"path=a\n12 size=2\n")
            ),
        ),
        max_size=4,
    )
)
def test_tars_with_true_checksums_and_false_fields_are_read_or_refused(
    members: list[tuple[int, bytes, bytes, bytes]], any_file: Path
) -> None:
    content = b""
    for kind, name, size, data in members:
        header = tar_header(name, 0, bytes([kind]))
        content += sealed(header[:124] + size + header[136:]) + data.ljust(-(-len(data) // 512) * 512, b"\0")
    is_read_or_refused(written(any_file, content + bytes(1024)))


@settings(max_examples=300, deadline=None)
@given(data=st.data())
def test_zips_with_false_fields_in_their_directory_are_read_or_refused(data: st.DataObject, any_file: Path) -> None:
    content = bytearray(data.draw(st.sampled_from(WHOLE[:2])))
    start, end = content.index(b"PK\x01\x02"), len(content)
    for _ in range(data.draw(st.integers(1, 6))):
        place = data.draw(st.integers(start, end - 4))
        content[place : place + 4] = data.draw(
            st.sampled_from([bytes(4), b"\xff" * 4, b"\1\0\0\0", b"\xff\xff\0\0"]) | st.binary(min_size=4, max_size=4)
        )
    is_read_or_refused(written(any_file, bytes(content)))


PART = st.text(
    st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="/\\"), min_size=1, max_size=60
).filter(lambda part: not part.startswith((".", "__MACOSX")))
FILES = st.dictionaries(
    st.lists(PART, min_size=1, max_size=4).map("/".join), st.binary(max_size=700), min_size=1, max_size=6
)


def is_plain(names: set[str]) -> bool:
    """No name is the folder of another, and none begins like an absolute one of Windows."""
    return not any(other.startswith(f"{name}/") for name in names for other in names) and not any(
        name[1:3] == ":/" for name in names
    )


@settings(max_examples=100, deadline=None)
@given(files=FILES.filter(lambda files: is_plain(set(files))))
@pytest.mark.parametrize(
    "write",
    [
        zip_bytes,
        tar_bytes,
        lambda files: tar_bytes(files, tarfile.GNU_FORMAT),
        lambda files: gzip.compress(tar_bytes(files)),
    ],
    ids=["zip", "pax", "gnu", "gzip"],
)
def test_files_of_any_name_and_content_come_back(
    write: Callable[[dict[str, bytes]], bytes], files: dict[str, bytes], any_file: Path
) -> None:
    assert contents(open_archive(written(any_file, write(files)))) == files
