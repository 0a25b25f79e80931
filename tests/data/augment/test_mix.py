"""Mixup and CutMix, taken apart again: whose pixels, whose targets, and in which shares."""

import numpy as np
import pytest
import torch
from augment_helpers import batch, plain, seeded
from scipy import stats
from torch import Tensor

from foveal.data.augment.mix import cutmix, mixup


def own_classes(count: int) -> Tensor:
    """A class for each image, so that a mixed target tells which images went into it."""
    return torch.eye(count)


def taken_apart(targets: Tensor) -> list[tuple[int, int, float]]:
    """(image, partner, share of the image) for each row; the partner is the image itself where nothing else is in it."""
    found = []
    for i, row in enumerate(targets):
        others = [j for j in row.nonzero().view(-1).tolist() if j != i]
        assert len(others) <= 1
        found.append((i, others[0] if others else i, float(row[i])))
    return found


@pytest.mark.parametrize("channels", [1, 3])
def test_mixup_lays_two_images_over_each_other_in_the_shares_of_their_targets(channels: int) -> None:
    images = batch(60, channels)
    mixed, targets = mixup(images, own_classes(60), seeded(), 1.0)
    pixels = images.numpy().astype(float)
    for i, partner, share in taken_apart(targets):
        expected = share * pixels[i] + (1 - share) * pixels[partner]
        np.testing.assert_allclose(mixed[i].numpy(), expected, atol=0.51)


@pytest.mark.parametrize("alpha", [0.2, 1.0])
def test_mixups_shares_follow_beta_and_each_image_has_its_own(alpha: float) -> None:
    _, targets = mixup(plain(0, 2000), own_classes(2000), seeded(), alpha)
    shares = [share for i, partner, share in taken_apart(targets) if partner != i]
    assert len(shares) > 1900
    # A share of nearly 1 leaves the partner with less than a float32 can tell from 0.
    assert stats.kstest(shares, stats.beta(alpha, alpha).cdf).pvalue > 0.01


@pytest.mark.parametrize("channels", [1, 3])
def test_cutmix_pastes_one_rectangle_of_another_image_and_its_target_by_the_area(channels: int) -> None:
    images = batch(300, channels, 20, 15)
    mixed, targets = cutmix(images, own_classes(300), seeded(), 1.0)
    for i, partner, share in taken_apart(targets):
        is_kept = (mixed[i] == images[i]).all(0).numpy()
        assert (mixed[i] == torch.where(torch.from_numpy(is_kept), images[i], images[partner])).all()
        y, x = np.nonzero(~is_kept)
        area = 0 if len(y) == 0 else (y.max() + 1 - y.min()) * (x.max() + 1 - x.min())
        assert abs(area - (1 - share) * 300) < 3 + 0.02 * area  # a pixel of grey noise may be the same in both


def test_cutmixs_rectangles_are_anywhere_and_have_the_area_of_the_draw_unless_they_are_cut_off() -> None:
    count, side = 3000, 40
    white = torch.zeros((count, 1, side, side), dtype=torch.uint8)
    white[::2] = 255  # so that half of the pairs show their rectangle
    mixed, targets = cutmix(white, own_classes(count), seeded(), 1.0)
    kept = torch.tensor([share for _, _, share in taken_apart(targets)])
    pasted = (mixed != white)[:, 0]
    shows = pasted.flatten(1).any(1)
    torch.testing.assert_close(1 - pasted[shows].float().mean((1, 2)), kept[shows])
    where = pasted[shows].float().mean(0)
    assert where.min() > 0.05
    # Square rectangles of even Beta(1, 1) area and even middle: what is expected in the middle and in a corner.
    rng = np.random.default_rng(0)
    half = side * np.sqrt(rng.uniform(size=200_000)) / 2
    y, x = rng.uniform(0, side, (2, 200_000))
    seen = [float(((abs(y - at) < half) & (abs(x - at) < half)).mean()) for at in (side / 2, 0.5)]
    spread = 5 * 0.5 / int(shows.sum()) ** 0.5
    assert float(where[side // 2, side // 2]) == pytest.approx(seen[0], abs=spread + 0.02)
    assert float(where[0, 0]) == pytest.approx(seen[1], abs=spread + 0.02)


@pytest.mark.parametrize("mix", [mixup, cutmix])
def test_targets_are_shares_that_sum_to_one_and_the_originals_stay(mix) -> None:  # type: ignore[no-untyped-def]
    images, given = batch(40, 3), torch.softmax(torch.randn(40, 7, generator=seeded(1)), dim=1)
    before = given.clone()
    mixed, targets = mix(images, given, seeded(), 0.5)
    assert (mixed.dtype, mixed.shape, targets.shape) == (torch.uint8, images.shape, (40, 7))
    torch.testing.assert_close(targets.sum(1), torch.ones(40))
    assert (targets >= 0).all()
    assert torch.equal(images, batch(40, 3))
    assert torch.equal(given, before)
    assert mixed.is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize("mix", [mixup, cutmix])
def test_two_images_of_one_class_stay_of_that_class(mix) -> None:  # type: ignore[no-untyped-def]
    given = torch.zeros(30, 4)
    given[:, 2] = 1
    torch.testing.assert_close(mix(batch(30), given, seeded(), 1.0)[1], given)


@pytest.mark.parametrize("mix", [mixup, cutmix])
def test_the_generator_alone_decides_what_is_mixed(mix) -> None:  # type: ignore[no-untyped-def]
    first, targets = mix(batch(), own_classes(50), seeded(3), 1.0)
    again, same = mix(batch(), own_classes(50), seeded(3), 1.0)
    assert torch.equal(first, again)
    assert torch.equal(targets, same)
    assert not torch.equal(mix(batch(), own_classes(50), seeded(4), 1.0)[0], first)


@pytest.mark.parametrize("mix", [mixup, cutmix])
@pytest.mark.parametrize("count", [0, 1])
def test_a_batch_of_one_or_none_is_mixed_with_itself(mix, count: int) -> None:  # type: ignore[no-untyped-def]
    mixed, targets = mix(batch(count, 3), torch.ones(count, 1), seeded(), 1.0)
    torch.testing.assert_close(mixed, batch(count, 3))
    torch.testing.assert_close(targets, torch.ones(count, 1))
