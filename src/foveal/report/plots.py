"""Pictures as PNG files. Each function takes arrays and a path; none knows a network, a run or a data set."""

import io
from collections.abc import Mapping, Sequence
from math import ceil
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, Int64, UInt8
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text
from numpy import ndarray

from foveal.storage import cannot_write, write_atomic

BLUE, ORANGE, RED = "#2b6cb0", "#c05621", "#c53030"
MAX_LAYERS = 32  # of whose feature maps a picture is drawn: 79, those of resnet20, took 4 s and 76 inches
MAX_MAPS, MAX_VALUES = 12, 64  # drawn of each layer: feature maps, or values where a map is one value


def save_figure(figure: Figure, path: Path) -> None:
    """Write a figure as PNG, whole or not at all. Raises ArtifactError when it cannot be written."""
    for text in figure.findobj(Text):
        text.set_parse_math(False)  # a class called "$a^$" is a name, not a formula
    picture = io.BytesIO()
    FigureCanvasAgg(figure).print_png(picture)  # type: ignore[no-untyped-call]
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise cannot_write(path, error) from error
    write_atomic(path, picture.getvalue())


def draw_curves(history: Sequence[Mapping[str, Any]], path: Path) -> None:
    """Loss and accuracy over the epochs: of the training batches while they were learnt from, and of validation."""
    figure = Figure(figsize=(10, 4), layout="constrained")
    for axes, name in zip(figure.subplots(1, 2), ("loss", "accuracy"), strict=True):
        axes.plot(
            [record["epoch"] for record in history],
            [record[name] for record in history],
            color=BLUE,
            linewidth=1,
            label="training batches (augmented; the loss with label smoothing, if set)",
        )
        measured = [record for record in history if record.get(f"val_{name}") is not None]
        if measured:
            epochs = [record["epoch"] for record in measured]
            values = [record[f"val_{name}"] for record in measured]
            axes.plot(epochs, values, color=ORANGE, marker="o", markersize=4, label="validation")
        axes.set(xlabel="epoch", title=name)
        axes.grid(alpha=0.3)
    settled = [record["accuracy"] for record in history[len(history) // 4 :]]
    figure.axes[1].set_ylim(bottom=max(0.0, min(settled, default=0.0) - 0.05), top=1.0)  # not the first climb only
    figure.axes[0].set_ylim(bottom=0.0)
    figure.axes[0].legend(fontsize=8)
    save_figure(figure, path)


def draw_images(
    images: UInt8[ndarray, "N H W C"], captions: Sequence[str], path: Path, *, title: str, wrong: Sequence[bool] = ()
) -> None:
    """A grid of images with a caption above each, red where `wrong`.

    The images are pasted into one picture: 32 pairs of axes took 0.6 s to draw, this takes 0.2 s.
    """
    count, height, width, _ = images.shape
    columns = min(8, max(1, count))
    rows = max(1, ceil(count / columns))
    lines = [line for caption in captions for line in caption.split("\n")]
    size = min(7.5, 150 / max(map(len, lines), default=1))  # points; the longest line must fit above its image
    head = max(2, round((0.02 + 0.12 * max((c.count("\n") + 1 for c in captions), default=1)) * width))
    gap = max(1, width // 14)
    # The title needs 7 inches, however few the images.
    figure = Figure(
        figsize=(max(7.0, columns * 1.35), rows * 1.35 * (height + head) / width + 0.4), layout="constrained"
    )
    figure.suptitle(title, fontsize=11)
    axes = figure.subplots()
    axes.axis("off")
    canvas = np.full((rows * (height + head), columns * (width + gap) - gap, 3), 255, dtype=np.uint8)
    for number, image in enumerate(images):
        top, left = number // columns * (height + head) + head, number % columns * (width + gap)
        canvas[top : top + height, left : left + width] = image  # grey fills all three channels
        colour = RED if wrong and wrong[number] else "black"
        place = (left + width / 2, top - 0.04 * height)
        axes.text(*place, captions[number], fontsize=size, color=colour, ha="center", va="bottom", linespacing=1.05)
    axes.imshow(canvas, interpolation="nearest")
    save_figure(figure, path)


def show_image(axes: Axes, image: UInt8[ndarray, "H W C"]) -> None:
    """One image, grey or colour, with its pixels as squares."""
    picture = image[..., 0] if image.shape[2] == 1 else image
    axes.imshow(picture, cmap="gray", vmin=0, vmax=255, interpolation="nearest")


def draw_filters(filters: Float[ndarray, "D C h w"], path: Path) -> None:
    """The kernels of the first convolution: in colour for three channels, else blue (negative) to red (positive)."""
    shown = filters[:64]
    columns = min(8, len(shown))
    rows = ceil(len(shown) / columns)
    figure = Figure(figsize=(columns * 1.0, rows * 1.0 + 0.5), layout="constrained")
    figure.suptitle(f"first layer: {len(filters)} filters of {filters.shape[2]}x{filters.shape[3]}", fontsize=10)
    limit = float(np.abs(shown).max()) or 1.0
    for number, axes in enumerate(np.atleast_1d(figure.subplots(rows, columns)).flatten()):
        axes.axis("off")
        if number >= len(shown):
            continue
        kernel = shown[number]
        if kernel.shape[0] == 3:
            axes.imshow(np.clip(kernel.transpose(1, 2, 0) / (2 * limit) + 0.5, 0, 1), interpolation="nearest")
        else:
            axes.imshow(kernel.mean(axis=0), cmap="RdBu_r", vmin=-limit, vmax=limit, interpolation="nearest")
    save_figure(figure, path)


def draw_feature_maps(
    image: UInt8[ndarray, "H W C"], maps: Mapping[str, Float[ndarray, "D h w"]], path: Path, *, title: str
) -> None:
    """One image, and below it a row for each layer with its first feature maps, dark to light from low to high.

    The maps of a layer are pasted into one strip, since drawing time goes by the number of axes; of more layers than
    MAX_LAYERS some are drawn.
    """
    shown = evenly_spaced(list(maps), MAX_LAYERS)
    figure = Figure(figsize=(10, 0.95 * (len(shown) + 1) + 0.5), layout="constrained")
    axes = figure.subplots(len(shown) + 1, 1, squeeze=False)[:, 0]
    figure.suptitle(title if len(shown) == len(maps) else f"{title}: {len(shown)} of {len(maps)} layers", fontsize=11)
    show_image(axes[0], image)
    axes[0].set_ylabel("pixels", rotation=0, ha="right", va="center", fontsize=8)
    for row, name in zip(axes[1:], shown, strict=True):
        values = maps[name]
        row.imshow(strip(together(values)), cmap="viridis", interpolation="nearest", aspect="equal", vmin=0, vmax=1)
        label = f"{name}\n{values.shape[0]} x {values.shape[1]}x{values.shape[2]}"
        row.set_ylabel(label, rotation=0, ha="right", va="center", fontsize=8)
    for each in axes:
        each.set(xticks=[], yticks=[])
        for spine in each.spines.values():
            spine.set_visible(False)
    save_figure(figure, path)


def evenly_spaced(names: Sequence[str], most: int) -> list[str]:
    """At most so many of the names, in their order, the first and the last among them."""
    if len(names) <= most:
        return list(names)
    return [names[number] for number in np.linspace(0, len(names) - 1, most).round().astype(int)]


def together(maps: Float[ndarray, "D h w"]) -> Float[ndarray, "E a b"]:
    """The first maps; those of a single value each become one map, a row: alone, a value has no contrast to anything."""
    return maps[:MAX_VALUES].reshape(1, 1, -1) if maps.shape[1:] == (1, 1) else maps[:MAX_MAPS]


def strip(maps: Float[ndarray, "D h w"]) -> Float[ndarray, "H W"]:
    """Maps side by side, each stretched to 0-1, with blank columns (NaN) between them."""
    count, height, width = maps.shape
    gap = max(1, width // 8)
    total = MAX_MAPS * (width + gap) - gap if height > 1 else width
    pasted = np.full((height, total), np.nan)
    for number in range(count):
        values = maps[number]
        span = float(values.max() - values.min())
        begin = number * (width + gap)
        pasted[:, begin : begin + width] = (values - values.min()) / span if span else 0.0
    return pasted


def draw_confusion(confusion: Int64[ndarray, "K K"], classes: Sequence[str], path: Path, *, title: str) -> None:
    """Rows are true classes, columns predicted ones; the colour is the share of the row, the number is the count."""
    k = len(classes)
    side = min(16.0, max(4.5, 0.55 * k + 2))
    figure = Figure(figsize=(side, side), layout="constrained")
    axes = figure.subplots()
    share = confusion / np.maximum(1, confusion.sum(axis=1, keepdims=True))
    axes.imshow(share, cmap="Blues", vmin=0, vmax=1)
    if k <= 30:
        for row, column in zip(*np.nonzero(confusion), strict=True):
            colour = "white" if share[row, column] > 0.5 else (RED if row != column else "black")
            axes.text(column, row, str(confusion[row, column]), ha="center", va="center", fontsize=8, color=colour)
    size = 9 if k <= 30 else 5
    axes.set_xticks(range(k), classes, rotation=90 if max(map(len, classes)) > 3 else 0, fontsize=size)
    axes.set_yticks(range(k), classes, fontsize=size)
    axes.set(xlabel="predicted", ylabel="true")
    axes.set_title(title, fontsize=10)
    save_figure(figure, path)
