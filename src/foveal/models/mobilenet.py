"""A depthwise-separable network: a 3x3 convolution of each channel by itself, then a 1x1 convolution across channels."""

from foveal.config import LayerSpec
from foveal.models.compact import BATCH_NORM
from foveal.models.shapes import Shape
from foveal.models.tutorials import FLATTEN, RELU, Layers, conv, linear

# Howard et al. 2017, arXiv:1704.04861, table 1: what each pair gives at full width, and the stride of its depthwise part.
PAIRS = ((64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2), *[(512, 1)] * 5, (1024, 2), (1024, 1))


def mobilenet(input_shape: Shape, width: float = 0.5) -> Layers:
    """The layers of MobileNet, `width` times as wide as the paper's: 0.5 is one of its own (table 6).

    The stem has stride 1 in place of 2: images of 32 pixels have none to give away.
    """
    channels = round(32 * width)
    layers = [*_active(conv(channels, 3, padding=1, bias=False, name="stem"))]
    for number, (full, stride) in enumerate(PAIRS, start=1):
        depthwise = conv(channels, 3, stride=stride, padding=1, groups=channels, bias=False, name=f"depthwise{number}")
        channels = round(full * width)
        pointwise = conv(channels, 1, bias=False, name=f"pointwise{number}")
        layers += [*_active(depthwise), *_active(pointwise)]
    return (*layers, LayerSpec(kind="global_average_pool"), FLATTEN, linear("classes"))


def _active(layer: LayerSpec) -> Layers:
    return (layer, BATCH_NORM, RELU)
