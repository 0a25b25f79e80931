"""Networks as users write them, for the tests of `--model path.py:MyNet` and `foveal.train(model=MyNet)`."""

import os

from torch import Tensor, nn


class TwoLayers(nn.Module):
    """A network that asks for what it needs by name and calls view, as every tutorial does; for 28x28."""

    def __init__(self, num_classes: int, in_channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(in_channels, 4, 5, stride=2)
        self.linear = nn.Linear(4 * 12 * 12, num_classes)

    def forward(self, images: Tensor) -> Tensor:
        features = self.conv(images).relu()  # (N, 4, 12, 12)
        return self.linear(features.view(-1, 4 * 12 * 12))  # (N, K)


class FailsLate(nn.Module):
    """A network whose logits are no numbers from its 16th update on."""

    def __init__(self, num_classes: int) -> None:
        super().__init__()
        self.linear, self.calls = nn.Linear(28 * 28, num_classes), 0

    def forward(self, images: Tensor) -> Tensor:
        self.calls += self.training
        logits = self.linear(images.flatten(1))
        return logits * float("nan") if self.calls > 15 else logits


class GreedyWithMany(nn.Module):
    """A network that asks for a petabyte as soon as it is trained on more than 40 images at once."""

    def __init__(self, num_classes: int) -> None:
        super().__init__()
        self.linear = nn.Linear(28 * 28, num_classes)

    def forward(self, images: Tensor) -> Tensor:
        if self.training and len(images) > 40:
            images.new_empty(1 << 48)
        return self.linear(images.flatten(1))


class GreedyWhenAsked(nn.Module):
    """A network that asks for a petabyte to answer while the environment has the variable GREEDY."""

    def __init__(self, num_classes: int) -> None:
        super().__init__()
        self.linear = nn.Linear(28 * 28, num_classes)

    def forward(self, images: Tensor) -> Tensor:
        if "GREEDY" in os.environ and not self.training:
            images.new_empty(1 << 48)
        return self.linear(images.flatten(1))
