"""vgg6: its layers and parameters by hand, on several sizes of images, and as wide as is asked for."""

import itertools

import pytest
import torch

from foveal.config import ArchSpec
from foveal.models.catalog import build_model
from foveal.models.shapes import Shape
from foveal.models.vgg import vgg6


def parameters(shape: Shape, width: float = 1.0) -> int:
    channels = shape[0]
    spec = ArchSpec(
        name="vgg6", input_shape=shape, mean=(0.0,) * channels, std=(1.0,) * channels, layers=vgg6(shape, width)
    )
    model = build_model(spec, 10)
    assert model(torch.zeros(2, *shape)).shape == (2, 10)
    return sum(weight.numel() for weight in model.parameters())


def by_hand(in_channels: int, widths: list[int]) -> int:
    """Convolutions without bias: in*out*k*k; BatchNorm: 2 a channel; each width after the first is a pair."""
    stem = in_channels * widths[0] * 25 + 2 * widths[0]
    pairs = sum(9 * (a * b + b * b) + 4 * b for a, b in itertools.pairwise(widths))
    return stem + pairs + 10 * widths[-1] + 10


@pytest.mark.parametrize(
    ("shape", "width", "widths"),
    [
        ((1, 28, 28), 1.0, [32, 64, 128]),  # 14, 7, 3
        ((3, 32, 32), 1.0, [32, 64, 128]),  # 16, 8, 4
        ((3, 32, 32), 0.5625, [18, 36, 72]),
        ((3, 64, 64), 1.0, [32, 64, 128, 128]),  # 32, 16, 8, 4
        ((3, 48, 100), 1.0, [32, 64, 128, 128]),  # the shorter side decides: 24, 12, 6, 3
        ((1, 8, 8), 1.0, [32]),  # 4 after the stem
    ],
)
def test_the_parameters_are_those_worked_out_by_hand(shape: Shape, width: float, widths: list[int]) -> None:
    assert parameters(shape, width) == by_hand(shape[0], widths)


def test_a_network_for_colour_fits_into_a_hundred_thousand() -> None:
    assert parameters((3, 32, 32), 0.5625) == by_hand(3, [18, 36, 72]) < 100_000


def test_it_has_six_layers_with_weights_on_small_images_and_never_fewer_channels_than_one() -> None:
    kinds = [layer.kind for layer in vgg6((1, 28, 28))]
    assert kinds.count("conv") + kinds.count("linear") == 6
    assert kinds.count("max_pool") == 3
    assert {layer.out_channels for layer in vgg6((1, 28, 28), 0.001) if layer.kind == "conv"} == {1, 2, 4}
