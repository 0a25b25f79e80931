"""The part of the data doctor that costs nothing, which every training runs; `foveal data check` does the rest."""

import numpy as np

from foveal.data.doctor.class_faults import FEW, IMBALANCE
from foveal.data.splits import Splits


def notes_on_splits(splits: Splits) -> list[str]:
    """What is doubtful about classes and splits: few images, one class far larger, a class or a split that is missing."""
    images = splits.train
    counts = np.bincount(images.labels, minlength=len(images.classes))
    notes = [*_few_images(counts, images.classes), *_imbalance(counts, images.classes), *_missing_classes(splits)]
    if len(splits.test) == 0:
        notes.append("no image is left for testing: evaluate will need other data (foveal evaluate RUN DATA)")
    if images.groups is not None:
        held = {name: len(set(part.groups)) for name, part in splits.sets.items() if part.groups is not None}
        notes.append(f"groups of images that stay together, by split: {', '.join(f'{k} {v}' for k, v in held.items())}")
    return notes


def _few_images(counts: np.ndarray, classes: tuple[str, ...]) -> list[str]:
    small = [f"{classes[k]} ({counts[k]})" for k in np.flatnonzero(counts < FEW)]
    if not small:
        return []
    named = ", ".join(small[:5]) + (", ..." if len(small) > 5 else "")
    return [
        f"there are fewer than {FEW} images to learn from of {named}: what is reported of so few is chance. Add some"
    ]


def _imbalance(counts: np.ndarray, classes: tuple[str, ...]) -> list[str]:
    large, small = int(counts.argmax()), int(counts.argmin())
    if counts[large] < IMBALANCE * max(1, counts[small]):
        return []
    return [
        f"there are {counts[large] / max(1, counts[small]):.1f} times as many training images of {classes[large]!r} as of "
        f"{classes[small]!r}: always answering {classes[large]!r} would be right in {counts[large] / counts.sum():.1%} of such "
        "images. Read the recall of each class, not accuracy alone; --set training.balance=true gives all classes one weight"
    ]


def _missing_classes(splits: Splits) -> list[str]:
    notes = []
    for name in ("validation", "test"):
        images = splits.sets[name]
        counts = np.bincount(images.labels, minlength=len(images.classes))
        missing = [repr(images.classes[k]) for k in np.flatnonzero(counts == 0)]
        if len(images) and missing:
            named = ", ".join(missing[:5]) + (", ..." if len(missing) > 5 else "")
            notes.append(f"no {name} image is of {named}: a score on them says nothing of that")
    return notes
