"""`foveal evaluate`: what a Classifier is worth on images that it has never seen, and how often they were opened."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any

from foveal.classifier import Classifier, load
from foveal.config import Preprocess
from foveal.data.mapped import numpy_batches
from foveal.data.pixels import Pixels, default_memory, part_of
from foveal.data.sources import Source
from foveal.device import set_threads
from foveal.errors import ArtifactError, ConfigError
from foveal.evaluation.inference import Evaluation, infer
from foveal.evaluation.metrics import Scores, score
from foveal.evaluation.test_log import record_opening
from foveal.models.own import Own
from foveal.run import EVALUATION, Run, newest_run, open_run, plain_name
from foveal.storage import cannot_write, write_json
from foveal.workflows.load import decode
from foveal.workflows.picture import draw_evaluation
from foveal.workflows.unseen import Unseen, is_own_data, notes_on_overlap, other_data, own_test


@dataclass(frozen=True)
class Report:
    """An evaluation with its scores. `refused` names the test images that could not be read and are not counted, `notes`
    say what speaks against the score."""

    scores: Scores
    evaluation: Evaluation
    test_opened: int
    data: str
    run: str
    weights_sha256: str  # of the Classifier that was tested
    refused: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    pictures: Path | None = None

    def as_dict(self) -> dict[str, Any]:
        """What `foveal evaluate --json` prints."""
        facts = {"test_opened": self.test_opened, "data": self.data, "run": self.run}
        told = {"refused": list(self.refused), "notes": list(self.notes), "weights_sha256": self.weights_sha256}
        return {**self.scores.as_dict(), **facts, **told}


def evaluate(
    target: Path | None = None,
    source: Source | None = None,
    *,
    images: str | None = None,
    settings: Mapping[str, Any] | None = None,
    own: Own | None = None,
    allow_overlap: bool = False,
    threads: int | None = None,
    command: str = "evaluate",
) -> Report:
    """The scores of a run (default: the newest) or a Classifier folder on its own test images, or on other data.

    Other data are tested on as a whole, or on their test part when they have one; `images` is where the files lie that a
    table names, `settings` say what its columns are called: {"data": {"label_column": "species"}}. Raises DataError when
    they hold images that the run was trained on, or classes it does not know, ArtifactError when there is nothing to
    evaluate, and ConfigError for other settings.
    """
    if source is None and (images is not None or settings):
        raise ConfigError(
            "--images and --set say how other data are read, and no other data are named. Name them: foveal evaluate RUN DATA"
        )
    set_threads(threads)
    run, classifier = _open(target, own)
    if source is None:
        unseen = own_test(run)
    else:
        unseen = other_data(
            run, classifier, source, images=images, settings=settings or {}, allow_overlap=allow_overlap
        )
    classifier.network  # noqa: B018 -- what cannot be loaded must not count as an opening
    if run is not None:
        _require_writable(run.folder, pictures_folder(run, unseen))
    pixels = _decoded(unseen, classifier.card.preprocess)
    notes = () if run is None else notes_on_overlap(unseen, pixels, run, allow_overlap=allow_overlap)
    opened = record_opening(unseen.fingerprint, command=command, run=str(run.folder if run else classifier.folder))
    evaluation = infer(
        classifier.logits,
        numpy_batches(pixels.pixels),
        pixels.labels.numpy(),
        tuple(unseen.ids[i] for i in pixels.kept),
        classifier.classes,
    )
    scores = score(evaluation, classifier.card.temperature)
    place = str(run.folder if run else classifier.folder)
    folder = pictures_folder(run, unseen) if run else None
    tested = classifier.card.weights_sha256
    report = Report(scores, evaluation, opened, unseen.name, place, tested, pixels.refused, notes, folder)
    if run is not None:
        _keep(report, run, pixels, unseen, classifier.card.temperature)
    return report


def pictures_folder(run: Run, unseen: Unseen) -> Path:
    """Where the pictures go: those on other data into a folder under their name, beside the run's own."""
    return run.report if is_own_data(run, unseen) else run.report / plain_name(unseen.name)


def _require_writable(*folders: Path) -> None:
    """Raise ArtifactError now: a score that cannot be kept must not cost an opening of the test split."""
    for folder in folders:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            TemporaryFile(dir=folder).close()
        except OSError as error:
            raise cannot_write(folder, error) from error


def _keep(report: Report, run: Run, pixels: Pixels, unseen: Unseen, temperature: float) -> None:
    name = EVALUATION if is_own_data(run, unseen) else f"evaluation-{plain_name(unseen.name)}.json"
    write_json(run.folder / name, report.as_dict())
    draw_evaluation(
        pictures_folder(run, unseen),
        report.evaluation,
        scores=report.scores,
        pixels=pixels,
        images=unseen.images,
        temperature=temperature,
    )


def _open(target: Path | None, own: Own | None) -> tuple[Run | None, Classifier]:
    """The run, where there is one around the Classifier, and the Classifier."""
    folder = newest_run().folder if target is None else target
    classifier = load(folder, own)
    try:
        return open_run(folder), classifier
    except ArtifactError:
        return None, classifier


def _decoded(unseen: Unseen, preprocess: Preprocess) -> Pixels:
    pixels = decode(unseen.whole, preprocess, unseen.facts)
    return (
        pixels
        if unseen.images is unseen.whole
        else part_of(pixels, unseen.whole, unseen.images, max_bytes=default_memory())
    )
