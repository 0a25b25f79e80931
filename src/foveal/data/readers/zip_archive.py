"""What a zip file lists: its members and where their bytes are. Whether they may be read is not decided here.

Source: PKWARE, "APPNOTE.TXT - .ZIP File Format Specification", sections 4.3.7 (local header) and 4.4.5 (methods).
"""

import io
import os
import stat
import struct
from collections.abc import Iterator
from pathlib import Path
from zipfile import ZIP_DEFLATED, ZIP_STORED, BadZipFile, ZipFile, ZipInfo

from foveal.data.readers.archive_members import ENTRY_LIMIT, Member, too_many
from foveal.errors import DataError

LOCAL_HEADER = struct.Struct("<4s22xHH")  # signature ... lengths of the name and of the extra field
LOCAL_SIGNATURE = b"PK\x03\x04"
DIRECTORY_SIGNATURE = b"PK\x01\x02"
DIRECTORY_BYTES = ENTRY_LIMIT << 10  # 46 bytes, a name and some extra fields for each member
ENCRYPTED = 0x1 | 0x40  # section 4.4.4, bits 0 and 6


class _Directory(io.BufferedReader):
    """What zipfile reads the list of members through, so that it is counted before it becomes objects in memory."""

    def read(self, size: int | None = -1, /) -> bytes:
        if size is not None and size > DIRECTORY_BYTES:
            raise BadZipFile(f"it takes {size:,} bytes")
        content = super().read(size)
        if content.count(DIRECTORY_SIGNATURE) >= ENTRY_LIMIT:
            raise too_many(Path(self.name))
        return content


def zip_members(path: Path, file: io.FileIO) -> Iterator[Member]:
    """Every entry of a zip in the order of their bytes. Raises DataError when it is damaged or entries overlap."""
    entries, end = _entries(path, file)
    # Many entries over the same bytes make a small file unpack to anything: D. Fifield, "A better zip bomb", 2019.
    limits = [*(min(entry.header_offset, end) for entry in entries[1:]), end]
    for entry, limit in zip(entries, limits, strict=False):
        start = _data_start(file.fileno(), entry, limit)
        if start is None or start + entry.compress_size > limit:
            raise DataError(
                f"{path} is damaged, or made to harm: its member {entry.filename!r} has no header of its own, or its "
                f"bytes reach into what follows at byte {limit:,}. Fetch it again, or unpack it yourself."
            )
        yield _member(entry, start)


def _entries(path: Path, file: io.FileIO) -> tuple[list[ZipInfo], int]:
    """The list at the end of the file, sorted by where each entry begins, and where the list itself does."""
    reader = _Directory(file)
    try:
        archive = ZipFile(reader)
        return sorted(archive.infolist(), key=lambda entry: entry.header_offset), archive.start_dir
    except DataError:
        raise
    except Exception as error:  # zipfile raises anything from BadZipFile to struct.error and UnicodeDecodeError
        raise DataError(
            f"{path} is damaged or cut off: the list of its members, at its end, cannot be read ({error}). "
            "Fetch it again."
        ) from error
    finally:
        reader.detach()  # or its end would close the file


def _data_start(descriptor: int, entry: ZipInfo, limit: int) -> int | None:
    """Where the bytes of an entry begin, None when it has no header before `limit`."""
    if not 0 <= entry.header_offset <= limit - LOCAL_HEADER.size:
        return None
    header = os.pread(descriptor, LOCAL_HEADER.size, entry.header_offset)
    if len(header) < LOCAL_HEADER.size:
        return None
    signature, name_bytes, extra_bytes = LOCAL_HEADER.unpack(header)
    if signature != LOCAL_SIGNATURE:
        return None
    return int(entry.header_offset + LOCAL_HEADER.size + name_bytes + extra_bytes)


def _member(entry: ZipInfo, start: int) -> Member:
    name = entry.orig_filename.replace("\\", "/")  # section 4.4.17.1 asks for slashes; some writers on Windows do not
    is_deflated = entry.compress_type == ZIP_DEFLATED
    return Member(
        name,
        entry.file_size,
        start,
        # Of stored bytes one more than promised is enough to see that the promise is wrong.
        entry.compress_size if is_deflated else min(entry.compress_size, entry.file_size + 1),
        is_folder=name.endswith("/"),
        is_deflated=is_deflated,
        crc=entry.CRC,
        refusal=_refusal(entry),
    )


def _refusal(entry: ZipInfo) -> str:
    kind = stat.S_IFMT(entry.external_attr >> 16)
    if kind == stat.S_IFLNK:
        return "is a symbolic link"
    if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
        return f"is no file but a device or a pipe (mode {kind:o})"
    if entry.flag_bits & ENCRYPTED:
        return "is encrypted"
    if entry.compress_type not in (ZIP_STORED, ZIP_DEFLATED):
        return f"is packed by zip's method {entry.compress_type}; 0 (stored) and 8 (deflated) are read"
    return ""
