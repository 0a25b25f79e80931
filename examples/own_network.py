"""A network of one's own: any nn.Module that takes images (N, C, H, W) and returns logits (N, number of classes).

foveal puts the layer that normalises pixels in front of it. From the command line it is the same with
`foveal train --model examples/own_network.py:MyNet`.

    python examples/own_network.py
"""

import foveal  # before torch, so that waiting threads do not spin

from torch import Tensor, nn  # isort: skip


class MyNet(nn.Module):
    """Two convolutions and a linear layer. What __init__ asks for by these names is filled in from the data."""

    def __init__(self, num_classes: int, in_channels: int) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(in_channels, 8, 5, stride=2, padding=2),
            nn.ReLU(),
            nn.Conv2d(8, 16, 3, stride=2, padding=1),
            nn.ReLU(),
            nn.AdaptiveMaxPool2d(4),  # whatever the size of the images
        )
        self.linear = nn.Linear(16 * 4 * 4, num_classes)

    def forward(self, images: Tensor) -> Tensor:
        features = self.features(images)  # (N, 16, 4, 4)
        return self.linear(features.flatten(1))  # (N, K)


if __name__ == "__main__":
    run = foveal.train("mnist", model=MyNet, epochs=0.1, settings={"training": {"learning_rate": 0.01}})
    print(f"{run.summary['parameters']:,} parameters, {run.summary['val_accuracy']:.2%} of the validation images right")

    # The Classifier keeps the weights and never the code, so loading it needs the class again.
    classifier = foveal.load(run.classifier, model=MyNet)
    print(f"classes: {', '.join(classifier.classes)}")
