"""From the augmentation settings to the functions that change a batch."""

from torch.nn import functional as F

from foveal.config import AugmentConfig
from foveal.data.augment.pipeline import Augmentation, augmentation, mixing
from foveal.training.fit import Mix


def make_augmentation(wanted: AugmentConfig, seed: int) -> Augmentation:
    """The changes that the settings ask for: every one is applied to every image, by chances of its own."""
    return augmentation(
        **wanted.model_dump(exclude={"mixup", "cutmix", "policy"}), policy_operations=wanted.policy, seed=seed
    )


def make_mix(wanted: AugmentConfig, num_classes: int) -> Mix | None:
    """Mixup or CutMix, where the settings ask for them."""
    mixed = mixing(mixup=wanted.mixup, cutmix=wanted.cutmix)
    if mixed is None:
        return None
    return lambda pixels, labels, generator: mixed(pixels, F.one_hot(labels, num_classes).float(), generator)
