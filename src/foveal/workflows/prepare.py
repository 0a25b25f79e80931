"""From a Config to everything that a training needs before its first update: images in memory, network spec, plan.

What the data decide (sizes, statistics, batch size, epochs) is written back into the Config, so that `config.toml`
says all that was done.
"""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from foveal.config import ArchSpec, Config, Familiar, Preprocess
from foveal.data.augment.safety import merging_augmentations
from foveal.data.known import DATASETS
from foveal.data.looks import channel_statistics, familiar
from foveal.data.pixels import Pixels
from foveal.data.sources import ARRAYS, Source
from foveal.device import choose_device, choose_precision
from foveal.errors import ConfigError, DataError
from foveal.models.catalog import ARCHITECTURES, LAYERS_FILE, OWN, find_architecture, is_by_no_chance
from foveal.models.layers import read_layers
from foveal.models.own import Own, describe, load_class
from foveal.models.scaled import scaled_layers
from foveal.training.plan import Plan, plan_training
from foveal.training.shards import choose_shards
from foveal.workflows.load import Loaded, load
from foveal.workflows.start import Start, find_start


@dataclass(frozen=True)
class Prepared(Loaded):
    """All that a training needs: the images, and what was settled for them. `notes` say that too."""

    config: Config
    familiar: Familiar
    arch: ArchSpec
    plan: Plan
    own: Own | None
    start: Start | None = None

    @property
    def pixel_ids(self) -> list[str]:
        """The ids of the decoded pixels of all that was learnt from or chosen with, for finding copies of them later."""
        return [each for part in (self.train, self.validation, self.calibration) for each in part.ids]

    @property
    def classes(self) -> tuple[str, ...]:
        """The class names, in the order of the logits."""
        return self.data.classes


def prepare(
    config: Config, source: Source | None = None, own: Own | None = None, *, loaded: Loaded | None = None
) -> Prepared:
    """Read the data, divide them, decode all but the test images, and settle what depends on them.

    `source` stands for data that a config cannot name (arrays), `own` for a network that it cannot (an nn.Module), `loaded`
    for the same data where they are in memory already.
    """
    own, layers_path = own if own is not None else own_network(config.model.name), layers_file(config.model.name)
    loaded = loaded if loaded is not None else load(config, source)
    train, preprocess = loaded.train, loaded.preprocess
    _require_all_classes(train, loaded.data.classes)
    arch, arch_notes = choose_arch(config, preprocess, train, own, layers_path)
    start = find_start(config, arch, loaded.data.classes, fingerprint=loaded.splits.fingerprint, own=own)
    training = config.training
    plan = plan_training(
        len(train),
        epochs=training.epochs or 1.0,
        min_updates=training.min_updates,
        batch_size=training.batch_size,
        report_every=training.report_every,
        validate_every=training.validate_every,
        checkpoint_every=training.checkpoint_every,
        total=training.turns[-1][1] if training.turns else None,
    )
    notes = (
        *loaded.notes,
        *arch_notes,
        *(start.notes if start is not None else ()),
        *merging_augmentations(loaded.data.classes, flip=config.augment.flip, rotate=config.augment.rotate),
        *_notes_on_plan(config, plan, len(train)),
    )
    return Prepared(
        **vars(replace(loaded, notes=notes)),
        config=settled(config, preprocess, plan, start, arithmetic(config, plan, arch)),
        familiar=familiar(train.pixels, loaded.sides),
        arch=arch if start is None else start.arch,
        plan=plan,
        own=own,
        start=start,
    )


def own_network(name: str) -> Own | None:
    """The class that `path/to/file.py:MyNet` names, None for a network of any other kind."""
    return load_class(name) if ".py:" in name else None


def layers_file(name: str) -> Path | None:
    """The path of a network written as a list of layers, None for a network of any other kind."""
    return Path(name) if name.endswith(".toml") else None


def _require_all_classes(train: Pixels, classes: tuple[str, ...]) -> None:
    counts = np.bincount(train.labels.numpy(), minlength=len(classes))
    if counts.min() == 0:
        raise DataError(
            f"no training image of the class {classes[int(counts.argmin())]!r} can be read. {train.refused[0]}"
        )


