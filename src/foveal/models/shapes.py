"""The ledger of shapes: for every layer its output size by formula, its parameters, its work, what it sees.

The formula is document 004's, floor((n + 2p - f)/s) + 1; with dilation d the kernel spans d(f - 1) + 1 pixels.
Source: Dumoulin and Visin 2016, arXiv:1603.07285, relationships 6, 8 and 14.
"""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from math import prod
from typing import Any

from torch import nn

from foveal.errors import ConfigError
from foveal.models.blocks import (
    Add,
    LayerNorm2d,
    LayerScale,
    MedianPool2d,
    Normalise,
    PaddedShortcut,
    Scale,
    SumPool2d,
)

Shape = tuple[int, ...]


@dataclass(frozen=True)
class Formula:
    """What one layer does to a shape: the shape that comes out, and how it is worked out, in words and numbers."""

    kind: str
    output_shape: Shape
    text: str
    kernel_size: int | list[int] | None = None
    stride: int | list[int] | None = None
    padding: int | list[int] | None = None
    multiply_adds: int = 0


def output_size(n: int, kernel_size: int, stride: int = 1, padding: int = 0, dilation: int = 1) -> int:
    """How many places a window has on n pixels: floor((n + 2p - (d(f - 1) + 1))/s) + 1.

    >>> output_size(28, 5, padding=2), output_size(7, 2, stride=2, padding=1), output_size(5, 3, stride=2)
    (28, 4, 2)
    """
    return (n + 2 * padding - (dilation * (kernel_size - 1) + 1)) // stride + 1


def show(shape: Shape) -> str:
    """A shape as people write it.

    >>> show((32, 14, 14))
    '32x14x14'
    """
    return "x".join(str(size) for size in shape)


def formula_of(module: nn.Module, name: str, shape: Shape) -> Formula:
    """The shape that `module` makes of (C, H, W) or (D,), by formula. Raises ConfigError when it does not fit."""
    for kinds, rule in RULES:
        if isinstance(module, kinds):
            return rule(module, name, shape)
    return Formula(type(module).__name__, (), "")  # a kind without a formula: the ledger puts in what it measures


def _same(module: nn.Module, name: str, shape: Shape) -> Formula:
    kinds = {nn.BatchNorm2d: "batch_norm", nn.BatchNorm1d: "batch_norm", nn.LayerNorm: "layer_norm"}
    kinds |= {LayerNorm2d: "layer_norm", LayerScale: "layer_scale"}
    kind = kinds.get(type(module), type(module).__name__.lower())
    features = getattr(module, "num_features", None)
    if features is not None and features != shape[0]:
        raise ConfigError(f"layer {name!r} normalises {features} channels, but {shape[0]} come in. Give it {shape[0]}.")
    return Formula(kind, shape, "same shape")


def _normalise(module: Any, name: str, shape: Shape) -> Formula:
    border, channels = module.border, module.channels
    sizes = tuple(n - 2 * border for n in shape[1:])
    if min(sizes) < 1:
        raise ConfigError(
            f"cutting a border of {border} from {show(shape)} leaves nothing. Use a smaller model.border."
        )
    if module.mean.numel() not in (1, channels):
        raise ConfigError(
            f"model.mean and model.std have {module.mean.numel()} numbers, but the network takes {channels} channels. "
            f"Give {channels}, or one for all."
        )
    sign, text = ("-", "(pixels - mean)/std") if border >= 0 else ("+", "(pixels - mean)/std")
    if border:
        text += "; " + ", ".join(f"{n} {sign} 2*{abs(border)} = {m}" for n, m in _distinct(shape[1:], sizes))
    if channels != shape[0]:
        text += f"; {shape[0]} channel repeated to {channels}"
    return Formula("normalise", (channels, *sizes), text)


def _distinct(sizes: Shape, results: Shape) -> list[tuple[int, int]]:
    pairs = list(zip(sizes, results, strict=True))
    return pairs[:1] if len(set(pairs)) == 1 else pairs


