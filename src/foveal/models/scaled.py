"""Networks that come in any width."""

from foveal.errors import ConfigError
from foveal.models.compact import Head, compact
from foveal.models.shapes import Shape
from foveal.models.tutorials import Layers
from foveal.models.vgg import vgg6

MAX_FLAT = 24  # pixels: beyond, a flat head would hold most of the weights


def scaled_layers(name: str, input_shape: Shape, width: float = 1.0, head: Head = "max") -> Layers | None:
    """The layers of `compact` or `vgg6` for images (C, H, W), `width` times as wide; None for any other network.

    Raises ConfigError where another network is to be made wider or to get another head, or the images are too large for a
    flat one.
    """
    if name != "compact" and head != "max":
        raise ConfigError(f"model.head belongs to compact, and not to {name}. Leave it out.")
    if name not in ("compact", "vgg6") and width != 1.0:
        raise ConfigError(f"model.width belongs to compact and vgg6, and not to {name}. Leave it out.")
    if head == "flat" and max(input_shape[1:]) > MAX_FLAT:
        raise ConfigError(
            f"model.head=flat is for images of up to {MAX_FLAT} pixels without their border, not of {max(input_shape[1:])}. "
            "Leave it out."
        )
    if name == "vgg6":
        return vgg6(input_shape, width)
    return compact(input_shape, width, head) if name == "compact" else None
