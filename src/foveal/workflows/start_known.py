"""Which images a Classifier that is continued has met, so that none of them is taken for a new one."""

from collections.abc import Mapping
from pathlib import Path

from foveal.classifier import find_classifier
from foveal.data.doctor.copy_faults import LIE
from foveal.data.splits import Splits
from foveal.errors import ArtifactError, DataError
from foveal.run import CONFIG, Run

HELD_OUT = ("validation", "calibration", "test")


def earlier_splits(start: str | None) -> dict[str, str] | None:
    """The split in which each image was, by content id, when the Classifier at `start` was trained, and all it continued.

    An image that was learnt from anywhere on the way is in "train". None where the run folder is not there to tell.
    """
    if start is None:
        return {}
    run = Run(find_classifier(Path(start)).parent)
    return met_by(run) if (run.folder / CONFIG).is_file() else None


def met_by(run: Run) -> dict[str, str]:
    """The same of a run that is trained on, and all that it continued. Raises ArtifactError where it does not say."""
    splits = run.splits
    now = [(name, columns["ids"]) for part in ("splits", "dropped") for name, columns in splits[part].items()]
    found = {image_id: name for name, ids in splits.get("earlier", {}).items() for image_id in ids}
    for name, ids in now:
        found |= {image_id: name for image_id in ids if found.get(image_id) != "train"}
    return found


def by_split(earlier: Mapping[str, str]) -> dict[str, list[str]]:
    """The same the other way round: the content ids in each split."""
    found: dict[str, list[str]] = {}
    for image_id, name in earlier.items():
        found.setdefault(name, []).append(image_id)
    return found


def known_splits(start: str | None) -> tuple[dict[str, str], list[str]]:
    """The same, empty where nobody can tell, and a note that says so."""
    try:
        found = earlier_splits(start)
    except ArtifactError:  # of a Classifier that was trained by an older foveal, or whose run is damaged
        found = None
    if found is not None:
        return found, []
    return {}, [
        "which images the Classifier that this training starts from has learnt from stands in its run folder, which is not "
        "beside it: where these data hold some of them, validation and test say too much"
    ]


def notes_on_learnt(splits: Splits, earlier: Mapping[str, str], leaks: str) -> list[str]:
    """A note for each held-out split that the data bring and that holds images which the Classifier has learnt from.

    Raises DataError where they are so many that the score would be a lie and `leaks` is "refuse".
    """
    notes = []
    for name in HELD_OUT:
        ids = splits.ids[name]
        learnt = [i for i, image_id in enumerate(ids) if earlier.get(image_id) == "train"]
        if not learnt:
            continue
        told = (
            f"{len(learnt)} of the {len(ids)} {name} images, {splits.sets[name].name(learnt[0])} for example, were learnt "
            "from by the Classifier that this training starts from"
        )
        if leaks == "refuse" and len(learnt) >= LIE * len(ids):
            raise DataError(
                f"{told}: what is measured on them would say nothing of new images. Remove them, or go on as it is: "
                "--set data.leaks=keep."
            )
        notes.append(f"{told}: what is measured on them says nothing")
    return notes
