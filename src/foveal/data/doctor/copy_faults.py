"""What is said of copies and groups: who stands on both sides of a split, and who has two labels."""

from collections import defaultdict
from collections.abc import Iterator

import numpy as np

from foveal.data.doctor.duplicates import Numbers, later_side, pairs_of
from foveal.data.doctor.findings import FEW_EXAMPLES, Findings, Level, Verdict, counted, few

LIE = 0.01  # of a split, or of all labels: from so many on, a score is not what it is taken for
NEAR_LIE = 0.05  # of a split, near copies counted: a network may still be wrong about those. CIFAR-10's own has 2 %
ALONE = "alone: "  # how foveal.data.groups calls images in whose name no group is found


def copy_verdicts(findings: Findings) -> Iterator[Verdict]:
    """What there is to say of copies, exact and near, and of groups."""
    yield from _across_splits(findings)
    yield from _labels(findings)
    yield from _within_splits(findings)
    yield from _crowded(findings)
    yield from _groups(findings)


def _across_splits(findings: Findings) -> Iterator[Verdict]:
    images = findings.images
    exact, near = pairs_of(findings.copies), findings.near.pairs
    exact_images = later_side(exact, images.part)
    near_images = np.setdiff1d(later_side(near, images.part), exact_images)
    for number, name in enumerate(images.parts[1:], start=1):
        n = int((images.part == number).sum())
        same, alike = (int((images.part[each] == number).sum()) for each in (exact_images, near_images))
        if same + alike == 0:
            continue
        is_lie = same >= LIE * n or same + alike >= NEAR_LIE * n
        earlier = " or ".join(images.parts[:number])
        text = (
            f"{same + alike:,} of the {n:,} {name} images ({(same + alike) / n:.1%}) are copies of {earlier} images: {same:,} "
            f"pixel by pixel, {alike:,} nearly so. The score on the {name} images counts them as new, which they are not. "
            f"Remove them from the {images.parts[0]} images (--json has all paths); of files that are the same byte by "
            "byte, training leaves those out with --set data.leaks=drop."
        )
        reaching = near[(images.part[near].max(axis=1) == number) & (images.part[near].min(axis=1) < number)]
        groups = [group for group in findings.copies if findings.is_across(group) and number in images.part[group]]
        groups += list(reaching[:FEW_EXAMPLES])
        yield Verdict("error" if is_lie else "warning", "copies-across-splits", text, _examples(findings, groups))


def _examples(findings: Findings, groups: list[Numbers]) -> tuple[str, ...]:
    return tuple(findings.describe(group) for group in findings.worst_first(groups)[:FEW_EXAMPLES])


def _labels(findings: Findings) -> Iterator[Verdict]:
    torn = [group for group in findings.copies if findings.has_several_labels(group)]
    if torn:
        n, total = sum(map(len, torn)), len(findings.images)
        text = (
            f"{counted(n, 'image')} ({n / total:.1%}) in {counted(len(torn), 'group')} of exact copies are labelled now as one "
            "class, now as another: no network can be right about both. Look at them, and keep the right label."
        )
        level: Level = "error" if n >= LIE * total else "warning"
        yield Verdict(level, "labels-disagree", text, _examples(findings, torn))
    labels, pairs = findings.images.labels, findings.near.pairs
    pairs = pairs[labels[pairs[:, 0]] != labels[pairs[:, 1]]]
    if len(pairs):
        text = (
            f"{counted(len(pairs), 'pair')} of nearly the same image have different labels. One of the two may be wrong: "
            "look at them on the page."
        )
        yield Verdict("warning", "near-labels-disagree", text, _examples(findings, list(pairs[:FEW_EXAMPLES])))


def _within_splits(findings: Findings) -> Iterator[Verdict]:
    groups = [
        each for each in findings.copies if not findings.is_across(each) and not findings.has_several_labels(each)
    ]
    if groups:
        text = (
            f"{counted(sum(len(group) - 1 for group in groups), 'image')} can go: each is the exact copy of another one of "
            "its split. Copies count more than once; foveal never divides them between splits that it makes itself."
        )
        yield Verdict("note", "exact-duplicates", text, _examples(findings, groups))
    families = [group for group in findings.near_families if not findings.is_across(group)]
    if families:
        n, is_divided = sum(map(len, families)), any((findings.images.part[group] == 0).any() for group in families)
        is_much = is_divided and n >= LIE * len(findings.images)
        text = (
            f"{counted(n, 'image')} in {counted(len(families), 'group')} are nearly the same as another one of their split. "
            + (
                "foveal keeps exact copies together when it makes splits, near ones not, and scores on those come out too good: "
                "remove what is not wanted, or name what belongs together with --group-by."
                if is_much
                else "They count more than once, and may come to stand on both sides of a split that foveal makes."
            )
        )
        level: Level = "warning" if is_much else "note"
        yield Verdict(level, "near-duplicates", text, _examples(findings, families))


def _crowded(findings: Findings) -> Iterator[Verdict]:
    near = findings.near
    if near.is_crowded:
        text = (
            f"near copies can hardly be told in these data: about {near.crowded:.0%} of the images have others that are "
            "almost the same. That is so by nature (digits, products before one ground), or because they are frames of a video "
            "or versions of one picture: then name those with --group-by. Only pairs that stand out are listed."
        )
        yield Verdict("note", "near-duplicates-unclear", text)
    if near.left_out:
        text = (
            f"near copies were looked for among the first {near.searched:,} images only, as the work grows with the square "
            f"of their number; exact copies among all {len(findings.images):,}."
        )
        yield Verdict("note", "near-duplicates-not-searched", text)


def _groups(findings: Findings) -> Iterator[Verdict]:
    where: dict[str, set[str]] = defaultdict(set)
    for name, part in findings.images.data.parts.items():
        for group in set(part.groups or ()):
            if not group.startswith(ALONE):
                where[group].add(name)
    if not where:
        return
    torn = sorted(group for group, parts in where.items() if len(parts) > 1)
    if torn:
        text = (
            f"{counted(len(torn), 'group')} of {len(where):,} (such as a person or a video) have images in several splits: "
            f"{few(torn)}. What is measured on them is how well those are recognised, not new ones. Put each group on one "
            "side, or merge the splits and let foveal divide by --set data.group_by=..."
        )
        yield Verdict("error", "groups-across-splits", text, tuple(torn))
        return
    is_undivided = len(findings.images.parts) == 1
    outcome = "training will keep each in one split" if is_undivided else "none of them is divided between splits"
    text = f"{counted(len(where), 'group')} of images belong together, and {outcome}."
    yield Verdict("note", "groups", text)
