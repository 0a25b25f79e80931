"""Which members an archive may have: how many, how large, under which names. How they are stored is not known here."""

import re
from collections.abc import Iterable, Mapping
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

from foveal.data.tree import HIDDEN
from foveal.errors import DataError

# Opening one of 60,000 members takes 0.7 s and 30 MB here, at each start. Beyond, a folder serves better.
ENTRY_LIMIT = 100_000
# A member is read whole into memory. A 16-bit colour TIFF of 64 megapixels, which few cameras make, has 0.36 GiB.
MEMBER_BYTES = 1 << 30
# 100,000 photos like those of ILSVRC 2012 (1.28 million in 138 GiB) have 11 GiB.
TOTAL_BYTES = 64 << 30
# Deflate reaches 1,032:1, and only where one byte is repeated (zlib.net/zlib_tech.html).
RATIO_LIMIT = 1000
# Less than this does no harm at any ratio.
RATIO_FREE_BYTES = 256 << 20
# PATH_MAX of Linux: what is longer was never a file.
NAME_LIMIT = 4096

DRIVE = re.compile(r"[A-Za-z]:[/\\]")


class Member(NamedTuple):
    """One entry of an archive, and where its bytes are; `refusal` says what keeps it from being read, if anything."""

    name: str
    size: int  # bytes, unpacked
    start: int  # of the stored bytes, in the file that holds them
    stored: int  # bytes
    is_folder: bool = False
    is_deflated: bool = False
    crc: int | None = None  # a tar has none
    refusal: str = ""


def catalogue(path: Path, members: Iterable[Member]) -> tuple[dict[str, Member], tuple[str, ...]]:
    """The files by name, sorted, and the folders with nothing in them; hidden ones are left out. Raises DataError."""
    files: dict[str, Member] = {}
    folders: set[str] = set()
    for count, member in enumerate(members, start=1):
        if count >= ENTRY_LIMIT:
            raise too_many(path)
        parts = _parts(path, member.name)
        shown = next((n for n, part in enumerate(parts) if part.startswith(HIDDEN)), len(parts))
        name = "/".join(parts[:shown])
        if member.is_folder or shown < len(parts):
            folders.add(name)
            continue
        _require_readable(path, member)
        if name in files:
            raise refused(path, name, "is there twice, and which one is meant is not said")
        files[name] = member
    folders.discard("")
    if not files:
        raise DataError(
            f"{path} has no file in it, only folders ({len(folders)}) or nothing. Name an archive with images, or a folder."
        )
    require_modest(path, sum(member.size for member in files.values()))
    return dict(sorted(files.items())), _empty(path, files, folders)


def _parts(path: Path, name: str) -> list[str]:
    """The folders of a member and its own name; "./" and "//" say nothing. The list is empty for the top folder."""
    parts = [part for part in name.split("/") if part not in ("", ".")]
    if name.startswith("/") or DRIVE.match(name):
        raise refused(path, name, "has an absolute name")
    if ".." in parts:
        raise refused(path, name, "has a name that leads out of the archive")
    if "\0" in name or len(name) > NAME_LIMIT:
        raise refused(path, name, f"has a name that no file can have ({len(name)} characters, or a zero byte in it)")
    return parts


def _require_readable(path: Path, member: Member) -> None:
    if member.refusal:
        raise refused(path, member.name, member.refusal)
    if not member.name.strip("./"):
        raise refused(path, member.name, "has no name")
    if max(member.size, member.stored) > MEMBER_BYTES:
        raise refused(path, member.name, f"has {member.size:,} bytes, more than the {MEMBER_BYTES:,} that one may have")


def _empty(path: Path, files: Mapping[str, Member], folders: set[str]) -> tuple[str, ...]:
    """The folders that no other name begins with. Raises DataError when one does begin with that of a file."""
    # Sorted with "/" before every other character, what is in a folder comes right behind it.
    names = sorted({*files, *folders}, key=lambda name: name.replace("/", "\0"))
    empty = []
    for name, following in pairwise([*names, ""]):
        is_above = following.startswith(f"{name}/")
        if name in files and (is_above or name in folders):
            raise refused(path, name, "is a file and a folder at once")
        if name not in files and not is_above:
            empty.append(name)
    return tuple(sorted(empty))


def require_modest(path: Path, unpacked: int) -> None:
    """Raise DataError when so many unpacked bytes are more than an archive of images of this size can hold."""
    packed = path.stat().st_size
    if unpacked > TOTAL_BYTES or unpacked > max(RATIO_FREE_BYTES, RATIO_LIMIT * packed):
        raise DataError(
            f"{path} has {packed:,} bytes and unpacks to {unpacked:,} or more. At most {TOTAL_BYTES:,} are read, and "
            f"beyond {RATIO_FREE_BYTES:,} at most {RATIO_LIMIT:,} times its size, as an archive may be made to fill "
            "the disk. If you trust it, unpack it yourself and name the folder."
        )


def too_many(path: Path) -> DataError:
    """The error for an archive with more entries than are listed."""
    return DataError(
        f"{path} has {ENTRY_LIMIT:,} entries or more, the limit of what is read in place. "
        "Unpack it yourself and name the folder."
    )


def refused(path: Path, name: str, what: str) -> DataError:
    """The error for a member that cannot be, or is not, read; the name is quoted, as it may hold anything."""
    shown = repr(name if len(name) <= 200 else f"{name[:200]}...")
    return DataError(
        f"{path} is not read: its member {shown} {what}. If you trust it, unpack it yourself and name the folder."
    )
