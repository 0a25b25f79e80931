"""What each layer makes of one image."""

from collections import OrderedDict

import torch
from jaxtyping import Float, Real
from torch import Tensor, nn


def feature_maps(model: nn.Module, image: Real[Tensor, "1 C H W"]) -> "OrderedDict[str, Float[Tensor, 'D h w']]":
    """The feature maps of one image (pixels 0-255) after every layer, by layer name, first layer first.

    A layer that gives a row of D values, as linear does, gives D maps of 1x1.

    The network is run once in eval mode and left as it was.
    """
    maps: OrderedDict[str, Tensor] = OrderedDict()

    def keep(name: str, output: object) -> None:
        if isinstance(output, Tensor) and output.ndim in (2, 4):
            values = output[0].detach().float().cpu()
            maps[name] = values if values.ndim == 3 else values[:, None, None]  # (D, h, w)

    handles = [
        module.register_forward_hook(lambda _, __, output, name=name: keep(name, output))
        for name, module in named_leaves(model)
    ]
    modes = {module: module.training for module in model.modules()}
    try:
        with torch.no_grad():
            model.eval()(image)
    finally:
        for module, was_training in modes.items():
            module.training = was_training
        for handle in handles:
            handle.remove()
    return maps


def named_leaves(model: nn.Module) -> list[tuple[str, nn.Module]]:
    """The layers that have no layers inside, with the names that the ledger gives them."""
    return [
        (name.removeprefix("network.") or type(module).__name__, module)
        for name, module in model.named_modules()
        if not list(module.children())
    ]
