"""What the layers make of an image, against the ledger's shapes and PyTorch's own operations; the first filters too."""

import pytest
import torch
from numpy import ndarray
from torch import Tensor, nn
from torch.nn import functional as F

from foveal.config import ArchSpec
from foveal.explain.feature_maps import feature_maps, named_leaves
from foveal.explain.filters import first_filters
from foveal.models.catalog import ARCHITECTURES, build_model
from foveal.models.ledger import ledger


def network(name: str, input_shape: tuple[int, int, int] = (1, 28, 28), border: int = 0) -> nn.Module:
    """A network of the catalog for ten classes, with seeded weights."""
    torch.manual_seed(0)
    c = input_shape[0]
    spec = ArchSpec(name=name, input_shape=input_shape, mean=(33.0,) * c, std=(78.0,) * c, border=border)
    return build_model(spec, 10)


@pytest.fixture
def five(digits: tuple[ndarray, ndarray]) -> Tensor:
    """The first digit, a 5, as (1, 1, 28, 28)."""
    return torch.tensor(digits[0][:1, None])


@pytest.mark.parametrize("name", ARCHITECTURES)
@pytest.mark.parametrize("input_shape", [(1, 28, 28), (3, 36, 32)])
def test_every_layer_is_there_with_the_shape_of_the_ledger(name: str, input_shape: tuple[int, int, int]) -> None:
    model = network(name, input_shape)
    image = torch.randint(0, 256, (1, *input_shape), dtype=torch.uint8)
    shapes = {row.name: row.output_shape for row in ledger(model, input_shape, 10).layers}
    expected = {name: shape if len(shape) == 3 else (*shape, 1, 1) for name, shape in shapes.items()}
    found = {layer: tuple(maps.shape) for layer, maps in feature_maps(model, image).items()}
    assert list(found.items()) == list(expected.items())


def test_the_maps_are_those_of_pytorchs_operations_one_after_the_other(five: Tensor) -> None:
    model = network("twoconv-same")
    weights = model.state_dict()
    maps = feature_maps(model, five)
    expected = (five.float()[0] - 33) / 78
    torch.testing.assert_close(maps["normalise"], expected)
    for number in ("1", "2"):
        weight, bias = weights[f"network.conv{number}.weight"], weights[f"network.conv{number}.bias"]
        expected = F.conv2d(expected[None], weight, bias, padding=1)[0]
        torch.testing.assert_close(maps[f"conv{number}"], expected, atol=1e-5, rtol=1e-4)
        expected = F.max_pool2d(expected[None], 2)[0]
        torch.testing.assert_close(maps[f"max_pool{number}"], expected, atol=1e-5, rtol=1e-4)
        expected = F.relu(expected)
        torch.testing.assert_close(maps[f"relu{number}"], expected, atol=1e-5, rtol=1e-4)


def test_one_value_of_the_first_map_is_the_sum_worked_out_by_loops(five: Tensor) -> None:
    model = network("oneconv")
    weights = model.state_dict()
    kernel, bias = weights["network.conv1.weight"][3, 0], weights["network.conv1.bias"][3]
    total = float(bias)
    for i in range(3):
        for j in range(3):
            total += float(kernel[i, j]) * (int(five[0, 0, 10 + i, 12 + j]) - 33) / 78
    assert float(feature_maps(model, five)["conv1"][3, 10, 12]) == pytest.approx(total, abs=1e-4)


def test_the_border_is_cut_before_the_first_layer_is_shown(five: Tensor) -> None:
    assert feature_maps(network("compact", border=4), five)["normalise"].shape == (1, 20, 20)


@pytest.mark.parametrize("training", [True, False])
def test_the_network_is_run_in_eval_mode_and_left_as_it_was(training: bool, five: Tensor) -> None:
    model = network("lenet-dropout2d").train(training)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    first, second = feature_maps(model, five), feature_maps(model, five)
    assert all(torch.equal(first[name], second[name]) for name in first)  # dropout drops nothing
    assert model.training is training
    assert all(module.training is training for module in model.modules())
    assert not any(module._forward_hooks for module in model.modules())
    assert all(torch.equal(before[name], tensor) for name, tensor in model.state_dict().items())


def test_batch_statistics_are_not_touched(five: Tensor) -> None:
    model = network("compact").train()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    feature_maps(model, five)
    assert all(torch.equal(before[name], tensor) for name, tensor in model.state_dict().items())


def test_a_layer_that_was_frozen_in_eval_mode_stays_frozen(five: Tensor) -> None:
    model = network("compact").train()
    frozen = next(module for module in model.modules() if isinstance(module, nn.BatchNorm2d)).eval()
    feature_maps(model, five)
    assert not frozen.training


def test_the_hooks_are_gone_also_when_the_network_fails() -> None:
    model = network("twoconv-same").train()
    with pytest.raises(RuntimeError, match="shapes cannot be multiplied"):
        feature_maps(model, torch.zeros(1, 1, 32, 32))
    assert not any(module._forward_hooks for module in model.modules())
    assert model.training


def test_the_maps_are_copies_without_gradients(five: Tensor) -> None:
    model = network("lenet5")
    maps = feature_maps(model, five)
    assert not any(values.requires_grad for values in maps.values())
    kept = maps["conv1"].clone()
    feature_maps(model, 255 - five)
    assert torch.equal(maps["conv1"], kept)


def test_the_names_are_those_of_the_ledger() -> None:
    model = network("compact")
    rows = [row.name for row in ledger(model, (1, 28, 28), 10).layers]
    assert [name for name, _ in named_leaves(model)] == rows


# First filters


def test_the_first_filters_are_the_weights_of_the_first_convolution() -> None:
    model = network("twoconv-rgb", (3, 32, 32))
    filters = first_filters(model)
    assert filters is not None
    assert filters.shape == (32, 3, 3, 3)
    assert torch.equal(filters, model.state_dict()["network.conv1.weight"])
    assert not filters.requires_grad


def test_a_network_without_a_convolution_has_no_filters() -> None:
    assert first_filters(nn.Sequential(nn.Flatten(), nn.Linear(4, 2))) is None
