"""Augmentation against one image at a time and np.pad; what each image gets, and by whose chance."""

import numpy as np
import pytest
import torch
from data_helpers import noise
from numpy import ndarray
from torch import Generator, Tensor

from foveal.data.augment import augmentation, flip, shift


def seeded(seed: int = 0) -> Generator:
    return torch.Generator().manual_seed(seed)


def batch(count: int = 50, channels: int = 1, height: int = 6, width: int = 7) -> Tensor:
    return torch.from_numpy(noise(count, height, width, channels)).permute(0, 3, 1, 2)


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
    is_flipped = []
    for after, before in zip(flip(images, seeded()).numpy(), images.numpy(), strict=True):
        assert np.array_equal(after, before) != np.array_equal(after, before[:, :, ::-1])
        is_flipped.append(not np.array_equal(after, before))
    assert abs(sum(is_flipped) - 1000) < 112  # five standard deviations of a fair coin


CHANGES = [
    pytest.param(lambda pixels, generator: shift(pixels, generator, 2), id="shift"),
    pytest.param(flip, id="flip"),
    pytest.param(augmentation(max_shift=2, is_flipping=True), id="both"),
]


@pytest.mark.parametrize("change", CHANGES)
def test_the_generator_alone_decides(change) -> None:  # type: ignore[no-untyped-def]
    torch.manual_seed(1)
    first = change(batch(), seeded(3))
    torch.manual_seed(2)
    assert torch.equal(change(batch(), seeded(3)), first)
    assert not torch.equal(change(batch(), seeded(4)), first)


@pytest.mark.parametrize("change", CHANGES)
def test_two_batches_from_one_generator_are_changed_differently_and_the_originals_stay(change) -> None:  # type: ignore[no-untyped-def]
    images, generator = batch(), seeded()
    assert not torch.equal(change(images, generator), change(images, generator))
    assert torch.equal(images, batch())


@pytest.mark.parametrize("change", CHANGES)
def test_images_stay_channels_last_in_memory(change) -> None:  # type: ignore[no-untyped-def]
    assert change(batch(channels=3), seeded()).is_contiguous(memory_format=torch.channels_last)


def test_without_settings_a_batch_is_handed_through() -> None:
    images = batch()
    assert augmentation(max_shift=0, is_flipping=False)(images, seeded()) is images


def test_the_settings_choose_the_changes() -> None:
    assert torch.equal(augmentation(max_shift=2, is_flipping=False)(batch(), seeded()), shift(batch(), seeded(), 2))
    assert torch.equal(augmentation(max_shift=0, is_flipping=True)(batch(), seeded()), flip(batch(), seeded()))
