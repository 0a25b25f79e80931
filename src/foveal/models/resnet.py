"""Residual networks in their forms for small images: a 3x3 stem at full size, no max pooling.

Shapes on the right are for 3x32x32.
"""

from collections import OrderedDict
from collections.abc import Callable

from jaxtyping import Float
from torch import Tensor, nn

from foveal.models.blocks import Add, PaddedShortcut
from foveal.models.layers import initialise
from foveal.models.shapes import Shape

Block = Callable[[int, int, int], nn.Module]  # of the channels that come in, those that go out, and the stride


def resnet8(input_shape: Shape, num_classes: int) -> nn.Sequential:
    """The network of `resnet20` with one block a stage: 6n + 2 layers with n = 1."""
    return narrow_resnet(input_shape[0], num_classes, blocks=1)


def resnet20(input_shape: Shape, num_classes: int) -> nn.Sequential:
    """He et al. 2016, arXiv:1512.03385, section 4.2: 6n + 2 layers with n = 3."""
    return narrow_resnet(input_shape[0], num_classes, blocks=3)


def narrow_resnet(in_channels: int, num_classes: int, blocks: int) -> nn.Sequential:
    # Option A, the shortcut without parameters, because section 4.2 has it "in all cases": 0.27 M are without any.
    network = nn.Sequential(
        OrderedDict(
            stem=_stem(in_channels, 16),  # 16x32x32
            stage1=_stage(16, 16, blocks, stride=1, block=ResidualBlock),  # 16x32x32
            stage2=_stage(16, 32, blocks, stride=2, block=ResidualBlock),  # 32x16x16
            stage3=_stage(32, 64, blocks, stride=2, block=ResidualBlock),  # 64x8x8
            pool=nn.AdaptiveAvgPool2d(1),
            flatten=nn.Flatten(),
            head=nn.Linear(64, num_classes),
        )
    )
    return _initialised(network)


def resnet18(input_shape: Shape, num_classes: int) -> nn.Sequential:
    """He et al. 2016, table 1, with the 3x3 stem of section 4.2 in place of 7x7, stride 2 and max pooling."""
    # Option B, projections where a block widens: a little better than A (table 3), and what is called ResNet-18 elsewhere.
    network = nn.Sequential(
        OrderedDict(
            stem=_stem(input_shape[0], 64),  # 64x32x32
            stage1=_stage(64, 64, 2, stride=1, block=_projected),  # 64x32x32
            stage2=_stage(64, 128, 2, stride=2, block=_projected),  # 128x16x16
            stage3=_stage(128, 256, 2, stride=2, block=_projected),  # 256x8x8
            stage4=_stage(256, 512, 2, stride=2, block=_projected),  # 512x4x4
            pool=nn.AdaptiveAvgPool2d(1),
            flatten=nn.Flatten(),
            head=nn.Linear(512, num_classes),
        )
    )
    return _initialised(network)


def wide_resnet16_4(input_shape: Shape, num_classes: int) -> nn.Sequential:
    """Zagoruyko and Komodakis 2016, arXiv:1605.07146, table 1, with 16 layers, 4 times as wide: WRN-16-4."""
    return wide_resnet(input_shape[0], num_classes, depth=16, widening=4)


def wide_resnet(in_channels: int, num_classes: int, *, depth: int, widening: int) -> nn.Sequential:
    """WRN-depth-widening: (depth - 4)/6 blocks in each of three stages, without dropout."""
    blocks, (narrow, medium, wide) = (depth - 4) // 6, (16 * widening, 32 * widening, 64 * widening)
    network = nn.Sequential(
        OrderedDict(
            stem=_conv3x3(in_channels, 16),  # 16x32x32
            stage1=_stage(16, narrow, blocks, stride=1, block=PreActivationBlock),  # 64x32x32 for WRN-16-4
            stage2=_stage(narrow, medium, blocks, stride=2, block=PreActivationBlock),  # 128x16x16
            stage3=_stage(medium, wide, blocks, stride=2, block=PreActivationBlock),  # 256x8x8
            norm=nn.BatchNorm2d(wide),
            relu=nn.ReLU(),
            pool=nn.AdaptiveAvgPool2d(1),
            flatten=nn.Flatten(),
            head=nn.Linear(wide, num_classes),
        )
    )
    return _initialised(network)


