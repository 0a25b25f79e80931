"""The frozen settings that cross a border: a TOML file, the command line, a saved Classifier.

Inside foveal, functions receive the values they use (`learning_rate`, `weight_decay`), never a whole Config.
This file knows names and ranges; what a preset puts into them stands in recipes.py.
"""

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from foveal.errors import ConfigError, closest

Fit = Literal["pad", "stretch", "crop"]
Preset = Literal["fast", "balanced", "best"]
Fraction = Annotated[float, Field(ge=0, lt=1)]
Positive = Annotated[int, Field(ge=1)]


class Frozen(BaseModel):
    """A record that cannot be changed after it was checked, and that refuses keys it does not know."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class DataConfig(Frozen):
    """What to learn from, and how its images are brought to one size."""

    source: str = "mnist"
    size: Annotated[int, Field(ge=4, le=1024)] | None = None
    fit: Fit = "pad"
    # Held out of the training images; a number of 1 or more counts images, a smaller one is a share.
    validation: Annotated[float, Field(ge=0)] | None = None
    calibration: Annotated[float, Field(ge=0)] | None = None
    test: Fraction = 0.1


class ModelConfig(Frozen):
    """Which network, and what its first layer does to the pixels."""

    name: str = "compact"
    normalise: Literal["mean_std", "unit", "fixed"] = "mean_std"
    # Only for `fixed`: per-channel mean and standard deviation of pixels/255, as papers and tutorials print them.
    mean: tuple[float, ...] | None = None
    std: tuple[Annotated[float, Field(gt=0)], ...] | None = None
    border: Annotated[int, Field(ge=0)] | None = None
    initialisation: Literal["default", "xavier", "kaiming"] = "default"


class TrainingConfig(Frozen):
    """How the weights are found."""

    epochs: Annotated[float, Field(gt=0)] | None = None
    min_updates: Annotated[int, Field(ge=0)] = 0
    batch_size: Positive | None = None
    optimizer: Literal["sgd", "adam", "adamw"] = "adamw"
    learning_rate: Annotated[float, Field(gt=0)] = 0.01
    momentum: Fraction = 0.0
    nesterov: bool = False
    weight_decay: Annotated[float, Field(ge=0)] = 0.01
    epsilon: Annotated[float, Field(gt=0)] = 1e-8
    schedule: Literal["constant", "one_cycle", "triangular", "cosine", "step"] = "triangular"
    warmup: Fraction = 0.25
    step_every: Annotated[float, Field(gt=0)] = 1.0
    step_factor: Annotated[float, Field(gt=0, le=1)] = 0.1
    loss: Literal["cross_entropy", "nll"] = "cross_entropy"
    label_smoothing: Fraction = 0.1
    balance: bool = False
    clip_norm: Annotated[float, Field(gt=0)] | None = None
    report_every: Positive = 10
    validate_every: Annotated[float, Field(gt=0)] | None = None
    patience: Positive | None = None


class AugmentConfig(Frozen):
    """What each training batch goes through; off unless it is safe for the labels."""

    shift: Annotated[int, Field(ge=0)] = 0
    flip: bool = False


class Config(Frozen):
    """Everything that decides the weights: same Config, same machine, same threads, same weights."""

    data: DataConfig = DataConfig()
    model: ModelConfig = ModelConfig()
    training: TrainingConfig = TrainingConfig()
    augment: AugmentConfig = AugmentConfig()
    preset: Preset = "balanced"
    as_published: bool = False
    seed: Annotated[int, Field(ge=0, lt=2**63)] = 0
    threads: Positive | None = None
    device: Literal["auto", "cpu", "cuda"] = "auto"


class Preprocess(Frozen):
    """How a picture of any kind becomes the pixels that the network was trained on: uint8, (height, width, channels)."""

    channels: Literal[1, 3]
    height: Positive
    width: Positive
    fit: Fit = "pad"


class LayerSpec(Frozen):
    """One layer of a network that is written as a list, in a TOML file or in models/tutorials.py.

    `out_channels` belongs to conv, `out_features` to linear ("classes" stands for the number of classes),
    `kernel_size`, `stride` and `padding` to conv and the poolings, `p` to the dropouts.
    What goes in (`in_channels`, `in_features`) is worked out; given, it is checked.
    """

    kind: str
    name: str | None = None
    out_channels: Positive | None = None
    in_channels: Positive | None = None
    out_features: Positive | Literal["classes"] | None = None
    in_features: Positive | None = None
    kernel_size: Positive | None = None
    stride: Positive | None = None
    padding: Annotated[int, Field(ge=0)] | Literal["same"] | None = None
    dilation: Positive | None = None
    groups: Positive | None = None
    bias: bool | None = None
    p: Fraction | None = None
    initialisation: Literal["default", "xavier", "kaiming"] | None = None  # of the weights
    zero_bias: bool | None = None


class ArchSpec(Frozen):
    """A network and its first layer, complete enough to be built again."""

    name: str
    input_shape: tuple[Positive, Positive, Positive]  # (C, H, W), before the border is cut
    mean: tuple[float, ...]  # one per channel, in pixels 0-255
    std: tuple[float, ...]
    border: int = 0  # pixels cut off on each side; added, when negative
    initialisation: Literal["default", "xavier", "kaiming"] = "default"
    layers: tuple[LayerSpec, ...] | None = None  # for a network from a TOML file
    source: str | None = None  # for a network of the user's own: where its code was, and what it was
    source_sha256: str | None = None


class Familiar(Frozen):
    """What the training images looked like, so that a stranger among the pictures to predict can be told."""

    min_side: Positive  # pixels, before any resizing
    max_side: Positive
    min_border: Annotated[float, Field(ge=0, le=255)]  # 1 % and 99 % quantile of the images' border brightness
    max_border: Annotated[float, Field(ge=0, le=255)]


class ClassifierCard(Frozen):
    """`classifier.json`: all that a Classifier is besides its weights."""

    format: Literal[1] = 1
    written_by: str
    arch: ArchSpec
    classes: tuple[str, ...]
    preprocess: Preprocess
    familiar: Familiar
    temperature: Annotated[float, Field(gt=0)] = 1.0
    weights_sha256: str
    provenance: dict[str, str | int | float | bool | None] = {}


def parse_config(values: Mapping[str, Any], kind: type[Frozen] = Config) -> Any:
    """A checked `kind` from nested values; ConfigError names the first bad key, its value and the closest known key."""
    try:
        return kind.model_validate(values)
    except ValidationError as error:
        # A misspelt key is also a missing one: the misspelling is the sentence that helps.
        first = min(error.errors(), key=lambda each: each["type"] != "extra_forbidden")
        raise ConfigError(_explain(first["loc"], first["type"], first["msg"], first.get("input"), kind)) from error


def _explain(location: tuple[int | str, ...], kind: str, message: str, value: object, model: type[Frozen]) -> str:
    path = ".".join(str(part) for part in location)
    if kind == "missing":
        return f"the setting {path} is missing. Add it."
    if kind != "extra_forbidden":
        return f"the setting {path} cannot be {value!r}: {message[0].lower()}{message[1:]}. Give another value."
    fields: Mapping[str, Any] = model.model_fields
    for part in location[:-1]:
        if str(part) in fields:  # not a place in a tuple, whose items' fields are already at hand
            fields = _fields_within(fields[str(part)].annotation) or fields
    return f"there is no setting {path!r}. {closest(str(location[-1]), fields)}"


def _fields_within(annotation: Any) -> Mapping[str, Any]:
    """The fields of the record that an annotation is or holds: LayerSpec's, for tuple[LayerSpec, ...] | None."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation.model_fields
    return next((found for each in get_args(annotation) if (found := _fields_within(each))), {})


