"""Temperature scaling: one number that makes confidences honest and changes no prediction."""

import numpy as np
from jaxtyping import Float32, Int64
from numpy import ndarray

LOWEST, HIGHEST = 0.05, 20.0  # beyond them the calibration images say only "all right" or "all wrong"


def fit_temperature(logits: Float32[ndarray, "N K"], labels: Int64[ndarray, " N"]) -> float:
    """The temperature at which the labels are likeliest, 0.05 to 20; 1 where there are no images to tell.

    The loss is convex in 1/temperature, so bisection on its slope finds the one minimum.
    Source: Guo et al. 2017, arXiv:1706.04599, section 4.2.
    """
    if len(labels) == 0:
        return 1.0
    values = logits.astype(np.float64)
    true_logits = values[np.arange(len(labels)), labels]
    low, high = 1 / HIGHEST, 1 / LOWEST  # of the inverse temperature
    for _ in range(60):
        middle = (low + high) / 2
        scaled = values * middle
        weights = np.exp(scaled - scaled.max(axis=1, keepdims=True))
        expected = (weights * values).sum(axis=1) / weights.sum(axis=1)
        if (expected - true_logits).mean() > 0:  # the slope of the loss: still too sure
            high = middle
        else:
            low = middle
    return float(2 / (low + high))
