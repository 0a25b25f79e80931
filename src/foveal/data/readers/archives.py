"""Zip and tar files read in place, as a Tree: nothing is unpacked under a name, and nothing in them is trusted."""

import os
import weakref
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Literal

from foveal.data.readers.archive_members import Member, catalogue
from foveal.data.readers.tar_archive import tar_members
from foveal.data.readers.unpacked_tar import Packing, unpacked
from foveal.data.readers.zip_archive import zip_members
from foveal.data.tree import Stamp, Tree
from foveal.errors import DataError

NAMES = (".zip", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tar.xz", ".txz")
ZIP_STARTS = (b"PK\x03\x04", b"PK\x05\x06")  # the second when nothing is in it
PACKINGS: dict[bytes, Packing] = {b"\x1f\x8b": "gzip", b"BZh": "bzip2", b"\xfd7zXZ\0": "xz"}
START_BYTES = 512

Format = Literal["zip", "tar"] | Packing


def is_archive(path: Path) -> bool:
    """Whether a file is a zip or a tar by its content, or is named like one, as only that tells a compressed tar."""
    if not os.path.isfile(path):  # noqa: PTH113 -- never raises, for names that no file can have either
        return False
    if path.name.lower().endswith(NAMES):
        return True
    try:
        with path.open("rb") as file:
            return _format(file.read(START_BYTES)) in ("zip", "tar")
    except OSError:  # the reason is said when it is read
        return False


def open_archive(path: Path) -> Tree:
    """All files in a zip, or in a tar that may be compressed; its content says which, whatever its name.

    Raises DataError when it cannot be read, is damaged, is larger than is read in place, or has a member that is no
    plain file with a plain name. A compressed tar is unpacked into a temporary file, which has no name.
    """
    if not os.path.isfile(path):  # noqa: PTH113 -- never raises; and opening a pipe would wait for its writer
        raise DataError(f"there is no file {path}. Name a zip or tar file.")
    try:
        with ExitStack() as opened:
            file = opened.enter_context(path.open("rb", buffering=0))
            modified = os.fstat(file.fileno()).st_mtime_ns
            form = _require_format(path, os.pread(file.fileno(), START_BYTES, 0))
            if form != "zip" and form != "tar":
                file = opened.enter_context(unpacked(path, form))
            members: Iterator[Member] = (zip_members if form == "zip" else tar_members)(path, file)
            files, empty = catalogue(path, members)
            read = _reader(path, file.fileno(), files)
            weakref.finalize(read, opened.pop_all().close)
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror}. Make it readable, or name another.") from error
    return Tree(path, {name: Stamp(member.size, modified) for name, member in files.items()}, read, empty)


def _format(start: bytes) -> Format | None:
    """What a file is by its first block."""
    if start.startswith(ZIP_STARTS):
        return "zip"
    if start[257:262] == b"ustar":
        return "tar"
    return next((packing for magic, packing in PACKINGS.items() if start.startswith(magic)), None)


def _require_format(path: Path, start: bytes) -> Format:
    if not start:
        raise DataError(f"{path} is empty (0 bytes). Fetch it again.")
    form = _format(start)
    if form is not None:
        return form
    # A zip may have a program in front, and a tar of before 1988 has no magic number.
    if path.suffix.lower() in (".zip", ".tar"):
        return "zip" if path.suffix.lower() == ".zip" else "tar"
    raise DataError(
        f"{path} begins with 0x{start[:4].hex()}, which neither a zip nor a tar does, nor one compressed by gzip, "
        "bzip2 or xz. Unpack it yourself and name the folder."
    )


def _reader(path: Path, descriptor: int, members: Mapping[str, Member]) -> Callable[[str], bytes]:
    """A function that reads members; without a lock, as it moves no position in the file that threads would share."""

    def read(name: str) -> bytes:
        member = members.get(name)
        if member is None:
            raise DataError(f"{path} has no file {name!r} in it. Open it again, as it may be another one now.")
        try:
            stored = os.pread(descriptor, member.stored, member.start)
            content = _unpacked_member(member, stored)
        except (OSError, zlib.error) as error:
            raise _damaged(path, name, str(error)) from error
        if len(content) != member.size:
            more = "more" if len(content) > member.size else f"{len(content):,}"
            raise _damaged(path, name, f"it should have {member.size:,} bytes and has {more}")
        if member.crc is not None and zlib.crc32(content) != member.crc:
            raise _damaged(path, name, f"its checksum is {zlib.crc32(content):08x} and should be {member.crc:08x}")
        return content

    return read


def _unpacked_member(member: Member, stored: bytes) -> bytes:
    if not member.is_deflated:
        return stored
    # One byte more than promised is enough to see that the promise is wrong.
    return zlib.decompressobj(-zlib.MAX_WBITS).decompress(stored, member.size + 1)


def _damaged(path: Path, name: str, what: str) -> DataError:
    return DataError(
        f"the file {name!r} in {path} cannot be read: {what}. Fetch the archive again, or leave the file out."
    )
