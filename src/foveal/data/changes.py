"""How data differ from those of splits that were saved: image by image, told by names and contents."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import chain
from typing import Any, NamedTuple

from jaxtyping import Int64
from numpy import ndarray

from foveal.data.images import Files, ImageSet

Rows = dict[str, tuple[str, str]]  # of each image, by its name: its content id and its class


class Piece(NamedTuple):
    """Images of a part or a split of the data, with their content ids."""

    part: str
    images: ImageSet
    ids: tuple[str, ...]

    def take(self, indices: Int64[ndarray, " M"]) -> "Piece":
        """These images only."""
        return Piece(self.part, self.images.take(indices), tuple(self.ids[i] for i in indices.tolist()))


def what_changed(pieces: Sequence[Piece], saved: Mapping[str, Any]) -> list[str]:
    """Sentences on how data, in pieces, differ from those of saved splits: what is gone, new, edited, renamed, relabelled."""
    before, after = _saved_rows(saved), _rows(pieces)
    if not any(isinstance(piece.images.images, Files) for piece in pieces):
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
    dropped = saved.get("dropped", {})  # which foveal did not keep at first
    return {
        _key(part, name): (image_id, saved["classes"][label])
        for part, columns in chain(saved["splits"].items(), dropped.items())
        for name, image_id, label in zip(columns["names"], columns["ids"], columns["labels"], strict=True)
    }


def _rows(pieces: Iterable[Piece]) -> Rows:
    return {
        _key(part, name): (image_id, images.classes[label])
        for part, images, ids in pieces
        for name, image_id, label in zip(images.names, ids, images.labels.tolist(), strict=True)
    }


def _key(part: str, name: str) -> str:
    """A name that is one image's alone: each part of data in memory has its own #0."""
    return f"{part} {name}" if name.startswith("#") else name
