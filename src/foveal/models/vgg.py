"""A network in the style of VGG for small images: pairs of 3x3 convolutions, the map halved before each pair.

Source of the style: Simonyan and Zisserman 2015, arXiv:1409.1556, section 2.1; with BatchNorm and a single linear layer.
"""

from foveal.config import LayerSpec
from foveal.models.compact import block, pooled_block
from foveal.models.shapes import Shape
from foveal.models.tutorials import FLATTEN, Layers, linear

SMALL_MAP = 4  # pixels: what is left is pooled at once


def vgg6(input_shape: Shape, width: float = 1.0) -> Layers:
    """The layers for images (C, H, W): 5x5 to 32 and pool, then pairs of 3x3 to 64 and 128, pooled in the first of each.

    Five convolutions and a linear layer on images of up to 39 pixels: 279 k parameters on 1x28x28. Beyond, pairs to 128 are
    added until the map is no wider than 4. `width` is a factor of all the channels.
    """
    first = max(1, round(32 * width))
    channels, side = first, min(input_shape[1:]) // 2
    layers = [*pooled_block(first, 5)]
    while side > SMALL_MAP:
        channels = min(2 * channels, 4 * first)
        layers += [*pooled_block(channels, 3), *block(channels, 3)]
        side //= 2
    return (*layers, LayerSpec(kind="global_max_pool"), FLATTEN, linear("classes"))
