"""The frozen settings that cross a border: a TOML file, the command line, a saved Classifier.

Inside foveal, functions receive the values they use (`learning_rate`, `weight_decay`), never a whole Config.
This file knows names and ranges; what a preset puts into them stands in recipes.py.
"""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

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
    channels: Literal[1, 3] | None = None  # decided from the images unless forced
    images: str | None = None  # the folder or archive of the files that a table names
    image_column: str | None = None
    label_column: str | None = None
    split_column: str | None = None
    group_by: str | None = None  # a column, or a pattern in file names: what it finds stays in one split
    # Copies of validation or test images among the training images: from 1 % of a split on they are refused, left out of
    # training, or kept with a warning.
    leaks: Literal["refuse", "drop", "keep"] = "refuse"
    memory_mb: Positive | None = (
        None  # decoded images beyond it stay on disk, mapped (default: a quarter of the memory)
    )
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
    width: Annotated[float, Field(gt=0, le=16)] = 1.0  # a factor of the channels of `compact` and `vgg6`
    head: Literal["max", "flat"] = "max"  # of `compact`
    initialisation: Literal["default", "xavier", "kaiming"] = "default"
    start: str | None = None  # the Classifier folder whose weights the training begins with
    start_sha256: str | None = None  # of those weights


class TrainingConfig(Frozen):
    """How the weights are found."""

    epochs: Annotated[float, Field(gt=0)] | None = None
    # Seconds from the reading of the data to the Classifier; once a training has begun, `turns` say what they came to.
    budget: Annotated[float, Field(gt=0)] | None = None
    turns: tuple[tuple[int, Positive], ...] = ()  # (from this update on, updates in all)
    min_updates: Annotated[int, Field(ge=0)] = 0
    batch_size: Positive | None = None
    optimizer: Literal["sgd", "adam", "adamw", "muon"] = "adamw"
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
    # Of the network while it is trained; weights and validation are always in 32 bits. `auto`: 16 where it is fast.
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    # Pieces of a batch that threads of their own work on; BatchNorm looks at each by itself (default: one a thread).
    shards: Positive | None = None
    clip_norm: Annotated[float, Field(gt=0)] | None = None
    report_every: Positive = 10
    validate_every: Annotated[float, Field(gt=0)] | None = None
    patience: Positive | None = None
    checkpoint_every: Positive | None = None  # updates; it changes no weight


class AugmentConfig(Frozen):
    """What each training batch goes through; off unless it is safe for the labels."""

    shift: Annotated[int, Field(ge=0)] = 0  # pixels, at most, up or down and left or right
    # `alternating`: by chance in the first epoch, then every image the other way round in every other epoch.
    flip: Literal["none", "random", "alternating"] = "none"  # left to right
    rotate: Annotated[float, Field(ge=0, le=180)] = 0.0  # degrees, at most, either way
    scale: Fraction = 0.0  # larger or smaller by up to this share of the size
    shear: Annotated[float, Field(ge=0, le=60)] = 0.0  # degrees of slant, at most, either way
    crop: Annotated[float, Field(ge=0, le=1)] = 0.0  # the smallest share of the area that is kept; 0 and 1 keep all
    brightness: Annotated[float, Field(ge=0, le=1)] = 0.0  # more or less by up to this share
    contrast: Annotated[float, Field(ge=0, le=1)] = 0.0  # more or less by up to this share
    colour: Annotated[float, Field(ge=0, le=1)] = 0.0  # more or less by up to this share
    hue: Annotated[float, Field(ge=0, le=180)] = 0.0  # degrees of the colour circle, at most, either way
    noise: Annotated[float, Field(ge=0, le=255)] = 0.0  # standard deviation, in levels of 255
    erase: Annotated[float, Field(ge=0, le=1)] = 0.0  # probability that a rectangle of an image is erased
    mixup: Annotated[float, Field(ge=0)] = 0.0  # alpha of the Beta distribution of the shares; 0 is off
    cutmix: Annotated[float, Field(ge=0)] = 0.0  # alpha of the Beta distribution of the shares; 0 is off
    policy: Annotated[int, Field(ge=0, le=14)] = 0  # operations of RandAugment an image; 0 is off
    policy_magnitude: Annotated[float, Field(ge=0, le=10)] = 5.0  # of 10, how strong each of them is

    @field_validator("flip", mode="before")
    @classmethod
    def _read_truth_values(cls, value: object) -> object:
        """Runs and configs from before `alternating` say true and false."""
        return {True: "random", False: "none"}[value] if isinstance(value, bool) else value


class TrackConfig(Frozen):
    """Who is told of a training's records besides `history.jsonl` and `history.csv`; it changes no weight."""

    to: tuple[Literal["tensorboard", "mlflow", "wandb"], ...] = ()


class Config(Frozen):
    """Everything that decides the weights, and `track`: same Config, same machine, same threads, same weights."""

    data: DataConfig = DataConfig()
    model: ModelConfig = ModelConfig()
    training: TrainingConfig = TrainingConfig()
    augment: AugmentConfig = AugmentConfig()
    track: TrackConfig = TrackConfig()
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
