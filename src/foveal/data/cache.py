"""Decoded images on disk: one raw file of uint8 pixels for each set of images and each way to decode them.

An entry is a folder, written under a temporary name and moved into place, so that it is there whole or not at all; of
two runs that make the same one, the first to finish gives it. It is found by what it was made from (the content ids of the
images and how they are decoded), so that it can be out of date for nobody.
"""

import hashlib
import json
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from math import prod
from pathlib import Path

import numpy as np
from jaxtyping import Int64, UInt8
from numpy import ndarray

from foveal.data.known import data_folder
from foveal.errors import DataError, closest

FORMAT = 1
PIXELS, ENTRY, IDS, KEPT = "pixels.u8", "entry.json", "ids.npy", "kept.npy"
ABANDONED = 3600  # seconds: what nobody has written to for so long is being written by nobody


@dataclass(frozen=True)
class Cached:
    """Decoded images as they lie on disk. `pixels` is mapped; `kept` are the places of the readable ones among all."""

    pixels: UInt8[ndarray, "M H W C"]
    kept: Int64[ndarray, " M"]
    ids: tuple[str, ...]  # of the pixels
    refused: tuple[str, ...]


def cache_folder() -> Path:
    """The folder of all entries."""
    return data_folder() / "cache" / "pixels"


def cache_key(ids: Sequence[str], how: str) -> str:
    """What an entry is found by: the content ids of the images, in order, and `how` they are decoded."""
    return hashlib.sha256("\n".join((str(FORMAT), how, *ids)).encode(errors="surrogateescape")).hexdigest()[:24]


def open_entry(key: str) -> Cached | None:
    """The entry of this key; None when there is none, or when what is there is not whole."""
    return _open(cache_folder() / key)


def _open(folder: Path) -> Cached | None:
    try:
        facts = json.loads((folder / ENTRY).read_text(encoding="utf-8"))
        shape = tuple(int(side) for side in facts["shape"])
        if facts["format"] != FORMAT or len(shape) != 4 or (folder / PIXELS).stat().st_size != prod(shape):
            return None
        kept, ids = np.load(folder / KEPT), np.load(folder / IDS)
        # Read-only: of a private mapping that may be written, the system would want all of it as memory.
        pixels = (
            np.memmap(folder / PIXELS, dtype=np.uint8, mode="r", shape=shape) if shape[0] else np.zeros(shape, np.uint8)
        )
        refused = tuple(str(reason) for reason in facts["refused"])
    except (OSError, EOFError, ValueError, KeyError, TypeError):
        return None
    text = ids.tobytes().hex()
    names = tuple(text[i : i + 16] for i in range(0, len(text), 16))
    is_whole = kept.shape == (shape[0],) and kept.dtype == np.int64 and len(names) == shape[0]
    with suppress(OSError):
        os.utime(folder)  # when it was last used, for `foveal data cache`
    return Cached(pixels, kept, names, refused) if is_whole else None


@contextmanager
def new_entry(key: str, name: str) -> Iterator["Draft"]:
    """A place to write an entry to; it gets its own name when all is well, and disappears when not. Raises OSError."""
    cache_folder().mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix=f".{key}.", dir=cache_folder()))
    try:
        folder.chmod(0o755)
        with (folder / PIXELS).open("wb") as file:
            yield Draft(folder, name, file.write)
        for file_path in folder.iterdir():
            with file_path.open("rb") as written:
                os.fsync(written.fileno())
        _move(folder, cache_folder() / key)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _move(folder: Path, place: Path) -> None:
    if place.exists() and _open(place) is None:  # damaged: in the way of a whole one
        shutil.rmtree(place, ignore_errors=True)
    try:
        folder.rename(place)
    except OSError:
        if not place.exists():  # else another run was faster, with the same pixels
            raise


@dataclass(frozen=True)
class Draft:
    """An entry that is being written: pixels first, in order, then what is known of them."""

    folder: Path
    name: str
    write: Callable[[bytes], int]

    def finish(
        self, shape: tuple[int, ...], kept: Int64[ndarray, " M"], ids: Sequence[str], refused: Sequence[str]
    ) -> None:
        """Write what the pixels are: their shape (M, H, W, C), places, ids, and the reasons of those left out."""
        np.save(self.folder / KEPT, kept)
        np.save(self.folder / IDS, np.frombuffer(bytes.fromhex("".join(ids)), dtype=np.uint8))
        facts = {"format": FORMAT, "data": self.name, "shape": list(shape), "refused": list(refused)}
        (self.folder / ENTRY).write_text(json.dumps(facts), encoding="utf-8")


@dataclass(frozen=True)
class Entry:
    """One line of `foveal data cache`."""

    key: str
    data: str
    images: int
    size: str
    bytes: int
    used: float  # seconds since the epoch


def list_entries() -> list[Entry]:
    """All entries, the one used last first; what is damaged or half-written is listed as that."""
    folders = [folder for folder in cache_folder().glob("*") if folder.is_dir()] if cache_folder().is_dir() else []
    entries = []
    for folder in folders:
        with suppress(OSError):  # it was finished or removed just now
            entries.append(_describe(folder))
    return sorted(entries, key=lambda entry: -entry.used)


def _describe(folder: Path) -> Entry:
    files = [file.stat() for file in folder.iterdir()]
    size = sum(file.st_size for file in files)
    used = max(stat.st_mtime for stat in (folder.stat(), *files))
    try:
        facts = json.loads((folder / ENTRY).read_text(encoding="utf-8"))
        count, height, width, channels = facts["shape"]
        return Entry(folder.name, str(facts["data"]), count, f"{height}x{width}x{channels}", size, used)
    except (OSError, ValueError, KeyError, TypeError):
        return Entry(folder.name, "(half-written or damaged)", 0, "", size, used)


def require_keys(keys: Sequence[str]) -> None:
    """Raise DataError unless each of these is the key of an entry."""
    known = [entry.key for entry in list_entries()]
    for key in keys:
        if key not in known:
            raise DataError(f"the cache has no entry {key!r}. {closest(key, known) if known else 'It is empty.'}")


def clear_entries(keys: Sequence[str] | None = None) -> int:
    """Remove these entries, or all of them with the index of files; returns the bytes freed.

    What another process is writing at this moment stays. A training that is using an entry keeps it until it ends.
    """
    is_written = {entry.key for entry in list_entries() if entry.key[0] == "." and time.time() - entry.used < ABANDONED}
    entries = [entry for entry in list_entries() if entry.key not in is_written and (keys is None or entry.key in keys)]
    for entry in entries:
        shutil.rmtree(cache_folder() / entry.key, ignore_errors=True)
    if keys is None:
        shutil.rmtree(cache_folder().parent / "index", ignore_errors=True)
    return sum(entry.bytes for entry in entries)
