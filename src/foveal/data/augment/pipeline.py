"""The changes that the settings ask for, put together as one function."""

from collections.abc import Callable
from functools import partial
from typing import Literal

import torch
from jaxtyping import Float, Int64, UInt8
from torch import Generator, Tensor

from foveal.data.augment import erasing, geometry, light, mix, policy

Change = Callable[[UInt8[Tensor, "N C H W"], Generator], UInt8[Tensor, "N C H W"]]

# Called as augment(pixels, generator, numbers, epoch): which images of the training set these are, and the epoch from 0.
Augmentation = Callable[[UInt8[Tensor, "N C H W"], Generator, Int64[Tensor, " N"], int], UInt8[Tensor, "N C H W"]]
# Called as mix(pixels, targets, generator).
Mixing = Callable[[UInt8[Tensor, "N C H W"], Float[Tensor, "N K"], Generator], mix.Mixed]


def augmentation(
    *,
    shift: int = 0,
    flip: Literal["none", "random", "alternating"] = "none",
    rotate: float = 0.0,
    scale: float = 0.0,
    shear: float = 0.0,
    crop: float = 0.0,
    brightness: float = 0.0,
    contrast: float = 0.0,
    colour: float = 0.0,
    hue: float = 0.0,
    noise: float = 0.0,
    erase: float = 0.0,
    policy_operations: int = 0,
    policy_magnitude: float = 0.0,
    seed: int = 0,
) -> Augmentation:
    """The changes asked for, from where things are over light to what is erased; units are those of config.AugmentConfig.

    `seed` decides which images are mirrored first where mirroring alternates.
    """
    area = crop or 1.0
    steps: list[tuple[bool, Change]] = [
        (shift > 0, partial(geometry.shift, max_shift=shift)),
        (flip == "random", geometry.flip),
        (
            rotate > 0 or scale > 0 or shear > 0 or area < 1,
            partial(geometry.affine, max_degrees=rotate, max_scale=scale, max_shear=shear, min_area=area),
        ),
        (policy_operations > 0, partial(policy.rand_augment, operations=policy_operations, magnitude=policy_magnitude)),
        (brightness > 0, partial(light.brightness, max_change=brightness)),
        (contrast > 0, partial(light.contrast, max_change=contrast)),
        (colour > 0, partial(light.colour, max_change=colour)),
        (hue > 0, partial(light.hue, max_degrees=hue)),
        (noise > 0, partial(light.noise, deviation=noise)),
        (erase > 0, partial(erasing.erase, probability=erase)),
    ]
    return _one_after_the_other(
        [change for is_wanted, change in steps if is_wanted], seed if flip == "alternating" else None
    )


def _one_after_the_other(changes: list[Change], flip_seed: int | None) -> Augmentation:
    def augment(
        pixels: UInt8[Tensor, "N C H W"], generator: Generator, numbers: Int64[Tensor, " N"], epoch: int
    ) -> UInt8[Tensor, "N C H W"]:
        if flip_seed is not None:
            pixels = geometry.flip_alternating(pixels, flip_seed, numbers, epoch)
        for change in changes:
            pixels = change(pixels, generator)
        return pixels

    return augment


def mixing(*, mixup: float = 0.0, cutmix: float = 0.0) -> Mixing | None:
    """Mixup or CutMix with these alphas, None where both are 0; where both are wanted, each batch gets one by a coin."""
    wanted = [partial(each, alpha=alpha) for each, alpha in ((mix.mixup, mixup), (mix.cutmix, cutmix)) if alpha > 0]
    if not wanted:
        return None

    def mix_batch(pixels: UInt8[Tensor, "N C H W"], targets: Float[Tensor, "N K"], generator: Generator) -> mix.Mixed:
        which = int(torch.randint(2, (), generator=generator)) if len(wanted) == 2 else 0
        return wanted[which](pixels, targets, generator)

    return mix_batch
