"""Choosing which images are held out: each class in its share, and what belongs together on one side."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Int64
from numpy import ndarray


def carve(
    labels: Int64[ndarray, " N"],
    together: Sequence[object] | ndarray,
    free: Int64[ndarray, " M"],
    count: int,
    seed: int,
) -> Int64[ndarray, " C"]:
    """About `count` of the `free` images, each class in its share (largest remainder), whole groups of equal `together`.

    Every class keeps at least one image that is not taken; but for that, and for groups, exactly `count` are.
    """
    generator = np.random.default_rng([seed, count, len(free)])
    classes, labels_free = np.unique(labels[free], return_inverse=True)
    _, group = np.unique(np.asarray(together)[free], return_inverse=True)
    wanted = apportion(np.bincount(labels_free, minlength=len(classes)), count)
    order = _shuffled_by_class(labels_free, len(classes), generator)
    chosen = _take(labels_free, group, order, wanted)
    return np.asarray(np.sort(free[chosen]), dtype=np.int64)


def apportion(sizes: Int64[ndarray, " K"], count: int) -> Int64[ndarray, " K"]:
    """`count` seats shared in proportion to `sizes` by largest remainder, and never the whole of a class."""
    exact = sizes * (count / max(1, sizes.sum()))
    seats = np.floor(exact).astype(np.int64)
    order = np.argsort(-(exact - seats), kind="stable")
    seats[order[: count - int(seats.sum())]] += 1
    return np.asarray(np.minimum(seats, sizes - 1))


def _shuffled_by_class(
    labels: Int64[ndarray, " M"], num_classes: int, generator: np.random.Generator
) -> list[Int64[ndarray, " L"]]:
    return [generator.permutation(np.flatnonzero(labels == k)) for k in range(num_classes)]


def _take(
    labels: Int64[ndarray, " M"], group: Int64[ndarray, " M"], order: list[ndarray], wanted: Int64[ndarray, " K"]
) -> Int64[ndarray, " C"]:
    """The chosen images: whole groups of several first, as far as they fit, then single ones to fill each class."""
    sizes = np.bincount(group)
    is_single = sizes[group] == 1
    left = wanted.copy()
    room = np.bincount(labels, minlength=len(wanted)) - 1  # of each class one image stays
    taken: list[ndarray] = []
    groups = _groups_in_order(group, order, is_single)
    for members in groups:
        counts = np.bincount(labels[members], minlength=len(wanted))
        if _is_nearer(counts, left, room):
            left, room = left - counts, room - counts
            taken.append(members)
    if not taken and not is_single.any():
        return _nearest(labels, groups, wanted, room)
    for k, members in enumerate(order):
        singles = members[is_single[members]]
        taken.append(singles[: max(0, int(min(left[k], room[k])))])
    return np.concatenate(taken) if taken else np.empty(0, dtype=np.int64)


def _nearest(labels: ndarray, groups: list[ndarray], wanted: ndarray, room: ndarray) -> ndarray:
    """The one group that is nearest to what is wanted: where all are too large, one is better than none."""
    counts = [np.bincount(labels[members], minlength=len(wanted)) for members in groups]
    fitting = [i for i, each in enumerate(counts) if (each <= room).all()] if wanted.sum() else []
    best = min(fitting, key=lambda i: float(np.abs(wanted - counts[i]).sum()), default=None)
    return np.empty(0, dtype=np.int64) if best is None else groups[best]


def _groups_in_order(group: ndarray, order: list[ndarray], is_single: ndarray) -> list[ndarray]:
    """The members of each group of several images, in the order in which the shuffled classes come to them."""
    shuffled = np.concatenate(order) if order else np.empty(0, dtype=np.int64)
    several = shuffled[~is_single[shuffled]]
    if len(several) == 0:
        return []
    by_group = np.argsort(group[several], kind="stable")
    members = np.split(several[by_group], np.flatnonzero(np.diff(group[several][by_group])) + 1)
    first = {int(group[each[0]]): each for each in members}
    return [first[number] for number in dict.fromkeys(group[several].tolist())]


def _is_nearer(counts: ndarray, left: ndarray, room: ndarray) -> bool:
    """Whether taking a group brings the classes' numbers nearer to what is wanted, and leaves each class an image."""
    return bool((counts <= room).all() and np.abs(left - counts).sum() < np.abs(left).sum())
