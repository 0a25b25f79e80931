"""The Run folder: where one training keeps everything it was told, did and made. No torch, no NumPy here."""

import json
import logging
import os
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tomli_w

from foveal.config import Config
from foveal.environment import environment
from foveal.errors import ArtifactError
from foveal.lock import HOLDER
from foveal.settings import parse_config, read_toml
from foveal.storage import cannot_write, read_json, write_atomic, write_json

RUNS = Path("runs")
CARD = "classifier.json"  # in a Classifier folder, which is also found without its run
CONFIG, SPLITS, HISTORY, NOTES = "config.toml", "splits.json", "history.jsonl", "notes.txt"
ENVIRONMENT, SUMMARY, EVALUATION = "environment.json", "summary.json", "evaluation.json"
SPLITS_FORMAT = 2  # what each image's record in it holds
FEW = 10  # notes of one kind that are said; all are kept
LOG = logging.getLogger("foveal")


@dataclass(frozen=True)
class Run:
    """A run folder. Its files are properties; what they hold is read and written through the methods."""

    folder: Path

    @property
    def classifier(self) -> Path:
        """The Classifier folder, which is enough to predict when copied alone."""
        return self.folder / "classifier"

    @property
    def checkpoints(self) -> Path:
        """The folder of checkpoints, empty or missing before the first and after the training is finished."""
        return self.folder / "checkpoint"

    @property
    def is_finished(self) -> bool:
        """Whether its training came to its end."""
        return (self.folder / SUMMARY).exists() and not self.summary["stopped"]

    @property
    def report(self) -> Path:
        """The folder of pictures."""
        return self.folder / "report"

    @property
    def config(self) -> Config:
        """The settings, complete once training has begun."""
        config: Config = parse_config(read_toml(self.folder / CONFIG))
        return config

    @property
    def summary(self) -> dict[str, Any]:
        """What `foveal train --json` prints; ArtifactError while the run is not finished."""
        summary: dict[str, Any] = read_json(self.folder / SUMMARY)
        return summary

    @property
    def history(self) -> list[dict[str, Any]]:
        """The records of the training so far, oldest first; a last line that a crash tore is left out."""
        path = self.folder / HISTORY
        lines = path.read_text(encoding="utf-8").splitlines(keepends=True) if path.exists() else []
        return [json.loads(line) for line in lines if line.endswith("\n")]

    def write_config(self, config: Config) -> None:
        """Keep the settings as TOML; a setting that is None is left out, as TOML has no such value."""
        values = config.model_dump(mode="json", exclude_none=True)
        write_atomic(self.folder / CONFIG, tomli_w.dumps(values).encode())

    def write_environment(self, facts: Mapping[str, Any]) -> None:
        """Keep what the result depends on besides the settings: versions, machine, threads."""
        write_json(self.folder / ENVIRONMENT, {**environment(), **facts})

    def write_summary(self, summary: Mapping[str, Any]) -> None:
        """Keep what the training came to; its presence says that the run is finished."""
        write_json(self.folder / SUMMARY, summary)

    def write_splits(self, splits: Mapping[str, Any]) -> None:
        """Keep which image is in which split, by content."""
        write_atomic(self.folder / SPLITS, json.dumps(splits).encode())

    @property
    def splits(self) -> dict[str, Any]:
        """What `write_splits` kept; ArtifactError while the run has none."""
        splits: dict[str, Any] = read_json(self.folder / SPLITS)
        if splits.get("format") != SPLITS_FORMAT:
            raise ArtifactError(
                f"{self.folder / SPLITS} has format {splits.get('format')}, and this foveal reads format {SPLITS_FORMAT}: the "
                "run was made by another version. Train again, or name the data: foveal evaluate RUN/classifier DATA"
            )
        return splits

    def append_history(self, records: list[dict[str, Any]]) -> None:
        """Add records, one JSON object a line. A line torn by a crash can only be the last one."""
        try:
            with (self.folder / HISTORY).open("a", encoding="utf-8") as file:
                file.writelines(json.dumps(record) + "\n" for record in records)
        except OSError as error:
            raise cannot_write(self.folder / HISTORY, error) from error

    def flush_history(self) -> int:
        """Let the records so far survive a power cut; their length in bytes."""
        try:
            with (self.folder / HISTORY).open("ab") as file:
                os.fsync(file.fileno())
                return file.tell()
        except OSError as error:
            raise cannot_write(self.folder / HISTORY, error) from error

    def cut_history(self, size: int) -> bool:
        """Keep the records in the first `size` bytes, for a training that goes on from there; whether all of them are there."""
        path = self.folder / HISTORY
        content = path.read_bytes()[:size] if path.exists() else b""
        write_atomic(path, content[: content.rfind(b"\n") + 1])
        return len(content) == size

    def rewrite_history(self, records: Sequence[Mapping[str, Any]]) -> None:
        """Put these records in the place of all there are."""
        write_atomic(self.folder / HISTORY, "".join(json.dumps(record) + "\n" for record in records).encode())

    def note(self, text: str) -> None:
        """Say something that the user should know, and keep it with the run."""
        LOG.info(text)
        self._keep_notes([text])

    def note_each(self, beginning: str, texts: Sequence[str]) -> None:
        """Keep many notes of one kind, and say the first of them and how many there are."""
        for text in texts[:FEW]:
            self.note(beginning + text)
        if len(texts) <= FEW:
            return
        LOG.info(f"{beginning}{len(texts) - FEW:,} more files; each is in {self.folder / NOTES} with its reason")
        self._keep_notes(beginning + text for text in texts[FEW:])

    def _keep_notes(self, texts: Iterable[str]) -> None:
        try:
            with (self.folder / NOTES).open("a", encoding="utf-8", errors="backslashreplace") as file:
                file.writelines(f"{text}\n" for text in texts)
        except OSError as error:
            raise cannot_write(self.folder / NOTES, error) from error

    def discard(self) -> None:
        """Remove the folder: for a run that failed before it had learnt anything."""
        shutil.rmtree(self.folder, ignore_errors=True)
        if self.folder.parent == RUNS:
            with suppress(OSError):  # other runs are in it
                RUNS.rmdir()


