"""Images on both sides of a split: copies by content, and groups, between what is learnt from or chosen with and later splits."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from foveal.data.changes import Piece
from foveal.data.doctor.copy_faults import LIE
from foveal.data.splits import Splits
from foveal.errors import DataError

EARLIER: Mapping[str, Sequence[str]] = {
    "validation": ("train",),
    "calibration": ("train",),
    "test": ("train", "validation", "calibration"),
}


def without_leaks(splits: Splits, leaks: str) -> tuple[Splits, list[str]]:
    """The splits, freed of what stands in a later one too where `leaks` is "drop", and what to tell of it.

    Raises DataError when so much does that the score on a split would be a lie and `leaks` is "refuse", and when dropping
    leaves a class without a training image.
    """
    notes = []
    for name in EARLIER:
        found = _leaking(splits, name)
        n = len(splits.ids[name])
        if found and leaks == "refuse" and len(found) >= LIE * n:
            raise DataError(
                f"{len(found)} of the {n} {name} images {_are_where(splits, name, found)}, "
                f"{splits.sets[name].name(found[0])} for example: what is measured on them would say nothing of new images. "
                "See them with `foveal data check`; go on without them in training: --set data.leaks=drop, or as it is: "
                "--set data.leaks=keep."
            )
        if found and leaks == "drop":
            splits, dropped = _dropped(splits, name)
            notes.append(f"{dropped} are left out: the {name} images hold copies of them, or others of their group")
        elif found:
            notes.append(
                f"{len(found)} {name} images {_are_where(splits, name, found)}: what is measured on them says nothing"
            )
    _require_all_classes(splits)
    return splits, notes


def _keys(splits: Splits, name: str) -> list[tuple[str, ...]]:
    """Of the images of a split what they must share with none in another: their contents, and their groups if any."""
    groups = splits.sets[name].groups
    return [splits.ids[name]] if groups is None else [splits.ids[name], tuple(f"group {group}" for group in groups)]


def _all_keys(splits: Splits, names: Sequence[str]) -> set[str]:
    return {key for name in names for keys in _keys(splits, name) for key in keys}


def _sharing(splits: Splits, name: str, known: set[str]) -> list[int]:
    """Which images of a split have one of these contents or groups."""
    return sorted({i for keys in _keys(splits, name) for i, key in enumerate(keys) if key in known})


def _leaking(splits: Splits, name: str) -> list[int]:
    """Which images of a split share content or group with an earlier one."""
    return _sharing(splits, name, _all_keys(splits, EARLIER[name]))


def _are_where(splits: Splits, name: str, found: list[int]) -> str:
    is_learnt = found[0] in _sharing(splits, name, _all_keys(splits, ["train"]))
    where = "training" if is_learnt else "validation or calibration"
    how = "are among" if splits.sets[name].groups is None else "are among, or of one group with some of,"
    return f"{how} the {where} images too"


def _dropped(splits: Splits, name: str) -> tuple[Splits, str]:
    """The splits without the earlier images that share anything with this one, and how many those were."""
    wanted = _all_keys(splits, [name])
    sets, ids, dropped = dict(splits.sets), dict(splits.ids), []
    for earlier in EARLIER[name]:
        stay = np.ones(len(ids[earlier]), dtype=bool)
        stay[_sharing(splits, earlier, wanted)] = False
        if len(stay) and not stay.all():
            whole = Piece(earlier, sets[earlier], ids[earlier])
            _, sets[earlier], ids[earlier] = whole.take(np.flatnonzero(stay))
            dropped.append(whole.take(np.flatnonzero(~stay)))
    counts = [f"{len(each.ids)} {'training' if each.part == 'train' else each.part} images" for each in dropped]
    return replace(splits, sets=sets, ids=ids, dropped=(*splits.dropped, *dropped)), " and ".join(counts)


def _require_all_classes(splits: Splits) -> None:
    counts = np.bincount(splits.train.labels, minlength=len(splits.train.classes))
    if counts.min() == 0:
        name = splits.train.classes[int(counts.argmin())]
        raise DataError(
            f"every training image of the class {name!r} is in a later split too, so that none is left to learn from without "
            "them. Add images of it, or say --set data.leaks=keep."
        )
