"""The seven networks of the five tutorials, and LeNet-5, each as the list of its layers.

Shapes on the right are for the input that the document uses. `docs/tutorials.md` tells where each comes from.
"""

from collections.abc import Sequence

from foveal.config import LayerSpec

Layers = tuple[LayerSpec, ...]


def conv(out_channels: int, kernel_size: int, **settings: int | str | bool) -> LayerSpec:
    """A convolution; stride 1 and no padding unless said."""
    return LayerSpec.model_validate(dict(kind="conv", out_channels=out_channels, kernel_size=kernel_size, **settings))


def max_pool(kernel_size: int, padding: int = 0) -> LayerSpec:
    """Max pooling with windows side by side."""
    return LayerSpec(kind="max_pool", kernel_size=kernel_size, padding=padding)


def average_pool(kernel_size: int) -> LayerSpec:
    """Average pooling with windows side by side."""
    return LayerSpec(kind="average_pool", kernel_size=kernel_size)


def dropout(p: float = 0.5) -> LayerSpec:
    """Dropout of single values."""
    return LayerSpec(kind="dropout", p=p)


def linear(out_features: int | str, **settings: str | bool) -> LayerSpec:
    """A fully connected layer; `in_features` are worked out."""
    return LayerSpec.model_validate(dict(kind="linear", out_features=out_features, **settings))


RELU, TANH, FLATTEN = LayerSpec(kind="relu"), LayerSpec(kind="tanh"), LayerSpec(kind="flatten")
DROPOUT2D = LayerSpec(kind="dropout2d", p=0.5)


def with_settings(layers: Sequence[LayerSpec], **settings: str | bool) -> Layers:
    """The same layers, with these settings in every layer that has weights."""
    return tuple(layer.model_copy(update=settings) if layer.kind in ("conv", "linear") else layer for layer in layers)


CONV5_FC1000: Layers = (  # document 000; 1x28x28
    conv(32, 5, padding=2),
    RELU,
    max_pool(2),  # 32x14x14
    conv(64, 5, padding=2),
    RELU,
    max_pool(2),  # 64x7x7
    FLATTEN,
    dropout(),
    linear(1000),  # no ReLU between the two: together they are one linear layer
    linear("classes"),
)

# Keras draws its weights Glorot uniform (Glorot and Bengio 2010) and starts biases at zero.
ONECONV: Layers = with_settings(  # document 001, TensorFlow; 1x28x28
    (
        conv(32, 3),
        RELU,
        max_pool(2),  # 32x13x13
        FLATTEN,
        linear("classes"),
    ),
    initialisation="xavier",
    zero_bias=True,
)

TWOCONV_FC128: Layers = with_settings(  # document 001, Keras; 1x28x28
    (
        conv(32, 3),
        RELU,
        max_pool(2),  # 32x13x13
        conv(64, 3),
        RELU,
        max_pool(2),  # 64x5x5
        FLATTEN,
        linear(128),
        RELU,
        linear("classes"),
    ),
    initialisation="xavier",
    zero_bias=True,
)

TWOCONV_RGB: Layers = (  # document 001, PyTorch; 3x32x32
    conv(32, 3),
    RELU,
    max_pool(2),  # 32x15x15
    dropout(),
    conv(64, 3),
    RELU,
    max_pool(2),  # 64x6x6
    dropout(),
    FLATTEN,
    linear(128),
    RELU,
    dropout(),
    linear("classes"),
)

LENET_DROPOUT2D: Layers = (  # document 002; 1x28x28
    conv(10, 5),
    max_pool(2),  # 10x12x12
    RELU,
    conv(20, 5),
    DROPOUT2D,
    max_pool(2),  # 20x4x4
    RELU,
    FLATTEN,
    linear(50),
    RELU,
    dropout(),
    linear("classes"),
)

THREECONV_FC625: Layers = (  # document 003; 1x28x28
    conv(32, 3, padding=1),
    RELU,
    max_pool(2),  # 32x14x14
    dropout(0.3),
    conv(64, 3, padding=1),
    RELU,
    max_pool(2),  # 64x7x7
    dropout(0.3),
    conv(128, 3, padding=1),
    RELU,
    max_pool(2, padding=1),  # 128x4x4
    dropout(0.3),
    FLATTEN,
    linear(625, initialisation="xavier"),  # its ReLU and dropout are built in the document, and never called
    linear("classes", initialisation="xavier"),
)

TWOCONV_SAME: Layers = (  # document 004; 1x28x28
    conv(32, 3, padding=1),
    max_pool(2),  # 32x14x14
    RELU,
    conv(64, 3, padding=1),
    max_pool(2),  # 64x7x7
    RELU,
    FLATTEN,
    linear(128),
    RELU,
    linear("classes"),
)

LENET5: Layers = (  # LeCun et al. 1998, figure 2; 1x28x28 (padded to its 32x32 by the first layer)
    conv(6, 5, padding=2),
    TANH,
    average_pool(2),  # 6x14x14
    conv(16, 5),
    TANH,
    average_pool(2),  # 16x5x5
    FLATTEN,
    linear(120),
    TANH,
    linear(84),
    TANH,
    linear("classes"),
)