def start_run(config: Config, out: Path | None, data_name: str) -> Run:
    """A new run folder with the config in it, called after the data and the network."""
    run = create_run(out, data_name, Path(config.model.name.rpartition(":")[2]).stem)
    with removed_if_empty(run):
        run.write_config(config)
    return run


def create_run(out: Path | None, data_name: str, model_name: str) -> Run:
    """A new folder: `out` itself, which must not exist, or the next free `runs/<data>-<model>-<n>`."""
    if out is not None and os.path.exists(out):  # noqa: PTH110 -- Path.exists raises for a name that is too long
        raise ArtifactError(f"the run folder {out} exists already. Give --out a new name, or remove the folder first.")
    stem = f"{plain_name(data_name)}-{plain_name(model_name)}"
    for number in range(1, 1_000_000):
        folder = out if out is not None else RUNS / f"{stem}-{number}"
        try:
            folder.mkdir(parents=True)
        except FileExistsError:
            if out is not None:
                raise ArtifactError(f"the run folder {out} was made by somebody else just now. Try again.") from None
            continue
        except OSError as error:
            raise cannot_write(folder, error) from error
        return Run(folder)
    raise ArtifactError(f"no free run number is left for {stem} in {RUNS}. Remove old runs.")


@contextmanager
def removed_if_empty(run: Run) -> Iterator[None]:
    """Remove the run folder when what goes on inside fails before there is a Classifier or a checkpoint to keep."""
    try:
        yield
    except BaseException:
        is_worth_keeping = (run.classifier / CARD).exists() or any(run.checkpoints.glob("[0-9]*"))
        if not is_worth_keeping and not (run.folder / HOLDER).exists():  # nor does another process train in it
            run.discard()
        raise


def plain_name(name: str) -> str:
    """A name that any file system takes."""
    return "".join(c if c.isalnum() or c in "-_." else "_" for c in name).strip("._-") or "data"


def open_run(path: Path | None) -> Run:
    """The run at `path`, or the newest one under `runs/` that holds a Classifier. Raises ArtifactError."""
    if path is None:
        return newest_run()
    if (path / CONFIG).is_file():
        return Run(path)
    if (path / CARD).is_file() and (path.parent / CONFIG).is_file():
        return Run(path.parent)
    raise ArtifactError(f"{path} is not a run folder: it has no {CONFIG}. {_runs_here()}")


def newest_run() -> Run:
    """The run under `runs/` whose Classifier was written last."""
    cards = sorted(RUNS.glob(f"*/classifier/{CARD}"), key=lambda card: card.stat().st_mtime_ns)
    if not cards:
        raise ArtifactError(f"there is no trained run under {RUNS.resolve()}. Train one first: foveal train")
    return Run(cards[-1].parent.parent)


def _runs_here() -> str:
    names = sorted(path.parent.name for path in RUNS.glob(f"*/{CONFIG}"))
    return f"Runs under {RUNS}: {', '.join(names[:10])}." if names else "Train one first: foveal train"
