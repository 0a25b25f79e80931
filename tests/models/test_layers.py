"""Networks written as a list of layers: what each kind builds, and every sentence that refuses one."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from foveal.config import ArchSpec, LayerSpec
from foveal.errors import ConfigError
from foveal.models.blocks import MedianPool2d, SumPool2d
from foveal.models.catalog import build_model
from foveal.models.layers import SETTINGS, build_layers, read_layers
from foveal.models.shapes import Shape

FLATTEN, CLASSES = {"kind": "flatten"}, {"kind": "linear", "out_features": "classes"}

LAYERS_TOML = """
[[layer]]
kind = "conv"
name = "edges"
out_channels = 8
kernel_size = 5
padding = "same"
bias = false

[[layer]]
kind = "batch_norm"

[[layer]]
kind = "relu"

[[layer]]
kind = "median_pool"
kernel_size = 2

[[layer]]
kind = "flatten"

[[layer]]
kind = "linear"
out_features = "classes"
"""


def build(*layers: dict[str, Any], input_shape: Shape = (3, 12, 10), classes: int = 4) -> nn.Sequential:
    """The module for layers written as tables."""
    return build_layers([LayerSpec(**layer) for layer in layers], input_shape, classes)


def write(folder: Path, text: str) -> Path:
    """A layers.toml with this text."""
    path = folder / "layers.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_file_of_layers_becomes_a_network_with_its_names_and_sizes(tmp_path: Path) -> None:
    layers = read_layers(write(tmp_path, LAYERS_TOML))
    spec = ArchSpec(name="layers", input_shape=(1, 28, 28), mean=(33.0,), std=(78.0,), layers=layers)
    model = build_model(spec, 7)
    names = [name for name, _ in model.network.named_children()]
    assert names == ["edges", "batch_norm1", "relu1", "median_pool1", "flatten1", "linear1"]
    assert model.network.edges.bias is None
    assert model.eval()(torch.zeros(2, 1, 28, 28, dtype=torch.uint8)).shape == (2, 7)
    # 8 filters of 25 weights without bias, BatchNorm's scale and shift, 8x14x14 values to 7 classes.
    assert sum(p.numel() for p in model.parameters()) == 8 * 25 + 2 * 8 + 7 * (8 * 14 * 14 + 1)


KINDS: dict[str, tuple[dict[str, Any], type[nn.Module], Shape]] = {
    "conv": ({"out_channels": 6, "kernel_size": 3}, nn.Conv2d, (6, 10, 8)),
    "batch_norm": ({}, nn.BatchNorm2d, (3, 12, 10)),
    "max_pool": ({"kernel_size": 2}, nn.MaxPool2d, (3, 6, 5)),
    "average_pool": ({"kernel_size": 3, "stride": 2, "padding": 1}, nn.AvgPool2d, (3, 6, 5)),
    "sum_pool": ({"kernel_size": 3}, SumPool2d, (3, 4, 3)),
    "median_pool": ({"kernel_size": 3, "stride": 1, "padding": "same"}, MedianPool2d, (3, 12, 10)),
    "dropout": ({"p": 0.25}, nn.Dropout, (3, 12, 10)),
    "dropout2d": ({}, nn.Dropout2d, (3, 12, 10)),
    "relu": ({}, nn.ReLU, (3, 12, 10)),
    "tanh": ({}, nn.Tanh, (3, 12, 10)),
    "flatten": ({}, nn.Flatten, (360,)),
    "global_max_pool": ({}, nn.AdaptiveMaxPool2d, (3, 1, 1)),
    "global_average_pool": ({}, nn.AdaptiveAvgPool2d, (3, 1, 1)),
    "linear": ({"out_features": 4}, nn.Linear, (4,)),
}


def test_the_table_of_kinds_below_has_every_kind() -> None:
    assert KINDS.keys() == SETTINGS.keys()


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_builds_its_module_with_the_right_shape(kind: str) -> None:
    settings, module_class, shape = KINDS[kind]
    before = [FLATTEN] if kind == "linear" else []
    after = [] if kind == "linear" else [CLASSES] if kind == "flatten" else [FLATTEN, CLASSES]
    network = build(*before, {"kind": kind, "name": "it", **settings}, *after).eval()
    seen: list[Shape] = []
    network.it.register_forward_hook(lambda m, x, y: seen.append(tuple(y.shape[1:])))
    assert type(network.it) is module_class
    assert network(torch.zeros(2, 3, 12, 10)).shape == (2, 4)
    assert seen == [shape]


@pytest.mark.parametrize(
    ("settings", "shape"),
    [
        ({"kernel_size": 3, "stride": 2}, (6, 5, 4)),
        ({"kernel_size": 5, "padding": "same"}, (6, 12, 10)),
        ({"kernel_size": 3, "dilation": 2}, (6, 8, 6)),
        ({"kernel_size": 3, "dilation": 3, "padding": "same"}, (6, 12, 10)),
        ({"kernel_size": 2, "dilation": 2, "padding": "same"}, (6, 12, 10)),
        ({"kernel_size": 2, "stride": 3, "padding": 1}, (6, 5, 4)),
        ({"kernel_size": 3, "groups": 3, "in_channels": 3}, (6, 10, 8)),
    ],
)
def test_a_convolution_takes_stride_padding_dilation_and_groups(settings: dict[str, Any], shape: Shape) -> None:
    network = build({"kind": "conv", "out_channels": 6, **settings}, FLATTEN, CLASSES)
    assert network.conv1(torch.zeros(1, 3, 12, 10)).shape[1:] == shape


def test_dropout_drops_half_when_no_rate_is_given() -> None:
    network = build({"kind": "dropout"}, {"kind": "dropout2d"}, {"kind": "dropout", "p": 0.2}, FLATTEN, CLASSES)
    assert [network.dropout1.p, network.dropout2d1.p, network.dropout2.p] == [0.5, 0.5, 0.2]


def test_batch_norm_after_flatten_normalises_each_value() -> None:
    network = build(FLATTEN, {"kind": "batch_norm"}, CLASSES)
    assert type(network.batch_norm1) is nn.BatchNorm1d
    assert network.batch_norm1.num_features == 3 * 12 * 10


def test_right_sizes_that_are_given_are_accepted() -> None:
    network = build(
        {"kind": "conv", "in_channels": 3, "out_channels": 2, "kernel_size": 3},
        FLATTEN,
        {"kind": "linear", "in_features": 2 * 10 * 8, "out_features": 4},
    )
    assert network(torch.zeros(1, 3, 12, 10)).shape == (1, 4)


def test_kaiming_weights_have_the_standard_deviation_of_he_et_al() -> None:
    torch.manual_seed(0)
    wide = {"kind": "linear", "out_features": 500, "initialisation": "kaiming", "zero_bias": True}
    network = build(FLATTEN, wide, CLASSES)
    assert network.linear1.weight.std().item() == pytest.approx((2 / 360) ** 0.5, rel=0.02)
    assert not network.linear1.bias.any()
    assert network.linear2.bias.any()


@pytest.mark.parametrize("scheme", ["xavier", "kaiming"])
def test_an_initialisation_of_the_whole_network_reaches_every_weight(scheme: str) -> None:
    layers = tuple(
        LayerSpec(**layer) for layer in ({"kind": "conv", "out_channels": 64, "kernel_size": 5}, FLATTEN, CLASSES)
    )
    spec = ArchSpec(name="layers", input_shape=(1, 20, 20), mean=(0.0,), std=(1.0,), layers=layers)
    torch.manual_seed(0)
    model = build_model(spec.model_copy(update={"initialisation": scheme}), 10)
    fan_in, fan_out = 25, 64 * 25
    expected = (2 / (fan_in + fan_out)) ** 0.5 if scheme == "xavier" else (2 / fan_in) ** 0.5
    assert model.network.conv1.weight.std().item() == pytest.approx(expected, rel=0.05)
    assert not model.network.conv1.bias.any()
    assert not model.network.linear1.bias.any()


REFUSED: dict[str, tuple[list[dict[str, Any]], str]] = {
    "an unknown kind": (
        [{"kind": "max_pol", "kernel_size": 2}],
        r"layer 'max_pol1' has the unknown kind 'max_pol'\. Did you mean 'max_pool'",
    ),
    "a setting of another kind": (
        [{"kind": "relu", "kernel_size": 2}],
        r"layer 'relu1' is a relu, which has no setting 'kernel_size'\. It has: none\.",
    ),
    "a setting of a conv in a pool": (
        [{"kind": "max_pool", "kernel_size": 2, "out_channels": 8}],
        r"is a max_pool, which has no setting 'out_channels'\. It has: kernel_size, padding, stride\.",
    ),
    "a conv without kernel_size": (
        [{"kind": "conv", "name": "first", "out_channels": 8}],
        r"layer 'first' does not say its kernel_size\. Add kernel_size = ",
    ),
    "a conv without out_channels": (
        [{"kind": "conv", "kernel_size": 3}],
        r"layer 'conv1' does not say its out_channels\. Add out_channels = ",
    ),
    "a pool without kernel_size": ([{"kind": "sum_pool"}], r"layer 'sum_pool1' does not say its kernel_size"),
    "a linear without out_features": (
        [FLATTEN, {"kind": "linear"}],
        r"layer 'linear1' does not say its out_features\. Add a number, or \"classes\"",
    ),
    "wrong in_features": (
        [{"kind": "max_pool", "kernel_size": 2}, FLATTEN, {**CLASSES, "name": "head", "in_features": 100}],
        r"layer 'head' says in_features = 100, but 90 values come in\. Set in_features = 90,",
    ),
    "wrong in_channels": (
        [{"kind": "conv", "in_channels": 1, "out_channels": 8, "kernel_size": 3}],
        r"layer 'conv1' says in_channels = 1, but 3 channels come in\. Set in_channels = 3,",
    ),
    "linear without flatten": (
        [{"kind": "max_pool", "kernel_size": 2}, CLASSES],
        r"layer 'linear1' is linear and needs one row of numbers, but 3x6x5 comes in\. Put kind = \"flatten\" before",
    ),
    "same padding of an even kernel": (
        [{"kind": "conv", "out_channels": 8, "kernel_size": 4, "padding": "same"}],
        r"layer 'conv1' asks for padding = \"same\" with the even kernel_size 4: \(f - 1\)/2 is no whole number",
    ),
    "same padding of an even pool": (
        [{"kind": "max_pool", "kernel_size": 2, "padding": "same"}],
        r"layer 'max_pool1' asks for padding = \"same\" with the even kernel_size 2",
    ),
    "groups that do not divide what comes in": (
        [{"kind": "conv", "out_channels": 8, "kernel_size": 3, "groups": 2}],
        r"layer 'conv1' has groups = 2, which must divide the 3 channels that come in and the 8 that go out",
    ),
    "groups that do not divide what goes out": (
        [{"kind": "conv", "out_channels": 8, "kernel_size": 3, "groups": 3}],
        r"layer 'conv1' has groups = 3, which must divide",
    ),
    "a name given twice": (
        [{"kind": "relu", "name": "a"}, {"kind": "tanh", "name": "a"}],
        r"layer 'a' cannot be called that: names must differ and hold no dot",
    ),
    "a name with a dot": ([{"kind": "relu", "name": "a.b"}], r"layer 'a\.b' cannot be called that"),
    "an end without flatten": (
        [{"kind": "global_max_pool"}],
        r"the last layer gives 3x1x1, but 4 classes need 4 logits\. End with kind = \"flatten\" and kind = \"linear\"",
    ),
    "an end with another number of logits": (
        [FLATTEN, {"kind": "linear", "out_features": 10}],
        r"the last layer gives 10, but 4 classes need 4 logits",
    ),
    "no layer at all": ([], r"the last layer gives 3x12x10, but 4 classes need 4 logits"),
    "a window larger than the image": (
        [{"kind": "conv", "out_channels": 8, "kernel_size": 11}],
        r"layer 'conv1' does not fit: its window of 11x11 is larger than the 12x10 image",
    ),
    "a convolution after flatten": (
        [FLATTEN, {"kind": "conv", "out_channels": 8, "kernel_size": 3}],
        r"layer 'conv1' needs images \(C, H, W\), but 360 comes in\. Move it before flatten\.",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_layers_that_cannot_be_are_refused_by_name(case: str) -> None:
    layers, sentence = REFUSED[case]
    with pytest.raises(ConfigError, match=sentence):
        build(*layers)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"cannot read .*gone\.toml: No such file or directory\. Check the path\."):
        read_layers(tmp_path / "gone.toml")


@pytest.mark.parametrize("content", [b"[[layer]\nkind = 'relu'", b"\xff\xfe\x00"])
def test_a_file_that_is_not_toml_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "layers.toml"
    path.write_bytes(content)
    with pytest.raises(ConfigError, match=r"layers\.toml is not valid TOML: .+ Mend that line"):
        read_layers(path)


def test_a_file_with_an_empty_list_of_layers_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"layers\.toml has no \[\[layer\]\]\. Write one table for each layer"):
        read_layers(write(tmp_path, "layer = []"))


@pytest.mark.parametrize("text", ["", "# nothing but a comment\n"])
def test_an_empty_file_is_answered_with_how_to_write_a_layer(tmp_path: Path, text: str) -> None:
    with pytest.raises(ConfigError, match=r"has no \[\[layer\]\]\. Write one table for each layer"):
        read_layers(write(tmp_path, text))


def test_a_misspelt_table_is_answered_with_the_right_one(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"there is no setting 'layers'\. Did you mean 'layer'"):
        read_layers(write(tmp_path, '[[layers]]\nkind = "relu"\n'))


def test_a_misspelt_setting_of_a_layer_is_answered_with_the_closest(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"layer\.0\.kernal_size.*Did you mean 'kernel_size'"):
        read_layers(write(tmp_path, '[[layer]]\nkind = "conv"\nkernal_size = 3\n'))


@pytest.mark.parametrize("name", ["type", "forward", "train"])
def test_a_name_that_a_module_already_has_is_refused_as_our_error(name: str) -> None:
    with pytest.raises(ConfigError, match=f"layer '{name}' cannot be called that"):
        build({**FLATTEN, "name": name}, CLASSES)


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("kernel_size = 0", r"the setting layer\.0\.kernel_size cannot be 0"),
        ("p = 1.5", r"the setting layer\.0\.p cannot be 1\.5"),
        ('initialisation = "glorot"', r"the setting layer\.0\.initialisation cannot be 'glorot'"),
        ("stride = -1", r"the setting layer\.0\.stride cannot be -1"),
    ],
)
def test_a_value_out_of_range_is_refused_with_its_setting(tmp_path: Path, line: str, sentence: str) -> None:
    with pytest.raises(ConfigError, match=sentence):
        read_layers(write(tmp_path, f'[[layer]]\nkind = "conv"\n{line}\n'))
