"""The depthwise-separable network: its size and work against the paper's tables, its forward against the definition."""

import itertools

import pytest
import torch
from network_weights import MEAN, STD, batch_norm, drawn, fresh, noise
from torch import Tensor
from torch.nn import functional as F

from foveal.models.layers import build_layers
from foveal.models.ledger import ledger
from foveal.models.mobilenet import mobilenet

# Howard et al. 2017, table 6: width, millions of multiply-adds at 224x224, millions of parameters, for 1000 classes.
TABLE_6 = [(1.0, 569, 4.2), (0.75, 325, 2.6), (0.5, 149, 1.3), (0.25, 41, 0.5)]


@pytest.mark.parametrize(("width", "multiply_adds", "parameters"), TABLE_6)
def test_size_and_work_are_those_of_the_papers_table(width: float, multiply_adds: int, parameters: float) -> None:
    # Their stem halves 224 to the 112 that ours, of stride 1, leaves as they are: all feature maps are the same.
    shape = (3, 112, 112)
    book = ledger(build_layers(mobilenet(shape, width), shape, 1000), shape, 1000)
    assert round(book.parameters / 1e6, 1) == parameters
    assert book.multiply_adds / 1e6 == pytest.approx(multiply_adds, abs=1)


def test_the_parameters_are_those_worked_out_by_hand() -> None:
    widths = [16, 32, 64, 64, 128, 128, *[256] * 6, 512, 512]  # table 1, halved
    total = 3 * 16 * 9 + 2 * 16
    for before, after in itertools.pairwise(widths):
        total += before * 9 + 2 * before  # depthwise, and its BatchNorm
        total += before * after + 2 * after  # pointwise, and its BatchNorm
    total += 512 * 10 + 10
    assert sum(parameter.numel() for parameter in fresh("mobilenet").parameters()) == total == 823_722


def depthwise(x: Tensor, kernels: Tensor, stride: int) -> Tensor:
    """Each channel by itself: a sum over the nine shifts of its image."""
    padded = F.pad(x, (1, 1, 1, 1))
    height, width = x.shape[2:]
    shifts = [
        padded[:, :, i : i + height, j : j + width] * kernels[:, 0, i, j].view(1, -1, 1, 1)
        for i in range(3)
        for j in range(3)
    ]
    return torch.stack(shifts).sum(dim=0)[:, :, ::stride, ::stride]


def test_the_forward_is_a_depthwise_and_a_pointwise_convolution_thirteen_times() -> None:
    model, state = drawn("mobilenet", (3, 17, 12))
    pixels = noise(2, (3, 17, 12))
    x = F.conv2d((pixels.double() - MEAN) / STD, state["stem.weight"], padding=1)
    x = batch_norm(x, state, "batch_norm1").clamp(min=0)
    for pair in range(1, 14):
        x = depthwise(x, state[f"depthwise{pair}.weight"], stride=2 if pair in (2, 4, 6, 12) else 1)
        x = batch_norm(x, state, f"batch_norm{2 * pair}").clamp(min=0)
        x = torch.einsum("nchw,dc->ndhw", x, state[f"pointwise{pair}.weight"][:, :, 0, 0])
        x = batch_norm(x, state, f"batch_norm{2 * pair + 1}").clamp(min=0)
    logits = x.mean(dim=(2, 3)) @ state["linear1.weight"].T + state["linear1.bias"]
    torch.testing.assert_close(model(pixels), logits, rtol=1e-9, atol=1e-9)
