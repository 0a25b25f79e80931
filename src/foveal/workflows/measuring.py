"""Validation outside the training loop: of kept weights whose Record has none, and on other images than before."""

from dataclasses import replace

import torch
from jaxtyping import Int64
from torch import Tensor

from foveal.data.mapped import Images
from foveal.data.pixels import Pixels
from foveal.training.distributed import Workers
from foveal.training.fit import Record, TrainState, measure
from foveal.workflows.keeping import Kept
from foveal.workflows.prepare import Prepared


def on_device(images: Pixels, device: torch.device) -> tuple[Images, Int64[Tensor, " N"]]:
    """Images and labels on the device; images that are mapped from a file stay there."""
    pixels = images.pixels.to(device) if isinstance(images.pixels, Tensor) else images.pixels
    return pixels, images.labels.to(device)


def with_validation(
    kept: Kept, state: TrainState, prepared: Prepared, device: torch.device, workers: Workers
) -> Record:
    """The Record with its validation, measured now where it has none; the state then has the kept weights."""
    if kept.record.val_accuracy is not None or len(prepared.validation) == 0:
        return kept.record
    state.model.load_state_dict(kept.weights)
    val_loss, val_accuracy = measure(state.model, *on_device(prepared.validation, device), workers=workers)
    return replace(kept.record, val_loss=val_loss, val_accuracy=val_accuracy)