def _window(module: Any, name: str, shape: Shape) -> Formula:
    """A convolution, a pooling or a shortcut that leaves pixels out: a window that moves over the image."""
    if len(shape) != 3:
        raise ConfigError(f"layer {name!r} needs images (C, H, W), but {show(shape)} comes in. Move it before flatten.")
    kernel, stride, dilation = _pair(module.kernel_size), _pair(module.stride), _pair(getattr(module, "dilation", 1))
    padding = _padding_of(module, kernel, dilation)
    sizes, texts = [], []
    for n, f, s, p, d in zip(shape[1:], kernel, stride, padding, dilation, strict=True):
        # PyTorch's "same" pads an even kernel on one side more than on the other, so that nothing is lost.
        odd_one = module.padding == "same" and d * (f - 1) % 2
        sizes.append(n if odd_one else output_size(n, f, s, p, d))
        span = str(f) if d == 1 else f"({d}*({f} - 1) + 1)"
        texts.append(f"floor(({n} + 2*{p}{' + 1' if odd_one else ''} - {span})/{s}) + 1 = {sizes[-1]}")
    if min(sizes) < 1:
        raise ConfigError(
            f"layer {name!r} does not fit: its window of {kernel[0]}x{kernel[1]} is larger than the {show(shape[1:])} image that "
            f"comes in ({texts[0]}). Use a smaller kernel_size, fewer pooling layers, or larger images (--size)."
        )
    text = texts[0] if texts[0] == texts[1] else " by ".join(texts)
    channels, work = getattr(module, "out_channels", shape[0]), 0
    if isinstance(module, nn.Conv2d):
        if module.in_channels != shape[0]:
            raise ConfigError(
                f"layer {name!r} takes in_channels={module.in_channels}, but {shape[0]} channels come in. "
                f"Set in_channels={shape[0]}."
            )
        work = channels * prod(sizes) * (module.in_channels // module.groups) * prod(kernel)
    kinds = {nn.Conv2d: "conv", nn.MaxPool2d: "max_pool", nn.AvgPool2d: "average_pool"}
    kinds |= {SumPool2d: "sum_pool", MedianPool2d: "median_pool", PaddedShortcut: "padded_shortcut"}
    kind = next(word for cls, word in kinds.items() if isinstance(module, cls))
    return Formula(kind, (channels, *sizes), text, _plain(kernel), _plain(stride), _plain(padding), work)


def _padding_of(module: Any, kernel: tuple[int, int], dilation: tuple[int, int]) -> tuple[int, int]:
    if module.padding == "same":
        return dilation[0] * (kernel[0] - 1) // 2, dilation[1] * (kernel[1] - 1) // 2
    return (0, 0) if module.padding == "valid" else _pair(module.padding)


def _pair(value: Any) -> tuple[int, int]:
    return (int(value[0]), int(value[1])) if isinstance(value, tuple | list) else (int(value), int(value))


def _plain(pair: tuple[int, int]) -> int | list[int]:
    return pair[0] if pair[0] == pair[1] else list(pair)


def _global_pool(module: nn.Module, name: str, shape: Shape) -> Formula:
    if len(shape) != 3:
        raise ConfigError(f"layer {name!r} needs images (C, H, W), but {show(shape)} comes in. Move it before flatten.")
    kind = "global_max_pool" if isinstance(module, nn.AdaptiveMaxPool2d) else "global_average_pool"
    wanted: Any = module.output_size
    wanted = wanted if isinstance(wanted, tuple | list) else (wanted, wanted)
    size = tuple(n if want is None else want for n, want in zip(shape[-2:], wanted, strict=True))
    return Formula(kind, (shape[0], *size), f"{show(shape[1:])} -> {show(size)}")


def _flatten(module: nn.Module, name: str, shape: Shape) -> Formula:
    return Formula("flatten", (prod(shape),), f"{'*'.join(str(n) for n in shape)} = {prod(shape)}")


def _linear(module: Any, name: str, shape: Shape) -> Formula:
    if shape[-1] != module.in_features:
        raise ConfigError(
            f"layer {name!r} takes in_features={module.in_features}, but {show(shape)} comes in, "
            f"which is {prod(shape)} values. Set in_features={prod(shape)}."
        )
    text = f"{module.out_features} sums of {module.in_features} values"
    work = prod(shape) * module.out_features
    return Formula("linear", (*shape[:-1], module.out_features), text, multiply_adds=work)


Rule = Callable[[Any, str, Shape], Formula]
RULES: tuple[tuple[tuple[type[nn.Module], ...], Rule], ...] = (
    ((Normalise,), _normalise),
    ((nn.Conv2d, nn.MaxPool2d, nn.AvgPool2d, SumPool2d, MedianPool2d, PaddedShortcut), _window),
    ((nn.AdaptiveMaxPool2d, nn.AdaptiveAvgPool2d), _global_pool),
    ((nn.Flatten,), _flatten),
    ((nn.Linear,), _linear),
    ((nn.ReLU, nn.Tanh, nn.Sigmoid, nn.GELU, nn.SiLU, nn.Dropout, nn.Dropout2d, nn.BatchNorm2d, nn.BatchNorm1d), _same),
    ((nn.Identity, nn.LeakyReLU, nn.ELU, nn.Hardswish, nn.LogSoftmax, nn.GroupNorm, nn.LayerNorm), _same),
    ((Add, LayerScale, Scale), _same),
)


@dataclass(frozen=True)
class LayerRow:
    """One line of the ledger; sizes in pixels, `receptive_field` None where it cannot be told.

    `inputs` are the numbers of the rows whose outputs the layer takes, -1 being the image: two where branches meet.
    """

    name: str
    kind: str
    kernel_size: int | list[int] | None
    stride: int | list[int] | None
    padding: int | list[int] | None
    formula: str
    output_shape: Shape
    parameters: int
    multiply_adds: int
    receptive_field: int | None
    inputs: tuple[int, ...]


@dataclass(frozen=True)
class Ledger:
    """All layers of a network in the order in which they ran, for one image."""

    input_shape: Shape
    layers: tuple[LayerRow, ...]
    parameters: int

    @property
    def multiply_adds(self) -> int:
        """Multiplications that are added up, for one image; biases and activations are not counted."""
        return sum(row.multiply_adds for row in self.layers)

    def as_dict(self) -> dict[str, Any]:
        """The ledger as plain values, for JSON."""
        lists = ("output_shape", "inputs")
        layers = [asdict(row) | {key: list(getattr(row, key)) for key in lists} for row in self.layers]
        return {
            "input_shape": list(self.input_shape),
            "parameters": self.parameters,
            "multiply_adds": self.multiply_adds,
            "layers": layers,
        }

    def mermaid(self) -> str:
        """The network as a Mermaid flow chart, as document 004 draws its own; each branch is a chain of its own."""
        lines = ["graph LR", f'    input["input<br/>{show(self.input_shape)}"]']
        for number, row in enumerate(self.layers):
            window = f" {row.kernel_size}x{row.kernel_size}" if isinstance(row.kernel_size, int) else ""
            lines.append(f'    l{number}["{row.name}<br/>{row.kind}{window}<br/>{show(row.output_shape)}"]')
        chains: list[list[str]] = [["input"]]
        for number, row in enumerate(self.layers):
            for source in row.inputs:
                before = "input" if source < 0 else f"l{source}"
                if chains[-1][-1] != before:
                    chains.append([before])
                chains[-1].append(f"l{number}")
        return "\n".join([*lines, *(f"    {' --> '.join(chain)}" for chain in chains)])
