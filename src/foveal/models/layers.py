"""A network written as a list of layers: what each layer may be told, and how the list becomes a module.

What goes into a layer is worked out from what came before, so a list says only what its author decides.
"""

from collections import Counter, OrderedDict
from collections.abc import Callable, Sequence
from pathlib import Path

from torch import nn

from foveal.config import Frozen, LayerSpec
from foveal.errors import ConfigError, closest
from foveal.models.blocks import MedianPool2d, SumPool2d
from foveal.models.shapes import Shape, formula_of, show
from foveal.settings import parse_config, read_toml

POOLS: dict[str, Callable[..., nn.Module]] = {
    "max_pool": nn.MaxPool2d,
    "average_pool": nn.AvgPool2d,
    "sum_pool": SumPool2d,
    "median_pool": MedianPool2d,
}
PLAIN: dict[str, Callable[[], nn.Module]] = {
    "relu": nn.ReLU,
    "tanh": nn.Tanh,
    "flatten": nn.Flatten,
    "global_max_pool": lambda: nn.AdaptiveMaxPool2d(1),
    "global_average_pool": lambda: nn.AdaptiveAvgPool2d(1),
}
DROPOUTS: dict[str, Callable[[float], nn.Module]] = {"dropout": nn.Dropout, "dropout2d": nn.Dropout2d}

_WINDOW = {"kernel_size", "stride", "padding"}
_WEIGHTS = {"bias", "zero_bias", "initialisation"}
# Which settings a kind understands besides kind and name.
SETTINGS: dict[str, set[str]] = {
    "conv": {"out_channels", "in_channels", "dilation", "groups"} | _WINDOW | _WEIGHTS,
    "linear": {"out_features", "in_features"} | _WEIGHTS,
    "batch_norm": set(),
    **dict.fromkeys(POOLS, _WINDOW),
    **{kind: {"p"} for kind in DROPOUTS},
    **{kind: set() for kind in PLAIN},
}


class _LayerFile(Frozen):
    layer: tuple[LayerSpec, ...] = ()


def read_layers(path: Path) -> tuple[LayerSpec, ...]:
    """The layers of a TOML file with one [[layer]] table each. Raises ConfigError for what it cannot mean."""
    file: _LayerFile = parse_config(read_toml(path), _LayerFile)
    if not file.layer:
        raise ConfigError(
            f"{path} has no [[layer]]. Write one table for each layer, the first of them nearest the image."
        )
    return file.layer


def build_layers(layers: Sequence[LayerSpec], input_shape: Shape, num_classes: int) -> nn.Sequential:
    """The module for a list of layers on images of `input_shape` (C, H, W); ends in (N, num_classes) logits.

    Raises ConfigError, naming the layer, for an unknown kind or setting and for layers that do not fit together.
    """
    modules: OrderedDict[str, nn.Module] = OrderedDict()
    shape = input_shape
    numbers: Counter[str] = Counter()
    for layer in layers:
        numbers[layer.kind] += 1
        name = layer.name or f"{layer.kind}{numbers[layer.kind]}"
        if name in modules or "." in name or hasattr(nn.Sequential(), name):  # a module's own words: type, forward
            raise ConfigError(
                f"layer {name!r} cannot be called that: names must differ and hold no dot, and words such as 'type' "
                "and 'forward' are taken. Rename it."
            )
        module = _build_layer(layer, name, shape, num_classes)
        shape = formula_of(module, name, shape).output_shape
        modules[name] = module
    if shape != (num_classes,):
        raise ConfigError(
            f"the last layer gives {show(shape)}, but {num_classes} classes need {num_classes} logits. "
            'End with kind = "flatten" and kind = "linear", out_features = "classes".'
        )
    return nn.Sequential(modules)


def _build_layer(layer: LayerSpec, name: str, shape: Shape, num_classes: int) -> nn.Module:
    _check_settings(layer, name)
    if layer.kind == "conv":
        return _conv(layer, name, shape)
    if layer.kind == "linear":
        return _linear(layer, name, shape, num_classes)
    if layer.kind == "batch_norm":
        return nn.BatchNorm2d(shape[0]) if len(shape) == 3 else nn.BatchNorm1d(shape[0])
    if layer.kind in POOLS:
        kernel_size = _needed(layer.kernel_size, "kernel_size", name)
        return POOLS[layer.kind](kernel_size, layer.stride or kernel_size, _padding(layer, name, kernel_size))
    if layer.kind in DROPOUTS:
        return DROPOUTS[layer.kind](0.5 if layer.p is None else layer.p)
    return PLAIN[layer.kind]()


