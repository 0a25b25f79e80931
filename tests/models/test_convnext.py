"""ConvNeXt: its size and work against the paper's, its forward against the formulas, with linear layers for 1x1 kernels."""

import pytest
import torch
from network_weights import MEAN, STD, drawn, fresh, noise
from torch import Tensor, nn
from torch.nn import functional as F

from foveal.errors import ConfigError
from foveal.models.convnext import ConvNeXtBlock, convnext
from foveal.models.ledger import ledger


def test_with_the_papers_widths_it_is_convnext_t() -> None:
    # Liu et al. 2022, table 1: 28.6 M parameters and 4.5 G multiply-adds at 224x224, for 1000 classes.
    shape = (3, 224, 224)
    network = convnext(shape, 1000, widths=(96, 192, 384, 768), blocks=(3, 3, 9, 3), patch=4)
    book = ledger(network, shape, 1000)
    assert round(book.parameters / 1e6, 1) == 28.6
    assert round(book.multiply_adds / 1e9, 1) == 4.5


def test_with_its_fourth_stage_it_is_convnext_atto() -> None:
    # Woo et al. 2023: 3.7 M parameters, for 1000 classes.
    with torch.device("meta"):
        network = convnext((3, 224, 224), 1000, widths=(40, 80, 160, 320), blocks=(2, 2, 6, 2), patch=4)
    assert round(sum(parameter.numel() for parameter in network.parameters()) / 1e6, 1) == 3.7


def test_the_parameters_are_those_worked_out_by_hand() -> None:
    def block(d: int) -> int:  # depthwise 7x7, LayerNorm, 1x1 to 4d, 1x1 to d, scale
        return (49 * d + d) + 2 * d + (4 * d * d + 4 * d) + (4 * d * d + d) + d

    stem = 3 * 40 * 4 + 40 + 2 * 40
    steps = [2 * 40 + 40 * 80 * 4 + 80, 2 * 80 + 80 * 160 * 4 + 160]
    by_hand = stem + 2 * block(40) + steps[0] + 2 * block(80) + steps[1] + 6 * block(160) + 2 * 160 + 1610
    assert sum(parameter.numel() for parameter in fresh("convnext").parameters()) == by_hand == 1_493_410


def layer_norm(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """Over the last axis. Source: Ba et al. 2016, arXiv:1607.06450, equation 3."""
    centred = x - x.mean(dim=-1, keepdim=True)
    return centred / (centred.square().mean(dim=-1, keepdim=True) + 1e-6).sqrt() * weight + bias


@pytest.mark.parametrize("input_shape", [(3, 20, 17), (1, 8, 8)])
def test_the_forward_is_the_papers_on_rows_of_channels(input_shape: tuple[int, int, int]) -> None:
    model, state = drawn("convnext", input_shape)
    pixels = noise(2, input_shape)

    def norm(x: Tensor, name: str) -> Tensor:
        return layer_norm(x, state[f"{name}.weight"], state[f"{name}.bias"])

    def convolved(x: Tensor, name: str, **settings: int) -> Tensor:  # (N, H, W, C) in and out
        y = F.conv2d(x.permute(0, 3, 1, 2), state[f"{name}.weight"], state[f"{name}.bias"], **settings)
        return y.permute(0, 2, 3, 1)

    def pointwise(x: Tensor, name: str) -> Tensor:
        return x @ state[f"{name}.weight"][:, :, 0, 0].T + state[f"{name}.bias"]

    x = convolved(((pixels.double() - MEAN) / STD).permute(0, 2, 3, 1), "stem", stride=2)
    x = norm(x, "stem_norm")
    for stage, (width, blocks) in enumerate([(40, 2), (80, 2), (160, 6)], start=1):
        if stage > 1:
            x = convolved(norm(x, f"downsample{stage}.norm"), f"downsample{stage}.conv", stride=2)
        for number in range(1, blocks + 1):
            name = f"stage{stage}.block{number}"
            y = norm(convolved(x, f"{name}.depthwise", padding=3, groups=width), f"{name}.norm")
            hidden = pointwise(y, f"{name}.widen")
            active = hidden * 0.5 * (1 + torch.erf(hidden / 2**0.5))  # Hendrycks and Gimpel 2016, section 2
            x = x + pointwise(active, f"{name}.narrow") * state[f"{name}.scale.weight"]
    logits = norm(x.mean(dim=(1, 2)), "norm") @ state["head.weight"].T + state["head.bias"]
    torch.testing.assert_close(model(pixels), logits, rtol=1e-9, atol=1e-9)


def test_a_block_begins_by_handing_its_input_on() -> None:
    x = torch.randn(2, 8, 9, 9, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(ConvNeXtBlock(8)(x), x, rtol=0, atol=1e-4)


def test_weights_start_small_and_biases_at_zero() -> None:
    for layer in fresh("convnext").modules():
        if isinstance(layer, nn.Conv2d | nn.Linear):
            assert not layer.bias.any()
            assert float(layer.weight.detach().abs().max()) < 0.12  # six standard deviations of .02
            if layer.weight.numel() > 2000:
                assert float(layer.weight.detach().std()) == pytest.approx(0.02, rel=0.1)


@pytest.mark.parametrize("input_shape", [(3, 7, 7), (1, 30, 4)])
def test_images_that_would_be_halved_to_nothing_are_refused(input_shape: tuple[int, int, int]) -> None:
    with pytest.raises(
        ConfigError,
        match=rf"convnext halves its maps until 8x8 .*the images are {input_shape[1]}x{input_shape[2]}\. Use",
    ):
        fresh("convnext", input_shape)
