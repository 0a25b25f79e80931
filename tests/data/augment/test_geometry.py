"""Shifts, mirrors, turns and crops by chance, against one image at a time: np.pad, SciPy, and the form they replaced."""

from itertools import pairwise

import numpy as np
import pytest
import torch
from augment_helpers import batch, plain, seeded
from numpy import ndarray
from scipy import ndimage
from torch import Tensor

from foveal.data.augment import warp
from foveal.data.augment.geometry import affine, crops, flip, flip_alternating, mirrored, shift


def shifted_slowly(image: ndarray, max_shift: int) -> dict[tuple[int, int], ndarray]:
    """One image (C, H, W) at every offset, cut out of a copy whose edges np.pad has repeated."""
    _, height, width = image.shape
    padded = np.pad(image, ((0, 0), (max_shift, max_shift), (max_shift, max_shift)), mode="edge")
    offsets = range(2 * max_shift + 1)
    return {(y, x): padded[:, y : y + height, x : x + width] for y in offsets for x in offsets}


def offsets_of(moved: Tensor, images: Tensor, max_shift: int) -> list[tuple[int, int]]:
    """The offset by which each image was moved; fails for an image that is none of its shifted copies."""
    found = []
    for after, before in zip(moved.numpy(), images.numpy(), strict=True):
        candidates = shifted_slowly(before, max_shift)
        found.append(next(offset for offset, copy in candidates.items() if np.array_equal(copy, after)))
    return found


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("max_shift", [1, 2, 4])
def test_each_image_is_shifted_as_a_whole_with_its_edge_repeated(max_shift: int, channels: int) -> None:
    images = batch(400, channels)
    moved = shift(images, seeded(), max_shift)
    assert (moved.shape, moved.dtype) == (images.shape, torch.uint8)
    offsets = offsets_of(moved, images, max_shift)
    assert {y for y, _ in offsets} == {x for _, x in offsets} == set(range(2 * max_shift + 1))


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("max_shift", [0, 1, 2, 9])
def test_a_seed_shifts_each_image_as_it_always_did(max_shift: int, channels: int) -> None:
    images = batch(60, channels)
    down, right = torch.randint(-max_shift, max_shift + 1, (2, 60, 1), generator=seeded(5))[:, :, 0].tolist()
    expected = [
        ndimage.shift(image, (0, -y, -x), order=0, mode="nearest")
        for image, y, x in zip(images.numpy(), down, right, strict=True)
    ]
    np.testing.assert_array_equal(shift(images, seeded(5), max_shift), np.stack(expected))


def test_each_image_gets_its_own_offset_and_all_are_equally_likely() -> None:
    images = batch(1, height=6, width=7).repeat(1800, 1, 1, 1)
    counts = np.zeros((3, 3))
    for y, x in offsets_of(shift(images, seeded(), 1), images, 1):
        counts[y, x] += 1
    # 200 of each are expected; five standard deviations of a binomial count are 67.
    assert np.abs(counts - 200).max() < 67


def test_a_shift_beyond_the_image_repeats_its_edge() -> None:
    images = batch(200, height=2, width=3)
    offsets_of(shift(images, seeded(), 5), images, 5)


def test_a_shift_of_nothing_changes_nothing() -> None:
    torch.testing.assert_close(shift(batch(), seeded(), 0), batch())


@pytest.mark.parametrize("channels", [1, 3])
def test_each_image_is_mirrored_left_to_right_or_left_alone(channels: int) -> None:
    images = batch(2000, channels)
    is_flipped = which_are_mirrored(flip(images, seeded()), images)
    assert abs(int(is_flipped.sum()) - 1000) < 112  # five standard deviations of a fair coin


def which_are_mirrored(after: Tensor, before: Tensor) -> Tensor:
    """Fails for an image that is neither itself nor its mirror image."""
    is_same, is_other = (after == before).all((1, 2, 3)), (after == before.flip(3)).all((1, 2, 3))
    assert (is_same != is_other).all()
    return is_other


def test_a_seed_mirrors_the_images_that_it_always_did() -> None:
    images = batch(60, 3)
    is_flipped = torch.randint(0, 2, (60, 1, 1, 1), generator=seeded(5), dtype=torch.bool)
    torch.testing.assert_close(flip(images, seeded(5)), torch.where(is_flipped, images.flip(3), images))


def test_the_images_named_are_mirrored_and_no_others() -> None:
    images = batch(3, 3)
    expected = torch.stack([images[0], images[1].flip(2), images[2]])
    torch.testing.assert_close(mirrored(images, torch.tensor([False, True, False])), expected)


