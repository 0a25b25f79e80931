"""One training at a time in a run folder. The system frees the lock when its process ends, however it ends."""

import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from foveal.errors import ArtifactError
from foveal.storage import read_json, write_json

LOCK, HOLDER = "lock", "lock.json"
PATIENCE = (
    0.2  # seconds: `holder` takes a free lock for a moment, which must not refuse a training that begins just then
)


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold the lock of a run folder. Raises ArtifactError at once (PATIENCE), naming the process that holds it."""
    lock = FileLock(folder / LOCK)
    try:
        lock.acquire(timeout=PATIENCE, poll_interval=PATIENCE / 10)
    except Timeout:
        raise ArtifactError(
            f"the run {folder} is in use by {_holder(folder)}. Wait until it is done, stop it, or name another folder."
        ) from None
    try:
        write_json(folder / HOLDER, _this_process())
        yield
    finally:
        with suppress(OSError):
            (folder / HOLDER).unlink()
        lock.release()


def holder(folder: Path) -> str | None:
    """The process that holds the lock of a run folder, in words; None where nobody does."""
    if not (folder / HOLDER).exists():  # written as soon as the lock is held; it stays where its process was killed
        return None
    lock = FileLock(folder / LOCK)
    try:
        lock.acquire(blocking=False)
    except (Timeout, OSError):  # OSError: a folder that is not ours to write to, so that only its file can tell
        return _holder(folder)
    lock.release()
    return None


def _this_process() -> dict[str, Any]:
    since = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime())
    return {"process": os.getpid(), "computer": socket.gethostname(), "since": since}


def _holder(folder: Path) -> str:
    try:
        holder = read_json(folder / HOLDER)
        return f"process {holder['process']} on {holder['computer']} since {holder['since']}"
    except (ArtifactError, KeyError, TypeError):  # it has only begun
        return "another process"
