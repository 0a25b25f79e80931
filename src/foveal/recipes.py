"""What a preset and a published form put into a Config: literal tables, from the general to the particular.

A run's settings are Config's defaults < PRESETS[preset] < KNOWN_DATA[data][preset] for the network that is best there,
LITERATURE[model] for the networks there, GENTLE for all others < AUGMENT_ON[data] < what the user said; with
`--as-published` they are the defaults < PUBLISHED[model] < what the user said.
Where a figure was measured, docs/log.md has the command and the spread.
"""

from collections.abc import Mapping
from typing import Any

from foveal.config import Config
from foveal.errors import ConfigError, closest
from foveal.settings import merge, parse_config

Settings = Mapping[str, Any]

# The floors of updates are for small data: 6,899 colour photos in 8 classes needed 8 to 20 epochs (docs/log.md).
PRESETS: dict[str, Settings] = {
    "fast": {"training": {"epochs": 1.0, "min_updates": 500}, "augment": {"shift": 1}},
    "balanced": {"training": {"epochs": 2.0, "min_updates": 800}, "augment": {"shift": 2}},
    "best": {"training": {"epochs": 10.0, "min_updates": 4000}, "augment": {"shift": 2}},
}

# Without BatchNorm a rate of .01 is too high: conv5-fc1000 trained as published, at .01, is the worst of the seven
# (docs/results.md). A fifth of it is our choice, not a measured best.
GENTLE: Settings = {"training": {"learning_rate": 0.002}}

# Known data for which a recipe was found on held-out images, preset by preset (docs/log.md has what did not help); it is for
# `compact` unless it names another network, which is taken where the user names none.
# MNIST: the digits were fitted into the middle 20x20 (LeCun et al. 1998, section III.A), so the empty border is cut off; what
# is shifted further than that is lost.
_DIGITS: Settings = {
    "model": {"border": 4, "head": "flat"},
    "training": {"batch_size": 128, "learning_rate": 0.045, "min_updates": 0},
    "augment": {"shift": 1},
}
# Fashion-MNIST: clothes fill the image and look both ways; a shift of 1 did better than 2.
_CLOTHES: Settings = {
    "model": {"name": "vgg6"},
    "training": {"optimizer": "muon", "learning_rate": 0.007, "batch_size": 128, "warmup": 0.2, "min_updates": 0},
    "augment": {"shift": 1, "flip": "alternating"},
}
KNOWN_DATA: dict[str, dict[str, Settings]] = {
    "mnist": {
        "fast": merge(_DIGITS, {"training": {"epochs": 0.44, "validate_every": 0.44}}),
        "balanced": merge(_DIGITS, {"training": {"epochs": 1.35, "validate_every": 0.675, "warmup": 0.15}}),
        "best": {
            "model": {"border": 4, "width": 2.0},
            "training": {"batch_size": 128, "learning_rate": 0.02, "weight_decay": 0.02, "warmup": 0.2, "epochs": 7.3},
            "augment": {"shift": 1, "rotate": 10.0, "scale": 0.1, "shear": 5.0},
        },
    },
    "fashion-mnist": {
        "balanced": merge(_CLOTHES, {"training": {"epochs": 10.0}}),
        "best": merge(_CLOTHES, {"model": {"width": 1.6}, "training": {"epochs": 30.0}}),
    },
}

# Known data whose labels allow more or less than the presets' shift: what the changes would make of their classes is in
# docs/commands/train.md. Safe for the labels is not yet a gain: gains are in docs/log.md.
AUGMENT_ON: dict[str, Settings] = {
    # Its characters reach the edge of the image.
    "kmnist": {"augment": {"shift": 1}},
    # Animals and vehicles look both ways; four pixels and mirroring are what He et al. 2016, section 4.2, train with.
    "cifar10": {"augment": {"shift": 4, "flip": "alternating"}},
    "cifar100": {"augment": {"shift": 4, "flip": "alternating"}},
    # House numbers: digits again, but in colour, under any light, and cut out with their neighbours beside them.
    "svhn": {"augment": {"shift": 2, "brightness": 0.2, "contrast": 0.2}},
}

