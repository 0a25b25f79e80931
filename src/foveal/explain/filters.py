"""The filters that meet the image first."""

from jaxtyping import Float
from torch import Tensor, nn


def first_filters(model: nn.Module) -> Float[Tensor, "D C h w"] | None:
    """The kernels of the first convolution, None when the network has none."""
    convolution = next((module for module in model.modules() if isinstance(module, nn.Conv2d)), None)
    return None if convolution is None else convolution.weight.detach().float().cpu()
