"""A computer whose power fails at the N-th write, flush or rename, and what its disk may hold when it starts again.

Until a file is flushed, what was written since the last time may be lost; until a folder is flushed, a rename in it may not
have happened. After the cut nothing more reaches the disk: what a program does in its `finally` did not happen.
"""

import io
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest


class PowerCut(BaseException):
    """The power is gone."""


class Disk:
    """Counts what is written below `root`; at number `fatal` the power fails. `loses_renames` says which disk it is."""

    def __init__(self, root: Path, fatal: int, loses_renames: bool) -> None:
        self.root, self.fatal, self.loses_renames = root, fatal, loses_renames
        self.count = 0
        self.is_dead = False
        self.unflushed: set[Path] = set()
        self.flushed: dict[Path, int] = {}  # bytes of each file that are safe
        self.renames: list[tuple[Path, Path, Path | None]] = []  # from, to, what stood there before
        self.attic = Path(tempfile.mkdtemp(prefix="foveal-attic-"))

    def concerns(self, path: Any) -> bool:
        return Path(os.fsdecode(path)).absolute().is_relative_to(self.root)

    def step(self) -> None:
        """One thing that reaches the disk, or the end."""
        if self.is_dead:
            raise PowerCut
        self.count += 1
        if self.count == self.fatal:
            self.is_dead = True
            raise PowerCut

    def restart(self) -> None:
        """The worst that such a cut may leave."""
        if self.loses_renames:
            for source, target, before in reversed(self.renames):
                if target.exists():
                    target.rename(source)
                if before is not None:
                    before.rename(target)
        for path in self.unflushed:
            with suppress(OSError):
                safe = min(self.flushed.get(path, 0), path.stat().st_size)
                os.truncate(path, safe + (path.stat().st_size - safe) // 2)


@contextmanager
def power_cut(root: Path, fatal: int, *, loses_renames: bool = False) -> Iterator[Disk]:
    """Run what is inside until the power fails, then leave the disk as it may be found; `fatal` 0 only counts."""
    disk = Disk(root, fatal, loses_renames)
    with pytest.MonkeyPatch.context() as patch:
        _watch(patch, disk)
        with suppress(PowerCut):
            yield disk
    if disk.is_dead:
        disk.restart()
    shutil.rmtree(disk.attic, ignore_errors=True)


def _watch(patch: pytest.MonkeyPatch, disk: Disk) -> None:
    fsync, replace, rename, fdopen, unlink, rmdir, opened = (
        os.fsync,
        os.replace,
        os.rename,
        os.fdopen,
        os.unlink,
        os.rmdir,
        io.open,
    )

    def watched_fsync(handle: int) -> None:
        path = Path(f"/proc/self/fd/{handle}").readlink()
        if disk.concerns(path):
            disk.step()
            disk.unflushed.discard(path)
            disk.flushed[path] = path.stat().st_size
            if path.is_dir():  # the names in it are safe now
                disk.renames = [each for each in disk.renames if each[1].parent != path]
        fsync(handle)

    def watched_move(move: Any) -> Any:
        def moved(source: Any, target: Any, **said: Any) -> None:
            if not disk.concerns(target):
                move(source, target, **said)
                return
            disk.step()
            before = None
            if Path(target).is_file():
                before = disk.attic / str(len(disk.renames))
                shutil.copy(target, before)
            move(source, target, **said)
            disk.renames.append((Path(source).absolute(), Path(target).absolute(), before))
            if Path(target).is_file():
                disk.flushed[Path(target).absolute()] = disk.flushed.pop(Path(source).absolute(), 0)
            disk.unflushed = {
                Path(target).absolute() / each.relative_to(source) if each.is_relative_to(source) else each
                for each in disk.unflushed
            }

        return moved

    def watched_removal(remove: Any) -> Any:
        def removed(path: Any, **said: Any) -> None:
            if "dir_fd" not in said and disk.concerns(path) and disk.is_dead:
                raise PowerCut
            if disk.is_dead and "dir_fd" in said:
                raise PowerCut
            remove(path, **said)

        return removed

    def watched_fdopen(handle: int, *arguments: Any, **said: Any) -> Any:
        path = Path(f"/proc/self/fd/{handle}").readlink()
        return (
            _Watched(fdopen(handle, *arguments, **said), disk, path)
            if disk.concerns(path)
            else fdopen(handle, *arguments, **said)
        )

    def watched_open(file: Any, mode: str = "r", *arguments: Any, **said: Any) -> Any:
        found = opened(file, mode, *arguments, **said)
        is_written = isinstance(file, str | os.PathLike) and set(mode) & set("wax+") and disk.concerns(file)
        return _Watched(found, disk, Path(os.fsdecode(file)).absolute()) if is_written else found

    patch.setattr(os, "fsync", watched_fsync)
    patch.setattr(os, "replace", watched_move(replace))
    patch.setattr(os, "rename", watched_move(rename))
    patch.setattr(os, "unlink", watched_removal(unlink))
    patch.setattr(os, "rmdir", watched_removal(rmdir))
    patch.setattr(os, "fdopen", watched_fdopen)
    patch.setattr(io, "open", watched_open)


class _Watched:
    """A file whose writes are counted; the one at which the power fails is written by half."""

    def __init__(self, file: Any, disk: Disk, path: Path) -> None:
        self.file, self.disk, self.path = file, disk, path

    def write(self, content: Any) -> Any:
        self.disk.unflushed.add(self.path)
        try:
            self.disk.step()
        except PowerCut:
            self.file.write(content[: len(content) // 2])
            self.file.flush()
            raise
        return self.file.write(content)

    def writelines(self, lines: Any) -> None:
        for line in lines:
            self.write(line)

    def __enter__(self) -> "_Watched":
        self.file.__enter__()
        return self

    def __exit__(self, *reason: Any) -> Any:
        return self.file.__exit__(*reason)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.file, name)
