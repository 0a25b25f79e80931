"""The network of airbench94, made to learn CIFAR-10 in few epochs: a frozen whitening convolution and three blocks.

Shapes on the right are for 3x32x32. Source: Jordan 2024, arXiv:2404.00498, section 3 and its published code.
"""

from math import prod

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from foveal.errors import ConfigError, DataError
from foveal.models.blocks import Scale
from foveal.models.shapes import Shape, show

KERNEL_SIZE = 2  # of the whitening convolution
LEAST = 9  # pixels: the whitening convolution leaves 8, and three poolings one


class Airbench(nn.Module):
    """Whitening, three blocks, global max pooling and a linear layer whose logits are scaled by 1/9.

    On images of 25 to 32 pixels the last maps are 3x3, and the global pooling is the paper's of 3x3.
    Raises ConfigError for images below 9x9.
    """

    def __init__(self, input_shape: Shape, num_classes: int) -> None:
        super().__init__()
        if min(input_shape[1:]) < LEAST:
            raise ConfigError(
                f"airbench pools three times and needs images of {LEAST}x{LEAST} or more, but these are "
                f"{show(input_shape[1:])}. Use larger ones (--size 32), or another network."
            )
        filters = 2 * input_shape[0] * KERNEL_SIZE**2
        self.whitening = nn.Conv2d(input_shape[0], filters, KERNEL_SIZE)
        self.gelu = nn.GELU()
        self.block1 = AirbenchBlock(filters, 64)
        self.block2 = AirbenchBlock(64, 256)
        self.block3 = AirbenchBlock(256, 256)
        self.pool = nn.AdaptiveMaxPool2d(1)
        self.flatten = nn.Flatten()
        self.head = nn.Linear(256, num_classes, bias=False)
        self.scale = Scale(1 / 9)
        # Until `whiten` has seen images, filters that whiten noise: orthonormal ones, and their negatives.
        half = nn.init.orthogonal_(torch.empty(filters // 2, *self.whitening.weight.shape[1:]))
        self._freeze(torch.cat([half, -half]))

    def forward(self, images: Float[Tensor, "N C H W"]) -> Float[Tensor, "N K"]:
        features = self.gelu(self.whitening(images))  # (N, 24, 31, 31)
        features = self.block3(self.block2(self.block1(features)))  # (N, 256, 3, 3)
        logits: Tensor = self.scale(self.head(self.flatten(self.pool(features))))  # (N, K)
        return logits

    def whiten(self, images: Float[Tensor, "N C H W"]) -> None:
        """Make the first filters those that whiten the patches of these normalised images; the paper takes 5,000."""
        patches = F.unfold(images, KERNEL_SIZE).transpose(1, 2)  # (N, L, C*k*k)
        self._freeze(whitening_filters(patches.reshape(-1, *self.whitening.weight.shape[1:])))

    def _freeze(self, filters: Float[Tensor, "F C k k"]) -> None:
        with torch.no_grad():
            self.whitening.weight.copy_(filters)
        self.whitening.weight.requires_grad_(False)


def whitening_filters(patches: Float[Tensor, "P C h w"], epsilon: float = 5e-4) -> Float[Tensor, "F C h w"]:
    """The filters after which patches have unit covariance, and their negatives: F = 2*C*h*w, strongest direction first.

    They are the eigenvectors of the covariance, each divided by sqrt(eigenvalue + epsilon); `epsilon` keeps directions in
    which nothing varies, as between the channels of grey, from being blown up. Raises DataError for fewer patches than
    directions. Source: Jordan 2024, arXiv:2404.00498, section 3.2; the code there takes the mean of patches for zero.
    """
    directions = prod(patches.shape[1:])
    if len(patches) <= directions:
        raise DataError(
            f"{len(patches)} patches cannot tell how {directions} values vary together. Give more than {directions}."
        )
    covariance = torch.cov(patches.flatten(1).T).double()  # (C*h*w, C*h*w)
    eigenvalues, eigenvectors = torch.linalg.eigh(covariance)  # in ascending order, vectors in columns
    scaled = (eigenvectors / (eigenvalues.clamp(min=0) + epsilon).sqrt()).T.flip(0)
    filters = scaled.reshape(directions, *patches.shape[1:]).to(patches.dtype)
    return torch.cat([filters, -filters])


class AirbenchBlock(nn.Module):
    """Convolution, max pooling, BatchNorm, GELU, convolution, BatchNorm, GELU."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.conv1 = _dirac_conv(in_channels, out_channels)
        self.pool = nn.MaxPool2d(2)
        self.norm1 = _batch_norm(out_channels)
        self.gelu1 = nn.GELU()
        self.conv2 = _dirac_conv(out_channels, out_channels)
        self.norm2 = _batch_norm(out_channels)
        self.gelu2 = nn.GELU()

    def forward(self, x: Float[Tensor, "N C H W"]) -> Float[Tensor, "N D h w"]:
        features = self.gelu1(self.norm1(self.pool(self.conv1(x))))  # (N, D, h, w)
        y: Tensor = self.gelu2(self.norm2(self.conv2(features)))  # (N, D, h, w)
        return y


def _dirac_conv(in_channels: int, out_channels: int) -> nn.Conv2d:
    """A 3x3 convolution that at first hands its input on in its first channels (section 3.3)."""
    conv = nn.Conv2d(in_channels, out_channels, 3, padding=1, bias=False)
    with torch.no_grad():
        nn.init.dirac_(conv.weight[:in_channels])
    return conv


def _batch_norm(num_features: int) -> nn.BatchNorm2d:
    """BatchNorm that learns a bias and no weight; its statistics follow within a few batches, for short trainings."""
    # Its epsilon stays PyTorch's 1e-5: with the code's 1e-12, made for one data set, a channel that never varied in training
    # would multiply the first difference it meets by a million.
    norm = nn.BatchNorm2d(num_features, momentum=0.4)
    norm.weight.requires_grad_(False)
    return norm
