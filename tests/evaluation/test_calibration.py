"""The temperature: SciPy finds the same, a known one is found again, and no answer changes."""

import numpy as np
import pytest
from numpy import ndarray
from scipy.optimize import minimize_scalar
from scipy.special import softmax

from foveal.classifier import probabilities
from foveal.evaluation.calibration import HIGHEST, LOWEST, fit_temperature
from foveal.evaluation.metrics import mean_loss


def sample(n: int, k: int, temperature: float, seed: int = 0) -> tuple[ndarray, ndarray]:
    """Logits that are too sure by `temperature`: the labels are drawn from the softmax of logits / temperature."""
    random = np.random.default_rng(seed)
    logits = 3 * random.normal(size=(n, k))
    chances = softmax(logits, axis=1)
    labels = np.array([random.choice(k, p=row) for row in chances])
    return (logits * temperature).astype(np.float32), labels


@pytest.mark.parametrize("temperature", [0.3, 1.0, 2.5, 7.0])
def test_a_known_temperature_is_found_again(temperature: float) -> None:
    logits, labels = sample(4000, 5, temperature)
    assert fit_temperature(logits, labels) == pytest.approx(temperature, rel=0.06)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize(("n", "k"), [(30, 3), (300, 10)])
def test_the_temperature_is_where_scipy_finds_the_lowest_loss(n: int, k: int, seed: int) -> None:
    logits, labels = sample(n, k, 1.0 + seed, seed)
    theirs = minimize_scalar(
        lambda log_t: mean_loss(logits, labels, float(np.exp(log_t))),
        bounds=(np.log(LOWEST), np.log(HIGHEST)),
        method="bounded",
        options={"xatol": 1e-9},
    )
    assert fit_temperature(logits, labels) == pytest.approx(np.exp(theirs.x), rel=1e-4)


def test_the_tempered_probabilities_are_as_sure_as_they_are_right() -> None:
    logits, labels = sample(4000, 5, 4.0)
    for temperature, gap in ((1.0, (0.1, 1.0)), (fit_temperature(logits, labels), (-0.02, 0.02))):
        chances = probabilities(logits, temperature)
        too_sure = chances.max(axis=1).mean() - (chances.argmax(axis=1) == labels).mean()
        assert gap[0] <= too_sure <= gap[1]


def test_answers_that_are_all_right_or_all_wrong_reach_the_bounds_and_no_further() -> None:
    logits = np.eye(4, dtype=np.float32)
    assert fit_temperature(logits, np.arange(4)) == pytest.approx(LOWEST)
    assert fit_temperature(logits, (np.arange(4) + 1) % 4) == pytest.approx(HIGHEST)


def test_without_images_the_temperature_is_1() -> None:
    assert fit_temperature(np.zeros((0, 3), dtype=np.float32), np.zeros(0, dtype=np.int64)) == 1.0


def test_huge_logits_do_not_overflow() -> None:
    logits, labels = sample(300, 4, 1.0)
    with np.errstate(all="raise", under="ignore"):
        assert fit_temperature(logits * np.float32(1e6), labels) == pytest.approx(HIGHEST)
