"""The files of a folder or of an archive: their names, and a function that reads one. What they mean is not known here."""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from foveal.errors import DataError

HIDDEN = (".", "__MACOSX")


class Stamp(NamedTuple):
    """What changes when a file does, without reading it; in an archive, `modified_ns` is the archive's own."""

    size: int  # bytes
    modified_ns: int


@dataclass(frozen=True)
class Tree:
    """Files by name, in sorted order. Names are relative with forward slashes: "train/cat/01.jpg".

    `read` gives the bytes of one of them and raises DataError; `origin` is the folder or the archive, for messages.
    Hidden files are left out. `empty` names the folders without a file or a folder in them.
    """

    origin: Path
    files: Mapping[str, Stamp]
    read: Callable[[str], bytes]
    empty: tuple[str, ...] = ()

    def path(self, name: str) -> str:
        """How messages call one file: with the folder or the archive that it is in."""
        return str(self.origin / name)


def open_folder(root: Path) -> Tree:
    """All files below a folder; links are followed, each folder once. Raises DataError when one cannot be listed."""
    files: dict[str, Stamp] = {}
    empty: list[str] = []
    seen: set[tuple[int, int]] = set()
    waiting = [""]
    while waiting:
        folder = waiting.pop()
        inner, found = _list(root / folder, folder, seen)
        files.update(found)
        waiting += inner
        if folder and not inner and not found:
            empty.append(folder.rstrip("/"))
    return Tree(root, dict(sorted(files.items())), reader(root), tuple(sorted(empty)))


def _list(folder: Path, prefix: str, seen: set[tuple[int, int]]) -> tuple[list[str], dict[str, Stamp]]:
    """The folders (their prefixes) and files directly in a folder, unless it was listed before under another name."""
    inner, files = [], {}
    try:
        state = folder.stat()
        if (state.st_dev, state.st_ino) in seen:  # a link back to a folder above
            return [], {}
        seen.add((state.st_dev, state.st_ino))
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.name.startswith(HIDDEN):
                    continue
                if _leads_nowhere(entry):
                    continue
                if entry.is_dir():
                    inner.append(f"{prefix}{entry.name}/")
                elif entry.is_file():  # no pipe
                    stat = entry.stat()
                    files[prefix + entry.name] = Stamp(stat.st_size, stat.st_mtime_ns)
    except OSError as error:
        raise DataError(f"cannot list the folder {folder}: {error.strerror}. Make it readable.") from error
    return inner, files


def _leads_nowhere(entry: "os.DirEntry[str]") -> bool:
    """Whether an entry is a link to nothing, or in a ring of links."""
    if not entry.is_symlink():
        return False
    try:
        entry.stat()
    except OSError:
        return True
    return False


def reader(root: Path) -> Callable[[str], bytes]:
    """The function that reads one file of a folder by its name in it."""
    start = os.fspath(root)

    def read(name: str) -> bytes:
        path = os.path.join(start, name)  # noqa: PTH118 -- a Path would cost more than the reading of a small file
        try:
            with open(path, "rb") as file:  # noqa: PTH123
                return file.read()
        except OSError as error:
            raise DataError(f"cannot read {path}: {error.strerror}. Make it readable, or remove it.") from error

    return read
