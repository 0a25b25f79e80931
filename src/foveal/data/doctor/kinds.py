"""What files are by their content: the format and the colours that their first bytes declare. Nothing is read here."""

from typing import NamedTuple

from foveal.data.index import Facts

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


def kinds_of(facts: Facts) -> list[Kind]:
    """The kind of each image, from what is known of its header."""
    return [Kind(SAME_FORMAT.get(name, name), _colours(mode)) for name, mode in facts.kinds.tolist()]


def _colours(mode: str) -> str:
    return "grey, 16 bits" if mode.startswith("I;16") else COLOURS.get(mode, mode)
