"""Validation outside the training loop: of kept weights whose Record has none, and on other images than before."""

from dataclasses import replace

import torch

from foveal.training.distributed import Workers
from foveal.training.feed import on_device
from foveal.training.fit import Record, TrainState, measure
from foveal.workflows.keeping import Kept
from foveal.workflows.prepare import Prepared


def with_validation(
    kept: Kept, state: TrainState, prepared: Prepared, device: torch.device, workers: Workers
) -> Record:
    """The Record with its validation, measured now where it has none; the state then has the kept weights."""
    if kept.record.val_accuracy is not None or len(prepared.validation) == 0:
        return kept.record
    state.model.load_state_dict(kept.weights)
    val_loss, val_accuracy = measure(state.model, *on_device(prepared.validation, device), workers=workers)
    return replace(kept.record, val_loss=val_loss, val_accuracy=val_accuracy)
