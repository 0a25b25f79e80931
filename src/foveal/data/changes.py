"""How data differ from those of splits that were saved: image by image, told by names and contents."""

from collections.abc import Mapping, Sequence
from typing import Any

from foveal.data.images import Files, ImageSet

Rows = dict[str, tuple[str, str]]  # of each image, by its name: its content id and its class


def what_changed(sets: Mapping[str, ImageSet], ids: Mapping[str, Sequence[str]], saved: Mapping[str, Any]) -> list[str]:
    """Sentences on how data differ from those of saved splits: what is gone, new, edited, renamed, relabelled.

    `sets` are the parts or the splits of the data, `ids` the content ids of their images.
    """
    before, after = _saved_rows(saved), _rows(sets, ids)
    if not any(isinstance(images.images, Files) for images in sets.values()):
        # The numbers of an array name nothing: one image less renames all others.
        before, after = _by_content(before), _by_content(after)
    gone, new = sorted(before.keys() - after.keys()), sorted(after.keys() - before.keys())
    lost_ids = {before[name][0]: name for name in gone}
    renamed = [name for name in new if after[name][0] in lost_ids]
    old_names = {lost_ids[after[name][0]] for name in renamed}
    both = sorted(before.keys() & after.keys())
    is_same = {name: before[name][0] == after[name][0] for name in both}
    kinds = {
        "gone": [name for name in gone if name not in old_names],
        "new": [name for name in new if name not in renamed],
        "edited": [name for name in both if not is_same[name]],
        "renamed or moved": renamed,
        "relabelled": [name for name in both if is_same[name] and before[name][1] != after[name][1]],
    }
    said = [f"{len(names)} {kind} ({_few(names)})" for kind, names in kinds.items() if names]
    return said or ["the images are the same, but splits or the number of copies differ"]


def _by_content(rows: Rows) -> Rows:
    return {f"image {image_id}": (image_id, label) for image_id, label in rows.values()}


def _few(names: Sequence[str]) -> str:
    return ", ".join(names[:3]) + (", ..." if len(names) > 3 else "")


def _saved_rows(saved: Mapping[str, Any]) -> Rows:
    return {
        _key(part, name): (image_id, saved["classes"][label])
        for part, columns in saved["splits"].items()
        for name, image_id, label in zip(columns["names"], columns["ids"], columns["labels"], strict=True)
    }


def _rows(sets: Mapping[str, ImageSet], ids: Mapping[str, Sequence[str]]) -> Rows:
    return {
        _key(part, name): (image_id, images.classes[label])
        for part, images in sets.items()
        for name, image_id, label in zip(images.names, ids[part], images.labels.tolist(), strict=True)
    }


def _key(part: str, name: str) -> str:
    """A name that is one image's alone: each part of data in memory has its own #0."""
    return f"{part} {name}" if name.startswith("#") else name
