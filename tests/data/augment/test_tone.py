"""Changes of light, colour and sharpness against Pillow, one picture at a time."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from augment_helpers import batch, by_pillow, greys, largest_gap, photos, plain
from PIL import Image, ImageEnhance, ImageOps
from scipy.spatial.transform import Rotation
from torch import Tensor

from foveal.data.augment import tone

FACTORS = torch.tensor([0.0, 0.4, 0.9, 1.0, 1.3, 1.9])
# Levels: Pillow cuts fractions off where we round, and rounds the grey that it blends with first.
ENHANCEMENTS = [
    pytest.param(tone.brightened, ImageEnhance.Brightness, 1, id="brightness"),
    pytest.param(tone.contrasted, ImageEnhance.Contrast, 1, id="contrast"),
    pytest.param(tone.coloured, ImageEnhance.Color, 1, id="colour"),
    pytest.param(tone.sharpened, ImageEnhance.Sharpness, 1, id="sharpness"),
]
PICTURES = [photos, greys, pytest.param(lambda: batch(6, 3, 9, 5), id="noise")]
Change = Callable[[Tensor, Tensor], Tensor]


@pytest.mark.parametrize("pictures", PICTURES)
@pytest.mark.parametrize(("change", "enhancer", "levels"), ENHANCEMENTS)
def test_an_enhancement_is_pillows(
    change: Change, enhancer: type[ImageEnhance.Brightness], levels: int, pictures: Callable[[], Tensor]
) -> None:
    images = pictures()
    theirs = by_pillow(images, lambda image, factor: enhancer(image).enhance(factor), FACTORS.tolist())
    assert largest_gap(change(images, FACTORS), theirs) <= levels


@pytest.mark.parametrize("pictures", PICTURES)
@pytest.mark.parametrize(("change", "enhancer", "levels"), ENHANCEMENTS)
def test_factor_one_leaves_an_image_as_it_is(
    change: Change, enhancer: type[ImageEnhance.Brightness], levels: int, pictures: Callable[[], Tensor]
) -> None:
    torch.testing.assert_close(change(pictures(), torch.ones(6)), pictures())


@pytest.mark.parametrize("pictures", PICTURES)
def test_each_threshold_inverts_what_pillows_solarize_does(pictures: Callable[[], Tensor]) -> None:
    thresholds = [0, 1, 100, 128, 255, 256]
    theirs = by_pillow(pictures(), ImageOps.solarize, thresholds)
    assert largest_gap(tone.solarized(pictures(), torch.tensor(thresholds).float()), theirs) == 0


@pytest.mark.parametrize("pictures", PICTURES)
def test_each_number_of_bits_leaves_what_pillows_posterize_does(pictures: Callable[[], Tensor]) -> None:
    bits = [1, 2, 4, 6, 7, 8]
    theirs = by_pillow(pictures(), ImageOps.posterize, bits)
    assert largest_gap(tone.posterized(pictures(), torch.tensor(bits, dtype=torch.int32)), theirs) == 0


def flat_and_faint() -> Tensor:
    """Images of one value, of two neighbours, with one channel flat, and already full."""
    images = torch.zeros((4, 3, 9, 8), dtype=torch.uint8).contiguous(memory_format=torch.channels_last)
    images[0] = 77
    images[1], images[1, :, 2] = 100, 101
    images[2, 0] = batch(1, 1, 9, 8)[0, 0] // 3 + 50
    images[3, :, 0, 0] = 255
    return images


@pytest.mark.parametrize("pictures", [*PICTURES, flat_and_faint])
def test_values_are_stretched_as_by_pillows_autocontrast(pictures: Callable[[], Tensor]) -> None:
    assert largest_gap(tone.stretched(pictures()), by_pillow(pictures(), ImageOps.autocontrast)) <= 1


@pytest.mark.parametrize("pictures", [*PICTURES, flat_and_faint, lambda: plain(9), lambda: batch(6, 1, 40, 40)])
def test_values_are_equalized_exactly_as_by_pillow(pictures: Callable[[], Tensor]) -> None:
    assert largest_gap(tone.equalized(pictures()), by_pillow(pictures(), ImageOps.equalize)) == 0


def test_colours_turn_by_thirds_from_channel_to_channel() -> None:
    images = batch(3, 3)
    turned = tone.turned(images, torch.tensor([0.0, 120.0, 240.0]))
    expected = torch.stack([images[0], images[1][[2, 0, 1]], images[2][[1, 2, 0]]])  # red is green: blue is red
    torch.testing.assert_close(turned, expected)


def test_colours_turn_about_the_grey_axis_as_scipys_rotation_does() -> None:
    images, degrees = photos(), torch.linspace(-90, 170, 6)
    axis = np.ones(3) / 3**0.5
    for image, turned, angle in zip(
        images.numpy(), tone.turned(images, degrees).numpy(), degrees.tolist(), strict=True
    ):
        vectors = image.reshape(3, -1).T.astype(float)
        expected = Rotation.from_rotvec(np.radians(angle) * axis).apply(vectors)
        np.testing.assert_allclose(turned.reshape(3, -1).T, expected.clip(0, 255), atol=0.51)


@pytest.mark.parametrize("change", [tone.coloured, tone.turned])
def test_grey_images_have_no_colour_to_change(change: Change) -> None:
    torch.testing.assert_close(change(greys(), 33 * FACTORS), greys())
    threefold = greys().expand(-1, 3, -1, -1)
    torch.testing.assert_close(change(threefold, 33 * FACTORS), threefold)


@pytest.mark.parametrize(("height", "width"), [(2, 9), (9, 1), (1, 1)])
def test_images_without_inner_pixels_cannot_be_sharpened(height: int, width: int) -> None:
    images = batch(6, 3, height, width)
    torch.testing.assert_close(tone.sharpened(images, FACTORS), images)
    theirs = by_pillow(images, lambda image: ImageEnhance.Sharpness(image).enhance(1.9))
    assert Image.fromarray(theirs[0].transpose(1, 2, 0)).size == (width, height)
