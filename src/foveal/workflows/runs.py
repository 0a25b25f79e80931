"""`foveal runs`: which runs there are, how far each has come and what it is worth. No torch here.

What a run is worth was measured when it was trained and evaluated, and is read from its files: nothing is opened for it.
"""

import os
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from foveal.data.sources import data_name
from foveal.errors import ArtifactError, FovealError
from foveal.lock import holder
from foveal.run import CARD, CONFIG, ENVIRONMENT, EVALUATION, RUNS, SUMMARY, Run
from foveal.storage import read_json

# `begun`: there is no record yet, and nobody holds the lock: it was killed, or its process is just starting.
State = Literal["finished", "stopped", "training", "killed", "begun", "damaged"]


@dataclass(frozen=True)
class Tested:
    """The score of a run on its own test images, of the Classifier that is in it now."""

    accuracy: float
    interval: tuple[float, float]
    n: int


@dataclass(frozen=True)
class RunFacts:
    """One run, as its files tell it. What is not known, or not yet, is None."""

    folder: Path
    state: State
    bytes: int
    started: str | None = None  # ISO 8601, UTC
    data: str | None = None
    model: str | None = None
    update: int = 0
    updates: int | None = None  # planned
    train_seconds: float | None = None
    val_accuracy: float | None = None
    tested: Tested | None = None
    process: str | None = None  # that trains in it now
    reason: str | None = None  # why it cannot be read

    def as_dict(self) -> dict[str, Any]:
        """The same for JSON."""
        return {**asdict(self), "folder": str(self.folder)}


def list_runs(places: Sequence[Path] = ()) -> list[RunFacts]:
    """The runs in these folders (default: `runs/`), the oldest first. Raises ArtifactError for a folder that is not there.

    A place may be a run itself, or hold runs, also one folder deeper, as what `foveal reproduce` writes does.
    """
    for place in places:
        if not place.is_dir():
            raise ArtifactError(
                f"there is no folder {place}. Name a folder of runs, or none for those in {RUNS}, or a command: "
                "foveal runs compare, foveal runs delete"
            )
    found = dict.fromkeys(folder for place in places or [RUNS] for folder in _run_folders(place))
    return sorted((facts_of_run(Run(folder)) for folder in found), key=lambda each: each.started or "")


def _run_folders(place: Path) -> Iterator[Path]:
    if (place / CONFIG).is_file():
        yield place
        return
    for pattern in (f"*/{CONFIG}", f"*/*/{CONFIG}"):
        for path in sorted(place.glob(pattern)):
            if not any(part.startswith(".") for part in path.relative_to(place).parts):  # one that is being removed
                yield path.parent


def facts_of_run(run: Run) -> RunFacts:
    """What the files of a run tell of it."""
    size = bytes_in(run.folder)
    try:
        return _facts(run, size)
    except (FovealError, ValueError, KeyError, TypeError, AttributeError) as error:
        return RunFacts(run.folder, "damaged", size, _started(run), reason=f"{error}" or type(error).__name__)


def _facts(run: Run, size: int) -> RunFacts:
    config, summary, last = run.config, _summary(run), _last_record(run)
    done = max(last.get("update", 0), summary.get("updates", 0))
    process = holder(run.folder)
    # config.toml has the epochs once the data are read, and a record says how many updates make one.
    per_epoch = last["update"] / last["epoch"] if last else None
    return RunFacts(
        run.folder,
        _state(summary, done, process),
        size,
        _started(run),
        data=summary.get("data") or data_name(config.data.source),
        model=Path(config.model.name).name,
        update=done,
        updates=round(config.training.epochs * per_epoch) if per_epoch and config.training.epochs else None,
        train_seconds=summary.get("train_seconds") or last.get("seconds"),
        val_accuracy=summary.get("val_accuracy"),
        tested=_tested(run),
        process=process,
    )


def _state(summary: dict[str, Any], update: int, process: str | None) -> State:
    if process is not None:
        return "training"
    if summary and not summary["stopped"]:
        return "finished"
    if summary and summary["updates"] >= update:
        return "stopped"
    return "killed" if update else "begun"


def _summary(run: Run) -> dict[str, Any]:
    return run.summary if (run.folder / SUMMARY).exists() else {}


def _last_record(run: Run) -> dict[str, Any]:
    history = run.history
    return history[-1] if history else {}


def _started(run: Run) -> str:
    try:
        return str(read_json(run.folder / ENVIRONMENT)["started"])
    except (ArtifactError, KeyError, TypeError):  # it has only begun: the folder's own time
        return datetime.fromtimestamp((run.folder / CONFIG).stat().st_mtime, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _tested(run: Run) -> Tested | None:
    """The last evaluation on the run's own test images; None where it was of other weights than those in the run now."""
    path, card = run.folder / EVALUATION, run.classifier / CARD
    if not path.exists() or not card.exists():
        return None
    report = read_json(path)
    if report.get("weights_sha256") != read_json(card)["weights_sha256"]:
        return None
    low, high = report["accuracy_interval"]
    return Tested(report["accuracy"], (low, high), report["n"])


def bytes_in(folder: Path) -> int:
    """The bytes of all files below a folder; what links point at is not counted."""
    total = 0
    for path, _, names in os.walk(folder, onerror=None):
        for name in names:
            try:
                total += os.lstat(os.path.join(path, name)).st_size  # noqa: PTH118 -- many files
            except OSError:  # a temporary file of a training that goes on
                continue
    return total
