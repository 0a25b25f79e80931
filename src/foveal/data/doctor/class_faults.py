"""What is said of the classes: how many images each has, in which splits, and what their names are."""

import re
from collections import defaultdict
from collections.abc import Iterator

import numpy as np

from foveal.data.augment.safety import merging_augmentations
from foveal.data.doctor.findings import Findings, Verdict, few

FEW = 10  # images of a class: a tenth is held out three times (validation, calibration, test), one image at least
MIN_READABLE = 2  # one to learn from, and one to see whether it was learnt
IMBALANCE = 3.0  # times as many in the largest class as in the smallest


def class_verdicts(findings: Findings) -> Iterator[Verdict]:
    """What there is to say of the classes."""
    yield from _single(findings)
    yield from _too_few(findings)
    yield from _missing_in_splits(findings)
    yield from _imbalance(findings)
    yield from _names_alike(findings.images.classes)
    for sentence in merging_augmentations(findings.images.classes, flip="random", rotate=180):
        yield Verdict("note", "merging-augmentation", f"when augmenting: {sentence}")


def _single(findings: Findings) -> Iterator[Verdict]:
    if len(findings.images.classes) == 1:
        (name,) = findings.images.classes
        text = (
            f"all images are of one class, {name!r}: telling classes apart needs two or more, and training refuses such data. "
            "Name the folder above the class folders, or the column that says the classes (--set data.label_column=NAME)."
        )
        yield Verdict("error", "one-class", text, (name,))


def _too_few(findings: Findings) -> Iterator[Verdict]:
    images, base = findings.images, findings.base
    readable = np.bincount(images.labels[images.part == 0], minlength=len(images.classes))
    lacking = [images.classes[k] for k in np.flatnonzero(readable < MIN_READABLE)]
    if lacking:
        text = (
            f"{_classes(lacking)} fewer than {MIN_READABLE} readable images to learn from: what is reported of such a "
            "class is chance. Add images, or remove the class."
        )
        yield Verdict("error", "too-few-readable", text, tuple(lacking))
    small = [k for k in np.argsort(readable, kind="stable").tolist() if MIN_READABLE <= readable[k] < FEW]
    if small:
        named = [f"{images.classes[k]} ({readable[k]})" for k in small]
        carved = [name for name in ("validation", "test") if name not in images.parts]
        text = (
            f"{_classes([images.classes[k] for k in small])} fewer than {FEW} images "
            f"{'in all' if base == 'all' else 'to learn from'}: {few(named)}. A tenth of them is held out for "
            f"{', '.join([*carved, 'calibration'])} each, which is not even one image. Add some."
        )
        yield Verdict("warning", "few-images", text, tuple(named))


def _classes(names: list[str]) -> str:
    return f"the class {names[0]!r} has" if len(names) == 1 else f"{len(names)} classes ({few(names)}) have"


def _missing_in_splits(findings: Findings) -> Iterator[Verdict]:
    counts, classes = findings.counts, findings.images.classes
    for name in findings.images.parts[1:]:
        missing = [classes[k] for k in np.flatnonzero((counts[name] == 0) & (counts[findings.base] > 0))]
        if missing:
            text = (
                f"the {name} images have none of {'the class' if len(missing) == 1 else f'{len(missing)} classes:'} "
                f"{few([repr(each) for each in missing])}: a score on them says nothing of "
                f"{'that class' if len(missing) == 1 else 'those'}. Add some, or say so beside the score."
            )
            yield Verdict("warning", "class-missing-in-split", text, tuple(missing))


def _imbalance(findings: Findings) -> Iterator[Verdict]:
    counts, classes = findings.counts[findings.base], findings.images.classes
    present = np.flatnonzero(counts)
    large, small = present[counts[present].argmax()], present[counts[present].argmin()]
    ratio = counts[large] / counts[small]
    if ratio < IMBALANCE:
        return
    share = counts[large] / counts.sum()
    text = (
        f"the largest class, {classes[large]!r}, has {counts[large]:,} images, the smallest, {classes[small]!r}, "
        f"{counts[small]:,}: {ratio:.1f} times fewer. Always answering {classes[large]!r} would be right in {share:.1%} "
        "of such images, so that accuracy hides how the small classes fare: read the recall of each class and macro F1. "
        "Small classes count more in training with --set training.balance=true."
    )
    yield Verdict("warning", "imbalance", text, (classes[large], classes[small]))


def _names_alike(classes: tuple[str, ...]) -> Iterator[Verdict]:
    alike = defaultdict(list)
    for name in classes:
        alike[_plain_name(name)].append(name)
    groups = [names for names in alike.values() if len(names) > 1]
    if groups:
        shown = [" and ".join(map(repr, names)) for names in groups]
        text = (
            f"class names differ only in case, spaces or a plural: {few(shown)}. They count as different classes; if "
            "they are meant to be one, merge their folders or mend the labels."
        )
        yield Verdict("warning", "alike-names", text, tuple(shown))


def _plain_name(name: str) -> str:
    """A class name without what people write now one way, now another; single letters are kept as they are."""
    if len(name.strip()) < 2:
        return name
    words = re.sub(r"[\W_]+", "", name.casefold())
    return (words.removesuffix("s") if len(words) > 3 else words) or name
