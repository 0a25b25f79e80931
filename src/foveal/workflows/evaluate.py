"""`foveal evaluate`: what a Classifier is worth on images that it has never seen, and how often they were opened."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any

from foveal.classifier import Classifier, load
from foveal.config import DataConfig, Preprocess
from foveal.data.images import ImageSet, with_classes
from foveal.data.index import Facts, facts_of
from foveal.data.mapped import numpy_batches
from foveal.data.pixels import Pixels, default_memory, part_of
from foveal.data.sources import ARRAYS, Data, Source
from foveal.data.splits import base_part, fingerprint, restore
from foveal.device import set_threads
from foveal.errors import ArtifactError, DataError
from foveal.evaluation.inference import Evaluation, infer
from foveal.evaluation.metrics import Scores, score
from foveal.evaluation.test_log import record_opening
from foveal.models.own import Own
from foveal.run import EVALUATION, Run, newest_run, open_run, plain_name
from foveal.storage import cannot_write, write_json
from foveal.workflows.load import decode, open_config
from foveal.workflows.picture import draw_evaluation


@dataclass(frozen=True)
class Report:
    """An evaluation with its scores. `refused` names the test images that could not be read and are not counted."""

    scores: Scores
    evaluation: Evaluation
    test_opened: int
    data: str
    run: str
    refused: tuple[str, ...] = ()
    pictures: Path | None = None

    def as_dict(self) -> dict[str, Any]:
        """What `foveal evaluate --json` prints."""
        facts = {"test_opened": self.test_opened, "data": self.data, "run": self.run}
        return {**self.scores.as_dict(), **facts, "refused": list(self.refused)}


@dataclass(frozen=True)
class Unseen:
    """The images to test on, their content ids, and the data set that they are of; `whole` is the part they are taken from."""

    images: ImageSet
    ids: tuple[str, ...]
    name: str
    fingerprint: str
    whole: ImageSet
    facts: Facts


def evaluate(
    target: Path | None = None,
    source: Source | None = None,
    *,
    images: str | None = None,
    own: Own | None = None,
    allow_overlap: bool = False,
    threads: int | None = None,
    command: str = "evaluate",
) -> Report:
    """The scores of a run (default: the newest) or a Classifier folder on its own test images, or on other data.

    Other data are tested on as a whole, or on their test part when they have one; `images` is where the files lie that a
    table names. Raises DataError when they hold
    images that the run was trained on, or classes it does not know, and ArtifactError when there is nothing to evaluate.
    """
    set_threads(threads)
    run, classifier = _open(target, own)
    unseen = _own_test(run) if source is None else _other_data(run, classifier, source, images, allow_overlap)
    classifier.network  # noqa: B018 -- what cannot be loaded must not count as an opening
    if run is not None:
        _require_writable(run.folder, pictures_folder(run, unseen))
    pixels = _decoded(unseen, classifier.card.preprocess)
    if run is not None and source is not None and not allow_overlap and not is_own_data(run, unseen):
        _refuse_overlap(unseen, pixels, run)
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
    report = Report(scores, evaluation, opened, unseen.name, place, pixels.refused, folder)
    if run is not None:
        _keep(report, run, pixels, unseen, classifier.card.temperature)
    return report


def is_own_data(run: Run, unseen: Unseen) -> bool:
    """Whether these are the run's own test images."""
    return bool(unseen.fingerprint == run.splits["fingerprint"])


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


def _own_test(run: Run | None) -> Unseen:
    if run is None:
        raise ArtifactError(
            "a Classifier folder without its run does not know its test images. Name the data: foveal evaluate FOLDER DATA"
        )
    source = run.config.data.source
    if source == ARRAYS:
        raise DataError(
            "this run was trained on arrays, which it does not keep. Give them again: "
            "foveal.evaluate(run, data=(images, labels))"
        )
    data = open_config(run.config.data)
    return _test_of(data, {part: facts_of(images) for part, images in data.parts.items()}, run)


def _decoded(unseen: Unseen, preprocess: Preprocess) -> Pixels:
    pixels = decode(unseen.whole, preprocess, unseen.facts)
    return (
        pixels
        if unseen.images is unseen.whole
        else part_of(pixels, unseen.whole, unseen.images, max_bytes=default_memory())
    )


def _test_of(data: Data, facts: Mapping[str, Facts], run: Run) -> Unseen:
    splits = restore(data, {part: each.ids for part, each in facts.items()}, run.splits)
    if len(splits.test) == 0:
        raise DataError(
            f"{data.name} has no test images in this run: too few images to hold any out, or none was asked for. "
            "Add images, or train with a larger share, --set data.test=0.25."
        )
    part = "test" if "test" in data.parts else base_part(data)
    whole = splits.test if part == "test" else data.parts[part]
    return Unseen(splits.test, splits.ids["test"], data.name, splits.fingerprint, whole, facts[part])


def _other_data(
    run: Run | None, classifier: Classifier, source: Source, images: str | None, allow_overlap: bool
) -> Unseen:
    wanted = run.config.data if run is not None else DataConfig()  # a run's table has the columns of its training's
    data = open_config(wanted.model_copy(update={"images": images}), source, purpose="testing")
    facts = {part: facts_of(images) for part, images in data.parts.items()}
    print_of_data = fingerprint(data, {part: each.ids for part, each in facts.items()})
    if run is not None and run.splits["fingerprint"] == print_of_data:
        return _test_of(data, facts, run)
    part = "test" if "test" in data.parts else next(iter(data.parts))
    is_learnt = part != "test" and classifier.card.provenance.get("fingerprint") == print_of_data
    if run is None and is_learnt and not allow_overlap:
        raise DataError(
            f"the Classifier was trained on {data.name} itself, and which images were held out stands in its run folder, "
            "which is not here. A score on them says nothing. Name the run folder or other data, or say --allow-overlap."
        )
    unseen = with_classes(
        data.parts[part],
        classifier.classes,
        known_to="the Classifier does not know",
        remedy="Leave those images out, or name a run that was trained with that class.",
    )
    return Unseen(unseen, facts[part].ids, data.name, print_of_data, unseen, facts[part])


def _refuse_overlap(unseen: Unseen, pixels: Pixels, run: Run) -> None:
    """Raise DataError where images were learnt from or chosen with: the same file, or the same pixels in another."""
    splits = run.splits
    learnt = {i for name, columns in splits["splits"].items() if name != "test" for i in columns["ids"]}
    learnt_pixels = {*learnt, *splits["pixel_ids"]}
    copies = {number for number, i in enumerate(unseen.ids) if i in learnt}
    copies |= {int(number) for number, i in zip(pixels.kept, pixels.ids, strict=True) if i in learnt_pixels}
    known = [unseen.images.name(number) for number in sorted(copies)]
    if known:
        raise DataError(
            f"{len(known)} of the {len(unseen.images)} images are among those that the run was trained on: "
            f"{', '.join(known[:3])}{', ...' if len(known) > 3 else ''}. A score on them says nothing. Remove them, or say "
            "--allow-overlap."
        )
