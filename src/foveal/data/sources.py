"""One way in for every kind of data: a known name, a folder, or NumPy arrays."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import UInt8
from numpy import ndarray

from foveal.data.images import ImageSet, image_set
from foveal.data.known import DATASETS, locate
from foveal.data.scan import Parts, scan, scan_idx
from foveal.errors import DataError, closest

Arrays = tuple[Any, Any]
Source = str | Path | Arrays | Mapping[str, Arrays]
ARRAYS = "arrays"  # how a config names data that came as arrays


@dataclass(frozen=True)
class Data:
    """Labelled images with the parts they came in: "train" (and "validation", "test"), or "all" of them together."""

    name: str
    parts: Parts

    @property
    def classes(self) -> tuple[str, ...]:
        """The names that labels index."""
        return self.base.classes

    @property
    def base(self) -> ImageSet:
        """The part that is learnt from, and that missing splits are carved out of."""
        return next(self.parts[part] for part in ("train", "all", "validation", "test") if part in self.parts)

    def __len__(self) -> int:
        return sum(len(part) for part in self.parts.values())


def data_name(source: Source | Any) -> str:
    """How runs on this data are called, without reading it."""
    if not isinstance(source, str | Path):
        return ARRAYS
    return str(source) if str(source) in DATASETS else Path(source).resolve().name


def require_source(source: str | Path) -> None:
    """Raise DataError, with the closest known names, unless this is a known name or a path that is there."""
    # os.path, as Path.exists raises for names that are too long or hold a zero byte.
    if str(source) not in DATASETS and not os.path.exists(source):  # noqa: PTH110
        raise DataError(
            f"there is no data set or folder called {str(source)!r}. {closest(str(source), DATASETS)} "
            "Data of your own is a path: foveal train path/to/folder"
        )


def open_data(source: Source | Any, *, for_testing: bool = False) -> Data:
    """The images of a known name, a folder, `(images, labels)` or `{"train": (images, labels), "test": ...}`.

    Nothing is decoded yet. Data `for_testing` need no training images and may be of one class. Raises DataError for
    unknown names (with the closest known ones), data without images or with one class, and labels of another number.
    """
    if isinstance(source, str | Path):
        data = Data(data_name(source), _parts_on_disk(source, for_testing))
    else:
        data = Data(ARRAYS, _parts_of_arrays(source, for_testing))
    if len(data.classes) < 2 and not for_testing:
        raise DataError(
            f"{data.name} has one class only ({data.classes[0]!r}); telling classes apart needs two or more. "
            "Name the folder above the class folders."
        )
    return data


def _parts_on_disk(source: str | Path, for_testing: bool) -> Parts:
    if str(source) in DATASETS:
        known = DATASETS[str(source)]
        folder = locate(str(source))
        return scan_idx(folder, [folder / name for name in known.sha256], known.classes, known.sha256)
    require_source(source)
    return scan(Path(source), for_testing=for_testing)


def _parts_of_arrays(source: Any, for_testing: bool) -> Parts:
    pairs = source if isinstance(source, Mapping) else {"all": source}
    allowed = {"train", "validation", "test", "all"}
    for part, pair in pairs.items():
        if part not in allowed or not isinstance(pair, tuple | list) or len(pair) != 2:
            raise DataError(
                f"data in memory is (images, labels), or a dict of such pairs; got {type(pair).__name__} for {part!r}. "
                f"{'Give the labels too.' if part in allowed else closest(str(part), sorted(allowed))}"
            )
    if "train" not in pairs and set(pairs) != {"all"} and not (for_testing and pairs):
        raise DataError(f"the arrays have the parts {', '.join(pairs) or 'none'}, but no 'train'. Give that one too.")
    if len(pairs) > 1 and "all" in pairs:
        raise DataError("the arrays have the part 'all' beside 'train'. Leave it out, or give it alone.")
    named = {part: (pixels_of(images), names_of(labels)) for part, (images, labels) in pairs.items()}
    base = named["train"] if "train" in named else next(iter(named.values()))
    classes = tuple(sorted(set(base[1]), key=lambda name: (len(name), name) if name.isdigit() else (0, name)))
    for part, (_, names) in named.items():
        strangers = set(names) - set(classes)
        if strangers:
            raise DataError(f"the {part} labels have {sorted(strangers)[0]!r}, which the training labels do not have.")
    return {part: image_set(pixels, names, classes, part) for part, (pixels, names) in named.items()}


def pixels_of(images: Any) -> UInt8[ndarray, "N H W C"]:
    """Images in memory as uint8 (N, H, W, C): from (N, H, W), (N, H, W, C) or (N, C, H, W); floats in 0-1 or 0-255.

    Raises DataError for other shapes and for values that are not finite or out of range.
    """
    array = _as_array(images, "images", "Bring them to one size first.")
    if array.ndim == 3:
        array = array[..., None]
    elif array.ndim == 4 and array.shape[3] not in (1, 3) and array.shape[1] in (1, 3):
        array = array.transpose(0, 2, 3, 1)
    if array.ndim != 4 or array.shape[3] not in (1, 3) or 0 in array.shape:
        raise DataError(
            f"the images have shape {np.shape(images)}; expected (N, H, W), (N, H, W, 1 or 3) or (N, 1 or 3, H, W), "
            "with at least one image. Reshape them."
        )
    if array.dtype == np.uint8:
        return np.ascontiguousarray(array)
    if array.dtype.kind not in "uifb":
        raise DataError(f"the images have the type {array.dtype}; expected numbers 0-255 or 0-1. Convert them.")
    values = array.astype(np.float64)
    low, high = values.min(), values.max()
    if not np.isfinite([low, high]).all() or low < 0 or high > 255:
        raise DataError(f"the pixels run from {low} to {high}; expected 0 to 255, or 0 to 1. Scale them first.")
    is_unit = array.dtype.kind == "b" or (array.dtype.kind == "f" and high <= 1)
    return np.ascontiguousarray(np.round(values * (255 if is_unit else 1)).astype(np.uint8))


def _as_array(values: Any, what: str, remedy: str) -> ndarray:
    if hasattr(values, "detach"):  # a torch tensor, perhaps with gradients, perhaps on a GPU
        values = values.detach().cpu()
    try:
        return np.asarray(values)
    except ValueError as error:
        raise DataError(f"the {what} are not all of one size, so that they are no array. {remedy}") from error


def names_of(labels: Any) -> list[str]:
    """Class names from labels in memory: whole numbers or text, one an image. Raises DataError for anything else."""
    array = _as_array(labels, "labels", "Give one number or name an image.")
    if array.ndim == 2 and array.shape[1] == 1:
        array = array[:, 0]
    if array.ndim != 1:
        raise DataError(
            f"the labels have shape {array.shape}; expected one number or name an image, (N,). "
            "From one-hot rows, take labels.argmax(axis=1)."
        )
    if array.dtype.kind == "f" and np.isfinite(array).all() and np.all(array == np.round(array)):
        array = array.astype(np.int64)
    if array.dtype.kind == "S":
        array = np.char.decode(array, "utf-8", "replace")
    if array.dtype.kind not in "iubUO":
        raise DataError(f"the labels have the type {array.dtype}; expected whole numbers or names.")
    return [str(value) for value in array.tolist()]
