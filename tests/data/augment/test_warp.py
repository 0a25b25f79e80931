"""Affine maps against SciPy, Pillow and quarter turns worked by hand."""

import numpy as np
import pytest
import torch
from augment_helpers import batch, by_pillow, largest_gap, photos
from numpy import ndarray
from PIL import Image
from scipy import ndimage
from torch import Tensor

from foveal.data.augment.warp import boxes, rotations, scalings, shears, translations, warped


def column(*values: float) -> Tensor:
    return torch.tensor(values, dtype=torch.float32)


def by_scipy(pixels: Tensor, maps: Tensor) -> ndarray:
    """Each channel of each image under its map, by SciPy, whose places are rows and columns from the first pixel."""
    _, _, height, width = pixels.shape
    middle = np.array([(height - 1) / 2, (width - 1) / 2])
    found = np.empty(pixels.shape)
    for image, matrix, into in zip(pixels.numpy().astype(float), maps.double().numpy(), found, strict=True):
        turn = matrix[:2, :2][::-1, ::-1]
        offset = middle - turn @ middle + matrix[:2, 2][::-1]
        for channel, output in zip(image, into, strict=True):
            output[:] = ndimage.affine_transform(channel, turn, offset, order=1, mode="nearest")
    return found


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize(("height", "width"), [(9, 9), (7, 12), (1, 5), (1, 1)])
def test_any_map_samples_as_scipy_does_with_the_edge_repeated(height: int, width: int, channels: int) -> None:
    images = batch(30, channels, height, width)
    rng = np.random.default_rng(1)
    maps = torch.eye(3).repeat(30, 1, 1)
    maps[:, :2] += torch.from_numpy(rng.normal(0, 0.5, (30, 2, 3)).astype(np.float32))
    np.testing.assert_allclose(warped(images, maps).numpy(), by_scipy(images, maps), atol=0.51)


@pytest.mark.parametrize("degrees", [-70.0, -10.0, 0.0, 15.0, 45.0])
def test_a_turn_is_pillows_counter_clockwise(degrees: float) -> None:
    images = photos()
    turned = warped(images, rotations(column(*[degrees] * len(images))))
    theirs = by_pillow(images, lambda image: image.rotate(degrees, Image.Resampling.BILINEAR))
    is_inside = by_pillow(
        torch.full_like(images, 255), lambda image: image.rotate(degrees, Image.Resampling.BILINEAR)
    ).all(axis=1, keepdims=True)
    is_inside = ndimage.binary_erosion(
        is_inside, np.ones((1, 1, 3, 3))
    )  # the edge of Pillow's picture is mixed with black
    assert is_inside.mean() > 0.2
    assert largest_gap(turned * torch.from_numpy(is_inside), theirs * is_inside) <= 1


@pytest.mark.parametrize("quarters", [1, 2, 3])
def test_quarter_turns_of_a_square_move_whole_pixels(quarters: int) -> None:
    images = batch(4, 3, 8, 8)
    turned = warped(images, rotations(column(*[90.0 * quarters] * 4)))
    torch.testing.assert_close(turned, torch.rot90(images, quarters, (2, 3)))


def test_a_half_turn_of_an_oblong_moves_whole_pixels() -> None:
    images = batch(4, 3, 5, 8)
    torch.testing.assert_close(warped(images, rotations(column(*[180.0] * 4))), images.flip(2, 3))


def test_translations_by_whole_pixels_go_right_and_down_and_repeat_the_edge() -> None:
    images = batch(3, 1, 5, 6)
    moved = warped(images, translations(column(2, 0, -1), column(1, -2, 0)))
    padded = np.pad(images.numpy(), ((0, 0), (0, 0), (2, 2), (2, 2)), mode="edge")
    expected = [padded[0, :, 1:6, 0:6], padded[1, :, 4:9, 2:8], padded[2, :, 2:7, 3:9]]
    np.testing.assert_array_equal(moved, np.stack(expected))


def test_twice_as_large_shows_the_middle_half_and_half_as_large_brings_the_edge_in() -> None:
    row = torch.arange(0, 80, 10, dtype=torch.uint8).view(1, 1, 1, 8).repeat(2, 1, 1, 1)
    seen = warped(row, scalings(column(2.0, 0.5)))
    assert seen[0, 0, 0].tolist() == [18, 22, 28, 32, 38, 42, 48, 52]  # 17.5, 22.5, ..., the even neighbour of a half
    assert seen[1, 0, 0].tolist() == [0, 0, 5, 25, 45, 65, 70, 70]


def test_a_slant_moves_each_row_by_its_distance_from_the_middle_and_each_column_likewise() -> None:
    images = batch(2, 3, 5, 5)
    slanted = warped(images, shears(column(1.0, 0.0), column(0.0, 1.0)))
    padded = np.pad(images.numpy(), ((0, 0), (0, 0), (2, 2), (2, 2)), mode="edge")
    for i in range(5):
        np.testing.assert_array_equal(slanted[0, :, i], padded[0, :, i + 2, i : i + 5])
        np.testing.assert_array_equal(slanted[1, :, :, i], padded[1, :, i : i + 5, i + 2])


def test_a_box_drawn_to_the_full_size_is_pillows_resized_one() -> None:
    images = photos(4, 20, 30)
    widths, heights, right, down = (
        column(0.5, 0.6, 0.8, 1.0),
        column(0.5, 0.7, 1.0, 0.9),
        *(column(3, -5, 1, 0), column(-2, 3, 0, 1)),
    )
    ours = warped(images, boxes(widths, heights, right, down))
    places = zip(widths.tolist(), heights.tolist(), right.tolist(), down.tolist(), strict=True)
    edges = [(15 + x - 15 * w, 10 + y - 10 * h, 15 + x + 15 * w, 10 + y + 10 * h) for w, h, x, y in places]
    theirs = by_pillow(images, lambda image, box: image.resize((30, 20), Image.Resampling.BILINEAR, box), edges)
    # Pillow looks at nothing outside the box; so its outermost pixels differ.
    assert largest_gap(ours[:, :, 2:-2, 2:-2], theirs[:, :, 2:-2, 2:-2]) <= 1


def test_the_map_of_two_changes_is_the_product_of_their_maps_in_their_order() -> None:
    images = batch(4, 3, 9, 9)
    quarter, move = rotations(column(*[90.0] * 4)), translations(column(1, 2, 0, 3), column(0, 1, 2, 0))
    torch.testing.assert_close(warped(images, quarter @ move), warped(warped(images, quarter), move))
