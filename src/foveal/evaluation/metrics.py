"""Scores of an Evaluation: each a function of logits and labels."""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from jaxtyping import Float32, Int64
from numpy import ndarray

from foveal.evaluation.inference import Evaluation
from foveal.evaluation.intervals import wilson_interval


@dataclass(frozen=True)
class ClassScore:
    """How one class fares; a ratio with nothing below the line is 0."""

    precision: float
    recall: float
    f1: float
    support: int


@dataclass(frozen=True)
class Scores:
    """All scores of one evaluation; `confusion` has true classes as rows and predicted ones as columns."""

    accuracy: float
    accuracy_interval: tuple[float, float]
    n: int
    loss: float
    per_class: dict[str, ClassScore]
    confusion: tuple[tuple[int, ...], ...]

    def as_dict(self) -> dict[str, Any]:
        """The scores as plain values, for JSON."""
        return asdict(self)


def score(evaluation: Evaluation, temperature: float = 1.0) -> Scores:
    """Accuracy with its Wilson 95 % interval, the mean loss of the calibrated probabilities, and the scores by class."""
    predicted = evaluation.logits.argmax(axis=1)
    confusion = confusion_matrix(evaluation.labels, predicted, len(evaluation.classes))
    correct, n = int(np.trace(confusion)), int(confusion.sum())
    return Scores(
        accuracy=correct / n,
        accuracy_interval=wilson_interval(correct, n),
        n=n,
        loss=mean_loss(evaluation.logits, evaluation.labels, temperature),
        per_class=dict(zip(evaluation.classes, class_scores(confusion), strict=True)),
        confusion=tuple(tuple(int(count) for count in row) for row in confusion),
    )


def confusion_matrix(labels: Int64[ndarray, " N"], predicted: Int64[ndarray, " N"], k: int) -> Int64[ndarray, "K K"]:
    """How often each true class (row) was taken for each class (column)."""
    return np.bincount(labels * k + predicted, minlength=k * k).reshape(k, k).astype(np.int64)


def class_scores(confusion: Int64[ndarray, "K K"]) -> list[ClassScore]:
    """Precision, recall, F1 and support of each class."""
    scores = []
    for k in range(len(confusion)):
        hits, support, claimed = int(confusion[k, k]), int(confusion[k].sum()), int(confusion[:, k].sum())
        precision, recall = hits / claimed if claimed else 0.0, hits / support if support else 0.0
        scores.append(ClassScore(precision, recall, 2 * hits / (support + claimed) if hits else 0.0, support))
    return scores


def mean_loss(logits: Float32[ndarray, "N K"], labels: Int64[ndarray, " N"], temperature: float = 1.0) -> float:
    """Mean negative log probability of the true class; sums in double precision."""
    scaled = logits.astype(np.float64) / temperature
    top = scaled.max(axis=1)
    log_total = top + np.log(np.exp(scaled - top[:, None]).sum(axis=1))
    return float((log_total - scaled[np.arange(len(labels)), labels]).mean())
