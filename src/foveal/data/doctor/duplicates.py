"""Copies among the images of a data set: the same pixels in two files, and who stands on both sides of a split."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Int64
from numpy import ndarray

from foveal.data.decode import open_image
from foveal.data.doctor.gathered import Gathered
from foveal.data.images import Files, digest
from foveal.errors import DataError

Numbers = Int64[ndarray, " _"]  # of images; groups are of different lengths


def exact_copies(images: Gathered) -> list[Numbers]:
    """The groups of images that have the same pixels at full size, whatever the format of their files.

    Images that are the same at the size of training are decoded again, as large as they are, to be sure; one that is
    too large for that is told from others by its file.
    """
    found = []
    for group in equal(images.pixel_ids):
        contents = np.array([images.content_id(i) for i in group.tolist()])
        firsts = {name: int(group[place]) for name, place in zip(*np.unique(contents, return_index=True), strict=True)}
        if len(firsts) == 1:
            found.append(group)
            continue
        whole = {name: _full_size(images, i) for name, i in firsts.items()}
        found += [group[part] for part in equal(np.array([whole[name] for name in contents]))]
    return sorted(found, key=lambda group: int(group[0]))


def equal(keys: ndarray) -> list[Numbers]:
    """The places of those keys that occur more than once, a group for each.

    >>> [group.tolist() for group in equal(np.array(["a", "b", "a", "c", "b"]))]
    [[0, 2], [1, 4]]
    """
    order = np.argsort(keys, kind="stable")
    starts = np.flatnonzero(np.concatenate([[True], keys[order][1:] != keys[order][:-1]]))
    return [group for group in np.split(order, starts[1:]) if len(group) > 1]


def _full_size(images: Gathered, image: int) -> str:
    """What tells the pixels of an image from others, as large as they came, grey ones as colour."""
    part, index = images.data.parts[images.split(image)], int(images.index[image])
    if not isinstance(part.images, Files):
        return images.content_id(image)
    try:
        picture, _ = open_image(part.images.read(int(part.numbers[index])))
    except (DataError, MemoryError):
        return images.content_id(image)
    return f"{picture.size} {digest(picture.convert('RGB').tobytes())}"


def representatives(images: Gathered, copies: Sequence[Numbers]) -> Numbers:
    """All images but those that have an exact copy before them in the same split."""
    left_out = [group[1:][images.part[group[1:]] == images.part[group[:-1]]] for group in copies]
    return np.setdiff1d(np.arange(len(images)), np.concatenate(left_out) if left_out else [])


def families(pairs: Int64[ndarray, "P 2"], n: int) -> list[Numbers]:
    """The groups that pairs of n images make when those belong together too that are paired with a third."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    graph = coo_array((np.ones(len(pairs), dtype=np.int8), (pairs[:, 0], pairs[:, 1])), shape=(n, n))
    _, family = connected_components(graph, directed=False)
    return sorted(equal(family), key=lambda group: int(group[0]))


def later_side(pairs: Int64[ndarray, "P 2"], part: Int64[ndarray, " N"]) -> Numbers:
    """The images of pairs across splits that stand in the later one: validation rather than train, test before all."""
    across = pairs[part[pairs[:, 0]] != part[pairs[:, 1]]]
    swap = part[across[:, 0]] > part[across[:, 1]]
    return np.unique(np.where(swap, across[:, 0], across[:, 1]))


def pairs_of(groups: Sequence[Numbers]) -> Int64[ndarray, "P 2"]:
    """Each image of a group with the first of its group."""
    pairs = [np.stack([np.full(len(group) - 1, group[0]), group[1:]], axis=1) for group in groups]
    return np.concatenate(pairs) if pairs else np.empty((0, 2), dtype=np.int64)
