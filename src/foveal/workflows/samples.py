"""`foveal data show`: a look at the training images. The test images stay closed."""

from pathlib import Path
from typing import Any

import numpy as np

from foveal.data.pixels import choose_preprocess, load_pixels, measure_sizes
from foveal.data.sources import open_data
from foveal.report.plots import draw_images


def draw_samples(source: str, out: Path | None, count: int, seed: int) -> dict[str, Any]:
    """Draw `count` training images, drawn at random but each class in turn, and say how many there are of each."""
    data = open_data(source)
    images = data.base
    preprocess, note = choose_preprocess(measure_sizes(images), None, "pad")
    generator = np.random.default_rng(seed)
    by_class = [generator.permutation(np.flatnonzero(images.labels == k)) for k in range(len(data.classes))]
    rounds = max((len(members) for members in by_class), default=0)
    turns = [members[i] for i in range(min(rounds, count)) for members in by_class if i < len(members)]
    chosen = images.take(np.array(turns[:count], dtype=np.int64))
    pixels = load_pixels(chosen, preprocess)
    path = out or Path(f"samples-{data.name}.png")
    captions = [data.classes[label] for label in pixels.labels]
    part = "training images" if "train" in data.parts else "images"
    title = f"{data.name}: {len(pixels)} of {len(images):,} {part}"
    draw_images(pixels.pixels.permute(0, 2, 3, 1).contiguous().numpy(), captions, path, title=title)
    counts = np.bincount(images.labels, minlength=len(data.classes))
    return {
        "data": data.name,
        "images": len(images),
        "part": part,
        "size": f"{preprocess.height}x{preprocess.width}, {'grey' if preprocess.channels == 1 else 'colour'}",
        "classes": {name: int(number) for name, number in zip(data.classes, counts, strict=True)},
        "picture": str(path),
        "notes": [*([note] if note else []), *(f"left out: {reason}" for reason in pixels.refused)],
    }
