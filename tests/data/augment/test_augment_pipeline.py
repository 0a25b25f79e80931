"""What all augmentations keep to, one by one and put together: shape, layout, chance, and what the settings choose."""

from collections.abc import Callable
from inspect import signature

import pytest
import torch
from augment_helpers import batch, photos, plain, seeded
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from foveal.config import AugmentConfig
from foveal.data.augment import erasing, geometry, light, mix, policy, tone
from foveal.data.augment.layout import take
from foveal.data.augment.pipeline import augmentation, mixing

EVERYTHING = {
    "shift": 2,
    "flip": "random",
    "rotate": 20.0,
    "scale": 0.2,
    "shear": 10.0,
    "crop": 0.6,
    "brightness": 0.3,
    "contrast": 0.3,
    "colour": 0.3,
    "hue": 20.0,
    "noise": 5.0,
    "erase": 0.5,
    "policy_operations": 2,
    "policy_magnitude": 5.0,
}
ALONE = [
    *({name: value} for name, value in EVERYTHING.items() if not name.startswith("policy")),
    {"flip": "alternating"},
    {"policy_operations": 1, "policy_magnitude": 9.0},
    EVERYTHING,
]


def named(settings: dict[str, object]) -> str:
    return "everything" if settings is EVERYTHING else "-".join(map(str, next(iter(settings.items()))))


def change(settings: dict[str, object], pixels: Tensor, seed: int = 0, epoch: int = 0) -> Tensor:
    return augmentation(**settings, seed=seed)(pixels, seeded(seed), torch.arange(len(pixels)), epoch)  # type: ignore[arg-type]


@pytest.mark.parametrize("asked", ALONE, ids=named)
def test_the_generator_alone_decides(asked: dict[str, object]) -> None:
    torch.manual_seed(1)
    first = change(asked, photos(), 3)
    torch.manual_seed(2)
    assert torch.equal(change(asked, photos(), 3), first)
    assert not torch.equal(change(asked, photos(), 5), first)


@pytest.mark.parametrize("asked", [asked for asked in ALONE if asked.get("flip") != "alternating"], ids=named)
def test_two_batches_from_one_generator_are_changed_differently(asked: dict[str, object]) -> None:
    augment, generator, numbers = augmentation(**asked), seeded(), torch.arange(6)  # type: ignore[arg-type]
    assert not torch.equal(augment(photos(), generator, numbers, 0), augment(photos(), generator, numbers, 0))


@pytest.mark.parametrize("asked", ALONE, ids=named)
def test_the_originals_stay_and_the_copy_is_channels_last_in_memory(asked: dict[str, object]) -> None:
    images = photos()
    changed = change(asked, images)
    assert torch.equal(images, photos())
    assert changed.is_contiguous(memory_format=torch.channels_last)


SHAPES = [(0, 1, 5, 7), (0, 3, 5, 7), (1, 1, 1, 1), (1, 3, 1, 1), (1, 1, 6, 2), (4, 3, 2, 9), (3, 1, 1, 8)]


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("asked", ALONE, ids=named)
def test_any_shape_stays_and_empty_batches_do_not_fail(asked: dict[str, object], shape: tuple[int, ...]) -> None:
    count, channels, height, width = shape
    changed = change(asked, batch(count, channels, height, width))
    assert (tuple(changed.shape), changed.dtype) == (shape, torch.uint8)


@settings(max_examples=25, deadline=None)
@given(
    shape=st.tuples(st.integers(0, 4), st.sampled_from([1, 3]), st.integers(1, 9), st.integers(1, 9)),
    seed=st.integers(0, 2**63 - 1),
)
def test_everything_at_once_stands_any_shape_and_seed(shape: tuple[int, ...], seed: int) -> None:
    changed = change({**EVERYTHING, "shift": 12}, batch(*shape), seed)
    assert (tuple(changed.shape), changed.dtype) == (shape, torch.uint8)


# Nothing is computed on torch's device without memory, but it refuses tensors of another one as a GPU does.
ELSEWHERE = [asked for asked in ALONE if "policy_operations" not in asked]


@pytest.mark.parametrize("asked", ELSEWHERE, ids=named)
def test_pixels_may_lie_on_another_device_than_the_generator(asked: dict[str, object]) -> None:
    assert change(asked, photos().to("meta")).device.type == "meta"


@pytest.mark.parametrize("name", [name for name in policy.OPERATIONS if name != "equalize"])
def test_operations_may_work_on_another_device(name: str) -> None:
    changed = policy.OPERATIONS[name](photos().to("meta"), torch.ones(6, device="meta"))
    assert changed.device.type == "meta"


@pytest.mark.parametrize("mixed", [{"mixup": 1.0}, {"cutmix": 1.0}], ids=["mixup", "cutmix"])
def test_mixing_may_work_on_another_device(mixed: dict[str, float]) -> None:
    mix_batch = mixing(**mixed)
    assert mix_batch is not None
    pixels, targets = mix_batch(photos().to("meta"), torch.ones(6, 2, device="meta"), seeded())
    assert (pixels.device.type, targets.device.type) == ("meta", "meta")


