"""What is known of files without decoding them: content ids and headers, remembered by the files' sizes and times.

A file whose size and time are as they were is not read again, as in git and rsync. A file that changed less than two
seconds before it was read is not remembered: file systems with coarse clocks would hide a later change.
"""

import hashlib
import os
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Int64, Shaped
from numpy import ndarray

from foveal.data.decode import Header, image_header
from foveal.data.images import Files, ImageSet, array_ids, digest
from foveal.data.known import data_folder
from foveal.errors import ArtifactError, DataError
from foveal.storage import write_atomic

FORMAT = 2
SETTLED_NS = 2_000_000_000
LARGE = 1 << 16  # bytes
KIND = "U8"  # of the formats that are opened, and of Pillow's modes ("I;16B"), none is longer
NO_HEADER = Header(0, 0, False, "", "")


@dataclass(frozen=True)
class Facts:
    """Of each image: the id of its content, and what its header says before any resizing.

    `headers` are (height, width, is grey), zeros when unreadable; `kinds` are (format, mode) as Pillow says them, "" when
    unreadable. An image of an array has no format.
    """

    ids: tuple[str, ...]
    headers: Int64[ndarray, "N 3"]
    kinds: Shaped[ndarray, "N 2"]

    def take(self, indices: Int64[ndarray, " M"]) -> "Facts":
        """The facts of these images only."""
        return Facts(tuple(self.ids[i] for i in indices.tolist()), self.headers[indices], self.kinds[indices])


def facts_of(images: ImageSet) -> Facts:
    """The facts of a set's images; files are read only where they changed since they were last asked for."""
    if isinstance(images.images, Files):
        return _facts_of_files(images.images).take(images.numbers)
    _, height, width, channels = images.images.shape
    headers = np.tile(np.array([height, width, channels == 1], dtype=np.int64), (len(images), 1))
    kinds = np.tile(np.array(["", "L" if channels == 1 else "RGB"]), (len(images), 1))
    known = images.content_ids
    ids = (
        array_ids(images.images, images.numbers) if known is None else tuple(known[i] for i in images.numbers.tolist())
    )
    return Facts(ids, headers, kinds)


def index_path(files: Files) -> Path:
    """Where the facts of one folder, archive or part of it are kept."""
    where = f"{files.tree.origin.resolve()}\0{files.names[0] if files.names else ''}"
    return data_folder() / "cache" / "index" / f"{hashlib.sha256(os.fsencode(where)).hexdigest()[:24]}.npz"


class Known(NamedTuple):
    """The facts of files, with the stamps that the files had (-1 where they may have changed since)."""

    names: tuple[str, ...]
    stamps: ndarray
    ids: list[str]
    headers: ndarray
    kinds: ndarray


def _facts_of_files(files: Files) -> Facts:
    path = index_path(files)
    stamps = np.array([files.stamp(name) for name in files.names], dtype=np.int64).reshape(-1, 2)
    is_known, now = _recall(_load(path), files.names, stamps)
    missing = np.flatnonzero(~is_known)
    if len(missing):
        begin = time.time_ns()
        # Small files are read and hashed in less time than two threads need to take turns: 33 us each, not 71.
        is_large = float(stamps[missing, 0].mean()) > LARGE
        with ThreadPoolExecutor((os.cpu_count() or 1) if is_large else 1) as pool:
            read = pool.map(lambda i: _look(files, i), missing.tolist())
            for i, (content_id, header) in zip(missing.tolist(), read, strict=True):
                now.ids[i], now.headers[i], now.kinds[i] = content_id, header[:3], header[3:]
        is_settled = (stamps[:, 1] < begin - SETTLED_NS) & (now.headers[:, 0] > 0)
        with suppress(ArtifactError):  # a full disk or a read-only cache costs time, not the result
            _save(path, now._replace(stamps=np.where(is_settled[:, None], stamps, -1)))
    return Facts(tuple(now.ids), now.headers, now.kinds)


def _look(files: Files, index: int) -> tuple[str, Header]:
    name = files.names[index]
    try:
        content = files.read(index)
    except DataError:  # the reason is said when it is decoded
        return digest(f"unreadable: {name}".encode(errors="surrogateescape")), NO_HEADER
    return digest(content), image_header(content) or NO_HEADER


def _recall(known: Known | None, names: tuple[str, ...], stamps: ndarray) -> tuple[ndarray, Known]:
    """Which of the files are known as they are now, and what is known of them; of the others, nothing yet."""
    n = len(names)
    now = Known(names, stamps, [""] * n, np.zeros((n, 3), dtype=np.int64), np.zeros((n, 2), dtype=KIND))
    if known is None:
        return np.zeros(n, dtype=bool), now
    if known.names == names:
        return (known.stamps == stamps).all(axis=1), known._replace(stamps=stamps)
    row = {name: number for number, name in enumerate(known.names)}
    where = np.array([row.get(name, -1) for name in names], dtype=np.int64)
    is_known = (where >= 0) & (known.stamps[where] == stamps).all(axis=1)
    for i in np.flatnonzero(is_known).tolist():
        now.ids[i], now.headers[i], now.kinds[i] = (each[where[i]] for each in known[2:])
    return is_known, now


def _load(path: Path) -> Known | None:
    """What `_save` kept; None when there is nothing, or it is damaged: then everything is read again."""
    try:
        with np.load(path) as kept:
            if int(kept["format"]) != FORMAT:
                return None
            names = tuple(kept["names"].tobytes().decode(errors="surrogateescape").split("\0"))
            ids = kept["ids"].tobytes().hex()
            ids_of_files = [ids[i : i + 16] for i in range(0, len(ids), 16)]
            known = Known(names, kept["stamps"], ids_of_files, kept["headers"], kept["kinds"].astype(KIND))
    except Exception:  # NumPy and zipfile raise anything from OSError to struct.error
        return None
    n = len(names)
    shapes = (known.stamps.shape, len(known.ids), known.headers.shape, known.kinds.shape)
    return known if shapes == ((n, 2), n, (n, 3), (n, 2)) else None


def _save(path: Path, known: Known) -> None:
    content = BytesIO()
    np.savez(
        content,
        format=np.array(FORMAT),
        names=np.frombuffer("\0".join(known.names).encode(errors="surrogateescape"), dtype=np.uint8),
        stamps=known.stamps,
        ids=np.frombuffer(bytes.fromhex("".join(known.ids)), dtype=np.uint8),
        headers=known.headers,
        kinds=known.kinds.astype(np.bytes_),  # a quarter of the size of text
    )
    with suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
    write_atomic(path, content.getvalue())