# What every document shares once its own numbers are put on top: a constant rate, nothing held out, nothing added.
_PLAIN: Settings = {
    "data": {"validation": 0, "calibration": 0},
    "training": {
        "schedule": "constant",
        "weight_decay": 0.0,
        "label_smoothing": 0.0,
        "min_updates": 0,
        "validate_every": None,
        "precision": "float32",
    },
    "augment": {"shift": 0, "flip": "none"},
}
_MNIST_STATISTICS: Settings = {"normalise": "fixed", "mean": (0.1307,), "std": (0.3081,)}
_KERAS: Settings = {
    "model": {"normalise": "unit"},
    "training": {"optimizer": "adam", "learning_rate": 0.001, "epsilon": 1e-7, "batch_size": 128, "epochs": 10.0},
}

PUBLISHED: dict[str, Settings] = {
    "conv5-fc1000": {
        "model": _MNIST_STATISTICS,
        "training": {"optimizer": "adam", "learning_rate": 0.01, "batch_size": 200, "epochs": 10.0},
    },
    "oneconv": _KERAS,
    "twoconv-fc128": _KERAS,
    "twoconv-rgb": {
        "model": {"normalise": "fixed", "mean": (0.5, 0.5, 0.5), "std": (0.5, 0.5, 0.5)},
        "training": {"optimizer": "sgd", "learning_rate": 0.01, "batch_size": 32, "epochs": 10.0},
    },
    "lenet-dropout2d": {
        "model": _MNIST_STATISTICS,
        "training": {
            "optimizer": "sgd",
            "learning_rate": 0.01,
            "momentum": 0.5,
            "loss": "nll",
            "batch_size": 32,
            "epochs": 19.0,
        },
    },
    "threeconv-fc625": {
        "model": {"normalise": "unit"},
        "training": {"optimizer": "adam", "learning_rate": 0.001, "batch_size": 32, "epochs": 15.0},
    },
    "twoconv-same": {
        "model": _MNIST_STATISTICS,
        "training": {"optimizer": "adam", "learning_rate": 0.001, "loss": "nll", "batch_size": 64, "epochs": 4.0},
    },
    # LeCun et al. 1998, section III: stochastic gradient, 20 passes with a falling rate. Here in today's terms.
    "lenet5": {
        "model": {"normalise": "mean_std"},
        "training": {"optimizer": "sgd", "learning_rate": 0.01, "momentum": 0.9, "batch_size": 32, "epochs": 20.0},
    },
}

# The networks of the literature: what each needs other than the preset. Those with BatchNorm need nothing.
LITERATURE: dict[str, Settings] = {
    "vgg6": {},
    "resnet8": {},
    "resnet20": {},
    "resnet18": {},
    "wide_resnet16_4": {},
    "mobilenet": {},
    # LayerNorm in place of BatchNorm. Liu et al. 2022, appendix A.1: AdamW at .004 for batches of 4,096; Adam's rate goes by
    # the square root of the batch (Malladi et al. 2022, arXiv:2205.10287), and .004*sqrt(128/4096) is .0007.
    "convnext": {"training": {"learning_rate": 0.0007}},
    "airbench": {},
}

# The names of the catalog, here because models/catalog.py imports torch and a wrong name should not wait for that.
MODELS = ("compact", *PUBLISHED, *LITERATURE)


