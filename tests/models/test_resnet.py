"""Residual networks: their sizes against those that the papers print, their forward against the papers' formulas."""

from collections.abc import Mapping
from math import prod

import pytest
import torch
from network_weights import MEAN, STD, batch_norm, drawn, fresh, noise
from torch import Tensor, nn
from torch.nn import functional as F

from foveal.models.ledger import ledger
from foveal.models.resnet import PreActivationBlock, ResidualBlock, narrow_resnet, wide_resnet


def parameters_of(model: nn.Module) -> int:
    """How many numbers are learnt."""
    return sum(parameter.numel() for parameter in model.parameters())


def in_millions(model: nn.Module, digits: int = 2) -> float:
    """The same as papers print it."""
    return round(parameters_of(model) / 1e6, digits)


# He et al. 2016, table 6: layers and millions of parameters; 6n + 2 layers have n blocks a stage.
@pytest.mark.parametrize(("layers", "printed"), [(20, 0.27), (32, 0.46), (44, 0.66), (56, 0.85), (110, 1.7)])
def test_the_narrow_networks_are_as_large_as_the_paper_prints(layers: int, printed: float) -> None:
    with torch.device("meta"):
        network = narrow_resnet(3, 10, blocks=(layers - 2) // 6)
    assert in_millions(network, 2 if printed < 1 else 1) == printed


# Zagoruyko and Komodakis 2016, tables 4 and 5: depth, widening and millions of parameters.
@pytest.mark.parametrize(
    ("depth", "widening", "printed"), [(40, 4, 8.9), (16, 8, 11.0), (28, 10, 36.5), (40, 1, 0.6), (22, 8, 17.2)]
)
def test_the_wide_networks_are_as_large_as_the_paper_prints(depth: int, widening: int, printed: float) -> None:
    with torch.device("meta"):
        network = wide_resnet(3, 10, depth=depth, widening=widening)
    assert in_millions(network, 1) == printed


def test_resnet8_has_the_parameters_worked_out_by_hand() -> None:
    # conv without bias: in*out*9; BatchNorm: 2 a channel; shortcuts without parameters
    stem = 3 * 16 * 9 + 2 * 16
    stages = [2 * (16 * 16 * 9 + 32), (16 * 32 + 32 * 32) * 9 + 2 * 64, (32 * 64 + 64 * 64) * 9 + 2 * 128]
    assert parameters_of(fresh("resnet8")) == stem + sum(stages) + 64 * 10 + 10 == 75_290


def test_resnet20_has_the_parameters_worked_out_by_hand() -> None:
    stem = 3 * 16 * 9 + 2 * 16
    stages = [
        6 * (16 * 16 * 9 + 32),
        (16 * 32 + 5 * 32 * 32) * 9 + 6 * 64,
        (32 * 64 + 5 * 64 * 64) * 9 + 6 * 128,
    ]
    assert parameters_of(fresh("resnet20")) == stem + sum(stages) + 650 == 269_722


def test_resnet18_is_torchvisions_but_for_the_stem_and_the_head() -> None:
    # 11,689,512 is what torchvision's documentation of resnet18 says; its stem is 7x7 and its head has 1000 classes.
    assert (
        parameters_of(fresh("resnet18")) == 11_689_512 - 3 * 64 * 49 + 3 * 64 * 9 - 1000 * 513 + 10 * 513 == 11_173_962
    )


def test_wide_resnet16_4_has_the_parameters_worked_out_by_hand() -> None:
    def stage(
        before: int, width: int
    ) -> int:  # two blocks, the first with a 1x1 shortcut; each BatchNorm before its conv
        convolutions = (before * width + 3 * width * width) * 9 + before * width
        return convolutions + 2 * before + 3 * 2 * width

    by_hand = 3 * 16 * 9 + stage(16, 64) + stage(64, 128) + stage(128, 256) + 2 * 256 + 2570
    assert parameters_of(fresh("wide_resnet16_4")) == by_hand == 2_748_890  # "2.7 M"


def test_resnet18_works_as_much_as_the_papers_on_the_same_feature_maps() -> None:
    # Table 1: 1.8e9 multiply-adds at 224x224, where stem and pooling make maps of 56x56 of it.
    ours = ledger(fresh("resnet18", (3, 56, 56)), (3, 56, 56), 10)
    stem = next(row for row in ours.layers if row.name == "stem.conv")
    published_stem = 112 * 112 * 64 * 3 * 49
    assert ours.multiply_adds - stem.multiply_adds + published_stem == pytest.approx(1.8e9, rel=0.01)


def residual(x: Tensor, state: Mapping[str, Tensor], block: str, stride: int) -> Tensor:
    """norm(conv(relu(norm(conv(x))))) of a block."""
    y = F.conv2d(x, state[f"{block}.conv1.weight"], stride=stride, padding=1)
    y = batch_norm(y, state, f"{block}.norm1").clamp(min=0)
    return batch_norm(F.conv2d(y, state[f"{block}.conv2.weight"], padding=1), state, f"{block}.norm2")


def head(x: Tensor, state: Mapping[str, Tensor]) -> Tensor:
    """The mean of each channel, and a linear layer."""
    return x.mean(dim=(2, 3)) @ state["head.weight"].T + state["head.bias"]


@pytest.mark.parametrize(("name", "blocks"), [("resnet8", 1), ("resnet20", 3)])
@pytest.mark.parametrize("input_shape", [(3, 12, 12), (1, 9, 14)])
def test_the_narrow_forward_is_the_papers_formula(name: str, blocks: int, input_shape: tuple[int, int, int]) -> None:
    model, state = drawn(name, input_shape)
    pixels = noise(2, input_shape)
    x = F.conv2d((pixels.double() - MEAN) / STD, state["stem.conv.weight"], padding=1)
    x = batch_norm(x, state, "stem.norm").clamp(min=0)
    for stage in (1, 2, 3):
        for block in range(1, blocks + 1):
            stride = 2 if block == 1 and stage > 1 else 1
            learnt = residual(x, state, f"stage{stage}.block{block}", stride)
            around = torch.zeros_like(learnt)  # option A: zeros in the channels that are new
            around[:, : x.shape[1]] = x[:, :, ::stride, ::stride]
            x = (learnt + around).clamp(min=0)
    torch.testing.assert_close(model(pixels), head(x, state), rtol=1e-9, atol=1e-9)


def test_the_forward_of_resnet18_is_the_papers_formula_with_projections() -> None:
    model, state = drawn("resnet18", (3, 9, 8))
    pixels = noise(2, (3, 9, 8))
    x = F.conv2d((pixels.double() - MEAN) / STD, state["stem.conv.weight"], padding=1)
    x = batch_norm(x, state, "stem.norm").clamp(min=0)
    for stage in (1, 2, 3, 4):
        for block in (1, 2):
            name, stride = f"stage{stage}.block{block}", 2 if block == 1 and stage > 1 else 1
            around = x
            if stride == 2:  # option B: a 1x1 convolution
                around = F.conv2d(x, state[f"{name}.shortcut.conv.weight"], stride=2)
                around = batch_norm(around, state, f"{name}.shortcut.norm")
            x = (residual(x, state, name, stride) + around).clamp(min=0)
    torch.testing.assert_close(model(pixels), head(x, state), rtol=1e-9, atol=1e-9)


def test_the_forward_of_the_wide_network_normalises_before_each_convolution() -> None:
    model, state = drawn("wide_resnet16_4", (3, 9, 8))
    pixels = noise(2, (3, 9, 8))
    x = F.conv2d((pixels.double() - MEAN) / STD, state["stem.weight"], padding=1)
    for stage in (1, 2, 3):
        for block in (1, 2):
            name, stride = f"stage{stage}.block{block}", 2 if block == 1 and stage > 1 else 1
            active = batch_norm(x, state, f"{name}.norm1").clamp(min=0)
            around = F.conv2d(active, state[f"{name}.shortcut.weight"], stride=stride) if block == 1 else x
            y = F.conv2d(active, state[f"{name}.conv1.weight"], stride=stride, padding=1)
            y = batch_norm(y, state, f"{name}.norm2").clamp(min=0)
            x = around + F.conv2d(y, state[f"{name}.conv2.weight"], padding=1)
    x = batch_norm(x, state, "norm").clamp(min=0)
    torch.testing.assert_close(model(pixels), head(x, state), rtol=1e-9, atol=1e-9)


def test_a_block_that_has_learnt_nothing_hands_its_input_on() -> None:
    x = torch.randn(2, 4, 5, 5, generator=torch.Generator().manual_seed(0))
    after, before = ResidualBlock(4, 4, 1).eval(), PreActivationBlock(4, 4, 1).eval()
    nn.init.zeros_(after.norm2.weight)
    nn.init.zeros_(before.conv2.weight)
    assert torch.equal(after(x), x.clamp(min=0))
    assert torch.equal(before(x), x)


@pytest.mark.parametrize("name", ["resnet8", "resnet20", "resnet18", "wide_resnet16_4"])
def test_convolutions_start_with_the_spread_that_keeps_relus_alive(name: str) -> None:
    # He et al. 2015, section 2.2: standard deviation sqrt(2/n), n the number of values that a filter adds up.
    for layer in fresh(name).modules():
        if isinstance(layer, nn.Conv2d) and layer.weight.numel() > 2000:
            expected = (2 / prod(layer.weight.shape[1:])) ** 0.5
            assert float(layer.weight.detach().std()) == pytest.approx(expected, rel=0.1)
