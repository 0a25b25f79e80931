"""The networks that come with foveal, by name, and how any network is built."""

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import nn

from foveal.config import ArchSpec
from foveal.errors import ArtifactError, ConfigError
from foveal.models import tutorials
from foveal.models.blocks import Normalise
from foveal.models.compact import compact
from foveal.models.layers import build_layers, initialise
from foveal.models.ledger import ledger
from foveal.models.own import Own, build_own
from foveal.models.shapes import Shape
from foveal.models.tutorials import Layers
from foveal.recipes import require_known

LAYERS_FILE, OWN = "layers", "own"  # names of networks that are not in the catalog


@dataclass(frozen=True)
class Architecture:
    """A network of the catalog: its layers (or how to find them for an input shape), and where it comes from."""

    layers: Layers | Callable[[Shape], Layers]
    origin: str
    input_shape: Shape = (1, 28, 28)
    needs_rgb: bool = False  # made for 3x32x32: grey is repeated, smaller images are padded

    def layers_for(self, input_shape: Shape) -> Layers:
        """The list of layers for images (C, H, W)."""
        return self.layers(input_shape) if callable(self.layers) else self.layers


ARCHITECTURES: dict[str, Architecture] = {
    "compact": Architecture(compact, "foveal's default"),
    "conv5-fc1000": Architecture(tutorials.CONV5_FC1000, "document 000"),
    "oneconv": Architecture(tutorials.ONECONV, "document 001, TensorFlow"),
    "twoconv-fc128": Architecture(tutorials.TWOCONV_FC128, "document 001, Keras"),
    "twoconv-rgb": Architecture(tutorials.TWOCONV_RGB, "document 001, PyTorch", (3, 32, 32), needs_rgb=True),
    "lenet-dropout2d": Architecture(tutorials.LENET_DROPOUT2D, "document 002"),
    "threeconv-fc625": Architecture(tutorials.THREECONV_FC625, "document 003"),
    "twoconv-same": Architecture(tutorials.TWOCONV_SAME, "document 004"),
    "lenet5": Architecture(tutorials.LENET5, "LeCun et al. 1998"),
}


def find_architecture(name: str) -> Architecture:
    """The catalog's entry; ConfigError offers the closest names and says how to bring one's own."""
    require_known(name)
    if name not in ARCHITECTURES:
        raise ConfigError(
            f"the code of the network {name} is not at hand: it was passed from Python. Pass it again there, or name its "
            "file: --model path/to/file.py:MyNet."
        )
    return ARCHITECTURES[name]


def build_model(spec: ArchSpec, num_classes: int, own: Own | None = None) -> nn.Module:
    """The network for a spec: its first layer takes pixels 0-255 (N, C, H, W), its last gives logits (N, num_classes).

    `own` is the user's network, a class or a module, for a spec with the name "own". Weights are drawn from torch's
    global generator. Raises ConfigError when the layers do not fit the images or the classes.
    """
    # Convolutions run faster on images whose channels lie together (docs/log.md), but x.view(-1, ...), which every
    # tutorial writes, fails on them: a network of the user's own gets and keeps PyTorch's usual layout.
    layout = torch.contiguous_format if spec.name == OWN else torch.channels_last
    normalise = Normalise(spec.mean, spec.std, spec.border, channels_of(spec), memory_format=layout)
    height, width = (size - 2 * spec.border for size in spec.input_shape[1:])
    inner_shape = (channels_of(spec), height, width)
    if spec.name == OWN:
        if own is None:
            raise ArtifactError(
                f"this network was built from code of your own ({spec.source}), which a Classifier never carries. "
                "Give it again: foveal.load(path, model=MyNet), or --model path/to/file.py:MyNet."
            )
        network = build_own(own, inner_shape, num_classes)
    elif spec.layers is not None:
        network = build_layers(spec.layers, inner_shape, num_classes)
    else:
        layers = find_architecture(spec.name).layers_for(inner_shape)
        network = build_layers(layers, inner_shape, num_classes)
    if spec.initialisation != "default":
        for module in network.modules():
            initialise(module, spec.initialisation, zero_bias=True)
    model = nn.Sequential(OrderedDict(normalise=normalise, network=network))
    ledger(model, spec.input_shape, num_classes)  # names the layer that does not fit, before any training
    return model.to(memory_format=layout)  # type: ignore[call-overload, no-any-return]


def channels_of(spec: ArchSpec) -> int:
    """How many channels the network itself takes: grey is repeated for those that were made for colour."""
    wants_rgb = spec.name in ARCHITECTURES and ARCHITECTURES[spec.name].needs_rgb
    return 3 if wants_rgb else spec.input_shape[0]
