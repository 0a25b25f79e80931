"""The data doctor: looks a whole data set over, and says what is wrong with it. It runs no model."""

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np
from jaxtyping import Bool
from numpy import ndarray

from foveal.data.doctor.class_faults import class_verdicts
from foveal.data.doctor.copy_faults import copy_verdicts
from foveal.data.doctor.duplicates import Numbers, exact_copies, representatives
from foveal.data.doctor.findings import FEW_EXAMPLES, LEVELS, Findings, Level, Unreadable, Verdict, counted, few
from foveal.data.doctor.gathered import Gathered
from foveal.data.doctor.kinds import kinds_of
from foveal.data.doctor.near_duplicates import NearPairs, near_pairs
from foveal.data.doctor.sketches import sketch
from foveal.data.doctor.suspicious import suspicions
from foveal.data.images import Files
from foveal.data.index import Facts
from foveal.data.pixels import Pixels
from foveal.data.sources import Data

MANY_UNREADABLE = 0.05  # of a class
Show = Callable[[int, int], None]


def look_over(
    data: Data, facts: Mapping[str, Facts], pixels: Mapping[str, Pixels], show: Show | None = None
) -> Findings:
    """All that is found in a data set whose images are decoded."""
    images = Gathered(data, facts, pixels)
    kinds = [kind for name in images.parts for kind in kinds_of(facts[name].take(pixels[name].kept))]
    copies = exact_copies(images)
    numbers = representatives(images, copies)
    near = near_pairs(sketch([pixels[name].pixels for name in images.parts], show).take(numbers), show)
    near = replace(near, pairs=numbers[near.pairs])
    near = near.take(_is_news(images, copies, near))
    return Findings(
        images,
        tuple(kinds),
        tuple(_unreadable(images)),
        tuple(suspicions(images, kinds)),
        tuple(copies),
        near,
    )


def _is_news(images: Gathered, copies: Sequence[Numbers], near: NearPairs) -> Bool[ndarray, " P"]:
    """Which pairs are neither exact copies nor mirror images of two classes: an arrow to the left is no copy."""
    first_of = np.arange(len(images))
    for group in copies:
        first_of[group] = group[0]
    is_exact = first_of[near.pairs[:, 0]] == first_of[near.pairs[:, 1]]
    is_one_class = images.labels[near.pairs[:, 0]] == images.labels[near.pairs[:, 1]]
    return np.asarray(~is_exact & (is_one_class | ~near.is_mirrored))


def _unreadable(images: Gathered) -> Iterator[Unreadable]:
    for name in images.parts:
        part, read = images.data.parts[name], images.pixels[name]
        left_out = np.setdiff1d(np.arange(len(part)), read.kept)
        for i, reason in zip(left_out.tolist(), read.refused, strict=True):
            is_missing = isinstance(part.images, Files) and part.images.names[part.numbers[i]] in part.images.missing
            yield Unreadable(part.name(i), name, part.classes[part.labels[i]], reason, is_missing)


def judge(findings: Findings) -> tuple[Verdict, ...]:
    """What there is to say of the findings, the worst first."""
    verdicts = [
        *_missing_verdicts(findings),
        *_unreadable_verdicts(findings),
        *class_verdicts(findings),
        *copy_verdicts(findings),
        *_suspicious_verdicts(findings),
    ]
    return tuple(sorted(verdicts, key=lambda each: LEVELS.index(each.level)))


def _missing_verdicts(findings: Findings) -> Iterator[Verdict]:
    missing = [each for each in findings.unreadable if each.is_missing]
    if missing:
        text = (
            f"{counted(len(missing), 'file')} of {len(findings.images.data):,} that the table names {_is(missing)} not there: "
            "training refuses such a table. Add what is missing, or remove those rows."
        )
        yield Verdict("error", "missing-files", text, tuple(each.reason for each in missing[:FEW_EXAMPLES]))


def _is(found: Sequence[object]) -> str:
    return "is" if len(found) == 1 else "are"


def _unreadable_verdicts(findings: Findings) -> Iterator[Verdict]:
    damaged = [each for each in findings.unreadable if not each.is_missing]
    if not damaged:
        return
    counts = np.sum(list(findings.counts.values()), axis=0)
    lost = np.zeros_like(counts)
    for each in damaged:
        lost[findings.images.classes.index(each.label)] += 1
    many = [
        f"{lost[k] / counts[k]:.0%} of {findings.images.classes[k]!r}"
        for k in np.flatnonzero(lost > MANY_UNREADABLE * counts)
    ]
    text = (
        f"{counted(len(damaged), 'file')} of {counts.sum():,} cannot be read and will be left out"
        f"{f': {few(many)}' if many else ''}. Fetch what is damaged again, or remove it."
    )
    reasons = tuple(each.reason for each in damaged[:FEW_EXAMPLES])
    yield Verdict("warning", "unreadable", text, reasons)


SUSPICIOUS: dict[str, tuple[Level, str]] = {
    "blank": ("warning", "{} blank: nothing can be learnt from such a picture but its label. Remove {them}."),
    "plain": (
        "note",
        "{} like a placeholder, flat with a little drawing, unlike the rest of the class. Look at {them}.",
    ),
    "size": ("note", "{} far larger or smaller than the rest of the class. Look at {them}."),
    "format": ("note", "{} of a format that is rare in the class. Look at {them}: {they} may come from elsewhere."),
    "ending": (
        "note",
        "{} by content of another format than the name says. foveal goes by the content; others may not.",
    ),
    "name": ("note", "{} named as placeholders, copies or pictures of screens are. Look at {them}."),
}


def _suspicious_verdicts(findings: Findings) -> Iterator[Verdict]:
    by_kind = defaultdict(list)
    for each in findings.suspicious:
        by_kind[each.kind].append(each)
    for kind, (level, text) in SUSPICIOUS.items():
        found = by_kind[kind]
        if found:
            is_one = len(found) == 1
            verb = {"plain": "looks" if is_one else "look"}.get(kind, "is" if is_one else "are")
            pronouns = {"them": "it" if is_one else "them", "they": "it" if is_one else "they"}
            sentence = text.format(f"{counted(len(found), 'image')} {verb}", **pronouns)
            examples = [f"{findings.images.short_name(each.image)}: {each.reason}" for each in found[:FEW_EXAMPLES]]
            yield Verdict(level, f"suspicious-{kind}", sentence, tuple(examples))
