"""The ledger of a real forward pass: what it counts, what a value sees, and what it refuses by name."""

import json
from collections.abc import Iterator

import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.flop_counter import FlopCounterMode

from foveal.config import ArchSpec
from foveal.errors import ConfigError
from foveal.models.blocks import Add, MedianPool2d, SumPool2d
from foveal.models.catalog import ARCHITECTURES, build_model
from foveal.models.ledger import ledger
from foveal.models.shapes import Ledger, Shape


def catalog_model(name: str, input_shape: tuple[int, int, int] = (1, 28, 28)) -> nn.Module:
    """A network of the catalog for ten classes."""
    channels = input_shape[0]
    spec = ArchSpec(name=name, input_shape=input_shape, mean=(33.0,) * channels, std=(78.0,) * channels)
    return build_model(spec, 10)


def ledger_of(*layers: nn.Module, input_shape: Shape = (1, 28, 28), classes: int = 10) -> Ledger:
    """The ledger of these layers one after the other."""
    return ledger(nn.Sequential(*layers), input_shape, classes)


@pytest.mark.parametrize("name", ARCHITECTURES)
@pytest.mark.parametrize("input_shape", [(1, 28, 28), (3, 64, 48)])
def test_the_totals_are_those_of_pytorchs_own_counters(name: str, input_shape: tuple[int, int, int]) -> None:
    model = catalog_model(name, input_shape).eval()
    book = ledger(model, input_shape, 10)
    assert book.parameters == sum(p.numel() for p in model.parameters()) == sum(row.parameters for row in book.layers)
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        model(torch.zeros(1, *input_shape))
    assert 2 * book.multiply_adds == counter.get_total_flops()


def test_the_work_of_document_004_is_the_one_worked_out_by_hand() -> None:
    book = ledger(catalog_model("twoconv-same"), (1, 28, 28), 10)
    by_hand = [28 * 28 * 32 * 1 * 9, 14 * 14 * 64 * 32 * 9, 3136 * 128, 128 * 10]
    assert [row.multiply_adds for row in book.layers if row.multiply_adds] == by_hand
    assert book.multiply_adds == 225_792 + 3_612_672 + 401_408 + 1_280


def positive(layer: nn.Module) -> nn.Module:
    """A layer whose derivative is positive for every pixel that it sees: weights of one, averages for pooling."""
    if isinstance(layer, nn.Conv2d):
        same = nn.Conv2d(1, 1, layer.kernel_size, layer.stride, layer.padding, layer.dilation, dtype=torch.float64)
        nn.init.ones_(same.weight)
        return same
    if isinstance(layer, nn.MaxPool2d | nn.AvgPool2d | SumPool2d | MedianPool2d):
        return nn.AvgPool2d(layer.kernel_size, layer.stride, layer.padding)
    return layer


