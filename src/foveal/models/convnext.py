"""ConvNeXt in a form for images of about 28 to 64 pixels.

Shapes on the right are for 3x32x32 and the widths of the catalog.
"""

from collections import OrderedDict

from jaxtyping import Float
from torch import Tensor, nn

from foveal.errors import ConfigError
from foveal.models.blocks import Add, LayerNorm2d, LayerScale
from foveal.models.shapes import Shape, show

# The first three of the four stages of the smallest ConvNeXt of its authors, Atto: Woo et al. 2023, arXiv:2301.00808.
WIDTHS, BLOCKS = (40, 80, 160), (2, 2, 6)


def convnext(
    input_shape: Shape,
    num_classes: int,
    *,
    widths: tuple[int, ...] = WIDTHS,
    blocks: tuple[int, ...] = BLOCKS,
    patch: int = 2,
) -> nn.Sequential:
    """Liu et al. 2022, arXiv:2201.03545, without stochastic depth; patches of 2x2 in place of 4x4 suit small images.

    Raises ConfigError for images that the stem and the steps between stages would leave nothing of.
    """
    least = patch * 2 ** (len(widths) - 1)
    if min(input_shape[1:]) < least:
        raise ConfigError(
            f"convnext halves its maps until {least}x{least} pixels are one, but the images are {show(input_shape[1:])}. "
            f"Use images of {least}x{least} or more (--size {4 * least}), or another network."
        )
    stem = nn.Conv2d(input_shape[0], widths[0], patch, stride=patch)
    parts: OrderedDict[str, nn.Module] = OrderedDict(stem=stem, stem_norm=LayerNorm2d(widths[0]))  # 40x16x16
    for number, (width, count) in enumerate(zip(widths, blocks, strict=True), start=1):
        if number > 1:
            parts[f"downsample{number}"] = _downsample(widths[number - 2], width)  # 80x8x8, 160x4x4
        parts[f"stage{number}"] = _stage(width, count)
    parts |= OrderedDict(pool=nn.AdaptiveAvgPool2d(1), flatten=nn.Flatten())
    parts |= OrderedDict(norm=nn.LayerNorm(widths[-1], eps=1e-6), head=nn.Linear(widths[-1], num_classes))
    network = nn.Sequential(parts)
    for module in network.modules():  # appendix A.1: truncated normal, with .02 in the published code
        if isinstance(module, nn.Conv2d | nn.Linear) and module.bias is not None:
            nn.init.trunc_normal_(module.weight, std=0.02)
            nn.init.zeros_(module.bias)
    return network


class ConvNeXtBlock(nn.Module):
    """x + f(x), where f is a depthwise 7x7 convolution, LayerNorm, and two 1x1 convolutions with GELU between them.

    Source: Liu et al. 2022, arXiv:2201.03545, figure 4; the layer scale: appendix A.1.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.depthwise = nn.Conv2d(width, width, 7, padding=3, groups=width)
        self.norm = LayerNorm2d(width)
        self.widen = nn.Conv2d(width, 4 * width, 1)
        self.gelu = nn.GELU()
        self.narrow = nn.Conv2d(4 * width, width, 1)
        self.scale = LayerScale(width)
        self.add = Add()

    def forward(self, x: Float[Tensor, "N D H W"]) -> Float[Tensor, "N D H W"]:
        features = self.norm(self.depthwise(x))  # (N, D, H, W)
        residual = self.scale(self.narrow(self.gelu(self.widen(features))))  # (N, D, H, W)
        y: Tensor = self.add(residual, x)
        return y


def _stage(width: int, blocks: int) -> nn.Sequential:
    return nn.Sequential(OrderedDict((f"block{number}", ConvNeXtBlock(width)) for number in range(1, blocks + 1)))


def _downsample(in_channels: int, out_channels: int) -> nn.Sequential:
    conv = nn.Conv2d(in_channels, out_channels, 2, stride=2)
    return nn.Sequential(OrderedDict(norm=LayerNorm2d(in_channels), conv=conv))
