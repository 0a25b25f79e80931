"""Layers that PyTorch does not have: the first layer of every network, poolings, and what networks with branches need.

Whatever a network of ours does to its values is a layer, so that the ledger and the feature maps show all of it.
"""

from collections.abc import Sequence

import torch
from jaxtyping import Float, Real
from torch import Tensor, nn
from torch.nn import functional as F


class Normalise(nn.Module):
    """The first layer of every network: pixels 0-255 (N, C, H, W) to (pixels - mean) / std per channel.

    `border` pixels are cut off on each side, or added in black when it is negative; grey pixels are repeated
    to `channels`. It is part of the network so that training, heat maps and every export agree on it.
    """

    mean: Tensor
    std: Tensor

    def __init__(
        self,
        mean: Sequence[float],
        std: Sequence[float],
        border: int = 0,
        channels: int | None = None,
        *,
        memory_format: torch.memory_format = torch.channels_last,
    ) -> None:
        super().__init__()
        self.border = border
        self.memory_format = memory_format
        self.channels = channels or len(mean)
        self.register_buffer("mean", torch.tensor(mean, dtype=torch.float32).view(1, -1, 1, 1))
        self.register_buffer("std", torch.tensor(std, dtype=torch.float32).view(1, -1, 1, 1))

    def forward(self, pixels: Real[Tensor, "N C H W"]) -> Float[Tensor, "N D h w"]:
        if self.border > 0:
            pixels = pixels[:, :, self.border : -self.border, self.border : -self.border]
        elif self.border < 0:
            pixels = F.pad(pixels, (-self.border,) * 4)
        images = pixels.to(self.mean.dtype).expand(-1, self.channels, -1, -1)
        normalised = (images - self.mean) / self.std
        if self.memory_format == torch.contiguous_format:
            # One channel has the strides of both layouts, and convolutions choose the other: a copy has only these.
            return normalised.clone(memory_format=torch.contiguous_format)
        return normalised.contiguous(memory_format=self.memory_format)

    def extra_repr(self) -> str:
        return f"border={self.border}, channels={self.channels}"


class SumPool2d(nn.Module):
    """The sum of each window; padding counts as zeros."""

    def __init__(self, kernel_size: int, stride: int | None = None, padding: int = 0) -> None:
        super().__init__()
        self.kernel_size, self.stride, self.padding = kernel_size, stride or kernel_size, padding

    def forward(self, x: Float[Tensor, "N D H W"]) -> Float[Tensor, "N D h w"]:
        return F.avg_pool2d(x, self.kernel_size, self.stride, self.padding, divisor_override=1)


class MedianPool2d(nn.Module):
    """The median of each window: of an even number of values, the mean of the middle two. Padding counts as zeros."""

    def __init__(self, kernel_size: int, stride: int | None = None, padding: int = 0) -> None:
        super().__init__()
        self.kernel_size, self.stride, self.padding = kernel_size, stride or kernel_size, padding

    def forward(self, x: Float[Tensor, "N D H W"]) -> Float[Tensor, "N D h w"]:
        padded = F.pad(x, (self.padding,) * 4)
        windows = padded.unfold(2, self.kernel_size, self.stride).unfold(3, self.kernel_size, self.stride)
        ordered = windows.flatten(4).sort(dim=4).values  # (N, D, h, w, kernel_size^2)
        middle = ordered.shape[4] // 2
        return ordered[..., middle] if ordered.shape[4] % 2 else ordered[..., middle - 1 : middle + 1].mean(dim=4)


class Add(nn.Module):
    """The sum of two branches: what a block learnt, and what went around it."""

    def forward(
        self, residual: Float[Tensor, "N D H W"], shortcut: Float[Tensor, "N D H W"]
    ) -> Float[Tensor, "N D H W"]:
        return residual + shortcut


class PaddedShortcut(nn.Module):
    """The shortcut without parameters: every `stride`-th pixel, and zeros in the channels that are new.

    Source: He et al. 2016, arXiv:1512.03385, section 3.3, option A.
    """

    kernel_size, padding = 1, 0

    def __init__(self, in_channels: int, out_channels: int, stride: int) -> None:
        super().__init__()
        self.in_channels, self.out_channels, self.stride = in_channels, out_channels, stride

    def forward(self, x: Float[Tensor, "N C H W"]) -> Float[Tensor, "N D h w"]:
        # Padded as (N, h, w, C): of (N, C, h, w) with an odd height, PyTorch would lose the channels_last layout.
        kept = x[:, :, :: self.stride, :: self.stride].permute(0, 2, 3, 1)
        return F.pad(kept, (0, self.out_channels - self.in_channels)).permute(0, 3, 1, 2)

    def extra_repr(self) -> str:
        return f"{self.in_channels}, {self.out_channels}, stride={self.stride}"


class LayerNorm2d(nn.LayerNorm):
    """Layer normalisation of the channels of each pixel by themselves. Source: Liu et al. 2022, arXiv:2201.03545, section 2.6."""

    def __init__(self, num_features: int, epsilon: float = 1e-6) -> None:
        super().__init__(num_features, eps=epsilon)
        self.num_features = num_features

    def forward(self, x: Float[Tensor, "N D H W"]) -> Float[Tensor, "N D H W"]:
        pixels = x.permute(0, 2, 3, 1)  # (N, H, W, D), which channels_last memory holds already
        return F.layer_norm(pixels, self.normalized_shape, self.weight, self.bias, self.eps).permute(0, 3, 1, 2)


class LayerScale(nn.Module):
    """A learnt factor for each channel, near zero at first. Source: Touvron et al. 2021, arXiv:2103.17239, section 2."""

    def __init__(self, num_features: int, initial: float = 1e-6) -> None:
        super().__init__()
        self.num_features = num_features
        self.weight = nn.Parameter(torch.full((num_features,), initial))

    def forward(self, x: Float[Tensor, "N D H W"]) -> Float[Tensor, "N D H W"]:
        return x * self.weight.view(1, -1, 1, 1)


class Scale(nn.Module):
    """A fixed factor for all values."""

    def __init__(self, factor: float) -> None:
        super().__init__()
        self.factor = factor

    def forward(self, x: Float[Tensor, "N *D"]) -> Float[Tensor, "N *D"]:
        return x * self.factor

    def extra_repr(self) -> str:
        return f"factor={self.factor:g}"