def pixels_seen(layers: list[nn.Module], side: int) -> int:
    """How many input pixels in a row have a gradient from the value in the middle of the last feature map."""
    pixels = torch.ones(1, 1, side, side, dtype=torch.float64, requires_grad=True)
    y = nn.Sequential(*map(positive, layers))(pixels)
    y[0, 0, y.shape[2] // 2, y.shape[3] // 2].backward()
    assert pixels.grad is not None
    rows = pixels.grad[0, 0].abs().sum(dim=1).nonzero().flatten()
    return int(rows.max() - rows.min()) + 1


STACKS: dict[str, tuple[list[nn.Module], list[int]]] = {
    # By hand: the field grows by (f - 1) times the product of the strides before it.
    "document 004": ([nn.Conv2d(1, 1, 3, padding=1), nn.MaxPool2d(2)] * 2, [3, 4, 8, 10]),
    "document 002": ([nn.Conv2d(1, 1, 5), nn.MaxPool2d(2)] * 2, [5, 6, 14, 16]),
    "strides": ([nn.Conv2d(1, 1, 5, stride=2), nn.Conv2d(1, 1, 3, stride=2), nn.Conv2d(1, 1, 3)], [5, 9, 17]),
    "dilation": ([nn.Conv2d(1, 1, 3, dilation=2), nn.Conv2d(1, 1, 3, dilation=4)], [5, 13]),
    "all poolings": ([nn.AvgPool2d(3, 2), SumPool2d(2), MedianPool2d(3), nn.MaxPool2d(2, 1)], [3, 5, 13, 25]),
    "with layers between": ([nn.Conv2d(1, 1, 3), nn.ReLU(), nn.Dropout(), nn.MaxPool2d(2)], [3, 3, 3, 4]),
}
WITH_HEAD = (nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(1, 10))


@pytest.mark.parametrize("stack", STACKS)
def test_the_receptive_field_is_the_one_worked_out_by_hand(stack: str) -> None:
    layers, by_hand = STACKS[stack]
    rows = ledger_of(*layers, *WITH_HEAD, input_shape=(1, 96, 96)).layers
    assert [row.receptive_field for row in rows[: len(layers)]] == by_hand


@pytest.mark.parametrize("stack", [name for name in STACKS if name != "with layers between"])
def test_the_receptive_field_is_where_the_gradient_of_one_value_reaches(stack: str) -> None:
    layers, _ = STACKS[stack]
    rows = ledger_of(*layers, *WITH_HEAD, input_shape=(1, 96, 96)).layers
    for number in range(1, len(layers) + 1):
        assert rows[number - 1].receptive_field == pixels_seen(layers[:number], 96)


windows = st.builds(
    lambda f, s, d, pools: nn.MaxPool2d(f, s) if pools else nn.Conv2d(1, 1, f, s, padding=f // 2, dilation=d),
    st.integers(1, 5),
    st.integers(1, 2),
    st.integers(1, 2),
    st.booleans(),
)


@settings(max_examples=40, deadline=None)
@given(st.lists(windows, min_size=1, max_size=4))
def test_the_receptive_field_of_any_stack_is_where_its_gradient_reaches(layers: list[nn.Module]) -> None:
    strides = [layer.stride if isinstance(layer.stride, int) else layer.stride[0] for layer in layers]
    kernels = [layer.kernel_size if isinstance(layer.kernel_size, int) else layer.kernel_size[0] for layer in layers]
    # A pixel that falls between two windows is seen by neither, so that an end of the field may be no edge of it.
    assume(all(f >= s for f, s in zip(kernels, strides, strict=True)))
    rows = ledger_of(*layers, *WITH_HEAD, input_shape=(1, 160, 160)).layers
    assert rows[len(layers) - 1].receptive_field == pixels_seen(layers, 160)


@pytest.mark.parametrize("kind", ["linear", "global_max_pool"])
def test_a_linear_layer_and_a_global_pool_see_the_whole_image(kind: str) -> None:
    rows = ledger(catalog_model("compact"), (1, 28, 28), 10).layers
    assert {row.receptive_field for row in rows if row.kind == kind} == {28}


def test_what_a_value_sees_after_a_function_in_forward_is_not_told() -> None:
    class AddsItself(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(1, 1, 3, padding=1)
            self.pool = nn.MaxPool2d(2)
            self.head = nn.Linear(196, 10)

        def forward(self, x: Tensor) -> Tensor:
            return self.head(self.pool(x + self.conv(x)).flatten(1))

    rows = ledger(AddsItself(), (1, 28, 28), 10).layers
    assert [(row.kind, row.receptive_field) for row in rows] == [
        ("conv", 3),
        ("max_pool", None),
        ("flatten", None),
        ("linear", None),
    ]


class Meets(nn.Module):
    """Two branches that leave the same feature map and meet again."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(1, 1, 3, padding=1)
        self.near = nn.Conv2d(1, 1, 3, stride=2, padding=1)
        self.far = nn.Conv2d(1, 1, 3, stride=2, padding=3, dilation=3)
        self.add = Add()
        self.head = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(1, 10))

    def features(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        return self.add(self.near(x), self.far(x))

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.features(x))


def test_branches_are_followed_from_where_they_part_to_where_they_meet() -> None:
    rows = ledger(Meets(), (1, 48, 48), 10).layers[:4]
    assert [(row.name, row.formula.rpartition(" = ")[2], row.inputs) for row in rows] == [
        ("stem", "48", (-1,)),
        ("near", "24", (0,)),
        ("far", "24", (0,)),
        ("add", "near + far", (1, 2)),
    ]
    assert [row.multiply_adds for row in rows] == [48 * 48 * 9, 24 * 24 * 9, 24 * 24 * 9, 0]


def test_where_branches_meet_the_longer_receptive_field_counts_as_the_gradient_says() -> None:
    network = Meets().double()
    for parameter in network.parameters():
        nn.init.ones_(parameter)
    pixels = torch.ones(1, 1, 48, 48, dtype=torch.float64, requires_grad=True)
    network.features(pixels)[0, 0, 12, 12].backward()
    assert pixels.grad is not None
    rows = pixels.grad[0, 0].abs().sum(dim=1).nonzero().flatten()
    seen = [row.receptive_field for row in ledger(Meets(), (1, 48, 48), 10).layers[:4]]
    assert seen == [3, 3 + 2, 3 + 2 * 3, int(rows.max() - rows.min()) + 1]


def test_what_is_seen_after_branches_of_different_strides_is_not_told() -> None:
    class Squeezed(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.halves, self.thirds = nn.AvgPool2d(2, 2), nn.AvgPool2d(3, 3, padding=1)
            self.add = Add()
            self.head = nn.Sequential(nn.Flatten(), nn.Linear(4, 10))

        def forward(self, x: Tensor) -> Tensor:
            return self.head(self.add(self.halves(x), self.thirds(x)))

    rows = ledger(Squeezed(), (1, 4, 4), 10).layers
    assert [(row.name, row.receptive_field) for row in rows[:3]] == [("halves", 2), ("thirds", 3), ("add", None)]


def test_a_shortcut_that_starts_at_the_image_says_so() -> None:
    class Keeps(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv, self.around, self.add = nn.Conv2d(1, 1, 3, padding=1), nn.Conv2d(1, 1, 1), Add()
            self.head = nn.Sequential(nn.Flatten(), nn.Linear(16, 10))

        def forward(self, x: Tensor) -> Tensor:
            return self.head(self.add(self.conv(x), self.around(x)))

    rows = ledger(Keeps(), (1, 4, 4), 10).layers
    assert [row.inputs for row in rows[:3]] == [(-1,), (-1,), (0, 1)]
    assert rows[2].receptive_field == 3


def test_a_flatten_in_forward_has_its_own_row() -> None:
    class Views(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(1, 4, 3, stride=2)
            self.head = nn.Linear(4 * 13 * 13, 10)

        def forward(self, x: Tensor) -> Tensor:
            return self.head(self.conv(x).view(x.shape[0], -1))

    rows = ledger(Views(), (1, 28, 28), 10).layers
    assert [(row.name, row.kind, row.formula) for row in rows][1] == ("(in forward)", "flatten", "4*13*13 = 676")
    assert rows[2].receptive_field == 28


def test_functional_pooling_in_forward_is_shown_as_a_function() -> None:
    class Pools(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(1, 4, 3)
            self.second = nn.Conv2d(4, 8, 3)
            self.head = nn.Linear(8 * 11 * 11, 10)

        def forward(self, x: Tensor) -> Tensor:
            return self.head(self.second(F.max_pool2d(self.conv(x), 2)).flatten(1))

    row = ledger(Pools(), (1, 28, 28), 10).layers[1]
    assert (row.kind, row.formula, row.receptive_field) == ("function", "4x26x26 -> 4x13x13", None)


def test_weights_that_run_twice_are_counted_once() -> None:
    class Shares(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(1, 1, 3, padding=1)
            self.head = nn.Linear(784, 10)

        def forward(self, x: Tensor) -> Tensor:
            return self.head(self.conv(self.conv(x)).flatten(1))

    book = ledger(Shares(), (1, 28, 28), 10)
    assert [row.parameters for row in book.layers] == [10, 0, 0, 7850]
    assert book.parameters == 10 + 7850
    assert book.multiply_adds == 2 * 784 * 9 + 7840


def test_a_kind_without_a_formula_is_measured() -> None:
    row = ledger_of(nn.Upsample(scale_factor=2), nn.Flatten(), nn.Linear(64, 10), input_shape=(1, 4, 4)).layers[0]
    assert (row.kind, row.formula, row.output_shape, row.receptive_field) == (
        "Upsample",
        "1x4x4 -> 1x8x8",
        (1, 8, 8),
        None,
    )


@pytest.mark.parametrize("is_training", [True, False])
def test_the_ledger_leaves_the_network_as_it_was(is_training: bool) -> None:
    model = catalog_model("compact").train(is_training)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    ledger(model, (1, 28, 28), 10)
    assert model.training is is_training
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in model.modules())


def test_a_part_that_was_frozen_in_eval_mode_stays_so() -> None:
    model = nn.Sequential(nn.BatchNorm2d(1), nn.Flatten(), nn.Linear(49, 10)).train()
    model[0].eval()
    ledger(model, (1, 7, 7), 10)
    assert not model[0].training


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_mermaid_holds_each_layer_once_and_an_arrow_for_each_input(name: str) -> None:
    book = ledger(catalog_model(name), (1, 28, 28), 10)
    chart = book.mermaid()
    assert chart.startswith("graph LR\n")
    for row in book.layers:
        assert chart.count(f'["{row.name}<br/>') == 1
    assert chart.count(" --> ") == sum(len(row.inputs) for row in book.layers)
    assert chart.splitlines()[-1].split(" --> ")[-1] == f"l{len(book.layers) - 1}"


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_the_ledger_as_plain_values_survives_json(name: str) -> None:
    book = ledger(catalog_model(name), (1, 28, 28), 10)
    plain = json.loads(json.dumps(book.as_dict()))
    assert plain == book.as_dict()
    assert plain["multiply_adds"] == book.multiply_adds
    assert [layer["name"] for layer in plain["layers"]] == [row.name for row in book.layers]


class TwoLayers(nn.Module):
    """A network as a user writes it, with the width of its last layer and its view as they say."""

    def __init__(self, in_features: int, num_classes: int = 10, rows: int | None = None) -> None:
        super().__init__()
        self.conv = nn.Conv2d(1, 4, 3)
        self.pool = nn.MaxPool2d(2)
        self.head = nn.Linear(in_features, num_classes)
        self.width = rows

    def forward(self, x: Tensor) -> Tensor:
        x = self.pool(self.conv(x))
        return self.head(x.flatten(1) if self.width is None else x.view(-1, self.width))


def refused() -> Iterator[tuple[str, nn.Module, str]]:
    """Networks that cannot be used on 1x28x28 images with ten classes; after the pool there are 4*13*13 = 676."""
    yield (
        "wrong in_features",
        TwoLayers(500),
        r"layer 'head' takes in_features=500, but 676 comes in, which is 676 values\. Set in_features=676\.",
    )
    yield (
        "a view that does not divide",
        TwoLayers(500, rows=500),
        r"the network fails on 1x28x28 images after layer 'pool', where the shape is 4x13x13: .*500.* "
        r"A linear layer there needs in_features=676\.",
    )
    yield (
        "a view that mixes images",
        TwoLayers(338, rows=338),
        r"the network returns 4 rows for 2 images: a view\(-1, \.\.\.\) in its forward has the wrong number\. "
        r"After 'pool' there are 676 values an image\. Use x\.flatten\(1\) there",
    )
    yield (
        "wrong number of logits",
        TwoLayers(676, num_classes=7),
        r"the network returns 7 logits an image, but the data have 10 classes\. Let its last layer have out_features=10\.",
    )
    yield (
        "probabilities",
        nn.Sequential(nn.Flatten(), nn.Linear(784, 10), nn.Softmax(dim=1)),
        r"the network returns probabilities \(they sum to 1\).*Leave the last softmax out\.",
    )
    yield (
        "an image in place of logits",
        nn.Conv2d(1, 10, 3),
        r"the network returns a tensor of shape \(2, 10, 26, 26\); it must return logits of shape \(N, 10\)\.",
    )
    yield (
        "colour wanted",
        nn.Sequential(nn.Conv2d(3, 4, 3), nn.Flatten(), nn.Linear(2704, 10)),
        r"layer '0' takes in_channels=3, but 1 channels come in\. Set in_channels=1\.",
    )
    yield (
        "a window larger than the image",
        nn.Sequential(nn.MaxPool2d(2), nn.Conv2d(1, 4, 15), nn.Flatten(), nn.Linear(4, 10)),
        r"layer '1' does not fit: its window of 15x15 is larger than the 14x14 image",
    )


@pytest.mark.parametrize(("case", "model", "sentence"), list(refused()), ids=[case for case, _, _ in refused()])
def test_a_network_that_does_not_fit_is_refused_with_the_layer_and_the_number(
    case: str, model: nn.Module, sentence: str
) -> None:
    with pytest.raises(ConfigError, match=sentence):
        ledger(model, (1, 28, 28), 10)
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in model.modules())


def test_a_network_that_fails_before_any_layer_says_so() -> None:
    class Fails(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x.view(-1, 1000)

    model = nn.Sequential(nn.Sequential(Fails()))
    with pytest.raises(ConfigError, match=r"fails on 1x28x28 images at the first layer, where the shape is 1x28x28: "):
        ledger(model, (1, 28, 28), 10)


def test_rows_that_do_not_match_the_images_are_refused_without_a_hint_when_no_layer_has_a_map() -> None:
    class Mixes(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.head = nn.Linear(392, 10)

        def forward(self, x: Tensor) -> Tensor:
            return self.head(x.view(-1, 392))

    with pytest.raises(ConfigError, match=r"returns 4 rows for 2 images: .* wrong number\. Use x\.flatten\(1\) there"):
        ledger(Mixes(), (1, 28, 28), 10)


def test_a_network_that_returns_no_tensor_is_refused_with_what_it_returned() -> None:
    class ReturnsPair(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.head = nn.Linear(784, 10)

        def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
            return self.head(x.flatten(1)), x

    with pytest.raises(ConfigError, match=r"the network returns tuple; it must return logits of shape \(N, 10\)"):
        ledger(ReturnsPair(), (1, 28, 28), 10)


def test_log_probabilities_and_logits_that_are_positive_are_not_taken_for_probabilities() -> None:
    positive_logits = nn.Linear(784, 10)
    nn.init.constant_(positive_logits.bias, 0.2)
    assert ledger_of(nn.Flatten(), nn.Linear(784, 10), nn.LogSoftmax(dim=1)).layers[2].kind == "logsoftmax"
    assert ledger_of(nn.Flatten(), positive_logits).parameters == 7850


class Tokens(nn.Module):
    """A linear layer over the last of two axes, as in a vision transformer: PyTorch allows it."""

    def __init__(self, flatten: nn.Module | None) -> None:
        super().__init__()
        self.flatten = flatten
        self.embed, self.head = nn.Linear(49, 8), nn.Linear(8, 10)

    def forward(self, x: Tensor) -> Tensor:
        tokens = self.flatten(x) if self.flatten is not None else x.flatten(2)
        return self.head(self.embed(tokens).mean(dim=1))


class Recurrent(nn.Module):
    """A layer that returns a tuple."""

    def __init__(self) -> None:
        super().__init__()
        self.rows, self.head = nn.GRU(7, 8, batch_first=True), nn.Linear(8, 10)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.rows(x[:, 0])[0][:, -1])


FALSELY_REFUSED = {
    "MaxPool2d with ceil_mode": nn.Sequential(nn.MaxPool2d(2, ceil_mode=True), nn.Flatten(), nn.Linear(16, 10)),
    "AvgPool2d with ceil_mode": nn.Sequential(nn.AvgPool2d(2, ceil_mode=True), nn.Flatten(), nn.Linear(16, 10)),
    "same padding of an even kernel": nn.Sequential(
        nn.Conv2d(1, 1, 2, padding="same"), nn.Flatten(), nn.Linear(49, 10)
    ),
    "same padding with dilation": nn.Sequential(
        nn.Conv2d(1, 1, 3, padding="same", dilation=2), nn.Flatten(), nn.Linear(49, 10)
    ),
    "an adaptive pool that keeps one axis": nn.Sequential(
        nn.AdaptiveAvgPool2d((None, 1)), nn.Flatten(), nn.Linear(7, 10)
    ),
    "a flatten that keeps two axes": Tokens(nn.Flatten(2)),
    "a linear layer over the last of two axes": Tokens(None),
    "a layer that returns a tuple": Recurrent(),
}


@pytest.mark.parametrize("case", FALSELY_REFUSED)
def test_a_network_that_pytorch_runs_is_not_stopped_by_the_ledger(case: str) -> None:
    model = FALSELY_REFUSED[case].eval()
    assert model(torch.zeros(2, 1, 7, 7)).shape == (2, 10)
    ledger(model, (1, 7, 7), 10)


WITH_SAME_PADDING = [case for case in FALSELY_REFUSED if case.startswith("same padding")]


@pytest.mark.parametrize("case", WITH_SAME_PADDING)
def test_same_padding_of_pytorch_keeps_the_size_and_its_work_is_counted(case: str) -> None:
    model = FALSELY_REFUSED[case].eval()
    book = ledger(model, (1, 7, 7), 10)
    assert book.layers[0].output_shape == (1, 7, 7)
    assert book.layers[0].formula.endswith("= 7")
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        model(torch.zeros(1, 1, 7, 7))
    assert 2 * book.multiply_adds == counter.get_total_flops()


def test_a_global_pool_after_flatten_is_refused_by_name() -> None:
    layers = (nn.Flatten(), nn.AdaptiveMaxPool2d(1), nn.Flatten(), nn.Linear(49, 10))
    with pytest.raises(ConfigError, match=r"after layer '0', .*Expected 3D or 4D|layer '1' needs images \(C, H, W\)"):
        ledger_of(*layers, input_shape=(1, 7, 7))