def choose_arch(
    config: Config, preprocess: Preprocess, train: Pixels, own: Own | None, layers_path: Path | None
) -> tuple[ArchSpec, list[str]]:
    """The network's spec for these images, with its first layer's statistics, and notes on what was adapted."""
    model, notes = config.model, []
    border = model.border or 0
    if 2 * border >= min(preprocess.height, preprocess.width):
        raise ConfigError(
            f"model.border={border} on each side leaves nothing of images of {preprocess.height}x{preprocess.width}. "
            "Set a smaller one."
        )
    mean, std = statistics(config, train)
    name = OWN if own is not None else LAYERS_FILE if layers_path else model.name
    if name in ARCHITECTURES and find_architecture(name).needs_rgb:
        _, height, width = find_architecture(name).input_shape
        missing = max(height - preprocess.height, width - preprocess.width, 0)
        border = -((missing + 1) // 2) if model.border is None else border
        if border < 0 or preprocess.channels == 1:
            notes.append(
                f"{name} is made for {height}x{width} colour: images of {preprocess.height}x{preprocess.width} are padded "
                f"by {-border} on each side{' and grey is repeated to 3 channels' if preprocess.channels == 1 else ''}"
            )
    source, sha256 = describe(own) if own is not None else (str(layers_path) if layers_path else None, None)
    shape = (preprocess.channels, preprocess.height - 2 * border, preprocess.width - 2 * border)
    return ArchSpec(
        name=name,
        input_shape=(preprocess.channels, preprocess.height, preprocess.width),
        mean=mean,
        std=std,
        border=border,
        initialisation=model.initialisation,
        layers=read_layers(layers_path) if layers_path else scaled_layers(model.name, shape, model.width, model.head),
        source=source,
        source_sha256=sha256,
    ), notes


def statistics(config: Config, train: Pixels) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and standard deviation of the network's first layer, per channel, in pixels 0-255."""
    model = config.model
    channels = train.pixels.shape[1]
    if model.normalise == "unit":
        return (0.0,) * channels, (255.0,) * channels
    if model.normalise == "fixed" and model.mean is not None and model.std is not None:
        return tuple(255 * value for value in model.mean), tuple(255 * value for value in model.std)
    return channel_statistics(train.pixels, max(model.border or 0, 0))


def arithmetic(config: Config, plan: Plan, arch: ArchSpec) -> dict[str, str | int]:
    """The training settings that are left to the machine: the precision, and in how many shards a batch is worked on."""
    training, device = config.training, choose_device(config.device)
    precision = choose_precision(training.precision, device, is_own=arch.name == OWN)
    is_plain = is_by_no_chance(arch) and not training.balance
    shards = training.shards or choose_shards(plan.batch_size, device, precision, is_plain=is_plain)
    return {"precision": precision, "shards": shards}


def settled(
    config: Config, preprocess: Preprocess, plan: Plan, start: Start | None, arithmetic: dict[str, str | int]
) -> Config:
    """The Config with everything that was open written in: to train from it again gives the same weights.

    The statistics of the first layer are not: they follow from the images, and stand in classifier.json.
    """
    size = preprocess.height if preprocess.height == preprocess.width else config.data.size
    is_open = config.training.budget is not None and config.training.validate_every is None  # see workflows/budget.py
    training = {
        "epochs": plan.epochs,
        "min_updates": 0,
        "batch_size": plan.batch_size,
        "report_every": plan.report_every,
        "validate_every": None if is_open else plan.validate_every / plan.updates_per_epoch,
        **arithmetic,
    }
    model = {
        "name": model_from_anywhere(config.model.name),
        "start": None if start is None else str(start.folder),
        "start_sha256": None if start is None else start.sha256,
    }
    return config.model_copy(
        update={
            "model": config.model.model_copy(update=model),
            "data": config.data.model_copy(
                update={
                    "size": size,
                    "channels": config.data.channels or preprocess.channels,
                    "source": from_anywhere(config.data.source),
                    "images": config.data.images and str(Path(config.data.images).resolve()),
                }
            ),
            "training": config.training.model_copy(update=training),
            "threads": torch.get_num_threads(),
        }
    )


def from_anywhere(source: str) -> str:
    """The same source, by an absolute path when it is a folder: a run is evaluated from other folders too."""
    is_path = source not in DATASETS and source != ARRAYS
    return str(Path(source).resolve()) if is_path else source


def model_from_anywhere(name: str) -> str:
    """The same network, by an absolute path when it is a file: layers.toml, or path.py:MyNet."""
    if layers_file(name):
        return str(Path(name).resolve())
    path, colon, cls = name.rpartition(":")
    return f"{Path(path).resolve()}:{cls}" if colon and ".py:" in name else name


def _notes_on_plan(config: Config, plan: Plan, n: int) -> list[str]:
    asked = config.training.epochs or 1.0
    if plan.epochs <= asked + 1:
        return []
    return [
        f"{n} training images make {plan.updates_per_epoch} updates an epoch, so {plan.epochs:.1f} epochs are trained "
        f"instead of {asked:g} to reach {plan.updates} updates (--epochs N overrules this)"
    ]
