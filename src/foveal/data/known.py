"""The data sets that foveal knows by name: where they may be, and how they get there whole and right."""

import logging
import os
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from platformdirs import user_cache_path

from foveal.data.catalog import DATASETS, KnownFile
from foveal.data.fetch.checksums import RECORD, checksum_of, mismatch, record, recorded
from foveal.data.fetch.download import download
from foveal.errors import DataError, closest

__all__ = ["DATASETS", "data_folder", "fetch", "found_at", "locate"]

LOG = logging.getLogger("foveal")
Show = Callable[[str, int, int], None]  # the name of a file, its bytes that are here, and those in all


def data_folder() -> Path:
    """Where foveal keeps data and the log of opened test splits: $FOVEAL_DATA, else the platform's cache folder."""
    chosen = os.environ.get("FOVEAL_DATA")
    return Path(chosen) if chosen else user_cache_path("foveal")


def found_at(name: str) -> Path | None:
    """The folder that holds all files of a known data set, None when it is nowhere on this machine."""
    known = DATASETS[name]
    for folder in (*known.places, data_folder() / known.subfolder):
        if all((folder / file.name).is_file() for file in known.files):
            return folder
    return None


def locate(name: str) -> Path:
    """The folder of a known data set, fetched first when it is nowhere, after its checksums agree. Raises DataError.

    Files whose content has a checksum are left to their reader, which unpacks them anyway (read_idx).
    """
    _require_known(name)
    folder = found_at(name)
    if folder is None:
        return fetch(name)
    for file in DATASETS[name].files:
        if not (file.checksum or "").startswith("content-"):
            _require_right(name, folder, file)
    return folder


def fetch(name: str, mirrors: Sequence[str] | None = None, show: Show | None = None) -> Path:
    """The folder of a known data set, with every file there and checked; `mirrors` are those of the table unless given.

    What is missing or damaged in the data folder is downloaded. Raises DataError, also for a damaged file in one of
    the other places, which are not foveal's to change.
    """
    _require_known(name)
    known = DATASETS[name]
    place, folder = found_at(name), data_folder() / known.subfolder
    if place is not None and place != folder:
        for file in known.files:
            _require_right(name, place, file)
        return place
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DataError(f"cannot make the folder {folder}: {error.strerror}. Set FOVEAL_DATA to another.") from error
    if place is None and show is None:
        size = f", {known.size / 1e6:,.0f} MB" if known.size else ""
        LOG.info(f"downloading {name} into {folder}{size}")
    for file in known.files:
        _fetch_file(name, file, known.mirrors if mirrors is None else mirrors, show)
    return folder


def _require_known(name: str) -> None:
    if name not in DATASETS:
        raise DataError(f"there is no known data set {name!r}. {closest(name, DATASETS)}")


def _fetch_file(name: str, file: KnownFile, mirrors: Sequence[str], show: Show | None) -> None:
    folder = data_folder() / DATASETS[name].subfolder
    checksum = _checksum(folder, file)
    try:
        download(
            [f"{mirror}/{file.name}" for mirror in mirrors],
            folder / file.name,
            checksum=checksum,
            size=file.size,
            show=None if show is None else partial(show, file.name),
        )
    except DataError as error:
        raise DataError(f"{name} is not on this machine: {error}") from error
    if checksum is None:
        record(folder, file.name, checksum_of(folder / file.name))


def _checksum(folder: Path, file: KnownFile) -> str | None:
    """The one that a source states, or that was recorded when the file was first used; None when this is that use."""
    return file.checksum or recorded(folder).get(file.name)


def _require_right(name: str, folder: Path, file: KnownFile) -> None:
    """Compare a file with its checksum, or record the one it has. Raises DataError."""
    path, checksum = folder / file.name, _checksum(folder, file)
    if checksum is None:
        record(folder, file.name, checksum_of(path))
        return
    problem = mismatch(path, checksum)
    if problem:
        whose = "" if file.checksum else f" as recorded in {RECORD} at its first use"
        is_ours = folder == data_folder() / DATASETS[name].subfolder
        remedy = f"Fetch it again: foveal data fetch {name}" if is_ours else "Put the right one there, or remove it."
        raise DataError(
            f"{path} is not the file it should be: {problem}{whose}. It is damaged or another file. {remedy}"
        )