def read_toml(path: Path) -> dict[str, Any]:
    """The tables of a TOML file; ConfigError when it is missing or not TOML."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"cannot read {path}: {error.strerror}. Check the path.") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} is not valid TOML: {error}. Mend that line and try again.") from error


def parse_settings(pairs: list[str]) -> dict[str, Any]:
    """Nested values from `a.b=c` pairs; each value is read as TOML, and as plain text when that fails.

    >>> parse_settings(["training.learning_rate=0.02", "augment.flip=true", "training.optimizer=sgd"])
    {'training': {'learning_rate': 0.02, 'optimizer': 'sgd'}, 'augment': {'flip': True}}
    """
    nested: dict[str, Any] = {}
    for pair in pairs:
        key, equals, text = pair.partition("=")
        if not equals or not key.strip():
            raise ConfigError(f"--set takes key=value, for example training.batch_size=64; got {pair!r}.")
        *tables, last = key.strip().split(".")
        table = nested
        for name in tables:
            table = table.setdefault(name, {})
            if not isinstance(table, dict):
                raise ConfigError(f"--set {pair!r} gives {name!r} both a value and keys below it. Keep one of them.")
        table[last] = _toml_value(text.strip())
    return nested


def _toml_value(text: str) -> Any:
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text


def merge(*layers: Mapping[str, Any]) -> dict[str, Any]:
    """Nested settings put on top of each other, the later ones winning key by key.

    >>> merge({"training": {"epochs": 2, "momentum": 0.5}}, {"training": {"epochs": 3}})
    {'training': {'epochs': 3, 'momentum': 0.5}}
    """
    merged: dict[str, Any] = {}
    for layer in layers:
        for key, value in layer.items():
            below = merged.get(key)
            merged[key] = merge(below, value) if isinstance(below, Mapping) and isinstance(value, Mapping) else value
    return merged
