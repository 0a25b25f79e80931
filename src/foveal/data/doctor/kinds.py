"""What files are by their content: the format and the colours that their first bytes declare. Nothing is decoded."""

import os
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

from foveal.data.images import Files, ImageSet
from foveal.data.opening import opened

COLOURS = {
    "1": "black and white",
    "L": "grey",
    "LA": "grey with transparency",
    "P": "palette",
    "PA": "palette with transparency",
    "RGB": "colour",
    "RGBA": "colour with transparency",
    "CMYK": "print colours (CMYK)",
    "YCbCr": "colour",
    "LAB": "colour (Lab)",
    "HSV": "colour",
    "I": "grey, 32 bits",
    "F": "grey, floats",
}
SAME_FORMAT = {"MPO": "JPEG"}  # as phones write it, with a second picture after the first


class Kind(NamedTuple):
    """The format ("JPEG"; "" for an array or a file that is no picture) and the colours in words ("grey")."""

    format: str
    colours: str


def kinds_of(images: ImageSet) -> list[Kind]:
    """The kind of each image of a set, from its header."""
    held = images.images
    if not isinstance(held, Files):
        return [Kind("", "grey" if held.shape[3] == 1 else "colour")] * len(images)
    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        return list(pool.map(lambda name: _kind(held, name), images.names))


def _kind(files: Files, name: str) -> Kind:
    try:
        with opened(files.tree.read(name)) as image:
            colours = "grey, 16 bits" if image.mode.startswith("I;16") else COLOURS.get(image.mode, image.mode)
            return Kind(SAME_FORMAT.get(image.format or "", image.format or ""), colours)
    except Exception:  # of any kind; the reason is said when the file is decoded
        return Kind("", "")
