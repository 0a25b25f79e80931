"""Which images a run is tested on: its own test images, or other data that it has not seen."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from foveal.classifier import Classifier
from foveal.config import Config, DataConfig
from foveal.data.images import ImageSet, with_classes
from foveal.data.index import Facts, facts_of
from foveal.data.pixels import Pixels
from foveal.data.sources import ARRAYS, Data, Source
from foveal.data.splits import base_part, fingerprint, restore
from foveal.errors import ArtifactError, ConfigError, DataError, closest
from foveal.run import Run
from foveal.settings import parse_config
from foveal.workflows.load import open_config

READING = ("data.images", "data.image_column", "data.label_column", "data.split_column")


@dataclass(frozen=True)
class Unseen:
    """The images to test on, their content ids, and the data set that they are of; `whole` is the part they are taken from."""

    images: ImageSet
    ids: tuple[str, ...]
    name: str
    fingerprint: str
    whole: ImageSet
    facts: Facts


def is_own_data(run: Run, unseen: Unseen) -> bool:
    """Whether these are the run's own test images."""
    return bool(unseen.fingerprint == run.splits["fingerprint"])


def own_test(run: Run | None) -> Unseen:
    """The test images of a run. Raises ArtifactError where there is no run, and DataError for arrays and changed data."""
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


def other_data(
    run: Run | None,
    classifier: Classifier,
    source: Source,
    *,
    images: str | None,
    settings: Mapping[str, Any],
    allow_overlap: bool,
) -> Unseen:
    """Other data, as a whole, or their test part when they have one; a run's own data in another place are its own.

    They are read with the columns of the run's training, but for `settings`; `images` is where the files of a table lie.
    Raises ConfigError for settings of anything else, and DataError.
    """
    wanted = _reading(run.config.data if run is not None else DataConfig(), images, settings)
    data = open_config(wanted, source, purpose="testing")
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


def _reading(wanted: DataConfig, images: str | None, settings: Mapping[str, Any]) -> DataConfig:
    """The settings of a training's data with those that are said for other data; empty text takes a column's name back."""
    said = _dotted(settings)
    wrong = next((key for key in said if key not in READING), None)
    if wrong is not None:
        raise ConfigError(
            f"evaluate can be told how other data are read, and {wrong!r} is no setting of that: what a network sees of an "
            f"image was settled in training. {closest(wrong, READING)}"
        )
    names = {key.removeprefix("data."): None if value == "" else value for key, value in said.items()}
    config: Config = parse_config({"data": {**wanted.model_dump(), "images": images, **names}})
    return config.data


def _dotted(settings: Mapping[str, Any], above: str = "") -> dict[str, Any]:
    """Nested settings by their whole names: {"data": {"size": 8}} as {"data.size": 8}."""
    found: dict[str, Any] = {}
    for key, value in settings.items():
        found |= _dotted(value, f"{above}{key}.") if isinstance(value, Mapping) else {f"{above}{key}": value}
    return found


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


def notes_on_overlap(unseen: Unseen, pixels: Pixels, run: Run, *, allow_overlap: bool) -> tuple[str, ...]:
    """What to tell of images that were learnt from or chosen with: the same file, or the same pixels in another.

    Raises DataError for them in other data than the run's own, unless `allow_overlap`.
    """
    splits = run.splits
    learnt = {i for name, columns in splits["splits"].items() if name != "test" for i in columns["ids"]}
    learnt |= {
        i for name, ids in splits.get("earlier", {}).items() if name != "test" for i in ids
    }  # by what it continued
    learnt_pixels = {*learnt, *splits["pixel_ids"]}
    copies = {number for number, i in enumerate(unseen.ids) if i in learnt}
    copies |= {int(number) for number, i in zip(pixels.kept, pixels.ids, strict=True) if i in learnt_pixels}
    known = [unseen.images.name(number) for number in sorted(copies)]
    if not known:
        return ()
    told = (
        f"{len(known)} of the {len(unseen.images)} images are among those that the run was trained on: "
        f"{', '.join(known[:3])}{', ...' if len(known) > 3 else ''}. A score on them says nothing."
    )
    if is_own_data(run, unseen):
        return (f"{told} `foveal data check` lists all copies: remove them from what is learnt, and train again.",)
    if not allow_overlap:
        raise DataError(f"{told} Remove them, or say --allow-overlap.")
    return (told,)
