"""Pictures that show the same with other pixels: encoded anew, resized, a little cropped, lighter, or watermarked.

Hashes propose pairs, and the pixels decide. Where images are alike by nature, as digits are, a pair must stand out
among its neighbours too.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Float32, Int64, UInt64
from numpy import ndarray

from foveal.data.doctor.sketches import Sketches, correlation, correlation_beside_marks, unit

# The numbers here were measured by benchmarks/near_duplicates.py. Of the pairs that CIFAR-10 has at these values, none is
# of two classes, which pictures that have nothing to do with one another would be nine times in ten.
RADIUS = 10  # of the 64 bits may differ
ALIKE = 0.92  # correlation of the pixels
ALIKE_BESIDE_MARKS = 0.985
# Copies lie apart from what is only alike: of CIFAR-10's images 1.3 % have their nearest neighbour between ALMOST and ALIKE,
# of MNIST's 39 %, of photos of hands in one studio 70 %. From CROWDED on, that a pair is alike says nothing.
ALMOST, CROWDED = 0.8, 0.05
STANDS_OUT = 0.1  # in a crowd, a copy is ten times nearer than a neighbour ordinarily is,
STANDS_OUT_ALIKE = 0.97  # and at least as near as this
SAMPLE, REFERENCE, NEIGHBOUR = 4000, 5000, 5  # images asked for their neighbours, those among whom, and which neighbour
MAX_CANDIDATES = 4_000_000  # pairs whose pixels are compared, some 20 seconds of work: the radius gives way
MAX_IMAGES = 150_000  # half a minute of comparing hashes, which grows with the square
ROWS, COLUMNS, AT_ONCE = 32, 8192, 8192  # hashes compared at once, to stay within the processor's cache; pixels too
Show = Callable[[int, int], None]
AreNear = Callable[[ndarray, ndarray, ndarray], ndarray]  # the tiny pictures of pairs, and how alike they are


@dataclass(frozen=True)
class NearPairs:
    """Pairs of images that are nearly the same, with their correlation, and whether it is one's mirror image.

    `crowded` is the share of images that have others almost as like as copies are: above CROWDED, only pairs that stand
    out are told, and none that are mirrored. The first `searched` images were compared, and `left_out` others not.
    """

    pairs: Int64[ndarray, "P 2"]
    similarity: Float32[ndarray, " P"]
    is_mirrored: Bool[ndarray, " P"]
    crowded: float
    searched: int
    left_out: int

    @property
    def is_crowded(self) -> bool:
        """Whether images are alike by nature here, so that near copies cannot be told from them in general."""
        return self.crowded > CROWDED

    def take(self, is_kept: Bool[ndarray, " P"]) -> "NearPairs":
        """These pairs only."""
        pairs, similarity = self.pairs[is_kept], self.similarity[is_kept]
        return replace(self, pairs=pairs, similarity=similarity, is_mirrored=self.is_mirrored[is_kept])


def near_pairs(sketches: Sketches, show: Show | None = None) -> NearPairs:
    """The pairs of images that are nearly the same. Exact copies must have been taken out: they crowd the rest."""
    searched = min(len(sketches), MAX_IMAGES)
    numbers = np.flatnonzero(~sketches.is_flat[:searched])
    seen = sketches.take(numbers)
    radius = _radius(seen.hashes)
    crowded = _crowded(seen, radius)
    if crowded > CROWDED:
        pairs, similarity = _search(seen, seen, radius, _are_very_alike, show)
        stands_out = _stands_out(seen, pairs, similarity)
        pairs, similarity, plain = pairs[stands_out], similarity[stands_out], int(stands_out.sum())
    else:
        pairs, similarity = _search(seen, seen, radius, _are_alike, show)
        turned, turned_similarity = _search(seen, seen.mirror(), radius, _are_alike, show)
        is_new = ~np.isin(turned @ [len(seen), 1], pairs @ [len(seen), 1])  # symmetrical pictures are found both ways
        plain = len(pairs)
        pairs, similarity = (
            np.concatenate([pairs, turned[is_new]]),
            np.concatenate([similarity, turned_similarity[is_new]]),
        )
    return NearPairs(
        numbers[pairs], similarity, np.arange(len(pairs)) >= plain, crowded, searched, len(sketches) - searched
    )


def _search(
    images: Sketches, others: Sketches, radius: int, are_near: AreNear, show: Show | None
) -> tuple[Int64[ndarray, "P 2"], Float32[ndarray, " P"]]:
    """The pairs of an image and another one (or its mirror image) that pass the test, with their correlation."""
    pairs, similarity = [np.empty((0, 2), dtype=np.int64)], [np.empty(0, dtype=np.float32)]
    for proposed in candidates(images.hashes, others.hashes, radius, show):
        first, second = images.tiny[proposed[:, 0]], others.tiny[proposed[:, 1]]
        alike = correlation(first, second)
        near = are_near(first, second, alike)
        pairs.append(proposed[near])
        similarity.append(alike[near])
    return np.concatenate(pairs), np.concatenate(similarity)


def _are_alike(first: ndarray, second: ndarray, alike: ndarray) -> ndarray:
    return np.asarray((alike >= ALIKE) | (correlation_beside_marks(first, second) >= ALIKE_BESIDE_MARKS))


def _are_very_alike(first: ndarray, second: ndarray, alike: ndarray) -> ndarray:
    return np.asarray(alike >= STANDS_OUT_ALIKE)


def candidates(
    hashes: UInt64[ndarray, " N"], others: UInt64[ndarray, " N"], radius: int, show: Show | None = None
) -> Iterator[Int64[ndarray, "P 2"]]:
    """All pairs of a hash and one of `others` at a higher place that differ in at most `radius` bits, some at a time."""
    n = len(hashes) if radius >= 0 else 0
    for start in range(0, n, ROWS):
        for left in range(start, n, COLUMNS):
            distances = np.bitwise_count(hashes[start : start + ROWS, None] ^ others[left : left + COLUMNS])
            near = np.flatnonzero(distances <= radius)
            pairs = np.stack(np.divmod(near, distances.shape[1]), axis=1) + np.array([start, left])
            pairs = pairs[pairs[:, 0] < pairs[:, 1]]
            for first in range(0, len(pairs), AT_ONCE):
                yield pairs[first : first + AT_ONCE]
        if show is not None and start % (ROWS * 64) == 0:
            show(start, n)


def _sample(n: int) -> Int64[ndarray, " M"]:
    return np.sort(np.random.default_rng(0).permutation(n)[:SAMPLE])


def _radius(hashes: UInt64[ndarray, " N"]) -> int:
    """The largest radius that proposes no more pairs than can be compared, judged by a sample; -1 when none is."""
    n, sample = len(hashes), _sample(len(hashes))
    counts = np.zeros(65, dtype=np.int64)
    for row in sample:
        counts += np.bincount(np.bitwise_count(hashes ^ hashes[row]), minlength=65)
    counts[0] -= len(sample)  # each with itself
    expected = np.cumsum(counts) * (n / (2 * max(1, len(sample))))
    return min(RADIUS, int((expected <= MAX_CANDIDATES).sum()) - 1)


def _crowded(sketches: Sketches, radius: int) -> float:
    """The share of images, by a sample, whose nearest neighbour is almost a copy and none; 1 when all hashes are one."""
    if radius < 0:
        return 1.0
    sample, almost = _sample(len(sketches)), 0
    for row in sample:
        near = np.flatnonzero(np.bitwise_count(sketches.hashes ^ sketches.hashes[row]) <= radius)
        near = near[near != row]
        if len(near):
            alike = unit(sketches.tiny[near]) @ unit(sketches.tiny[[row]])[0]
            nearest = alike.argmax()
            is_copy = _are_alike(sketches.tiny[[row]], sketches.tiny[near[[nearest]]], alike[[nearest]])[0]
            almost += bool(alike[nearest] >= ALMOST and not is_copy)
    return almost / max(1, len(sample))


def _stands_out(sketches: Sketches, pairs: ndarray, similarity: ndarray) -> ndarray:
    """Whether the two of a pair are far nearer to one another than each is to its neighbours in a random reference."""
    images, places = np.unique(pairs, return_inverse=True)
    reference = np.random.default_rng(1).permutation(len(sketches))[:REFERENCE]
    vectors = unit(sketches.tiny[reference])
    gaps = np.empty(len(images), dtype=np.float32)
    rank = min(NEIGHBOUR, max(1, len(reference) - 1))
    for start in range(0, len(images), AT_ONCE // 8):
        rows = images[start : start + AT_ONCE // 8]
        alike = unit(sketches.tiny[rows]) @ vectors.T
        alike[rows[:, None] == reference] = -1  # each with itself
        gaps[start : start + len(rows)] = 1 - np.partition(alike, -rank, axis=1)[:, -rank]
    both = gaps[places.reshape(pairs.shape)].min(axis=1, initial=2)
    return np.asarray(1 - similarity <= STANDS_OUT * both)
