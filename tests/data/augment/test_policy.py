"""RandAugment's operations: how many, how likely, how strong, and what none of them does."""

import numpy as np
import pytest
import torch
from augment_helpers import by_pillow, greys, largest_gap, photos, seeded
from PIL import Image, ImageEnhance, ImageOps
from torch import Tensor

from foveal.data.augment.policy import OPERATIONS, rand_augment

# Cubuk et al. 2020, figure 2.
PAPER = (
    "identity autoContrast equalize rotate solarize color posterize contrast brightness sharpness "
    "shear-x shear-y translate-x translate-y"
)


def test_the_operations_are_the_fourteen_of_the_paper() -> None:
    ours = [name.replace("_", "").replace("colour", "color") for name in OPERATIONS]
    assert ours == [name.replace("-", "").lower() for name in PAPER.split()]


@pytest.mark.parametrize("name", OPERATIONS)
@pytest.mark.parametrize("pictures", [photos, greys])
def test_magnitude_nought_changes_nothing_where_an_operation_has_a_magnitude(name: str, pictures) -> None:  # type: ignore[no-untyped-def]
    changed = OPERATIONS[name](pictures(), torch.zeros(6))
    assert torch.equal(changed, pictures()) == (name not in ("auto_contrast", "equalize"))


# At strength 1 and -1, by Pillow.
STRONGEST = {
    "auto_contrast": [ImageOps.autocontrast] * 2,
    "equalize": [ImageOps.equalize] * 2,
    "solarize": [lambda image: ImageOps.solarize(image, 0)] * 2,
    "posterize": [lambda image: ImageOps.posterize(image, 4)] * 2,
    "colour": [lambda image, f=f: ImageEnhance.Color(image).enhance(f) for f in (1.9, 0.1)],
    "contrast": [lambda image, f=f: ImageEnhance.Contrast(image).enhance(f) for f in (1.9, 0.1)],
    "brightness": [lambda image, f=f: ImageEnhance.Brightness(image).enhance(f) for f in (1.9, 0.1)],
    "sharpness": [lambda image, f=f: ImageEnhance.Sharpness(image).enhance(f) for f in (1.9, 0.1)],
}


@pytest.mark.parametrize("name", STRONGEST)
@pytest.mark.parametrize("sign", [0, 1])
def test_the_strongest_changes_of_value_are_pillows(name: str, sign: int) -> None:
    changed = OPERATIONS[name](photos(), torch.full((6,), 1.0 - 2 * sign))
    assert largest_gap(changed, by_pillow(photos(), STRONGEST[name][sign])) <= 1


# Pillow's six numbers at strength 1 for 20 rows and 28 columns, which count from the corner.
PLACES = {
    "shear_x": (1, 0.3, -0.3 * 10, 0, 1, 0),
    "shear_y": (1, 0, 0, 0.3, 1, -0.3 * 14),
    "translate_x": (1, 0, -0.3 * 28, 0, 1, 0),
    "translate_y": (1, 0, 0, 0, 1, -0.3 * 20),
}


@pytest.mark.parametrize("name", PLACES)
def test_the_strongest_changes_of_place_are_pillows_away_from_the_edge(name: str) -> None:
    def change(image: Image.Image) -> Image.Image:
        return image.transform(image.size, Image.Transform.AFFINE, PLACES[name], Image.Resampling.BILINEAR)

    changed = OPERATIONS[name](photos(), torch.ones(6))
    is_inside = by_pillow(torch.full_like(photos(), 255), change) == 255
    assert 0.5 < is_inside.mean() < 0.95
    assert largest_gap(changed * torch.from_numpy(is_inside), by_pillow(photos(), change) * is_inside) <= 1


def test_the_strongest_turn_is_by_thirty_degrees() -> None:
    turned = OPERATIONS["rotate"](photos(), torch.ones(6))
    theirs = by_pillow(photos(), lambda image: image.rotate(30, Image.Resampling.BILINEAR))
    assert largest_gap(turned[:, :, 6:-6, 9:-9], theirs[:, :, 6:-6, 9:-9]) <= 1


def what_was_done(before: Tensor, after: Tensor, strength: float) -> list[set[str]]:
    """For each image, the operations that make it what it has become, at this strength or its opposite."""
    signs = (strength, -strength)
    options = [
        (name, change(before, torch.full((len(before),), s))) for name, change in OPERATIONS.items() for s in signs
    ]
    return [{name for name, option in options if torch.equal(option[i], after[i])} for i in range(len(before))]


def test_each_image_goes_through_one_operation_of_its_own_and_all_are_equally_likely() -> None:
    images = photos(1).repeat(1400, 1, 1, 1).contiguous(memory_format=torch.channels_last)
    done = what_was_done(images, rand_augment(images, seeded(), 1, 7.0), 0.7)
    assert all(len(names) == 1 for names in done)
    counts = np.array([sum(name in names for names in done) for name in OPERATIONS])
    assert np.abs(counts - 100).max() < 5 * (100 * 13 / 14) ** 0.5


def test_two_operations_are_one_after_another() -> None:
    generator = seeded(6)
    once = rand_augment(photos(), generator, 1, 5.0)
    twice = rand_augment(once, generator, 1, 5.0)
    torch.testing.assert_close(rand_augment(photos(), seeded(6), 2, 5.0), twice)


def test_no_operation_leaves_all_as_it_is() -> None:
    torch.testing.assert_close(rand_augment(photos(), seeded(), 0, 9.0), photos())
