"""foveal's own network: small, BatchNorm after every convolution, a stem that leaves little to compute."""

from foveal.config import LayerSpec
from foveal.models.shapes import Shape, output_size
from foveal.models.tutorials import FLATTEN, RELU, Layers, conv, linear, max_pool

BATCH_NORM = LayerSpec(kind="batch_norm")


def compact(input_shape: Shape) -> Layers:
    """The layers for images (C, H, W); the larger the image, the more stages.

    Grey images of up to 32 pixels get 5x5 stride 2 to 16, 3x3 to 32, pool, two 3x3 to 64, global max pool: 61 k
    parameters on MNIST. Colour doubles the widths. A stage of twice the width is added while the map is wider than 8.
    """
    width = 16 if input_shape[0] == 1 else 32
    layers = [*_block(width, 5, stride=2), *_block(2 * width, 3), max_pool(2)]
    side = min(output_size(n, 5, 2, 2) // 2 for n in input_shape[1:])
    channels = 4 * width
    layers += [*_block(channels, 3), *_block(channels, 3)]
    while side > 8:
        channels = min(2 * channels, 256)
        layers += [max_pool(2), *_block(channels, 3)]
        side //= 2
    return (*layers, LayerSpec(kind="global_max_pool"), FLATTEN, linear("classes"))


def _block(out_channels: int, kernel_size: int, stride: int = 1) -> Layers:
    # The convolution needs no bias: BatchNorm subtracts the mean that it would add to.
    return (conv(out_channels, kernel_size, stride=stride, padding="same", bias=False), BATCH_NORM, RELU)
