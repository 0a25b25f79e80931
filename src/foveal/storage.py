"""Files and folders that are there whole or not at all, also after a power cut. No torch, no NumPy here.

Everything is written under a temporary name in the same folder, flushed to disk and moved into place, and then the folder
itself is flushed: a reader finds the old file or the new one, and never half of either.
"""

import errno
import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO

from foveal.errors import ArtifactError


def write_atomic(path: Path, content: bytes) -> None:
    """Write a file so that it is there whole or not at all; ArtifactError says why the system refused."""
    with new_file(path) as file:
        file.write(content)


@contextmanager
def new_file(path: Path) -> Iterator[BinaryIO]:
    """A file to write into piece by piece: at its end it is at `path`, whole, and nothing is where it failed.

    ArtifactError says why the system refused.
    """
    temporary: str | None = None
    try:
        if is_stream(path):
            with path.open("wb") as pipe:
                yield pipe
            return
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        with _flushed(handle) as file:
            yield file
        Path(temporary).chmod(0o644)
        Path(temporary).replace(path)
        _flush_names(path.parent)
    except OSError as error:
        raise cannot_write(path, error) from error
    finally:  # after Ctrl-C too
        if temporary is not None:
            Path(temporary).unlink(missing_ok=True)


def is_stream(path: Path) -> bool:
    """Whether something is written to rather than replaced: a pipe or a device, as /dev/stdout is."""
    return path.is_fifo() or path.is_char_device()


def write_folder(folder: Path, contents: Mapping[str, bytes]) -> None:
    """Write a new folder of files so that all of them are there or none; ArtifactError says why the system refused."""
    temporary: str | None = None
    try:
        temporary = tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}.")
        for name, content in contents.items():
            path = Path(temporary) / name
            with _flushed(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)) as file:
                file.write(content)
        _flush_names(Path(temporary))
        Path(temporary).chmod(0o755)
        Path(temporary).rename(folder)
        _flush_names(folder.parent)
    except OSError as error:
        raise cannot_write(folder, error) from error
    finally:
        if temporary is not None:
            shutil.rmtree(temporary, ignore_errors=True)


@contextmanager
def _flushed(handle: int) -> Iterator[BinaryIO]:
    with os.fdopen(handle, "wb") as file:
        yield file
        file.flush()
        os.fsync(file.fileno())


def _flush_names(folder: Path) -> None:
    """Make the names in a folder durable; some systems cannot open a folder, and flush names by themselves."""
    if os.name == "nt":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def remove_folder(folder: Path) -> None:
    """Remove a folder so that it is never found half empty: it gets a hidden name first."""
    with suppress(OSError):
        hidden = folder.with_name(f".{folder.name}.removed")
        shutil.rmtree(hidden, ignore_errors=True)
        folder.rename(hidden)
        shutil.rmtree(hidden, ignore_errors=True)


def write_json(path: Path, value: Any) -> None:
    """Write a value as indented JSON, atomically."""
    write_atomic(path, (json.dumps(value, indent=1, allow_nan=False) + "\n").encode())


def read_json(path: Path) -> Any:
    """The value in a JSON file; ArtifactError when it is missing or damaged."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ArtifactError(f"cannot read {path}: {error.strerror}. Is {path.parent} the folder you meant?") from error
    except ValueError as error:
        raise ArtifactError(f"{path} is not valid JSON: {error}. The file is damaged; train again.") from error


def cannot_write(path: Path, error: OSError) -> ArtifactError:
    """The error for a refused write, with what to do about this reason."""
    advice = {
        errno.ENOSPC: "Free some space on that disk, or choose a folder on another.",
        errno.EACCES: "Choose a folder you may write to.",
        errno.EROFS: "Choose a folder that is not read-only.",
    }.get(error.errno or 0, "Choose another place.")
    return ArtifactError(f"cannot write {path}: {error.strerror}. {advice}")
