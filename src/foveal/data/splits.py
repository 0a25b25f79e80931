"""Who is learnt from, who chooses, who calibrates and who is only tested: disjoint, stratified, seeded, on record.

What the data bring with them is kept; only what is missing is carved out of the training images. Images with the same
content always stay together, so that no copy of a training image can be tested on.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Int64
from numpy import ndarray

from foveal.data.images import ImageSet, content_ids
from foveal.data.sources import Data
from foveal.errors import DataError

CARVED = ("test", "validation", "calibration")
DEFAULT_SHARE, DEFAULT_CAP = 0.1, 2500  # of the training images, for validation and calibration each


@dataclass(frozen=True)
class Splits:
    """The four disjoint splits, the content ids of their images, and what identifies the data set as a whole."""

    sets: Mapping[str, ImageSet]
    ids: Mapping[str, tuple[str, ...]]
    fingerprint: str

    @property
    def train(self) -> ImageSet:
        """What the weights are fitted to."""
        return self.sets["train"]

    @property
    def validation(self) -> ImageSet:
        """What chooses the weights."""
        return self.sets["validation"]

    @property
    def calibration(self) -> ImageSet:
        """What fits the temperature."""
        return self.sets["calibration"]

    @property
    def test(self) -> ImageSet:
        """What only `evaluate` and its like open."""
        return self.sets["test"]

    def as_dict(self) -> dict[str, Any]:
        """The splits as plain values, for splits.json."""
        return {"format": 1, "fingerprint": self.fingerprint, "splits": {k: list(v) for k, v in self.ids.items()}}


def split(
    data: Data, *, validation: float | None = None, calibration: float | None = None, test: float = 0.1, seed: int = 0
) -> Splits:
    """The splits of a data set. A size below 1 is a share of the training images, otherwise a number of images;
    None is a tenth, and at most 2,500. Splits that the data bring are kept whole.

    Raises DataError when a class would be left without a training image.
    """
    ids = {part: content_ids(images) for part, images in data.parts.items()}
    base = data.base
    base_ids = np.array(next(ids[part] for part in ("train", "all") if part in ids))
    sizes = {"test": test, "validation": validation, "calibration": calibration}
    owner = np.full(len(base), "train", dtype="U11")
    for name in CARVED:
        free = np.flatnonzero(owner == "train")
        if name not in data.parts and len(free):
            count = _count(sizes[name], len(base) if name == "test" else len(free))
            owner[carve(base.labels, base_ids, free, count, seed)] = name
    _require_each_class(base, owner)
    return _assemble(data, ids, owner)


def _count(size: float | None, available: int) -> int:
    if size is None:
        return min(round(available * DEFAULT_SHARE), DEFAULT_CAP)
    count = round(size * available) if size < 1 else int(size)
    if count >= available:
        raise DataError(f"{size:g} images cannot be held out of {available} training images. Hold out fewer.")
    return count


def carve(
    labels: Int64[ndarray, " N"], ids: ndarray, free: Int64[ndarray, " M"], count: int, seed: int
) -> Int64[ndarray, " C"]:
    """About `count` of the `free` images, each class in its share (largest remainder), whole groups of equal ids.

    Every class keeps at least one image that is not taken; but for that, and for copies, exactly `count` are.
    """
    generator = np.random.default_rng([seed, count, len(free)])
    classes, sizes = np.unique(labels[free], return_counts=True)
    wanted = _apportion(sizes, count)
    taken: list[ndarray] = []
    for label, quota in zip(classes, wanted.tolist(), strict=True):
        members = generator.permutation(free[labels[free] == label])
        _, group = np.unique(ids[members], return_inverse=True)
        if group.max(initial=-1) + 1 == len(members):
            taken.append(members[:quota])
        else:
            taken.append(_whole_groups(members, group, quota))
    chosen = np.concatenate(taken) if taken else np.empty(0, dtype=np.int64)
    # Copies that carry another label must move along with the image they are a copy of.
    moved: ndarray = np.sort(free[np.isin(ids[free], ids[chosen])]).astype(np.int64)
    return moved


def _apportion(sizes: Int64[ndarray, " K"], count: int) -> Int64[ndarray, " K"]:
    """`count` seats shared in proportion to `sizes` by largest remainder, and never the whole of a class."""
    exact = sizes * (count / max(1, sizes.sum()))
    seats = np.floor(exact).astype(np.int64)
    order = np.argsort(-(exact - seats), kind="stable")
    seats[order[: count - int(seats.sum())]] += 1
    return np.asarray(np.minimum(seats, sizes - 1))


def _whole_groups(members: ndarray, group: ndarray, quota: int) -> ndarray:
    kept: list[int] = []
    groups = list(dict.fromkeys(group.tolist()))  # in the order of the shuffled members
    for number in groups:
        if len(kept) == quota:
            break
        inside = np.flatnonzero(group == number)
        if len(kept) + len(inside) <= quota:
            kept.extend(inside.tolist())
    return members[np.array(kept, dtype=np.int64)]


def _require_each_class(base: ImageSet, owner: ndarray) -> None:
    left = np.bincount(base.labels[owner == "train"], minlength=len(base.classes))
    if left.min() == 0:
        name = base.classes[int(left.argmin())]
        raise DataError(f"the class {name!r} has no training image once the other splits are filled. Add images to it.")


def _assemble(data: Data, ids: Mapping[str, tuple[str, ...]], owner: ndarray) -> Splits:
    base_part = "train" if "train" in data.parts else "all"
    sets: dict[str, ImageSet] = {}
    split_ids: dict[str, tuple[str, ...]] = {}
    for name in ("train", "validation", "calibration", "test"):
        if name in data.parts and name != "train":
            sets[name], split_ids[name] = data.parts[name], ids[name]
        else:
            indices = np.flatnonzero(owner == name)
            sets[name] = data.base.take(indices)
            split_ids[name] = tuple(ids[base_part][i] for i in indices)
    return Splits(sets, split_ids, fingerprint(data, ids))


def fingerprint(data: Data, ids: Mapping[str, tuple[str, ...]]) -> str:
    """What identifies a data set: a hash of its images' content, labels and parts, whatever their order."""
    lines = sorted(
        f"{part} {image_id} {images.classes[label]}"
        for part, images in data.parts.items()
        for image_id, label in zip(ids[part], images.labels.tolist(), strict=True)
    )
    return hashlib.sha256("\n".join(lines).encode(errors="surrogateescape")).hexdigest()[:16]


def restore(data: Data, saved: Mapping[str, Any]) -> Splits:
    """The very splits that a run was trained with, found again by content. Raises DataError when the data changed."""
    ids = {part: content_ids(images) for part, images in data.parts.items()}
    now = fingerprint(data, ids)
    if now != saved["fingerprint"]:
        raise DataError(_what_changed(ids, saved, now))
    base_ids = next(ids[part] for part in ("train", "all") if part in ids)
    where = {i: name for name in CARVED if name not in data.parts for i in saved["splits"][name]}
    owner = np.array([where.get(i, "train") for i in base_ids], dtype="U11")
    return _assemble(data, ids, owner)


def _what_changed(ids: Mapping[str, tuple[str, ...]], saved: Mapping[str, Any], now: str) -> str:
    before = {i for members in saved["splits"].values() for i in members}
    after = {i for members in ids.values() for i in members}
    gone, new = len(before - after), len(after - before)
    what = (
        f"{gone} images are gone or were edited, {new} are new"
        if gone or new
        else "the images are the same, but labels, splits or the number of copies differ"
    )
    return (
        f"the data changed since this run was trained (fingerprint {saved['fingerprint']} then, {now} now): {what}. "
        "Train again, or bring back the data as it was."
    )
