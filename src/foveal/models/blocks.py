"""Layers that PyTorch does not have: the first layer of every network, and sum and median pooling."""

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
