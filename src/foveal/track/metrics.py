"""What a tracker is told of a Record, under the names of `history.jsonl`, and by which id it knows the run."""

from dataclasses import asdict
from pathlib import Path

from foveal.errors import ArtifactError
from foveal.storage import read_json, write_json
from foveal.training.fit import Record

IDS = "track.json"


def metrics_of(record: Record) -> dict[str, float]:
    """The fields of a Record that were measured, but for the update, by which they are ordered."""
    return {name: value for name, value in asdict(record).items() if name != "update" and value is not None}


def known_id(folder: Path, tracker: str) -> str | None:
    """The id under which a tracker has this run, None before it has it."""
    try:
        return str(read_json(folder / IDS)[tracker])
    except (ArtifactError, KeyError, TypeError):
        return None


def keep_id(folder: Path, tracker: str, identity: str) -> None:
    """Remember it, so that a resumed training goes on with the same series."""
    try:
        known = dict(read_json(folder / IDS))
    except (ArtifactError, TypeError, ValueError):
        known = {}
    write_json(folder / IDS, {**known, tracker: identity})
