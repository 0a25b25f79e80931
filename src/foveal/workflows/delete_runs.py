"""`foveal runs delete`: remove run folders, and never anything that is not one."""

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path

from foveal.errors import ArtifactError, FovealError
from foveal.lock import HOLDER, LOCK, holder, locked
from foveal.run import CONFIG, ENVIRONMENT, HISTORY, NOTES, SPLITS, SUMMARY, Run
from foveal.workflows.runs import bytes_in

# All that foveal writes into a run folder. Anything else there is somebody's own, and is not ours to remove.
OURS = (
    CONFIG,
    ENVIRONMENT,
    SPLITS,
    HISTORY,
    NOTES,
    SUMMARY,
    LOCK,
    HOLDER,
    "evaluation*.json",
    "checkpoint",
    "classifier",
    "report",
    "history.csv",
    "track.json",
    "tensorboard",
    "wandb",
    ".*",  # what a killed process left half written
)


@dataclass(frozen=True)
class Doomed:
    """A run folder that may be removed, and how large it is."""

    folder: Path
    bytes: int


def find_doomed(paths: Sequence[Path]) -> list[Doomed]:
    """The run folders at these paths; ArtifactError for the first that must not be removed, before any is."""
    for path in paths:
        _require_deletable(path)
    return [Doomed(path, bytes_in(path)) for path in dict.fromkeys(paths)]


def _require_deletable(path: Path) -> None:
    if path.is_symlink():
        raise ArtifactError(
            f"{path} is a link to {path.readlink()}, and links are not followed. Name that folder itself."
        )
    if not (path / CONFIG).is_file():
        raise ArtifactError(f"{path} is no run folder: it has no {CONFIG}. Nothing was deleted. See yours: foveal runs")
    try:
        Run(path).config  # noqa: B018 -- another program's config.toml is no run
    except FovealError as error:
        raise ArtifactError(
            f"{path} is no run folder that this foveal can read: {error} Nothing was deleted; remove it by hand if it is one."
        ) from error
    others = [each.name for each in path.iterdir() if not any(fnmatch(each.name, ours) for ours in OURS)]
    if others:
        raise ArtifactError(
            f"{path} holds {sorted(others)[0]!r}, which foveal did not write. Nothing was deleted. Move it away, or remove "
            "the folder by hand."
        )
    process = holder(path)
    if process is not None:
        raise ArtifactError(
            f"the run {path} is in use by {process}. Nothing was deleted. Wait until it is done, or stop it."
        )


def delete_runs(doomed: Sequence[Doomed]) -> None:
    """Remove these folders. Raises ArtifactError where one is being trained by now or the system refuses."""
    for each in doomed:
        with locked(each.folder):
            _remove(each.folder)


def _remove(folder: Path) -> None:
    """Remove a folder so that it is never found half empty; links in it are removed, and not what they point at."""
    place = folder.resolve()
    hidden = place.with_name(f".{place.name}.removed")
    try:
        if hidden.exists():  # of a deletion that was killed
            shutil.rmtree(hidden)
        place.rename(hidden)
        shutil.rmtree(hidden)
    except OSError as error:
        raise ArtifactError(
            f"cannot delete {folder}: {error.strerror} ({error.filename}). Remove what is left by hand: {hidden}"
        ) from error
