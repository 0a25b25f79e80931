"""Updates beside PyTorch's own optimizers and NumPy's linear algebra, and what is remembered between them."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from foveal.training.optim import make_optimizer
from foveal.training.optimizers import Adam, Group, Muon, Optimizer, Sgd, orthogonalised

RATES = [0.1, 0.03, 0.07, 0.01]


def network() -> nn.Sequential:
    """Weights of every number of axes, one bank of filters in the layout that convolutions like."""
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(1, 3, 3).to(memory_format=torch.channels_last),  # type: ignore[call-overload]
        nn.BatchNorm2d(3),
        nn.Conv2d(3, 8, 3).to(memory_format=torch.channels_last),  # type: ignore[call-overload]
        nn.Flatten(),
        nn.Linear(8 * 16, 4),
    )


def weights_after(net: nn.Module, update: Callable[[float], None]) -> list[Tensor]:
    generator = torch.Generator().manual_seed(1)
    for rate in RATES:
        net.zero_grad()
        images, labels = torch.randn(6, 1, 8, 8, generator=generator), torch.arange(6) % 4
        nn.functional.cross_entropy(net(images), labels).backward()
        update(rate)
    return [weight.detach().clone() for weight in net.parameters()]


def pytorchs(kind: Any, **settings: Any) -> list[Tensor]:
    net = network()
    optimizer = kind(net.parameters(), lr=1.0, **settings)

    def update(rate: float) -> None:
        for group in optimizer.param_groups:
            group["lr"] = rate
        optimizer.step()

    return weights_after(net, update)


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        ({"name": "sgd"}, (torch.optim.SGD, {})),
        (
            {"name": "sgd", "momentum": 0.9, "weight_decay": 0.1},
            (torch.optim.SGD, {"momentum": 0.9, "weight_decay": 0.1}),
        ),
        ({"name": "sgd", "momentum": 0.8, "nesterov": True}, (torch.optim.SGD, {"momentum": 0.8, "nesterov": True})),
        ({"name": "adam", "weight_decay": 0.1}, (torch.optim.Adam, {"weight_decay": 0.1})),
        ({"name": "adamw", "weight_decay": 0.1}, (torch.optim.AdamW, {"weight_decay": 0.1})),
        ({"name": "adamw", "epsilon": 1e-3}, (torch.optim.AdamW, {"eps": 1e-3, "weight_decay": 0.0})),
    ],
    ids=["sgd", "momentum", "nesterov", "adam", "adamw", "epsilon"],
)
def test_updates_are_bit_for_bit_those_of_pytorchs_optimizers(
    ours: dict[str, Any], theirs: tuple[Any, dict[str, Any]]
) -> None:
    net = network()
    found = weights_after(net, make_optimizer(net.parameters(), **ours).step)
    expected = pytorchs(theirs[0], fused=True, **theirs[1])
    assert all(torch.equal(a, b) for a, b in zip(found, expected, strict=True))


@pytest.mark.parametrize("shape", [(4, 9), (9, 4), (16, 16), (1, 5), (64, 144)])
def test_an_orthogonalised_matrix_keeps_its_singular_vectors_and_gets_singular_values_near_one(
    shape: tuple[int, int],
) -> None:
    matrix = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    found = orthogonalised(matrix).numpy()
    values = np.linalg.svd(found, compute_uv=False)
    assert values.min() > 0.6
    assert values.max() < 1.25
    u, _, vt = np.linalg.svd(matrix.numpy(), full_matrices=False)
    core = u.T @ found @ vt.T  # diagonal, where the vectors are the same
    np.testing.assert_allclose(core, np.diag(np.diag(core)), atol=1e-4)


def test_the_size_of_a_gradient_is_of_no_matter_to_muon() -> None:
    weights = [nn.Parameter(torch.zeros(4, 2, 3, 3)) for _ in range(2)]
    gradient = torch.randn(4, 2, 3, 3, generator=torch.Generator().manual_seed(0))
    for weight, size in zip(weights, (1.0, 1000.0), strict=True):
        weight.grad = gradient * size
        Optimizer([Group([weight], Muon())]).step(0.1)
    torch.testing.assert_close(weights[0], weights[1], rtol=1e-4, atol=1e-6)
    norm = float(np.linalg.norm(weights[0].detach().reshape(4, 18).numpy(), 2))
    assert 0.06 < norm < 0.125


def test_muon_is_for_the_filters_of_all_convolutions_but_the_first() -> None:
    net = network()
    filters, others = make_optimizer(net.parameters(), "muon").groups
    assert [weight.shape for weight in filters.weights] == [(8, 3, 3, 3)]
    assert isinstance(filters.rule, Muon)
    assert isinstance(others.rule, Adam)
    assert {id(weight) for group in (filters, others) for weight in group.weights} == {id(w) for w in net.parameters()}


def test_a_groups_relative_rate_is_a_factor_of_the_schedules() -> None:
    slow, fast = nn.Parameter(torch.zeros(2)), nn.Parameter(torch.zeros(2))
    slow.grad, fast.grad = torch.ones(2), torch.ones(2)
    Optimizer([Group([slow], Sgd()), Group([fast], Sgd(), relative_rate=8.0)]).step(0.1)
    assert slow.tolist() == pytest.approx([-0.1, -0.1])
    assert fast.tolist() == pytest.approx([-0.8, -0.8])


@pytest.mark.parametrize("name", ["sgd", "adamw", "muon"])
def test_a_weight_without_a_gradient_stays_and_so_does_its_state(name: str) -> None:
    net = network()
    optimizer = make_optimizer(net.parameters(), name, momentum=0.9, weight_decay=0.1)
    for weight in net.parameters():
        weight.grad = torch.ones_like(weight)
    still = list(net.parameters())[4]
    still.grad = None
    before, kept = still.detach().clone(), {key: value.clone() for key, value in optimizer.tensors().items()}
    optimizer.step(0.1)
    assert torch.equal(still, before)
    shapes = [value.shape for key, value in optimizer.tensors().items() if torch.equal(value, kept[key])]
    assert still.shape in shapes


def test_gradients_are_forgotten() -> None:
    net = network()
    optimizer = make_optimizer(net.parameters(), "adamw")
    net(torch.ones(2, 1, 8, 8)).sum().backward()
    optimizer.forget_gradients()
    assert all(weight.grad is None for weight in net.parameters())


def test_a_frozen_weight_belongs_to_no_group() -> None:
    net = network()
    next(net.parameters()).requires_grad_(False)
    assert len(make_optimizer(net.parameters(), "adamw").weights) == len(list(net.parameters())) - 1


def test_the_state_is_restored_in_the_memory_layout_of_the_weights() -> None:
    optimizer = make_optimizer(network().parameters(), "adamw")
    saved = {name: torch.rand(value.shape) for name, value in optimizer.tensors().items()}
    strides = {name: value.stride() for name, value in optimizer.tensors().items()}
    optimizer.restore(saved)
    assert {name: value.stride() for name, value in optimizer.tensors().items()} == strides
    assert all(torch.equal(value, saved[name]) for name, value in optimizer.tensors().items())


def test_to_train_loads_no_compiler() -> None:
    import subprocess
    import sys

    code = (
        "import sys, torch; from foveal.device import seed_everything; from foveal.training.optim import make_optimizer;"
        "seed_everything(0); net = torch.nn.Linear(2, 2); optimizer = make_optimizer(net.parameters(), 'adamw');"
        "net(torch.ones(1, 2)).sum().backward(); optimizer.step(0.1); print('torch._dynamo' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
