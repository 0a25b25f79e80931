"""Who is learnt from, who chooses, who calibrates and who is only tested: disjoint, stratified, grouped, seeded.

What the data bring with them is kept; only what is missing is carved out of the training images. Images that belong
together (copies, photos of one person) always stay together, so that no copy of a training image can be tested on.
"""

import hashlib
import json
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy import ndarray

from foveal.data.carve import carve
from foveal.data.changes import Piece, what_changed
from foveal.data.groups import components
from foveal.data.images import ImageSet
from foveal.data.sources import Data
from foveal.errors import DataError
from foveal.run import SPLITS_FORMAT

CARVED = ("test", "validation", "calibration")
SPLITS = ("train", "validation", "calibration", "test")
DEFAULT_SHARE, DEFAULT_CAP = 0.1, 2500  # of the training images, for validation and calibration each
Ids = Mapping[str, tuple[str, ...]]  # content ids of the images of each part of the data


@dataclass(frozen=True)
class Splits:
    """The four disjoint splits, the content ids of their images, and what identifies the data set as a whole.

    `dropped` are the images that were taken out of splits because a later one holds the same, or others of their group.
    """

    sets: Mapping[str, ImageSet]
    ids: Ids
    fingerprint: str
    dropped: tuple[Piece, ...] = ()

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

    @property
    def pieces(self) -> tuple[Piece, ...]:
        """All images of the data, the dropped ones too, with their content ids."""
        return (*self._in_splits, *self.dropped)

    @cached_property
    def order(self) -> str:
        """What tells this division, and the order of the images in it, from any other: a hash of the content ids."""
        ids = json.dumps({name: list(each) for name, each in self.ids.items()}, sort_keys=True)
        return hashlib.sha256(ids.encode()).hexdigest()[:16]

    @property
    def _in_splits(self) -> tuple[Piece, ...]:
        return tuple(Piece(name, images, self.ids[name]) for name, images in self.sets.items())

    def as_dict(self) -> dict[str, Any]:
        """The splits as plain values, for splits.json: of each image its name, class and content id."""
        return {
            "format": SPLITS_FORMAT,
            "fingerprint": self.fingerprint,
            "classes": list(self.train.classes),
            "splits": _columns(self._in_splits),
            "dropped": _columns(self.dropped),
        }


def _columns(pieces: Iterable[Piece]) -> dict[str, dict[str, list[Any]]]:
    found: dict[str, dict[str, list[Any]]] = {}
    for part, images, ids in pieces:
        columns = found.setdefault(part, {"names": [], "labels": [], "ids": []})
        for name, values in (("names", images.names), ("labels", images.labels.tolist()), ("ids", ids)):
            columns[name] += values
    return found


def base_part(data: Data) -> str:
    """The part that missing splits are carved out of: "train", or "all"."""
    return next(part for part in ("train", "all") if part in data.parts)


def split(
    data: Data,
    ids: Ids,
    *,
    validation: float | None = None,
    calibration: float | None = None,
    test: float = 0.1,
    seed: int = 0,
    pixel_ids: Sequence[Hashable] | None = None,
    earlier: Mapping[str, str] | None = None,
) -> Splits:
    """The splits of a data set. A size below 1 is a share of the training images, otherwise a number of images;
    None is a tenth, and at most 2,500. Splits that the data bring are kept whole.

    Images of the base part with one content id, one pixel id or one group stay together. Those of which `earlier` says, by
    content id, in which split they were, stay in it whatever the seed. Raises DataError when a class
    would be left without a training image.
    """
    base = data.base
    part = base_part(data)
    together = components(*[key for key in (ids[part], pixel_ids, base.groups) if key is not None])
    sizes = {"test": test, "validation": validation, "calibration": calibration}
    owner, is_free = _as_before(ids[part], together, earlier or {}, missing=[n for n in CARVED if n not in data.parts])
    for name in CARVED:
        left = np.flatnonzero(owner == "train")
        if name not in data.parts and len(left):
            held = int((owner == name).sum())
            count = _count(sizes[name], len(base) if name == "test" else len(left) + held) - held
            free = left[is_free[left]]
            if count > 0 and len(free):
                owner[carve(base.labels, together, free, count, seed)] = name
    _require_each_class(base, owner)
    return _assemble(data, ids, owner)


def _as_before(
    ids: Sequence[str], together: ndarray, earlier: Mapping[str, str], *, missing: Sequence[str]
) -> tuple[ndarray, ndarray]:
    """The split of each image, "train" where nothing is known of it, and whether it is free to be put into another.

    All that belongs together goes where one of it was: first of all into training, else into one of the `missing` splits.
    """
    if not earlier:
        return np.full(len(ids), "train", dtype="U11"), np.ones(len(ids), dtype=bool)
    known: dict[int, str] = {}
    for component, image_id in zip(together.tolist(), ids, strict=True):
        name = earlier.get(image_id)
        if name is not None:
            place = name if name in missing else "train"
            known[component] = "train" if "train" in (place, known.get(component)) else known.get(component, place)
    owner = np.array([known.get(component, "train") for component in together.tolist()], dtype="U11")
    return owner, np.array([component not in known for component in together.tolist()], dtype=bool)


def _count(size: float | None, available: int) -> int:
    if size is None:
        return min(round(available * DEFAULT_SHARE), DEFAULT_CAP)
    count = round(size * available) if size < 1 else int(size)
    if count >= available:
        raise DataError(f"{size:g} images cannot be held out of {available} training images. Hold out fewer.")
    return count


def _require_each_class(base: ImageSet, owner: ndarray) -> None:
    left = np.bincount(base.labels[owner == "train"], minlength=len(base.classes))
    if left.min() == 0:
        name = base.classes[int(left.argmin())]
        raise DataError(f"the class {name!r} has no training image once the other splits are filled. Add images to it.")


def _assemble(data: Data, ids: Ids, owner: ndarray) -> Splits:
    part = base_part(data)
    sets: dict[str, ImageSet] = {}
    split_ids: dict[str, tuple[str, ...]] = {}
    for name in SPLITS:
        if name in data.parts and name != "train":
            sets[name], split_ids[name] = data.parts[name], ids[name]
        else:
            indices = np.flatnonzero(owner == name)
            sets[name] = data.base.take(indices)
            split_ids[name] = tuple(ids[part][i] for i in indices)
    return Splits(sets, split_ids, fingerprint(data, ids))


def fingerprint(data: Data, ids: Ids) -> str:
    """What identifies a data set: a hash of its images' content, labels and parts, whatever their order."""
    lines = sorted(
        f"{part} {image_id} {images.classes[label]}"
        for part, images in data.parts.items()
        for image_id, label in zip(ids[part], images.labels.tolist(), strict=True)
    )
    return hashlib.sha256("\n".join(lines).encode(errors="surrogateescape")).hexdigest()[:16]


def restore(data: Data, ids: Ids, saved: Mapping[str, Any]) -> Splits:
    """The very splits that a run was trained with, found again by content.

    Raises DataError, naming what changed, when the data are not what they were.
    """
    now = fingerprint(data, ids)
    if now != saved["fingerprint"]:
        changes = what_changed([Piece(part, images, ids[part]) for part, images in data.parts.items()], saved)
        raise DataError(
            f"the data changed since this run was trained (fingerprint {saved['fingerprint']} then, {now} now): "
            f"{'; '.join(changes)}. Train again, or bring back the data as it was."
        )
    where = {i: name for name in CARVED if name not in data.parts for i in saved["splits"][name]["ids"]}
    owner = np.array([where.get(i, "train") for i in ids[base_part(data)]], dtype="U11")
    return _assemble(data, ids, owner)
