"""The networks that come with foveal, by name, and how any network is built."""

from collections import OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import torch
from jaxtyping import UInt8
from torch import Tensor, nn

from foveal.config import ArchSpec
from foveal.errors import ArtifactError, ConfigError
from foveal.models import resnet, tutorials
from foveal.models.airbench import Airbench
from foveal.models.blocks import Normalise
from foveal.models.compact import compact
from foveal.models.convnext import convnext
from foveal.models.layers import build_layers, initialise
from foveal.models.ledger import ledger
from foveal.models.mobilenet import mobilenet
from foveal.models.own import Own, build_own
from foveal.models.shapes import Shape
from foveal.models.tutorials import Layers
from foveal.models.vgg import vgg6
from foveal.recipes import require_known

WHITENED_BY = 5000  # images
LAYERS_FILE, OWN = "layers", "own"  # names of networks that are not in the catalog


@dataclass(frozen=True)
class Architecture:
    """A network of the catalog and where it comes from.

    A chain is a list of `layers` (or how to find them for an input shape); a network with branches, or with layers that
    no list knows, is a `module` made for an input shape and a number of classes.
    """

    origin: str
    layers: Layers | Callable[[Shape], Layers] = ()
    module: Callable[[Shape, int], nn.Module] | None = None
    input_shape: Shape = (1, 28, 28)
    needs_rgb: bool = False  # made for 3x32x32: grey is repeated, smaller images are padded

    def build(self, input_shape: Shape, num_classes: int) -> nn.Module:
        """The network, without its first layer, for images (C, H, W). Raises ConfigError when it does not fit them."""
        if self.module is not None:
            return self.module(input_shape, num_classes)
        layers = self.layers(input_shape) if callable(self.layers) else self.layers
        return build_layers(layers, input_shape, num_classes)


COLOUR: Shape = (3, 32, 32)
ARCHITECTURES: dict[str, Architecture] = {
    "compact": Architecture("foveal's default", compact),
    "conv5-fc1000": Architecture("document 000", tutorials.CONV5_FC1000),
    "oneconv": Architecture("document 001, TensorFlow", tutorials.ONECONV),
    "twoconv-fc128": Architecture("document 001, Keras", tutorials.TWOCONV_FC128),
    "twoconv-rgb": Architecture("document 001, PyTorch", tutorials.TWOCONV_RGB, input_shape=COLOUR, needs_rgb=True),
    "lenet-dropout2d": Architecture("document 002", tutorials.LENET_DROPOUT2D),
    "threeconv-fc625": Architecture("document 003", tutorials.THREECONV_FC625),
    "twoconv-same": Architecture("document 004", tutorials.TWOCONV_SAME),
    "lenet5": Architecture("LeCun et al. 1998", tutorials.LENET5),
    "vgg6": Architecture("Simonyan and Zisserman 2015", vgg6, input_shape=COLOUR),
    "resnet8": Architecture("He et al. 2016", module=resnet.resnet8, input_shape=COLOUR),
    "resnet20": Architecture("He et al. 2016", module=resnet.resnet20, input_shape=COLOUR),
    "resnet18": Architecture("He et al. 2016", module=resnet.resnet18, input_shape=COLOUR),
    "wide_resnet16_4": Architecture("Zagoruyko and Komodakis 2016", module=resnet.wide_resnet16_4, input_shape=COLOUR),
    "mobilenet": Architecture("Howard et al. 2017", mobilenet, input_shape=COLOUR),
    "convnext": Architecture("Liu et al. 2022", module=convnext, input_shape=COLOUR),
    "airbench": Architecture("Jordan 2024", module=Airbench, input_shape=COLOUR),
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
        network = find_architecture(spec.name).build(inner_shape, num_classes)
    if spec.initialisation != "default":
        for module in network.modules():
            initialise(module, spec.initialisation, zero_bias=True)
    model = nn.Sequential(OrderedDict(normalise=normalise, network=network))
    ledger(model, spec.input_shape, num_classes)  # names the layer that does not fit, before any training
    return model.to(memory_format=layout)  # type: ignore[call-overload, no-any-return]


def is_by_no_chance(spec: ArchSpec) -> bool:
    """Whether training this network draws nothing by chance, as dropout does; of a user's own code nobody knows."""
    if spec.name == OWN:
        return False
    named = () if spec.layers is not None else find_architecture(spec.name).layers
    layers = spec.layers or (named(spec.input_shape) if callable(named) else named)
    return not any(layer.kind.startswith("dropout") for layer in layers)


def look_at_images(model: nn.Module, pixels: Iterable[UInt8[Tensor, "_ C H W"]]) -> None:
    """What a network needs from training images before its first update: airbench whitens its first filters by 5,000."""
    network, normalise = model.get_submodule("network"), model.get_submodule("normalise")
    if not isinstance(network, Airbench):
        return
    seen: list[Tensor] = []
    for batch in pixels:
        seen.append(normalise(batch.to(next(model.parameters()).device)))
        if sum(map(len, seen)) >= WHITENED_BY:
            break
    network.whiten(torch.cat(seen)[:WHITENED_BY])


def channels_of(spec: ArchSpec) -> int:
    """How many channels the network itself takes: grey is repeated for those that were made for colour."""
    wants_rgb = spec.name in ARCHITECTURES and ARCHITECTURES[spec.name].needs_rgb
    return 3 if wants_rgb else spec.input_shape[0]
