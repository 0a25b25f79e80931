"""Wilson's interval against SciPy's, against numbers worked out by hand, and against what it promises."""

from math import sqrt

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from foveal.evaluation.intervals import Z_95, wilson_interval


def test_the_quantile_is_that_of_the_normal_distribution() -> None:
    assert pytest.approx(stats.norm.ppf(0.975), rel=1e-15) == Z_95


@pytest.mark.parametrize(
    ("correct", "n"), [(9901, 10_000), (8943, 10_000), (0, 1), (1, 1), (1, 2), (0, 50), (50, 50), (3, 7)]
)
def test_the_interval_is_the_one_that_scipy_gives(correct: int, n: int) -> None:
    theirs = stats.binomtest(correct, n).proportion_ci(confidence_level=0.95, method="wilson")
    assert wilson_interval(correct, n) == pytest.approx((theirs.low, theirs.high), abs=1e-12)


def test_half_of_four_is_the_interval_worked_out_by_hand() -> None:
    # p = 1/2, n = 4: the centre stays 1/2, half the width is z sqrt(1/16 + z^2/64) / (1 + z^2/4).
    half = 1.96 * sqrt(1 / 16 + 1.96**2 / 64) / (1 + 1.96**2 / 4)
    assert wilson_interval(2, 4, z=1.96) == pytest.approx((0.5 - half, 0.5 + half))


def test_another_confidence_is_another_z() -> None:
    theirs = stats.binomtest(70, 100).proportion_ci(confidence_level=0.99, method="wilson")
    assert wilson_interval(70, 100, z=stats.norm.ppf(0.995)) == pytest.approx((theirs.low, theirs.high))


@given(st.integers(1, 10**6).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_the_interval_lies_within_0_and_1_and_holds_the_score(counts: tuple[int, int]) -> None:
    correct, n = counts
    low, high = wilson_interval(correct, n)
    assert 0 <= low <= correct / n <= high <= 1


@given(st.integers(1, 10**6))
def test_nothing_right_reaches_down_to_0_and_all_right_up_to_1(n: int) -> None:
    assert wilson_interval(0, n)[0] == 0
    assert wilson_interval(n, n)[1] == 1


@given(st.integers(0, 1000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(max(n, 1)))))
def test_right_and_wrong_are_mirror_images(counts: tuple[int, int]) -> None:
    correct, n = counts
    low, high = wilson_interval(correct, n)
    assert wilson_interval(n - correct, n) == pytest.approx((1 - high, 1 - low), abs=1e-12)


def test_in_95_of_100_samples_the_truth_lies_inside() -> None:
    samples = np.random.default_rng(0).binomial(200, 0.93, size=4000)
    inside = [low <= 0.93 <= high for low, high in (wilson_interval(int(k), 200) for k in samples)]
    assert np.mean(inside) == pytest.approx(0.95, abs=0.015)


@pytest.mark.parametrize(("correct", "n"), [(1, 0), (0, 0), (-1, 5), (6, 5)])
def test_impossible_counts_are_refused(correct: int, n: int) -> None:
    with pytest.raises(ValueError, match=f"{correct} correct of {n} images is impossible"):
        wilson_interval(correct, n)
