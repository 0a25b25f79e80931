"""A compressed tar unpacked into a file without a name, which is gone when it is closed, even after a kill."""

import bz2
import gzip
import io
import lzma
import tempfile
import zlib
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Literal

from foveal.data.readers.archive_members import require_modest
from foveal.errors import DataError

Packing = Literal["gzip", "bzip2", "xz"]
CHUNK_BYTES = 1 << 20
# `xz -9` asks for 65 MiB to unpack (xz(1)); a header may ask for 4 GiB.
XZ_MEMORY_BYTES = 256 << 20


def unpacked(path: Path, packing: Packing) -> io.FileIO:
    """The unpacked content of a file. Raises DataError when it is damaged, a bomb, or the disk is full."""
    with ExitStack() as opened:
        file = opened.enter_context(_nameless_file(path))
        written = 0
        for chunk in _chunks(path, packing):
            written += len(chunk)
            require_modest(path, written)
            _write(path, file, chunk)
        opened.pop_all()
    return file


def _nameless_file(path: Path) -> io.FileIO:
    try:
        file = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115 -- the caller closes it
    except OSError as error:
        raise _no_room(path, error) from error
    assert isinstance(file, io.FileIO)
    return file


def _write(path: Path, file: io.FileIO, chunk: bytes) -> None:
    rest = memoryview(chunk)
    try:
        while rest:
            rest = rest[file.write(rest) :]
    except OSError as error:
        raise _no_room(path, error) from error


def _no_room(path: Path, error: OSError) -> DataError:
    folder = tempfile.tempdir or "a temporary folder"  # none when no folder can be written to
    return DataError(
        f"cannot unpack {path} into {folder}: {error.strerror}. "
        "Make room there, set TMPDIR to another folder, or unpack it yourself and name the folder."
    )


def _chunks(path: Path, packing: Packing) -> Iterator[bytes]:
    try:
        with path.open("rb") as file:
            if packing == "xz":
                yield from _xz_chunks(file)
                return
            with gzip.open(file) if packing == "gzip" else bz2.open(file) as content:
                while chunk := content.read(CHUNK_BYTES):
                    yield chunk
    except (EOFError, OSError, zlib.error, lzma.LZMAError) as error:
        raise DataError(f"{path} is damaged or cut off: {error}. Fetch it again.") from error


def _xz_chunks(file: io.BufferedReader) -> Iterator[bytes]:
    """The content of one xz stream after the other. Unlike lzma.open, with a limit to the memory that one may ask for."""
    packed = file.read(CHUNK_BYTES)
    while packed:
        unpacker = lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=XZ_MEMORY_BYTES)
        while not unpacker.eof:
            yield unpacker.decompress(packed, CHUNK_BYTES)
            packed = file.read(CHUNK_BYTES) if unpacker.needs_input else b""
            if unpacker.needs_input and not packed:
                raise EOFError("it ends in the middle of a stream")
        packed = (unpacker.unused_data + file.read(CHUNK_BYTES)).lstrip(b"\0")  # zeros may lie between streams
