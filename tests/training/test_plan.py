"""How many updates, in what portions, for data of any size."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from foveal.errors import ConfigError
from foveal.training.plan import Plan, checkpoint_spacing, plan_training


def plan(
    n: int,
    epochs: float = 1.0,
    min_updates: int = 0,
    batch_size: int | None = None,
    validate_every: float | None = None,
    report_every: int = 10,
) -> Plan:
    """A plan with little said."""
    return plan_training(
        n,
        epochs=epochs,
        min_updates=min_updates,
        batch_size=batch_size,
        report_every=report_every,
        validate_every=validate_every,
    )


@pytest.mark.parametrize(
    ("n", "batch_size"), [(60_000, 128), (1280, 128), (999, 99), (500, 50), (85, 8), (50, 8), (8, 8), (5, 5), (1, 1)]
)
def test_a_batch_is_128_images_or_a_tenth_of_few_but_not_less_than_8(n: int, batch_size: int) -> None:
    assert plan(n).batch_size == batch_size


@pytest.mark.parametrize(
    ("n", "batch_size", "epochs", "min_updates", "updates"),
    [
        (60_000, 64, 4.0, 0, 4 * 938),  # document 004
        (60_000, 200, 10.0, 0, 3000),  # document 000
        (55_000, 128, 2.0, 800, 860),  # the default on MNIST
        (1600, None, 2.0, 1500, 1500),  # few photos: 32 updates would be 2 epochs
        (100, 10, 0.5, 0, 5),
        (100, 10, 0.51, 0, 6),
        (100, 100, 0.001, 0, 1),  # never none
        (30, 10, 1 / 3, 0, 1),  # a third of three batches is one batch, whatever floating point says
        (30, 10, 0.1 * 3, 0, 1),
        (8, 3, 1.0, 0, 3),  # the last batch is short
        (7, 3, 1.0, 0, 2),  # no image is left alone
    ],
)
def test_the_updates_are_the_epochs_asked_for_or_the_floor(
    n: int, batch_size: int | None, epochs: float, min_updates: int, updates: int
) -> None:
    made = plan(n, epochs, min_updates, batch_size)
    assert made.updates == updates
    assert made.epochs == pytest.approx(updates / made.updates_per_epoch)


@pytest.mark.parametrize(
    ("n", "batch_size", "per_epoch"), [(100, 10, 10), (101, 10, 10), (102, 10, 11), (99, 10, 10), (10, 10, 1)]
)
def test_an_epoch_ends_with_a_short_batch(n: int, batch_size: int, per_epoch: int) -> None:
    assert plan(n, batch_size=batch_size).updates_per_epoch == per_epoch


def test_validation_is_measured_six_times_evenly_or_as_often_as_asked() -> None:
    assert plan(1000, 8.0, batch_size=10).validate_every == 134  # 800 / 6, rounded up
    assert plan(1000, 8.0, batch_size=10, validate_every=1.0).validate_every == 100
    assert plan(1000, 8.0, batch_size=10, validate_every=0.25).validate_every == 25
    assert plan(1000, 8.0, batch_size=10, validate_every=1e-9).validate_every == 1


@pytest.mark.parametrize(
    ("updates", "per_epoch", "expected"), [(220, 11, 11), (221, 11, 22), (10**6, 11, 50_006), (5, 430, 430)]
)
def test_checkpoints_are_at_ends_of_epochs_and_at_most_twenty(updates: int, per_epoch: int, expected: int) -> None:
    assert checkpoint_spacing(updates, per_epoch) == expected


def test_a_short_training_reports_at_least_at_its_end() -> None:
    assert plan(100, batch_size=50, report_every=10).report_every == 2


def test_a_plan_written_down_and_planned_again_is_the_same_plan() -> None:
    first = plan(1234, 3.3, 77)
    again = plan(1234, first.epochs, first.updates, first.batch_size, first.validate_every / first.updates_per_epoch)
    assert again == first


@given(n=st.integers(1, 10**7), epochs=st.floats(1e-6, 100), min_updates=st.integers(0, 10**5))
def test_any_number_of_images_can_be_trained_on(n: int, epochs: float, min_updates: int) -> None:
    made = plan(n, epochs, min_updates)
    assert 1 <= made.batch_size <= n
    assert made.updates >= max(1, min_updates)
    assert 1 <= made.report_every <= made.updates
    assert 1 <= made.validate_every <= made.updates


def test_a_batch_larger_than_the_data_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"a batch of 64 is larger than the 50 training images. Set .* to 50 or less"):
        plan(50, batch_size=64)
