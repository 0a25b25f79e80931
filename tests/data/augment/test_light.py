"""Light, colour and noise by chance: how far they go, and that each image and each pixel has its own."""

import numpy as np
import pytest
import torch
from augment_helpers import batch, photos, plain, seeded
from scipy import stats

from foveal.data.augment import tone
from foveal.data.augment.light import brightness, colour, contrast, hue, noise


def test_brightness_is_even_between_less_and_more_by_the_share_asked_for() -> None:
    factors = brightness(plain(100, 4000), seeded(), 0.5)[:, 0, 0, 0].numpy() / 100
    assert (factors.min(), factors.max()) == (0.5, 1.5)
    assert (
        stats.kstest(factors + np.random.default_rng(0).uniform(-0.005, 0.005, 4000), "uniform", (0.5, 1)).pvalue > 0.01
    )


@pytest.mark.parametrize(
    ("change", "fixed", "low", "high", "amount"),
    [
        (brightness, tone.brightened, 0.7, 1.3, 0.3),
        (contrast, tone.contrasted, 0.7, 1.3, 0.3),
        (colour, tone.coloured, 0.7, 1.3, 0.3),
        (hue, tone.turned, -40, 40, 40.0),
    ],
)
def test_each_image_gets_its_own_amount_between_the_bounds(change, fixed, low, high, amount) -> None:  # type: ignore[no-untyped-def]
    amounts = torch.empty(6).uniform_(low, high, generator=seeded(3))
    assert len(set(amounts.tolist())) == 6
    torch.testing.assert_close(change(photos(), seeded(3), amount), fixed(photos(), amounts))


@pytest.mark.parametrize("channels", [1, 3])
def test_noise_is_gaussian_with_the_deviation_asked_for_and_another_for_every_pixel_and_channel(channels: int) -> None:
    errors = noise(plain(128, 20, channels, 30, 40), seeded(), 9.0).numpy().astype(float) - 128
    count = errors.size
    assert abs(errors.mean()) < 5 * 9 / count**0.5
    assert abs(errors.std() - (81 + 1 / 12) ** 0.5) < 5 * 9 / (2 * count) ** 0.5  # rounding adds a twelfth
    assert stats.kurtosis(errors.ravel()) == pytest.approx(0, abs=0.15)
    neighbours = [
        errors[:, :, :, 1:] * errors[:, :, :, :-1],
        errors[:, :, 1:] * errors[:, :, :-1],
        errors[1:] * errors[:-1],
    ]
    if channels == 3:
        neighbours.append(errors[:, 1:] * errors[:, :-1])
    for products in neighbours:
        assert abs(products.mean()) < 5 * 81 / products.size**0.5


def test_noise_stays_within_black_and_white() -> None:
    loud = noise(batch(20, 3), seeded(), 200.0)
    assert (loud.dtype, int(loud.min()), int(loud.max())) == (torch.uint8, 0, 255)
