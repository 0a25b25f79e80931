"""Networks of the catalog whose every number is drawn at random, and what the tests work out their layers with."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from foveal.config import ArchSpec
from foveal.models.catalog import build_model

MEAN, STD = 33.0, 78.0


def fresh(name: str, input_shape: tuple[int, int, int] = (3, 32, 32), num_classes: int = 10) -> nn.Module:
    """A network of the catalog as it is before training, from seed 0."""
    torch.manual_seed(0)
    channels = input_shape[0]
    spec = ArchSpec(name=name, input_shape=input_shape, mean=(MEAN,) * channels, std=(STD,) * channels)
    return build_model(spec, num_classes)


def drawn(name: str, input_shape: tuple[int, int, int], num_classes: int = 10) -> tuple[nn.Module, dict[str, Tensor]]:
    """The same in eval mode and float64, its norms and scales drawn too (at the start they change nothing); its state."""
    model = fresh(name, input_shape, num_classes).double().eval()
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for key, value in model.state_dict().items():
            if value.is_floating_point() and value.ndim == 1:
                is_positive = key.endswith(("weight", "running_var"))
                value.uniform_(0.5, 1.5, generator=generator) if is_positive else value.normal_(
                    0, 0.3, generator=generator
                )
    return model, {key.removeprefix("network."): value for key, value in model.state_dict().items()}


def batch_norm(x: Tensor, state: Mapping[str, Tensor], name: str) -> Tensor:
    """Batch normalisation in eval mode. Source: Ioffe and Szegedy 2015, algorithm 2."""
    mean, var, weight, bias = (
        state[f"{name}.{key}"].view(1, -1, 1, 1) for key in ("running_mean", "running_var", "weight", "bias")
    )
    return (x - mean) / (var + 1e-5).sqrt() * weight + bias


def noise(n: int, input_shape: tuple[int, int, int]) -> Tensor:
    """Images of noise, uint8 (N, C, H, W)."""
    return torch.randint(0, 256, (n, *input_shape), dtype=torch.uint8, generator=torch.Generator().manual_seed(2))
