"""The part of a file that came so far: a file beside the target that one process has at a time, and whose bytes it holds."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from io import BufferedRandom
from pathlib import Path
from typing import NamedTuple


class Origin(NamedTuple):
    """The answer that a part is from: its address, its ETag or date, and the bytes that the file has in all."""

    url: str
    validator: str | None
    total: int


@dataclass
class Part:
    """A file that is not whole yet, open and locked. Its origin lies beside it and is there before its first byte."""

    path: Path
    file: BufferedRandom

    @property
    def length(self) -> int:
        """The bytes that came."""
        return os.fstat(self.file.fileno()).st_size

    @property
    def _origin_path(self) -> Path:
        return self.path.with_name(f"{self.path.name}.json")

    def origin(self) -> Origin | None:
        """Where the bytes are from; None when there are none, or nothing that can be believed is known of them."""
        try:
            found = Origin(**json.loads(self._origin_path.read_bytes()))
        except (OSError, ValueError, TypeError, RecursionError):
            return None
        is_sound = type(found.total) is int and 0 < self.length <= found.total and type(found.url) is str
        return found if is_sound and (found.validator is None or _is_header(found.validator)) else None

    def begin(self, origin: Origin) -> None:
        """Forget what came, and start with another answer."""
        self.clear()
        self._origin_path.write_text(json.dumps(origin._asdict()), encoding="utf-8")

    def append(self, chunk: bytes) -> None:
        """Add the bytes that came next; a process that is killed afterwards leaves them."""
        self.file.write(chunk)
        self.file.flush()

    def clear(self) -> None:
        """Forget what came."""
        self.file.truncate(0)
        self._origin_path.unlink(missing_ok=True)

    def move(self, target: Path) -> None:
        """Give the file its own name, once its bytes are on the disk."""
        os.fsync(self.file.fileno())
        self.path.replace(target)
        self._origin_path.unlink(missing_ok=True)


@contextmanager
def own_part(target: Path) -> Iterator[Part]:
    """The part of a target, once no other process or thread has it; taken away again when nothing came."""
    path = target.with_name(f".{target.name}.part")
    with _open_locked(path) as file:
        part = Part(path, file)
        try:
            yield part
        finally:
            if part.length == 0:
                path.unlink(missing_ok=True)


def _open_locked(path: Path) -> BufferedRandom:
    """The file at `path`, locked until it is closed. A lock ends with its process, so that none is ever stale."""
    import fcntl  # here, as Windows has none: all but downloads works without

    while True:
        file = path.open("a+b")
        with suppress(OSError):  # some file systems of clusters have no locks; the checksum tells what went wrong
            fcntl.flock(file, fcntl.LOCK_EX)
        with suppress(FileNotFoundError):  # the process that had it gave it its own name, or took it away
            if os.path.samestat(os.fstat(file.fileno()), path.stat()):
                return file
        file.close()


def _is_header(value: object) -> bool:
    return isinstance(value, str) and value.isascii() and value.isprintable()
