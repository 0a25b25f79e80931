"""Who opened a test split, when and with what: one line for each opening, kept for each data set on this machine.

A score on a test split means what it says only the first time; after that, choices may have been made with it.
"""

import json
import os
import time
from pathlib import Path

from foveal.data.known import data_folder
from foveal.errors import ArtifactError


def log_path(fingerprint: str) -> Path:
    """The log of one data set."""
    return data_folder() / "test-log" / f"{fingerprint}.jsonl"


def record_opening(fingerprint: str, *, command: str, run: str) -> int:
    """Write down that the test split is opened now, and return how often it has been, this time included.

    Raises ArtifactError when it cannot be written: a test split is never opened uncounted.
    """
    path = log_path(fingerprint)
    line = json.dumps({"time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), "command": command, "run": run})
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # One write in append mode is whole even when two processes open the split at once.
        handle = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        try:
            os.write(handle, f"{line}\n".encode())
            os.fsync(handle)
        finally:
            os.close(handle)
    except OSError as error:
        raise ArtifactError(
            f"the opening of the test split cannot be written to {path}: {error.strerror}. "
            "Set FOVEAL_DATA to a folder that you may write to."
        ) from error
    return count_openings(fingerprint)


def count_openings(fingerprint: str) -> int:
    """How often the test split of a data set was opened on this machine."""
    path = log_path(fingerprint)
    return len(path.read_text().splitlines()) if path.exists() else 0
