"""Learning rates: their closed form, their peak, their ends."""

from math import cos, pi

import pytest
from hypothesis import given
from hypothesis import strategies as st

from foveal.training.schedule import make_schedule

NAMES = ("constant", "triangular", "one_cycle", "cosine", "step")


def rates(name: str, updates: int, **settings: float) -> list[float]:
    """The whole schedule with a peak of 1."""
    schedule = make_schedule(name, 1.0, updates, **settings)  # type: ignore[arg-type]
    return [schedule(update) for update in range(updates)]


def test_constant_stays() -> None:
    assert rates("constant", 5) == [1.0] * 5


def test_triangular_is_the_straight_climb_and_fall_worked_out_by_hand() -> None:
    # Eight updates have their middles at 1/16, 3/16, ...; the peak is at 4/16.
    assert rates("triangular", 8) == pytest.approx([1 / 4, 3 / 4, 11 / 12, 9 / 12, 7 / 12, 5 / 12, 3 / 12, 1 / 12])


def test_one_cycle_is_the_triangle_bent_along_half_cosines() -> None:
    straight = rates("triangular", 40, warmup=0.3)
    assert rates("one_cycle", 40, warmup=0.3) == pytest.approx([(1 - cos(pi * x)) / 2 for x in straight])


def test_cosine_is_the_formula_of_its_paper() -> None:
    # Loshchilov and Hutter 2017, eq. 5, with a lowest rate of 0 and one period.
    assert rates("cosine", 10) == pytest.approx([(1 + cos(pi * (i + 0.5) / 10)) / 2 for i in range(10)])


def test_step_falls_after_every_so_many_epochs() -> None:
    found = rates("step", 9, updates_per_epoch=2, step_every=2.0, step_factor=0.5)
    assert found == [1, 1, 1, 1, 0.5, 0.5, 0.5, 0.5, 0.25]


def test_step_falls_within_an_epoch_when_told_so() -> None:
    found = rates("step", 10, updates_per_epoch=10, step_every=0.1, step_factor=0.5)
    assert found == [0.5**i for i in range(10)]


@pytest.mark.parametrize("name", ["triangular", "one_cycle"])
@pytest.mark.parametrize("warmup", [0.0, 0.1, 0.25, 0.9])
def test_the_rate_climbs_through_the_warmup_and_falls_after_it(name: str, warmup: float) -> None:
    found = rates(name, 1000, warmup=warmup)
    top = found.index(max(found))
    assert top / 1000 == pytest.approx(warmup, abs=0.0011)
    assert found[:top] == sorted(found[:top])
    assert found[top:] == sorted(found[top:], reverse=True)
    assert max(found) > 0.99
    assert found[-1] < 0.01


@given(
    name=st.sampled_from(NAMES),
    peak=st.floats(1e-6, 1e3),
    updates=st.integers(1, 500),
    warmup=st.floats(0, 0.99),
)
def test_every_rate_is_above_zero_and_never_above_the_peak(name: str, peak: float, updates: int, warmup: float) -> None:
    schedule = make_schedule(name, peak, updates, warmup=warmup, updates_per_epoch=100)
    assert all(0 < schedule(update) <= peak * (1 + 1e-12) for update in range(updates))


@pytest.mark.parametrize("name", NAMES)
def test_a_training_of_a_single_update_has_a_rate(name: str) -> None:
    assert rates(name, 1)[0] > 0.4
