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

import numpy as np
from jaxtyping import Int64
from numpy import ndarray

from foveal.data.decode import image_header
from foveal.data.images import Files, ImageSet, array_ids, digest
from foveal.data.known import data_folder
from foveal.errors import ArtifactError, DataError
from foveal.storage import write_atomic

FORMAT = 1
SETTLED_NS = 2_000_000_000
LARGE = 1 << 16  # bytes
NO_HEADER = (0, 0, 0)


@dataclass(frozen=True)
class Facts:
    """Of each image: the id of its content, and (height, width, is grey) before any resizing, zeros when unreadable."""

    ids: tuple[str, ...]
    headers: Int64[ndarray, "N 3"]

    def take(self, indices: Int64[ndarray, " M"]) -> "Facts":
        """The facts of these images only."""
        return Facts(tuple(self.ids[i] for i in indices.tolist()), self.headers[indices])


def facts_of(images: ImageSet) -> Facts:
    """The facts of a set's images; files are read only where they changed since they were last asked for."""
    if isinstance(images.images, Files):
        return _facts_of_files(images.images).take(images.numbers)
    _, height, width, channels = images.images.shape
    headers = np.tile(np.array([height, width, channels == 1], dtype=np.int64), (len(images), 1))
    return Facts(array_ids(images.images, images.numbers), headers)


def index_path(files: Files) -> Path:
    """Where the facts of one folder, archive or part of it are kept."""
    where = f"{files.tree.origin.resolve()}\0{files.names[0] if files.names else ''}"
    return data_folder() / "cache" / "index" / f"{hashlib.sha256(os.fsencode(where)).hexdigest()[:24]}.npz"


def _facts_of_files(files: Files) -> Facts:
    path = index_path(files)
    stamps = np.array([files.tree.files[name] for name in files.names], dtype=np.int64).reshape(-1, 2)
    known = _load(path)
    is_known, ids, headers = _recall(known, files.names, stamps)
    missing = np.flatnonzero(~is_known)
    if len(missing):
        begin = time.time_ns()
        # Small files are read and hashed in less time than two threads need to take turns: 33 us each, not 71.
        is_large = float(stamps[missing, 0].mean()) > LARGE
        with ThreadPoolExecutor((os.cpu_count() or 1) if is_large else 1) as pool:
            read = pool.map(lambda i: _look(files, i), missing.tolist())
            for i, (content_id, header) in zip(missing.tolist(), read, strict=True):
                ids[i], headers[i] = content_id, header
        is_settled = (stamps[:, 1] < begin - SETTLED_NS) & (headers[:, 0] > 0)
        settled = np.where(is_settled[:, None], stamps, -1)
        with suppress(ArtifactError):  # a full disk or a read-only cache costs time, not the result
            _save(path, files.names, settled, ids, headers)
    return Facts(tuple(ids), headers)


def _look(files: Files, index: int) -> tuple[str, tuple[int, int, int]]:
    name = files.names[index]
    try:
        content = files.read(index)
    except DataError:  # the reason is said when it is decoded
        return digest(f"unreadable: {name}".encode(errors="surrogateescape")), NO_HEADER
    header = image_header(content)
    return digest(content), NO_HEADER if header is None else (header[0], header[1], int(header[2]))


Known = tuple[tuple[str, ...], ndarray, list[str], ndarray]


def _recall(known: Known | None, names: tuple[str, ...], stamps: ndarray) -> tuple[ndarray, list[str], ndarray]:
    """Which of the files are known as they are now, with what is known of them."""
    ids, headers = [""] * len(names), np.zeros((len(names), 3), dtype=np.int64)
    if known is None:
        return np.zeros(len(names), dtype=bool), ids, headers
    known_names, known_stamps, known_ids, known_headers = known
    if known_names == names:
        return (known_stamps == stamps).all(axis=1), list(known_ids), known_headers.copy()
    row = {name: number for number, name in enumerate(known_names)}
    where = np.array([row.get(name, -1) for name in names], dtype=np.int64)
    is_known = (where >= 0) & (known_stamps[where] == stamps).all(axis=1)
    for i in np.flatnonzero(is_known).tolist():
        ids[i], headers[i] = known_ids[where[i]], known_headers[where[i]]
    return is_known, ids, headers


def _load(path: Path) -> Known | None:
    """What `_save` kept; None when there is nothing, or it is damaged: then everything is read again."""
    try:
        with np.load(path) as kept:
            if int(kept["format"]) != FORMAT:
                return None
            names = tuple(kept["names"].tobytes().decode(errors="surrogateescape").split("\0"))
            ids = kept["ids"].tobytes().hex()
            known = (names, kept["stamps"], [ids[i : i + 16] for i in range(0, len(ids), 16)], kept["headers"])
    except Exception:  # NumPy and zipfile raise anything from OSError to struct.error
        return None
    shapes = (known[1].shape, (len(known[2]),), known[3].shape)
    return known if shapes == ((len(names), 2), (len(names),), (len(names), 3)) else None


def _save(path: Path, names: tuple[str, ...], stamps: ndarray, ids: list[str], headers: ndarray) -> None:
    content = BytesIO()
    np.savez(
        content,
        format=np.array(FORMAT),
        names=np.frombuffer("\0".join(names).encode(errors="surrogateescape"), dtype=np.uint8),
        stamps=stamps,
        ids=np.frombuffer(bytes.fromhex("".join(ids)), dtype=np.uint8),
        headers=headers,
    )
    with suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
    write_atomic(path, content.getvalue())