def _check_settings(layer: LayerSpec, name: str) -> None:
    if layer.kind not in SETTINGS:
        raise ConfigError(f"layer {name!r} has the unknown kind {layer.kind!r}. {closest(layer.kind, SETTINGS)}")
    foreign = layer.model_dump(exclude_none=True).keys() - SETTINGS[layer.kind] - {"kind", "name"}
    if foreign:
        allowed = ", ".join(sorted(SETTINGS[layer.kind])) or "none"
        raise ConfigError(
            f"layer {name!r} is a {layer.kind}, which has no setting {sorted(foreign)[0]!r}. It has: {allowed}."
        )


def _needed(value: int | None, setting: str, name: str) -> int:
    if value is None:
        raise ConfigError(f"layer {name!r} does not say its {setting}. Add {setting} = ... to it.")
    return value


def _padding(layer: LayerSpec, name: str, kernel_size: int) -> int:
    if layer.padding != "same":
        return layer.padding or 0
    span = (layer.dilation or 1) * (kernel_size - 1)  # (f - 1) / 2 on each side, document 004
    if span % 2:
        raise ConfigError(
            f'layer {name!r} asks for padding = "same" with the even kernel_size {kernel_size}: (f - 1)/2 is no whole '
            "number. Use an odd kernel_size, or give the padding as a number."
        )
    return span // 2


def _conv(layer: LayerSpec, name: str, shape: Shape) -> nn.Module:
    if layer.in_channels not in (None, shape[0]):
        raise ConfigError(
            f"layer {name!r} says in_channels = {layer.in_channels}, but {shape[0]} channels come in. "
            f"Set in_channels = {shape[0]}, or leave it out."
        )
    kernel_size = _needed(layer.kernel_size, "kernel_size", name)
    out_channels = _needed(layer.out_channels, "out_channels", name)
    groups = layer.groups or 1
    if shape[0] % groups or out_channels % groups:
        raise ConfigError(
            f"layer {name!r} has groups = {groups}, which must divide the {shape[0]} channels that come in and the "
            f"{out_channels} that go out. Choose another number of groups."
        )
    module = nn.Conv2d(
        shape[0],
        out_channels,
        kernel_size,
        stride=layer.stride or 1,
        padding=_padding(layer, name, kernel_size),
        dilation=layer.dilation or 1,
        groups=groups,
        bias=layer.bias is not False,
    )
    initialise(module, layer.initialisation or "default", zero_bias=bool(layer.zero_bias))
    return module


def _linear(layer: LayerSpec, name: str, shape: Shape, num_classes: int) -> nn.Module:
    if len(shape) != 1:
        raise ConfigError(
            f"layer {name!r} is linear and needs one row of numbers, but {show(shape)} comes in. "
            'Put kind = "flatten" before it.'
        )
    if layer.in_features not in (None, shape[0]):
        raise ConfigError(
            f"layer {name!r} says in_features = {layer.in_features}, but {shape[0]} values come in. "
            f"Set in_features = {shape[0]}, or leave it out."
        )
    if layer.out_features is None:
        raise ConfigError(
            f'layer {name!r} does not say its out_features. Add a number, or "classes" in the last layer.'
        )
    out_features = num_classes if layer.out_features == "classes" else layer.out_features
    module = nn.Linear(shape[0], out_features, bias=layer.bias is not False)
    initialise(module, layer.initialisation or "default", zero_bias=bool(layer.zero_bias))
    return module


def initialise(module: nn.Module, scheme: str, *, zero_bias: bool) -> None:
    """Draw the weights of one conv or linear layer anew.

    `xavier` is uniform (Glorot and Bengio 2010), `kaiming` is normal for ReLU (He et al. 2015); `default` is PyTorch's.
    """
    if not isinstance(module, nn.Conv2d | nn.Linear):
        return
    if scheme == "xavier":
        nn.init.xavier_uniform_(module.weight)
    elif scheme == "kaiming":
        nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
    if zero_bias and module.bias is not None:
        nn.init.zeros_(module.bias)
