"""`foveal model summary` and `--dry-run`: what a network is and what a training would be, before anything is trained."""

import time
from typing import Any

import torch

from foveal.config import ArchSpec, Config
from foveal.data.sources import Source
from foveal.device import choose_device, seed_everything, set_threads
from foveal.errors import ConfigError
from foveal.models.catalog import LAYERS_FILE, OWN, build_model, find_architecture
from foveal.models.layers import read_layers
from foveal.models.ledger import ledger
from foveal.models.own import Own, describe
from foveal.models.shapes import Ledger, Shape
from foveal.training.fit import TrainState, make_update
from foveal.training.optim import make_loss, make_optimizer
from foveal.training.shards import Shards
from foveal.workflows.augmenting import make_augmentation
from foveal.workflows.prepare import Prepared, layers_file, own_network, prepare

TIMED_UPDATES = 10


def parse_shape(text: str) -> Shape:
    """(C, H, W) from text like 1x28x28. Raises ConfigError."""
    parts = text.lower().replace("×", "x").split("x")
    if len(parts) != 3 or not all(part.isdigit() and int(part) > 0 for part in parts) or int(parts[0]) not in (1, 3):
        raise ConfigError(
            f"--input is {text!r}; it takes channels x height x width with 1 or 3 channels, 1x28x28 for example."
        )
    return tuple(int(part) for part in parts)


def summarise_model(name: str, input_shape: Shape | None, num_classes: int) -> Ledger:
    """The ledger of a network: a name of the catalog, a layers file or path.py:Class. Raises ConfigError."""
    own, path = own_network(name), layers_file(name)
    shape = input_shape or ((1, 28, 28) if own or path else find_architecture(name).input_shape)
    spec = ArchSpec(
        name=OWN if own else LAYERS_FILE if path else name,
        input_shape=shape,  # type: ignore[arg-type]
        mean=(0.0,) * shape[0],
        std=(255.0,) * shape[0],
        layers=read_layers(path) if path else None,
        source=describe(own)[0] if own else None,
    )
    return ledger(build_model(spec, num_classes, own), shape, num_classes)


def dry_run(config: Config, source: Source | None = None, own: Own | None = None) -> dict[str, Any]:
    """What a training would do: the data, the network's ledger, the updates, and the time as measured on a few."""
    threads = set_threads(config.threads)
    choose_device(config.device)
    prepared = prepare(config, source, own)
    plan = prepared.plan
    seed_everything(config.seed)
    model = build_model(prepared.arch, len(prepared.classes), prepared.own)
    rows = ledger(model, prepared.arch.input_shape, len(prepared.classes))
    seconds = seconds_per_update(prepared, model)
    return {
        "data": prepared.data.name,
        "model": config.model.name,
        "classes": list(prepared.classes),
        "images": {name: len(images) for name, images in prepared.splits.sets.items()},
        "input_shape": list(prepared.arch.input_shape),
        "batch_size": plan.batch_size,
        "epochs": plan.epochs,
        "updates": plan.updates,
        "threads": threads,
        "seconds_per_update": seconds,
        "estimated_seconds": seconds * plan.updates,
        "notes": list(prepared.notes),
        "refused": list(prepared.refused),
        "ledger": rows.as_dict(),
    }


def seconds_per_update(prepared: Prepared, model: torch.nn.Module) -> float:
    """The median time of a few updates on the first images, after three to warm up. Changes the model."""
    training, size = prepared.config.training, prepared.plan.batch_size
    optimizer = make_optimizer(
        model.parameters(),
        training.optimizer,
        momentum=training.momentum,
        nesterov=training.nesterov,
    )
    state = TrainState(model.train(), optimizer)
    augment = make_augmentation(prepared.config.augment, prepared.config.seed)
    chance, numbers = torch.Generator().manual_seed(0), torch.arange(size)
    loss = make_loss(training.loss, label_smoothing=training.label_smoothing)
    device = next(model.parameters()).device
    pixels, labels = (each[:size].to(device) for each in (prepared.train.pixels, prepared.train.labels))
    shards = Shards(model, training.shards) if training.shards and training.shards > 1 else None
    times = []
    for _ in range(3 + TIMED_UPDATES):
        begin = time.perf_counter()
        _, value = make_update(
            state,
            augment(pixels, chance, numbers, 0),
            labels,
            loss=loss,
            learning_rate=1e-6,
            clip_norm=training.clip_norm,
            precision=training.precision,
            shards=shards,
        )
        float(value)  # waits for a GPU
        times.append(time.perf_counter() - begin)
    return sorted(times[3:])[TIMED_UPDATES // 2]
