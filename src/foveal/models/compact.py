"""foveal's own network: small, BatchNorm after every convolution, a stem that leaves little to compute."""

from typing import Literal

from foveal.config import LayerSpec
from foveal.models.shapes import Shape, output_size
from foveal.models.tutorials import FLATTEN, RELU, Layers, conv, linear, max_pool

BATCH_NORM = LayerSpec(kind="batch_norm")


Head = Literal["max", "flat"]


def compact(input_shape: Shape, width: float = 1.0, head: Head = "max") -> Layers:
    """The layers for images (C, H, W); the larger the image, the more is pooled away.

    Grey images get 5x5 stride 2 to 16, 3x3 to 32, pool, two 3x3 to 64, global max pool: 61 k parameters on MNIST.
    Colour doubles the widths; `width` is a factor of them all. Beyond 32 pixels the stem is pooled too; a stage is added
    while the map is wider than 8.
    With the head "flat" every place of the last map has weights of its own: for images of up to 24 pixels whose things lie in
    their middle, where half the work is enough (5x5 stride 2 to 16, 3x3 to 48, pool, 3x3 without padding to 64: 41 k).
    """
    first = max(1, round((16 if input_shape[0] == 1 else 32) * width))
    return _flat(first) if head == "flat" else _max_pooled(input_shape, first)


def _flat(width: int) -> Layers:
    last = LayerSpec(kind="conv", out_channels=4 * width, kernel_size=3, padding=0, bias=False)
    return (
        *block(width, 5, stride=2),
        *pooled_block(3 * width, 3),
        last,
        BATCH_NORM,
        RELU,
        FLATTEN,
        linear("classes"),
    )


def _max_pooled(input_shape: Shape, width: int) -> Layers:
    channels = 4 * width
    side = min(output_size(n, 5, stride=2, padding=2) for n in input_shape[1:])
    is_large = side > 16
    stem = pooled_block(width, 5, stride=2) if is_large else block(width, 5, stride=2)
    layers = [*stem, *pooled_block(2 * width, 3), *block(channels, 3), *block(channels, 3)]
    side //= 4 if is_large else 2
    while side > 8:
        layers += [max_pool(2), *block(channels, 3)]
        side //= 2
    return (*layers, LayerSpec(kind="global_max_pool"), FLATTEN, linear("classes"))


def block(out_channels: int, kernel_size: int, stride: int = 1) -> Layers:
    """Convolution, BatchNorm, ReLU; the map keeps its size, but for the stride."""
    return (_conv(out_channels, kernel_size, stride), BATCH_NORM, RELU)


def pooled_block(out_channels: int, kernel_size: int, stride: int = 1) -> Layers:
    """Convolution, max pooling by 2, BatchNorm, ReLU."""
    # Pooling first leaves a quarter of the values to normalise and to rectify; ReLU and max commute (docs/log.md).
    return (_conv(out_channels, kernel_size, stride), max_pool(2), BATCH_NORM, RELU)


def _conv(out_channels: int, kernel_size: int, stride: int) -> LayerSpec:
    # The convolution needs no bias: BatchNorm subtracts the mean that it would add to.
    return conv(out_channels, kernel_size, stride=stride, padding="same", bias=False)
