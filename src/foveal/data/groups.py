"""Images that must not be divided between splits: photos of one person, frames of one video, copies of one picture."""

import re
from collections.abc import Hashable, Sequence
from dataclasses import replace

import numpy as np
from jaxtyping import Int64
from numpy import ndarray

from foveal.data.images import Files, ImageSet
from foveal.errors import DataError


def with_groups(images: ImageSet, group_by: str, *, is_expected: bool = True) -> ImageSet:
    """The same images, grouped by what a pattern finds in their names: its first group, else all that it matches.

    Images in whose name the pattern is not found are alone. A set that has groups from a column keeps them.
    Raises DataError for images without names, a pattern that is none, and one that is found nowhere where it `is_expected`.
    """
    if images.groups is not None:
        return images
    if not isinstance(images.images, Files):
        raise DataError(
            f"{images.origin} is an array: its images have no names in which the group {group_by!r} could be looked for. "
            "Leave data.group_by out, or give the images as files or by a table."
        )
    try:
        pattern = re.compile(group_by)
    except re.error as error:
        raise DataError(
            f"data.group_by={group_by!r} is neither a column nor a pattern: {error}. "
            "Write a regular expression, for example 'person(\\d+)'."
        ) from error
    found = [pattern.search(name) for name in images.names]
    if is_expected and not any(found):
        raise DataError(
            f"{group_by!r} (data.group_by) is no column, and as a pattern it is in none of the names of {images.origin}, "
            f"for example {images.names[0]!r}. Change it, or leave it out."
        )
    groups = tuple(_text(match, name) for match, name in zip(found, images.names, strict=True))
    return replace(images, groups=groups)


def _text(match: re.Match[str] | None, name: str) -> str:
    if match is None:
        return f"alone: {name}"
    return (match.group(1) if match.re.groups else None) or match.group(0)


def components(*keys: Sequence[Hashable]) -> Int64[ndarray, " N"]:
    """Which images belong together: two of them do when any of the keys gives both the same value, or through a third.

    >>> components(["a", "b", "c", "d"], [1, 2, 2, 3]).tolist()
    [0, 1, 1, 2]
    """
    n = len(keys[0])
    pairs = []
    for key in keys:
        if len(set(key)) == n:
            continue
        first: dict[Hashable, int] = {}
        pairs += [(i, first.setdefault(value, i)) for i, value in enumerate(key)]
    edges = np.array([pair for pair in pairs if pair[0] != pair[1]], dtype=np.int64).reshape(-1, 2)
    if len(edges) == 0:
        return np.arange(n)
    from scipy.sparse import coo_array  # .4 seconds, and most data have no copies
    from scipy.sparse.csgraph import connected_components

    graph = coo_array((np.ones(len(edges), dtype=np.int8), (edges[:, 0], edges[:, 1])), shape=(n, n))
    _, labels = connected_components(graph, directed=False)
    return np.asarray(labels, dtype=np.int64)