def test_alternating_shows_each_image_both_ways_in_every_two_epochs_and_half_of_them_mirrored_in_the_first() -> None:
    images, numbers = batch(2000), torch.arange(2000)
    seen = [which_are_mirrored(flip_alternating(images, 0, numbers, epoch), images) for epoch in range(4)]
    assert abs(int(seen[0].sum()) - 1000) < 112
    for before, after in pairwise(seen):
        assert torch.equal(after, ~before)


def test_alternating_goes_by_the_number_of_the_image_and_not_by_its_place_in_the_batch() -> None:
    images, order = batch(50, 3), torch.randperm(50, generator=seeded(1))
    whole = flip_alternating(images, 0, torch.arange(50), 3)
    torch.testing.assert_close(flip_alternating(images[order], 0, order, 3), whole[order])


def test_alternating_is_a_function_of_the_seed() -> None:
    images, numbers = batch(), torch.arange(50)
    first = flip_alternating(images, 7, numbers, 1)
    torch.manual_seed(3)
    assert torch.equal(flip_alternating(images, 7, numbers, 1), first)
    assert not torch.equal(flip_alternating(images, 8, numbers, 1), first)


def seen_from(x: int, y: int, **amounts: float) -> ndarray:
    """Where this pixel of 400 changed images looks in the old ones, (400, 2), all counted from the middle.

    The images are 101x101, and each of their pixels says its own place.
    """
    rows, columns = torch.meshgrid(torch.arange(101), torch.arange(101), indexing="ij")
    places = torch.stack([columns, rows, 0 * rows]).to(torch.uint8).repeat(400, 1, 1, 1)
    return affine(places, seeded(), **amounts)[:, :2, 50 + y, 50 + x].numpy().astype(float) - 50


def test_nothing_asked_for_leaves_the_images_as_they_are() -> None:
    torch.testing.assert_close(affine(batch(9, 3), seeded()), batch(9, 3))


def test_a_turn_is_by_each_images_own_angle_up_to_the_largest_either_way() -> None:
    seen = seen_from(40, 0, max_degrees=20.0)
    degrees = np.degrees(np.arctan2(seen[:, 1], seen[:, 0]))
    assert np.abs(np.hypot(*seen.T) - 40).max() < 1
    assert -21 < degrees.min() < -19
    assert 19 < degrees.max() < 21
    assert abs(degrees.mean()) < 5 * 20 / 3**0.5 / 400**0.5


def test_a_scale_is_each_images_own_up_to_the_share_either_way() -> None:
    x, y = seen_from(24, 12, max_scale=0.25).T
    assert np.abs(x - 2 * y).max() < 1.6
    assert abs(x.min() - 24 / 1.25) < 1
    assert abs(x.max() - 24 / 0.75) < 1


def test_a_slant_is_each_images_own_up_to_the_angle_either_way_and_sideways() -> None:
    x, y = seen_from(0, 25, max_shear=30.0).T
    assert (y == 25).all()
    assert abs(x.max() - 25 * np.tan(np.pi / 6)) < 1
    assert abs(x.min() + 25 * np.tan(np.pi / 6)) < 1


def test_crops_keep_the_area_asked_for_within_the_image_and_reach_all_of_it() -> None:
    height, width = 20, 30
    maps = crops(plain(0, 4000, height=height, width=width), seeded(), 0.4).numpy()
    widths, heights, right, down = maps[:, 0, 0], maps[:, 1, 1], maps[:, 0, 2], maps[:, 1, 2]
    areas, ratios = widths * heights, widths / heights
    assert 0.3999 < areas.min() < 0.401
    assert 0.999 < areas.max() < 1.0001
    assert abs(areas.mean() - 0.7) < 5 * 0.6 / 12**0.5 / 4000**0.5
    assert 0.7499 < ratios.min() < 0.77
    assert 1.3 < ratios.max() < 1.3334
    for share, place, side in ((widths, right, width), (heights, down, height)):
        first, last = place - share * side / 2, place + share * side / 2
        assert -side / 2 - 1e-4 < first.min() < -side / 2 + 0.1
        assert side / 2 - 0.1 < last.max() < side / 2 + 1e-4


def test_all_amounts_together_are_one_resampling() -> None:
    images = batch(20, 3, 12, 15)
    amounts = {"max_degrees": 30.0, "max_scale": 0.2, "max_shear": 10.0, "min_area": 0.6}
    generator = seeded(2)
    maps = crops(images, generator, 0.6)
    degrees, slants = (torch.empty(20).uniform_(-high, high, generator=generator) for high in (30, 10))
    factors = torch.empty(20).uniform_(0.8, 1.2, generator=generator)
    maps = maps @ warp.rotations(degrees) @ warp.shears(torch.tan(torch.deg2rad(slants)), torch.zeros(20))
    torch.testing.assert_close(affine(images, seeded(2), **amounts), warp.warped(images, maps @ warp.scalings(factors)))
