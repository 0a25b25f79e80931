"""The rate test against problems whose rates are known: linear least squares by gradient descent, and made-up losses."""

from collections.abc import Callable, Iterator
from itertools import pairwise
from math import log

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from foveal.errors import TrainingError
from foveal.training.fit import Record, TrainState, fit
from foveal.training.optim import make_optimizer
from foveal.training.rates import RateTest, climbing, judge, losses_by_rate
from foveal.training.schedule import Schedule, make_schedule

N, D, K = 60, 6, 3


class Linear(nn.Module):
    """Logits W x of pixels x of about 1: with squares for a loss, the plainest problem there is."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(D, K, bias=False)

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = self.linear(pixels.flatten(1).float() / 85)
        return logits


def descend(seed: int, momentum: float, schedule: Schedule, updates: int) -> tuple[Iterator[Record], float]:
    """Full-batch gradient descent on 1/2 |W x - y|^2, and the rate from which it diverges.

    The Hessian is that of each row of W, X'X / N. Plain descent diverges beyond 2 / its largest eigenvalue, with momentum m
    beyond 2 (1 + m) / it. Source: Polyak 1964; Goh 2017, Why Momentum Really Works, doi:10.23915/distill.00006.
    """
    chance = np.random.default_rng(seed)
    pixels = (chance.integers(0, 256, (N, D)) * chance.uniform(0.05, 1, D)).astype(np.uint8)
    labels = torch.from_numpy(chance.integers(0, K, N))
    x = pixels / 85
    threshold = 2 * (1 + momentum) / float(np.linalg.eigvalsh(x.T @ x / N)[-1])
    torch.manual_seed(seed)
    model = Linear()
    records = fit(
        TrainState(model, make_optimizer(model.parameters(), "sgd", momentum=momentum), seed),
        (torch.from_numpy(pixels).reshape(N, 1, 1, D), labels),
        None,
        loss=lambda logits, targets: (logits - F.one_hot(targets, K)).square().sum(dim=1).mean() / 2,
        schedule=schedule,
        augment=lambda batch, *_: batch,
        batch_size=N,
        updates=updates,
        report_every=1,
        validate_every=updates,
    )
    return records, threshold


def climbed(seed: int, momentum: float, updates: int) -> tuple[RateTest, float]:
    records, threshold = descend(seed, momentum, climbing(1e-5, 10, updates), updates)
    rates, losses, has_run_away = losses_by_rate(records)
    return judge(rates, losses, has_run_away=has_run_away), threshold


@pytest.mark.parametrize("seed", range(3))
def test_least_squares_diverge_where_theory_says_and_the_slower_the_climb_the_closer(seed: int) -> None:
    found = []
    for updates in (100, 200, 1000):
        test, threshold = climbed(seed, 0.0, updates)
        assert test.diverges is not None
        assert test.steepest is not None
        found.append(test.diverges / threshold)
        assert test.steepest < threshold / 4
    # What has shrunk below the threshold needs some updates beyond it to grow back: it is found late, and never early.
    assert 1 < found[2] < found[1] < found[0] < 4
    assert found[2] < 1.8


def test_with_momentum_the_threshold_is_higher_and_found_too() -> None:
    test, threshold = climbed(0, 0.9, 1000)
    assert test.diverges is not None
    assert 0.9 < test.diverges / threshold < 1.5


@pytest.mark.parametrize("seed", range(3))
def test_the_suggested_rate_learns_and_the_rate_that_diverges_does(seed: int) -> None:
    test, _ = climbed(seed, 0.0, 200)
    assert test.steepest is not None
    assert test.diverges is not None
    for rate, is_good in ((test.steepest, True), (test.diverges, False)):
        records, _ = descend(seed, 0.0, make_schedule("constant", rate, 100), 100)
        _, losses, has_run_away = losses_by_rate(records)
        assert has_run_away is not is_good
        assert (losses[-1] < losses[0]) is is_good


def test_the_same_seed_gives_the_same_losses() -> None:
    assert climbed(1, 0.0, 100)[0] == climbed(1, 0.0, 100)[0]


# What losses show


RATES = [10 ** (number / 20 - 5) for number in range(121)]  # 1e-5 to 10


def losses(shape: Callable[[float], float], noise: float = 0.0) -> list[float]:
    chance = np.random.default_rng(0)
    return [shape(rate) + noise * float(chance.normal()) for rate in RATES]


def valley(rate: float) -> float:
    """2 at first, falling fastest at 1e-3, 1 from about 1e-2 on, and 100 beyond 1."""
    return 2 - 1 / (1 + (1e-3 / rate) ** 2) + (99 if rate > 1 else 0)


@pytest.mark.parametrize("noise", [0.0, 0.05])
def test_a_valley_is_found_with_its_slope_its_bottom_and_its_wall(noise: float) -> None:
    test = judge(RATES, losses(valley, noise), has_run_away=False)
    assert test.steepest == pytest.approx(1e-3, rel=0.5)
    assert test.lowest is not None
    assert 5e-3 < test.lowest < 1
    assert test.diverges is not None
    assert 0.5 < test.diverges < 2


@pytest.mark.parametrize(
    "shape",
    [lambda _: 2.3, lambda rate: 2.3 + rate],
    ids=["flat", "rising"],
)
@pytest.mark.parametrize("noise", [0.0, 0.05])
def test_where_the_loss_does_not_fall_there_is_no_rate_to_suggest(
    shape: Callable[[float], float], noise: float
) -> None:
    test = judge(RATES, losses(shape, noise), has_run_away=True)
    assert (test.steepest, test.lowest, test.diverges) == (None, None, None)


def test_a_loss_that_only_falls_does_not_diverge() -> None:
    assert judge(RATES, losses(lambda rate: 2 - 0.1 * log(rate / 1e-5)), has_run_away=False).diverges is None


def test_a_loss_that_ran_away_at_once_diverges_at_the_last_rate() -> None:
    falling = losses(lambda rate: 2 - 0.1 * log(rate / 1e-5))
    assert judge(RATES, falling, has_run_away=True).diverges == RATES[-1]


def test_the_rate_climbs_by_the_same_factor_from_end_to_end() -> None:
    rate_of = climbing(1e-6, 10, 8)
    rates = [rate_of(update) for update in range(8)]
    assert (rates[0], rates[-1]) == (pytest.approx(1e-6), pytest.approx(10))
    assert [after / before for before, after in pairwise(rates)] == pytest.approx([10.0] * 7)


# The end of the climb


def stream(values: list[float], *, error_at: int | None = None) -> Iterator[Record]:
    for number, value in enumerate(values):
        if number == error_at:
            raise TrainingError("the loss is nan")
        yield Record(number + 1, 1.0, value, 0.5, 10.0**number, 1.0)


def test_what_is_worse_than_the_beginning_ends_the_climb() -> None:
    rates, found, has_run_away = losses_by_rate(stream([1.0] * 10 + [50.0] * 10))
    assert (len(rates), found[-1], has_run_away) == (11, 50.0, True)


def test_a_loss_that_is_no_number_ends_the_climb() -> None:
    assert losses_by_rate(stream([1.0] * 10, error_at=4)) == ([1.0, 10.0, 100.0, 1000.0], [1.0] * 4, True)


def test_a_loss_that_is_no_number_from_the_first_on_is_not_the_rates_fault() -> None:
    with pytest.raises(TrainingError, match="the loss is nan"):
        losses_by_rate(stream([1.0], error_at=0))
