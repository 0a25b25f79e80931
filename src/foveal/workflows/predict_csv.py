"""Predictions of any number of pictures, written into one CSV file by one process, or by several under torchrun.

Each worker answers its batches and keeps their lines in a nameless temporary file; at the end the first one puts all together
in the order of the pictures. No process holds more than one batch of them.
"""

import csv
import errno
import hashlib
import io
import os
import sys
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import IO

import torch

from foveal.classifier import Classifier
from foveal.errors import DataError
from foveal.prediction import Named, PictureSource, Prediction, Refused, expand, predict_batches
from foveal.storage import cannot_write, is_stream, new_file
from foveal.training.distributed import Workers, joined_workers

HEADER = ("source", "label", "probability", "top", "warnings", "refused")
PATIENCE = timedelta(days=7)  # that a worker may be behind at the end
SIZE = 8  # bytes that say how long a piece is


@dataclass(frozen=True)
class Written:
    """How many pictures of a CSV file were answered, and how many could not be read."""

    predictions: int
    refused: int


class Listing:
    """The names of all pictures as one worker found them, and how many there are."""

    def __init__(self) -> None:
        self.count = 0
        self._names = hashlib.sha256()

    def of(self, named: Iterable[Named]) -> Iterator[Named]:
        """The same sources, noted on their way."""
        for name, source in named:
            self.count += 1
            self._names.update(name.encode(errors="surrogateescape") + b"\0")
            yield name, source

    def require_the_same(self, workers: Workers) -> None:
        """Raise DataError where another worker found other pictures: one would be answered twice, or not at all."""
        facts = f"{self.count} {self._names.hexdigest()}".encode()
        if workers.agree(workers.broadcast(facts) != facts):
            raise DataError(
                f"the workers did not find the same pictures (worker {workers.place.rank} of {workers.place.workers} found "
                f"{self.count:,}): were files added or removed meanwhile, or has another machine other ones? No CSV was "
                "written. Predict again."
            )


def predict_to_csv(
    classifier: Classifier,
    sources: str | Path | bytes | Iterable[PictureSource],
    path: Path | None,
    *,
    top: int = 3,
    invert: bool = False,
) -> Written | None:
    """Answer all pictures and write them to `path`, or to stdout where it is None; None for all workers but the first.

    The file is the same, byte for byte, for any number of workers that compute with as many threads. It is written at the end,
    whole or not at all. Raises ArtifactError where it cannot be, WorkerError where another worker is gone, and DataError.
    """
    with joined_workers(torch.device("cpu"), PATIENCE) as workers, _spool(path, workers) as spool:
        listing, refused = Listing(), 0
        named = listing.of(expand(sources))
        batches = predict_batches(classifier, named, top, invert, logits_fn=classifier.logits, here=workers.place)
        answered = 0
        for answers in batches:
            _keep(spool, csv_lines(answers), path)
            answered += len(answers)
            refused += sum(isinstance(answer, Refused) for answer in answers)
        listing.require_the_same(workers)  # which is also where the fastest wait for the others
        all_answered, all_refused = map(int, workers.total(answered, refused))
        pieces = workers.in_turn(_kept(spool))
        if not workers.place.is_first:
            for _ in pieces:
                pass
            return None
        with nullcontext(sys.stdout.buffer) if path is None else new_file(path) as file:
            file.write(_line(HEADER))
            file.writelines(pieces)
    return Written(all_answered - all_refused, all_refused)


def csv_lines(answers: Sequence[Prediction | Refused]) -> bytes:
    """A line of CSV for each answer: probabilities with six digits, names that are no UTF-8 with backslashes."""
    return b"".join(_line(_cells(answer)) for answer in answers)


def write_csv(path: Path, answers: Sequence[Prediction | Refused]) -> None:
    """The same file of answers that are in memory already."""
    with new_file(path) as file:
        file.write(_line(HEADER) + csv_lines(answers))


def _cells(answer: Prediction | Refused) -> tuple[str, ...]:
    if isinstance(answer, Refused):
        return answer.source, "", "", "", "", answer.reason
    top = " ".join(f"{label}:{probability:.6f}" for label, probability in answer.top)
    return answer.source, answer.label, f"{answer.probability:.6f}", top, "; ".join(answer.warnings), ""


def _line(cells: Sequence[str]) -> bytes:
    text = io.StringIO(newline="")
    csv.writer(text).writerow(cells)
    return text.getvalue().encode(errors="backslashreplace")


def _spool(path: Path | None, workers: Workers) -> IO[bytes]:
    """A file without a name, gone with its process, beside the one that is wanted where this machine has that folder."""
    if path is None:
        return tempfile.TemporaryFile()
    try:
        if path.is_dir():
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        return tempfile.TemporaryFile(dir=None if is_stream(path) else path.parent)
    except OSError as error:
        if workers.place.is_first:
            raise cannot_write(path, error) from error
        return tempfile.TemporaryFile()


def _keep(spool: IO[bytes], piece: bytes, path: Path | None) -> None:
    try:
        spool.write(len(piece).to_bytes(SIZE, "little") + piece)
    except OSError as error:
        raise cannot_write(path or Path("stdout"), error) from error


def _kept(spool: IO[bytes]) -> Iterator[bytes]:
    spool.seek(0)
    while size := spool.read(SIZE):
        yield spool.read(int.from_bytes(size, "little"))