def test_without_settings_a_batch_is_handed_through() -> None:
    images = batch()
    assert augmentation()(images, seeded(), torch.arange(50), 0) is images
    assert augmentation(crop=1.0)(images, seeded(), torch.arange(50), 0) is images


CHOICES: list[tuple[dict[str, object], Callable[..., Tensor]]] = [
    ({"shift": 2}, lambda pixels, generator: geometry.shift(pixels, generator, 2)),
    ({"flip": "random"}, geometry.flip),
    (
        {"flip": "alternating"},
        lambda pixels, generator: geometry.flip_alternating(pixels, 8, torch.arange(6), 0),
    ),
    ({"rotate": 9.0}, lambda pixels, generator: geometry.affine(pixels, generator, max_degrees=9)),
    ({"scale": 0.2}, lambda pixels, generator: geometry.affine(pixels, generator, max_scale=0.2)),
    ({"shear": 9.0}, lambda pixels, generator: geometry.affine(pixels, generator, max_shear=9)),
    ({"crop": 0.4}, lambda pixels, generator: geometry.affine(pixels, generator, min_area=0.4)),
    ({"brightness": 0.3}, lambda pixels, generator: light.brightness(pixels, generator, 0.3)),
    ({"contrast": 0.3}, lambda pixels, generator: light.contrast(pixels, generator, 0.3)),
    ({"colour": 0.3}, lambda pixels, generator: light.colour(pixels, generator, 0.3)),
    ({"hue": 30.0}, lambda pixels, generator: light.hue(pixels, generator, 30)),
    ({"noise": 3.0}, lambda pixels, generator: light.noise(pixels, generator, 3)),
    ({"erase": 0.7}, lambda pixels, generator: erasing.erase(pixels, generator, 0.7)),
    (
        {"policy_operations": 2, "policy_magnitude": 4.0},
        lambda pixels, generator: policy.rand_augment(pixels, generator, 2, 4.0),
    ),
    (
        {"shift": 1, "flip": "random", "noise": 2.0},
        lambda pixels, generator: light.noise(
            geometry.flip(geometry.shift(pixels, generator, 1), generator), generator, 2
        ),
    ),
]


@pytest.mark.parametrize(("asked", "expected"), CHOICES, ids=[named(asked) for asked, _ in CHOICES])
def test_the_settings_choose_the_changes(asked: dict[str, object], expected: Callable[..., Tensor]) -> None:
    torch.testing.assert_close(change(asked, photos(), 8), expected(photos(), seeded(8)))


def test_alternating_hears_of_the_epoch_and_of_the_numbers() -> None:
    augment = augmentation(flip="alternating")
    first = augment(photos(), seeded(), torch.arange(6), 0)
    torch.testing.assert_close(augment(photos(), seeded(), torch.arange(6), 1), first.flip(3))
    torch.testing.assert_close(augment(photos().flip(0), seeded(), torch.arange(6).flip(0), 0), first.flip(0))


def test_every_setting_of_the_config_is_one_of_the_functions_that_are_made_of_them() -> None:
    fields = {"policy_operations" if name == "policy" else name for name in AugmentConfig.model_fields}
    assert fields | {"seed"} == {*signature(augmentation).parameters, *signature(mixing).parameters}


def test_no_alpha_is_no_mixing() -> None:
    assert mixing() is None
    assert mixing(mixup=0.0, cutmix=0.0) is None


@pytest.mark.parametrize(("asked", "function"), [("mixup", mix.mixup), ("cutmix", mix.cutmix)])
def test_one_alpha_is_that_mixing(asked: str, function: Callable[..., tuple[Tensor, Tensor]]) -> None:
    mix_batch = mixing(**{asked: 0.4})
    assert mix_batch is not None
    for ours, theirs in zip(
        mix_batch(photos(), torch.eye(6), seeded(2)), function(photos(), torch.eye(6), seeded(2), 0.4), strict=True
    ):
        torch.testing.assert_close(ours, theirs)


def test_two_alphas_give_each_batch_one_of_both_by_a_fair_coin() -> None:
    mix_batch, generator = mixing(mixup=9.0, cutmix=9.0), seeded()
    assert mix_batch is not None
    images = plain(0, 8, height=4, width=4)
    images[::2] = 240
    # Shares near a half: overlaid images are grey somewhere, pasted ones are black and white.
    overlaid = 0
    for _ in range(200):
        mixed, _ = mix_batch(images, torch.eye(8), generator)
        overlaid += bool(((mixed > 0) & (mixed < 240)).any())
    assert abs(overlaid - 100) < 5 * 50**0.5


def test_taking_images_is_indexing_them_in_the_same_layout() -> None:
    indices = torch.tensor([3, 0, 3])
    taken = take(photos(), indices)
    assert torch.equal(taken, photos()[indices])
    assert taken.is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize("change_tones", [tone.stretched, tone.equalized])
def test_images_of_no_pixels_have_no_values_to_spread(change_tones: Callable[[Tensor], Tensor]) -> None:
    assert change_tones(batch(0, 3)).shape == (0, 3, 6, 7)
