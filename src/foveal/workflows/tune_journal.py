"""A journal of JSON lines that several processes append to, and that is whole after any of them was killed. No Optuna here.

Its two methods are what Optuna asks of a journal's backend. Optuna's own file backend leaves a lock behind where a process is
killed, and cannot read on once a line was torn.
"""

import json
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, BinaryIO

from filelock import FileLock

from foveal.errors import ArtifactError
from foveal.storage import cannot_write


class Journal:
    """Records in a file, one a line. The lock is freed by the system when the process that holds it ends, however it ends."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._read = (0, 0)  # records, and bytes, read so far

    def read_logs(self, log_number_from: int) -> Iterator[dict[str, Any]]:
        """The records from this number on. A last line that has no end yet is left out; a damaged one is an ArtifactError."""
        if not self._path.exists():
            return
        number, offset = self._read if self._read[0] <= log_number_from else (0, 0)
        with self._path.open("rb") as file:
            file.seek(offset)
            lines = [line for line in file.readlines() if line.endswith(b"\n")]
        for line in lines:
            try:
                record = json.loads(line)
            except ValueError as error:
                raise ArtifactError(
                    f"line {number + 1} of {self._path} is damaged: {error}. Bring the file back, or begin a new tuning."
                ) from error
            number, offset = number + 1, offset + len(line)
            self._read = (number, offset)
            if number > log_number_from:
                yield record

    def append_logs(self, logs: Sequence[dict[str, Any]]) -> None:
        """Add records, flushed to disk. Raises ArtifactError where the system refuses; nothing is added then."""
        lines = "".join(json.dumps(record, separators=(",", ":")) + "\n" for record in logs).encode()
        try:
            with (
                FileLock(f"{self._path}.lock"),
                os.fdopen(os.open(self._path, os.O_RDWR | os.O_CREAT, 0o644), "r+b") as file,
            ):
                end = _end_of_whole_lines(file)
                file.truncate(end)  # what a process that was killed, or a disk that was full, left of a line
                file.seek(end)
                file.write(lines)
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise cannot_write(self._path, error) from error


def _end_of_whole_lines(file: BinaryIO) -> int:
    size = file.seek(0, os.SEEK_END)
    if size == 0:
        return 0
    file.seek(size - 1)
    if file.read(1) == b"\n":
        return size
    file.seek(0)
    return file.read().rfind(b"\n") + 1
