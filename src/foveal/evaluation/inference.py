"""Running a LogitsFn over images once; every metric is worked out from what it answered."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32, Int64, UInt8
from numpy import ndarray

from foveal.classifier import LogitsFn
from foveal.errors import DataError


@dataclass(frozen=True)
class Evaluation:
    """Logits and labels of the same images. `ids` are content hashes, so that two runs can be paired image by image."""

    logits: Float32[ndarray, "N K"]
    labels: Int64[ndarray, " N"]
    ids: tuple[str, ...]
    classes: tuple[str, ...]


def infer(
    logits_fn: LogitsFn,
    batches: Iterable[UInt8[ndarray, "B H W C"]],
    labels: Int64[ndarray, " N"],
    ids: tuple[str, ...],
    classes: tuple[str, ...],
) -> Evaluation:
    """What `logits_fn` answers for all batches. Raises DataError when there are no images or the counts differ."""
    answers = [logits_fn(batch) for batch in batches]
    if not answers:
        raise DataError("there are no images to evaluate on. Name data that have some.")
    logits = np.concatenate(answers)
    if not len(logits) == len(labels) == len(ids):
        raise DataError(f"{len(logits)} images, {len(labels)} labels and {len(ids)} ids do not belong together.")
    return Evaluation(logits, labels, ids, classes)
