"""Shapes by formula, against what PyTorch makes of the same numbers."""

import json

import pytest
import torch
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional as F

from foveal.errors import ConfigError
from foveal.models.blocks import MedianPool2d, Normalise, SumPool2d
from foveal.models.shapes import LayerRow, Ledger, Shape, formula_of, output_size, show

SIZES = {
    "n": st.integers(1, 60),
    "f": st.integers(1, 9),
    "s": st.integers(1, 5),
    "p": st.integers(0, 6),
    "d": st.integers(1, 4),
}


@settings(max_examples=300, deadline=None)
@given(**SIZES)
@example(n=28, f=5, s=1, p=2, d=1)
@example(n=7, f=2, s=2, p=1, d=1)
@example(n=5, f=2, s=2, p=0, d=1)
def test_the_output_size_is_what_a_convolution_of_pytorch_gives(n: int, f: int, s: int, p: int, d: int) -> None:
    assume(n + 2 * p >= d * (f - 1) + 1)
    convolved = F.conv2d(torch.zeros(1, 1, n, 61), torch.zeros(1, 1, f, 1), stride=s, padding=(p, 0), dilation=(d, 1))
    assert output_size(n, f, s, p, d) == convolved.shape[2]


@settings(max_examples=200, deadline=None)
@given(**{name: SIZES[name] for name in "nfsp"})
@example(n=7, f=2, s=2, p=1)
def test_the_output_size_is_what_the_poolings_give(n: int, f: int, s: int, p: int) -> None:
    assume(n + 2 * p >= f and p <= f // 2)
    x = torch.zeros(1, 1, n, n)
    for pool in (nn.MaxPool2d(f, s, p), nn.AvgPool2d(f, s, p), SumPool2d(f, s, p), MedianPool2d(f, s, p)):
        assert pool(x).shape[2:] == (output_size(n, f, s, p),) * 2


@settings(max_examples=100, deadline=None)
@given(n=st.integers(1, 8), f=st.integers(6, 9), s=st.integers(1, 5), p=st.integers(0, 1), d=st.integers(2, 4))
def test_a_window_that_pytorch_refuses_as_too_large_has_no_place(n: int, f: int, s: int, p: int, d: int) -> None:
    with pytest.raises(RuntimeError, match="Kernel size can't be greater"):
        F.conv2d(torch.zeros(1, 1, n, 9), torch.zeros(1, 1, f, 1), stride=s, padding=(p, 0), dilation=(d, 1))
    assert output_size(n, f, s, p, d) <= 0


FORMULAS: dict[str, tuple[nn.Module, Shape, str, Shape]] = {
    "a padded convolution": (
        nn.Conv2d(1, 32, 5, padding=2),
        (1, 28, 28),
        "floor((28 + 2*2 - 5)/1) + 1 = 28",
        (32, 28, 28),
    ),
    "a dilated convolution": (
        nn.Conv2d(1, 4, 3, dilation=2),
        (1, 9, 9),
        "floor((9 + 2*0 - (2*(3 - 1) + 1))/1) + 1 = 5",
        (4, 5, 5),
    ),
    "an image that is not square": (
        nn.MaxPool2d(2),
        (3, 9, 6),
        "floor((9 + 2*0 - 2)/2) + 1 = 4 by floor((6 + 2*0 - 2)/2) + 1 = 3",
        (3, 4, 3),
    ),
    "a kernel that is not square": (
        nn.Conv2d(2, 5, (3, 1), padding=(1, 0)),
        (2, 8, 8),
        "floor((8 + 2*1 - 3)/1) + 1 = 8 by floor((8 + 2*0 - 1)/1) + 1 = 8",
        (5, 8, 8),
    ),
    "same padding of PyTorch": (
        nn.Conv2d(1, 2, 5, padding="same"),
        (1, 8, 8),
        "floor((8 + 2*2 - 5)/1) + 1 = 8",
        (2, 8, 8),
    ),
    "valid padding of PyTorch": (
        nn.Conv2d(1, 2, 5, padding="valid"),
        (1, 8, 8),
        "floor((8 + 2*0 - 5)/1) + 1 = 4",
        (2, 4, 4),
    ),
    "flatten": (nn.Flatten(), (64, 7, 7), "64*7*7 = 3136", (3136,)),
    "linear": (nn.Linear(3136, 10), (3136,), "10 sums of 3136 values", (10,)),
    "a global pool": (nn.AdaptiveAvgPool2d(1), (64, 7, 5), "7x5 -> 1x1", (64, 1, 1)),
    "dropout": (nn.Dropout(), (64, 7, 5), "same shape", (64, 7, 5)),
    "batch norm": (nn.BatchNorm2d(64), (64, 7, 5), "same shape", (64, 7, 5)),
    "normalise": (Normalise((1.0,), (2.0,)), (1, 28, 28), "(pixels - mean)/std", (1, 28, 28)),
    "a border that is cut": (
        Normalise((1.0,), (2.0,), border=3),
        (1, 28, 28),
        "(pixels - mean)/std; 28 - 2*3 = 22",
        (1, 22, 22),
    ),
    "a border that is added, and grey repeated": (
        Normalise((1.0,), (2.0,), border=-2, channels=3),
        (1, 28, 20),
        "(pixels - mean)/std; 28 + 2*2 = 32, 20 + 2*2 = 24; 1 channel repeated to 3",
        (3, 32, 24),
    ),
}


@pytest.mark.parametrize("case", FORMULAS)
def test_the_formula_of_a_layer_says_its_shape_in_numbers_and_pytorch_agrees(case: str) -> None:
    module, shape, text, output_shape = FORMULAS[case]
    formula = formula_of(module, "it", shape)
    assert (formula.text, formula.output_shape) == (text, output_shape)
    assert module.eval()(torch.zeros(2, *shape)).shape[1:] == output_shape


REFUSED: dict[str, tuple[nn.Module, Shape, str]] = {
    "a convolution of flat values": (
        nn.Conv2d(1, 2, 3),
        (3136,),
        r"layer 'it' needs images \(C, H, W\), but 3136 comes in\. Move it before flatten\.",
    ),
    "a kernel larger than the image": (
        nn.Conv2d(1, 2, 5),
        (1, 4, 9),
        r"layer 'it' does not fit: its window of 5x5 is larger than the 4x9 image that comes in "
        r"\(floor\(\(4 \+ 2\*0 - 5\)/1\) \+ 1 = 0\)\. Use a smaller kernel_size",
    ),
    "a pool larger than the image": (nn.MaxPool2d(3), (1, 2, 2), r"window of 3x3 is larger than the 2x2 image"),
    "another number of channels": (
        nn.Conv2d(3, 8, 3),
        (1, 9, 9),
        r"layer 'it' takes in_channels=3, but 1 channels come in\. Set in_channels=1\.",
    ),
    "another number of values": (
        nn.Linear(100, 10),
        (128,),
        r"layer 'it' takes in_features=100, but 128 comes in, which is 128 values\. Set in_features=128\.",
    ),
    "images into a linear layer": (
        nn.Linear(100, 10),
        (4, 5, 5),
        r"takes in_features=100, but 4x5x5 comes in, which is 100 values\. Set in_features=100\.",
    ),
    "batch norm of another width": (
        nn.BatchNorm2d(8),
        (4, 5, 5),
        r"layer 'it' normalises 8 channels, but 4 come in\. Give it 4\.",
    ),
    "a border that leaves nothing": (
        Normalise((0.0,), (1.0,), border=4),
        (1, 8, 28),
        r"cutting a border of 4 from 1x8x28 leaves nothing\. Use a smaller model\.border\.",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_layer_that_does_not_fit_is_refused_with_the_right_number(case: str) -> None:
    module, shape, sentence = REFUSED[case]
    with pytest.raises(ConfigError, match=sentence):
        formula_of(module, "it", shape)


@pytest.mark.parametrize(
    ("module", "shape", "by_hand"),
    [
        (nn.Conv2d(1, 32, 3, padding=1), (1, 28, 28), 28 * 28 * 32 * 9),
        (nn.Conv2d(32, 64, 5), (32, 12, 12), 8 * 8 * 64 * 32 * 25),
        (nn.Conv2d(32, 64, 3, groups=32), (32, 10, 10), 8 * 8 * 64 * 1 * 9),
        (nn.Conv2d(3, 8, (3, 1), stride=2), (3, 9, 9), 4 * 5 * 8 * 3 * 3),
        (nn.Linear(3136, 128), (3136,), 3136 * 128),
        (nn.MaxPool2d(2), (32, 28, 28), 0),
        (nn.BatchNorm2d(32), (32, 28, 28), 0),
    ],
)
def test_multiply_adds_are_those_worked_out_by_hand(module: nn.Module, shape: Shape, by_hand: int) -> None:
    assert formula_of(module, "it", shape).multiply_adds == by_hand


def test_a_kind_without_a_formula_has_no_text() -> None:
    formula = formula_of(nn.Softplus(), "it", (3, 4, 4))
    assert (formula.kind, formula.output_shape, formula.text) == ("Softplus", (), "")


def test_a_shape_is_written_with_x() -> None:
    assert show((32, 14, 14)) == "32x14x14"
    assert show((10,)) == "10"


ROWS = (
    LayerRow("conv1", "conv", 3, 1, 0, "a formula", (4, 26, 26), 40, 24_336, 3, (-1,)),
    LayerRow("tall", "conv", [3, 1], 1, [1, 0], "another", (4, 26, 26), 52, 32_448, None, (0,)),
)


def test_the_ledger_adds_up_the_work_of_its_layers_and_survives_json() -> None:
    ledger = Ledger((1, 28, 28), ROWS, 92)
    assert ledger.multiply_adds == 24_336 + 32_448
    plain = json.loads(json.dumps(ledger.as_dict()))
    assert plain == ledger.as_dict()
    assert plain["layers"][1] == {
        "name": "tall",
        "kind": "conv",
        "kernel_size": [3, 1],
        "stride": 1,
        "padding": [1, 0],
        "formula": "another",
        "output_shape": [4, 26, 26],
        "parameters": 52,
        "multiply_adds": 32_448,
        "receptive_field": None,
        "inputs": [0],
    }


def test_mermaid_draws_each_layer_once_and_one_chain_of_arrows() -> None:
    assert Ledger((1, 28, 28), ROWS, 92).mermaid().splitlines() == [
        "graph LR",
        '    input["input<br/>1x28x28"]',
        '    l0["conv1<br/>conv 3x3<br/>4x26x26"]',
        '    l1["tall<br/>conv<br/>4x26x26"]',
        "    input --> l0 --> l1",
    ]


def test_mermaid_draws_a_chain_for_each_branch() -> None:
    rows = (
        *ROWS,
        LayerRow("around", "identity", None, None, None, "same shape", (4, 26, 26), 0, 0, 3, (0,)),
        LayerRow("add", "add", None, None, None, "tall + around", (4, 26, 26), 0, 0, None, (1, 2)),
    )
    assert Ledger((1, 28, 28), rows, 92).mermaid().splitlines()[-4:] == [
        "    input --> l0 --> l1",
        "    l0 --> l2",
        "    l1 --> l3",
        "    l2 --> l3",
    ]


def test_a_wrong_number_of_means_is_named_before_the_first_layer() -> None:
    with pytest.raises(ConfigError, match=r"mean"):
        formula_of(Normalise([1.0, 2.0], [1.0, 1.0], channels=1), "normalise", (1, 8, 8))
