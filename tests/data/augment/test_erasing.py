"""Erased rectangles, found again in what was changed."""

import numpy as np
import pytest
import torch
from augment_helpers import batch, plain, seeded
from numpy import ndarray

from foveal.data.augment.erasing import erase, rectangles


def test_rectangles_are_those_of_slices_and_are_cut_off_at_the_edges() -> None:
    corners = torch.tensor([[0, 2, -2, 5, 1], [0, 3, -1, 6, 1]])
    sizes = torch.tensor([[6, 2, 4, 3, 0], [7, 1, 3, 9, 3]])
    expected = np.zeros((5, 3, 6, 7), bool)
    expected[0], expected[1, :, 2:4, 3:4], expected[2, :, 0:2, 0:2], expected[3, :, 5:, 6:] = True, True, True, True
    np.testing.assert_array_equal(rectangles(batch(5, 3), corners, sizes), expected)


def box_of(changed: ndarray) -> tuple[int, int, int, int]:
    """Top, left, bottom, right of what is true in (H, W)."""
    y, x = np.nonzero(changed)
    return int(y.min()), int(x.min()), int(y.max()) + 1, int(x.max()) + 1


@pytest.mark.parametrize("channels", [1, 3])
def test_one_rectangle_of_an_image_becomes_its_mean_colour_and_the_rest_stays(channels: int) -> None:
    images = batch(200, channels, 20, 15)
    images[:, :, ::2] //= 2
    for before, after in zip(images.numpy(), erase(images, seeded(), 1.0).numpy(), strict=True):
        top, left, bottom, right = box_of((before != after).any(axis=0))
        mean = before.reshape(channels, -1).mean(axis=1)
        inside = after[:, top:bottom, left:right].reshape(channels, -1)
        np.testing.assert_allclose(inside, np.repeat(mean[:, None], inside.shape[1], axis=1), atol=0.51)


def test_areas_ratios_and_places_are_those_of_the_paper() -> None:
    side = 100
    changed = erase(plain(0, 2000, 1, side, side), seeded(), 1.0, "random")[:, 0].numpy() > 0
    boxes = np.array([box_of(one) for one in changed])
    heights, widths = boxes[:, 2] - boxes[:, 0], boxes[:, 3] - boxes[:, 1]
    areas, ratios = heights * widths / side**2, heights / widths
    assert 0.018 < areas.min() < 0.03
    assert 0.37 < areas.max() < 0.41
    assert 0.28 < ratios.min() < 0.4
    assert 3 < ratios.max() < 3.5
    is_whole = areas < 0.29  # none of these is as long as the image
    # Even from .3 to 1/.3 in height over width, as the authors' code has it.
    assert abs(ratios[is_whole].mean() - 1.8167) < 5 * 0.876 / is_whole.sum() ** 0.5
    is_small = np.maximum(heights, widths) < 40
    boxes = boxes[is_small]
    assert (boxes.min(axis=0)[:2] <= 1).all()
    assert (boxes.max(axis=0)[2:] >= side - 1).all()
    middles = (boxes[:, :2] + boxes[:, 2:]) / 2
    assert np.abs(middles.mean(axis=0) - side / 2).max() < 5 * 29 / len(boxes) ** 0.5


@pytest.mark.parametrize("probability", [0.0, 0.25, 1.0])
def test_the_probability_is_the_share_of_images_that_are_touched(probability: float) -> None:
    images = batch(2000, 1, 8, 8)
    touched = int((erase(images, seeded(), probability) != images).any(3).any(2).any(1).sum())
    assert abs(touched - 2000 * probability) <= 5 * (2000 * probability * (1 - probability)) ** 0.5


def test_random_fill_is_another_colour_for_every_pixel() -> None:
    erased = erase(plain(0, 300, 3, 12, 12), seeded(), 1.0, "random")
    inside = erased.permute(1, 0, 2, 3).flatten(1)[:, (erased > 0).any(1).flatten()].double()
    assert (inside.mean(1) - 127.5).abs().max() < 5 * 73.9 / inside.shape[1] ** 0.5
    assert torch.corrcoef(inside).fill_diagonal_(0).abs().max() < 0.05
