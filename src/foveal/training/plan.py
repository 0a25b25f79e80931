"""How long to train and in what portions, worked out from the number of images before anything runs."""

from dataclasses import dataclass
from math import ceil

from foveal.data.batches import updates_per_epoch
from foveal.errors import ConfigError

DEFAULT_BATCH = 128
CHECKPOINTS = 20  # at most, unless the settings say how often
VALIDATIONS = 6  # measured in each training, evenly spaced, unless the settings say how often


@dataclass(frozen=True)
class Plan:
    """The numbers of one training."""

    batch_size: int
    updates: int
    epochs: float
    updates_per_epoch: int
    report_every: int
    validate_every: int
    checkpoint_every: int


def plan_training(
    n: int,
    *,
    epochs: float,
    min_updates: int,
    batch_size: int | None,
    report_every: int,
    validate_every: float | None,
    checkpoint_every: int | None = None,
    total: int | None = None,
) -> Plan:
    """The plan for n training images. `epochs` are raised to reach `min_updates`: few images need many epochs.

    Without a `batch_size` it is 128, or a tenth of a small data set. `validate_every` counts epochs, `checkpoint_every`
    updates; without it, checkpoints are at the ends of epochs, and of no more than 20 of them. `total` is how many updates a
    budget of time came to, in place of epochs.
    Raises ConfigError when a batch is larger than the data.
    """
    if batch_size is not None and batch_size > n:
        raise ConfigError(
            f"a batch of {batch_size} is larger than the {n} training images. Set training.batch_size to {n} or less."
        )
    size = batch_size or max(1, min(DEFAULT_BATCH, n, max(8, n // 10)))
    per_epoch = updates_per_epoch(n, size)
    updates = total or max(ceil(epochs * per_epoch - 1e-9), min_updates, 1)
    spacing = ceil(validate_every * per_epoch - 1e-9) if validate_every else ceil(updates / VALIDATIONS)
    return Plan(
        batch_size=size,
        updates=updates,
        epochs=updates / per_epoch,
        updates_per_epoch=per_epoch,
        report_every=min(report_every, updates),
        validate_every=max(1, spacing),
        checkpoint_every=checkpoint_every or checkpoint_spacing(updates, per_epoch),
    )


def checkpoint_spacing(updates: int, per_epoch: int) -> int:
    """Updates from one checkpoint to the next: at ends of epochs, and no more than 20 in all.

    >>> checkpoint_spacing(440, 11), checkpoint_spacing(441, 11), checkpoint_spacing(5, 11)
    (22, 33, 11)
    """
    return per_epoch * ceil(updates / per_epoch / CHECKPOINTS)