class ResidualBlock(nn.Module):
    """relu(f(x) + x), where f is two 3x3 convolutions, each with BatchNorm.

    Source: He et al. 2016, arXiv:1512.03385, figure 2 and section 3.3; strides in the first convolution.
    """

    def __init__(self, in_channels: int, out_channels: int, stride: int, widen: Block = PaddedShortcut) -> None:
        super().__init__()
        self.conv1 = _conv3x3(in_channels, out_channels, stride)
        self.norm1 = nn.BatchNorm2d(out_channels)
        self.relu1 = nn.ReLU()
        self.conv2 = _conv3x3(out_channels, out_channels)
        self.norm2 = nn.BatchNorm2d(out_channels)
        is_same = in_channels == out_channels and stride == 1
        self.shortcut = nn.Identity() if is_same else widen(in_channels, out_channels, stride)
        self.add = Add()
        self.relu2 = nn.ReLU()

    def forward(self, x: Float[Tensor, "N C H W"]) -> Float[Tensor, "N D h w"]:
        residual = self.relu1(self.norm1(self.conv1(x)))  # (N, D, h, w)
        residual = self.norm2(self.conv2(residual))  # (N, D, h, w)
        y: Tensor = self.relu2(self.add(residual, self.shortcut(x)))  # (N, D, h, w)
        return y


def _projected(in_channels: int, out_channels: int, stride: int) -> ResidualBlock:
    return ResidualBlock(in_channels, out_channels, stride, _projection)


class PreActivationBlock(nn.Module):
    """f(x) + x, where f is twice BatchNorm, ReLU and a 3x3 convolution.

    Where a block widens, the first BatchNorm and ReLU stand before both branches, and the shortcut is a 1x1 convolution.
    Source: Zagoruyko and Komodakis 2016, arXiv:1605.07146, figure 1 (c) without dropout; He et al. 2016, arXiv:1603.05027.
    """

    def __init__(self, in_channels: int, out_channels: int, stride: int) -> None:
        super().__init__()
        self.norm1 = nn.BatchNorm2d(in_channels)
        self.relu1 = nn.ReLU()
        self.conv1 = _conv3x3(in_channels, out_channels, stride)
        self.norm2 = nn.BatchNorm2d(out_channels)
        self.relu2 = nn.ReLU()
        self.conv2 = _conv3x3(out_channels, out_channels)
        self.is_same = in_channels == out_channels and stride == 1
        self.shortcut = nn.Identity() if self.is_same else nn.Conv2d(in_channels, out_channels, 1, stride, bias=False)
        self.add = Add()

    def forward(self, x: Float[Tensor, "N C H W"]) -> Float[Tensor, "N D h w"]:
        active = self.relu1(self.norm1(x))  # (N, C, H, W)
        residual = self.conv2(self.relu2(self.norm2(self.conv1(active))))  # (N, D, h, w)
        y: Tensor = self.add(residual, self.shortcut(x if self.is_same else active))  # (N, D, h, w)
        return y


def _stem(in_channels: int, out_channels: int) -> nn.Sequential:
    conv = _conv3x3(in_channels, out_channels)
    return nn.Sequential(OrderedDict(conv=conv, norm=nn.BatchNorm2d(out_channels), relu=nn.ReLU()))


def _stage(in_channels: int, out_channels: int, blocks: int, *, stride: int, block: Block) -> nn.Sequential:
    stage: OrderedDict[str, nn.Module] = OrderedDict(block1=block(in_channels, out_channels, stride))
    for number in range(2, blocks + 1):
        stage[f"block{number}"] = block(out_channels, out_channels, 1)
    return nn.Sequential(stage)


def _conv3x3(in_channels: int, out_channels: int, stride: int = 1) -> nn.Conv2d:
    # No bias: the BatchNorm that follows subtracts the mean that it would add to.
    return nn.Conv2d(in_channels, out_channels, 3, stride, padding=1, bias=False)


def _projection(in_channels: int, out_channels: int, stride: int) -> nn.Sequential:
    conv = nn.Conv2d(in_channels, out_channels, 1, stride, bias=False)
    return nn.Sequential(OrderedDict(conv=conv, norm=nn.BatchNorm2d(out_channels)))


def _initialised(network: nn.Sequential) -> nn.Sequential:
    """The network with its convolutions drawn as in He et al. 2015, arXiv:1502.01852, section 2.2."""
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            initialise(module, "kaiming", zero_bias=False)
    return network
