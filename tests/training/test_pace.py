"""Trainings whose length is changed on the way: where they are, and that the rate still falls to nothing at the end."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from foveal.training.pace import is_mark, progress, updates_for, validation_spacing
from foveal.training.schedule import make_schedule


@given(st.integers(1, 500), st.lists(st.tuples(st.integers(1, 50), st.integers(1, 400)), max_size=5))
def test_progress_climbs_from_0_to_1_without_a_jump_whatever_the_turns(
    first: int, later: list[tuple[int, int]]
) -> None:
    turns = [(0, first)]
    for after, left in later:
        start = turns[-1][0] + after
        if start >= turns[-1][1]:
            break
        turns.append((start, start + left))
    total = turns[-1][1]
    shares = [progress(turns, update) for update in range(total + 1)]
    assert shares[0] == 0
    assert shares[-1] == pytest.approx(1)
    assert all(a < b for a, b in pairwise(shares))
    for start, _ in turns[1:]:
        assert progress(turns, start - 1e-7) == pytest.approx(progress(turns, start + 1e-7), abs=1e-6)


def test_a_turn_spreads_what_is_left_over_its_own_length() -> None:
    # Half done after 50 of 100, then told that 10 more are all there is time for.
    turns = [(0, 100), (50, 60)]
    assert [progress(turns, update) for update in (25, 50, 55, 60)] == pytest.approx([0.25, 0.5, 0.75, 1.0])


def test_the_rate_goes_by_the_share_that_is_done() -> None:
    schedule = make_schedule("triangular", 1.0, 60, warmup=0.5, turns=((0, 100), (50, 60)))
    assert schedule(24) == pytest.approx(0.49)  # the middle of the 25th of 100 updates, halfway up
    assert schedule(54) == pytest.approx(2 * (1 - (0.5 + 0.5 * 4.5 / 10)))
    assert schedule(59) == pytest.approx(0.05)


def test_without_turns_the_rate_is_what_it_was() -> None:
    plain = make_schedule("cosine", 0.1, 40)
    turned = make_schedule("cosine", 0.1, 40, turns=((0, 40),))
    assert [plain(update) for update in range(40)] == [turned(update) for update in range(40)]


@pytest.mark.parametrize(("left", "each", "expected"), [(10.0, 0.5, 120), (0.2, 0.5, 101), (-3.0, 0.5, 101)])
def test_there_are_as_many_updates_as_the_time_allows_and_at_least_one_more(
    left: float, each: float, expected: int
) -> None:
    assert updates_for(left, each, 100) == expected


def test_marks_are_passed_once() -> None:
    shares = [number / 1000 for number in range(1001)]
    assert sum(is_mark(a, b) for a, b in pairwise(shares)) == 7
    assert is_mark(0.0, 1.0)
    assert not is_mark(0.5, 0.5)


# Every s updates of u seconds a validation of v seconds takes v / (s u + v) of the time: 1/20 where s u = 19 v.
@pytest.mark.parametrize(
    ("updates", "update_seconds", "validation_seconds", "expected"),
    [
        (6000, 0.01, 0.0, 1000),  # six, as in any training
        (6001, 0.01, 0.1, 1001),
        (6000, 0.01, 0.5, 1000),  # 19 * .5 / .01 = 950: six are cheap enough
        (6000, 0.01, 1.0, 1900),  # 19 * 1 / .01: three, the last one with the last update
        (1_000_000, 0.001, 0.05, 166_667),  # a long budget on few images: six, not the hundreds of a short preset
        (600, 0.01, 60.0, 600),  # only the last update is validated
        (1, 0.01, 60.0, 1),
    ],
)
def test_validations_are_six_or_as_many_as_a_twentieth_of_the_time_allows(
    updates: int, update_seconds: float, validation_seconds: float, expected: int
) -> None:
    assert validation_spacing(updates, update_seconds, validation_seconds) == expected


@given(st.integers(1, 10**7), st.floats(1e-4, 10), st.floats(0, 100))
def test_validations_on_the_way_take_at_most_a_twentieth_of_the_time(
    updates: int, update_seconds: float, validation_seconds: float
) -> None:
    spacing = validation_spacing(updates, update_seconds, validation_seconds)
    assert 1 <= spacing <= updates
    on_the_way = (updates - 1) // spacing * validation_seconds  # the last update is validated in any case
    assert on_the_way <= 0.0501 * (updates * update_seconds + on_the_way)
    assert (updates - 1) // spacing <= 5