def resolve(said: Settings, data_name: str, start: Settings | None = None) -> Config:
    """The checked Config for what the user said (nested settings) about the data called `data_name`.

    `start` is what follows from a Classifier that is continued: it wins over the recipes, and what the user said over it.
    Raises ConfigError for unknown networks, networks without a published form, and any bad key or value.
    """
    parse_config(said)  # so that a bad key is answered before anything is looked up
    is_native = said.get("data", {}).get("size") is None
    said = merge(start or {}, said)
    asked: Config = parse_config(said)
    require_known(asked.model.name)
    if asked.training.epochs is not None and asked.training.budget is not None and not asked.training.turns:
        raise ConfigError(
            f"{asked.training.epochs:g} epochs and a budget of {asked.training.budget:g} s cannot both be kept. Give one."
        )
    if asked.training.epochs is not None:  # said in so many words: no floor below it
        said = merge({"training": {"min_updates": 0}}, said)
    if asked.training.budget is not None:  # how often a recipe validates belongs to its epochs
        said = merge({"training": {"validate_every": None}}, said)
    if asked.training.loss == "nll":  # it knows no smoothing; what was only a default gives way
        said = merge({"training": {"label_smoothing": 0.0}}, said)
    if not asked.as_published:
        # A border is counted in pixels of the images as they come: it is no border of images in another size.
        # And a folder of the user's own that happens to be called mnist is not MNIST.
        is_known = asked.data.source == data_name and is_native
        found = KNOWN_DATA.get(data_name, {}).get(asked.preset, {}) if is_known else {}
        particular = _of_network(asked.model.name, found, is_said="name" in said.get("model", {}))
        safe = AUGMENT_ON.get(data_name, {}) if is_known else {}
        return _checked(merge(PRESETS[asked.preset], particular, safe, said))
    if asked.model.name not in PUBLISHED:
        raise ConfigError(
            f"{asked.model.name} has no published form, so --as-published cannot be followed. "
            f"{closest(asked.model.name, PUBLISHED)}"
        )
    return _checked(merge(_PLAIN, PUBLISHED[asked.model.name], said))


def _of_network(name: str, found: Settings, *, is_said: bool) -> Settings:
    """What is particular to the network: `found` for these data, unless the user said another network."""
    best = found.get("model", {}).get("name", "compact")
    if found and (name == best or not is_said):
        return found
    return {} if name == "compact" else LITERATURE.get(name, GENTLE)


def require_known(model: str) -> None:
    """Raise ConfigError, with the closest names, unless this is a network of the catalog or names a file."""
    if model.endswith(".py"):
        raise ConfigError(f"{model!r} names no class. Write {model}:MyNet, with the name of your network's class.")
    is_code = ".py:" in model or model.startswith("python:")
    if model not in MODELS and not is_code and not model.endswith(".toml"):
        raise ConfigError(
            f"there is no network {model!r}. {closest(model, MODELS)} "
            "A network of your own is a file: layers.toml, or path/to/file.py:MyNet."
        )


def without_none(values: Settings) -> dict[str, Any]:
    """Nested settings without those that were not given."""
    kept = {key: without_none(value) if isinstance(value, Mapping) else value for key, value in values.items()}
    return {key: value for key, value in kept.items() if value is not None and value != {}}


def _checked(values: Settings) -> Config:
    config: Config = parse_config(values)
    if config.model.normalise == "fixed" and (config.model.mean is None or config.model.std is None):
        raise ConfigError("model.normalise=fixed needs model.mean and model.std, one number per channel. Give both.")
    if config.training.loss == "nll" and (config.augment.mixup or config.augment.cutmix):
        raise ConfigError(
            "the loss nll takes one label an image, and mixup and cutmix make shares of two. "
            "Use training.loss=cross_entropy, or leave them out."
        )
    if config.training.nesterov and not config.training.momentum:
        raise ConfigError("Nesterov's momentum needs a momentum. Set training.momentum, 0.9 for example.")
    if config.training.loss == "nll" and config.training.label_smoothing:
        raise ConfigError(
            f"the loss nll knows no label smoothing (training.label_smoothing is {config.training.label_smoothing:g}). "
            "Set it to 0, or use training.loss=cross_entropy."
        )
    return config
