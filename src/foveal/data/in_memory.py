"""Images and labels in memory, of any array type, as foveal keeps them: uint8 (N, H, W, C), and class names."""

from typing import Any

import numpy as np
from jaxtyping import UInt8
from numpy import ndarray

from foveal.errors import DataError


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
