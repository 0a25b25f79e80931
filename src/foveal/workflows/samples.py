"""`foveal data show`: a look at the training images, as they are, as the network sees them, or as augmented.

The test images stay closed.
"""

from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from jaxtyping import UInt8
from numpy import ndarray

from foveal.config import AugmentConfig, Config, Preprocess
from foveal.data.images import ImageSet
from foveal.data.index import facts_of
from foveal.data.looks import choose_preprocess, measure_sizes
from foveal.data.mapped import Images
from foveal.data.pixels import decode_now
from foveal.data.sources import Data
from foveal.report.plots import draw_images
from foveal.workflows.augmenting import make_augmentation
from foveal.workflows.load import open_config

CELL = 96  # pixels a side of a picture that is shown as it is
VERSIONS = 8  # of an image in the row that shows how it is augmented
View = Literal["as_they_are", "as_seen", "augmented"]


def draw_samples(
    config: Config, out: Path | None, *, count: int = 40, seed: int = 0, view: View = "as_they_are"
) -> dict[str, Any]:
    """Draw `count` training images, drawn at random but each class in turn, and say how many there are of each.

    "as_seen" puts what the network gets beside each image, "augmented" what training may make of it.
    """
    wanted = config.data
    data = open_config(wanted)
    images = data.base
    facts = facts_of(images)
    preprocess, note = choose_preprocess(measure_sizes(images, facts), wanted.size, wanted.fit, wanted.channels)
    rows = max(1, count // VERSIONS) if view == "augmented" else count
    chosen = _each_class_in_turn(data, rows, seed)
    path = out or Path(f"samples-{data.name}.png")
    title = _title(data, len(chosen), view)
    if view == "augmented":
        refused = _draw_augmented(chosen, preprocess, config.augment, path, title)
    else:
        refused = _draw(chosen, preprocess, view, path, title)
    counts = np.bincount(images.labels, minlength=len(data.classes))
    return {
        "data": data.name,
        "images": len(images),
        "part": _part(data),
        "size": f"{preprocess.height}x{preprocess.width}, {'grey' if preprocess.channels == 1 else 'colour'}",
        "classes": {name: int(number) for name, number in zip(data.classes, counts, strict=True)},
        "picture": str(path),
        "notes": [*([note] if note else []), *(f"left out: {reason}" for reason in refused)],
    }


def _part(data: Data) -> str:
    return "training images" if "train" in data.parts else "images"


def _title(data: Data, count: int, view: View) -> str:
    how = {"as_they_are": "", "as_seen": ", and beside each what the network sees", "augmented": ", then augmented"}
    return f"{data.name}: {count} of {len(data.base):,} {_part(data)}{how[view]}"


def _each_class_in_turn(data: Data, count: int, seed: int) -> ImageSet:
    generator = np.random.default_rng(seed)
    images = data.base
    by_class = [generator.permutation(np.flatnonzero(images.labels == k)) for k in range(len(data.classes))]
    rounds = max((len(members) for members in by_class), default=0)
    turns = [members[i] for i in range(min(rounds, count)) for members in by_class if i < len(members)]
    return images.take(np.array(turns[:count], dtype=np.int64))


def _draw(chosen: ImageSet, preprocess: Preprocess, view: View, path: Path, title: str) -> tuple[str, ...]:
    """Draw the picture, and return the reasons of what could not be read."""
    cell = Preprocess(channels=3, height=CELL, width=CELL)
    whole, seen = decode_now(chosen, cell), decode_now(chosen, preprocess)
    captions = [chosen.classes[label] for label in whole.labels]
    originals = _as_arrays(whole.pixels)
    if view == "as_they_are":
        draw_images(originals, captions, path, title=title)
    else:
        pairs = [
            picture for pair in zip(originals, _as_arrays(seen.pixels), strict=True) for picture in map(_enlarged, pair)
        ]
        size = f"{preprocess.height}x{preprocess.width}"
        draw_images(
            np.stack(pairs), [text for each in captions for text in (each, f"seen as {size}")], path, title=title
        )
    return whole.refused


def _draw_augmented(
    chosen: ImageSet, preprocess: Preprocess, wanted: AugmentConfig, path: Path, title: str
) -> tuple[str, ...]:
    """A row for each image: as the network sees it, then as training would change it, epoch after epoch."""
    seen = decode_now(chosen, preprocess)
    pixels = seen.pixels[:]
    augment, generator = make_augmentation(wanted, seed=0), torch.Generator().manual_seed(0)
    numbers = torch.arange(len(pixels))
    versions = [pixels, *(augment(pixels, generator, numbers, epoch) for epoch in range(VERSIONS - 1))]
    rows = torch.stack(versions, dim=1).flatten(0, 1)  # (N * VERSIONS, C, H, W), the versions of an image side by side
    captions = [
        text
        for label in seen.labels.tolist()
        for text in (chosen.classes[label], *(f"epoch {epoch + 1}" for epoch in range(VERSIONS - 1)))
    ]
    draw_images(_as_arrays(rows), captions, path, title=title)
    return seen.refused


def _as_arrays(images: Images) -> UInt8[ndarray, "N H W C"]:
    return np.ascontiguousarray(images[:].permute(0, 2, 3, 1).numpy())


def _enlarged(image: UInt8[ndarray, "h w C"]) -> UInt8[ndarray, "H W 3"]:
    """An image in a cell, each of its pixels repeated as often as fits, on white."""
    times = max(1, CELL // max(image.shape[:2]))
    large = np.repeat(np.repeat(image, times, axis=0), times, axis=1)[:CELL, :CELL]
    cell = np.full((CELL, CELL, 3), 255, dtype=np.uint8)
    top, left = (CELL - large.shape[0]) // 2, (CELL - large.shape[1]) // 2
    cell[top : top + large.shape[0], left : left + large.shape[1]] = large
    return cell
