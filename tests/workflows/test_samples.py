"""`data show` draws training images only, each class in turn, as they are or as the network sees them."""

import json

import numpy as np
import pytest
from cli_process import command, write_discs
from PIL import Image

from foveal.recipes import resolve
from foveal.workflows.samples import CELL, draw_samples


def drawn(source, out, *, count=40, seed=0, view="as_they_are", **data):
    config = resolve({"data": {"source": str(source), **data}}, "some")
    return draw_samples(config, out, count=count, seed=seed, view=view)


def test_samples_are_drawn_and_counted_for_each_class(tmp_path):
    write_discs(tmp_path / "discs", per_class=4)
    (tmp_path / "discs" / "red" / "broken.png").write_bytes(b"no picture")
    found = drawn(tmp_path / "discs", tmp_path / "look.png")
    assert found["images"] == 13
    assert found["classes"] == {"blue": 4, "green": 4, "red": 5}
    assert any("broken.png cannot be read" in note for note in found["notes"])
    with Image.open(tmp_path / "look.png") as picture:
        assert picture.format == "PNG"
        picture.load()


def test_samples_leave_the_test_images_closed(tmp_path):
    write_discs(tmp_path / "discs" / "train", per_class=4)
    write_discs(tmp_path / "discs" / "test", per_class=2)
    assert drawn(tmp_path / "discs", tmp_path / "look.png", count=4)["images"] == 12


def test_the_same_seed_draws_the_same_picture_and_another_seed_another(tmp_path):
    write_discs(tmp_path / "discs", per_class=9)
    pictures = []
    for number, seed in enumerate((1, 1, 2)):
        drawn(tmp_path / "discs", tmp_path / f"{number}.png", count=6, seed=seed)
        with Image.open(tmp_path / f"{number}.png") as picture:
            pictures.append(picture.tobytes())
    assert pictures[0] == pictures[1] != pictures[2]


@pytest.fixture
def halves(tmp_path):
    """Two classes of pictures twice as wide as high: left half blue, right half yellow."""
    pixels = np.zeros((40, 80, 3), np.uint8)
    pixels[:, :40], pixels[:, 40:] = (0, 0, 255), (255, 255, 0)
    for name in ("a", "b"):
        (tmp_path / "halves" / name).mkdir(parents=True)
        for number in range(4):
            Image.fromarray(pixels).save(tmp_path / "halves" / name / f"{number}.png")
    return tmp_path / "halves"


def pixels_of_colour(path, colour):
    with Image.open(path) as picture:
        return {found: count for count, found in picture.convert("RGB").getcolors(1 << 24)}.get(colour, 0)


@pytest.mark.parametrize(
    ("fit", "channels", "shows"),
    [("crop", None, "20x20, colour"), ("stretch", None, "20x20, colour"), ("stretch", 1, "20x20, grey")],
)
def test_what_the_network_sees_is_drawn_beside_each_image(fit, channels, shows, halves, tmp_path):
    found = drawn(halves, tmp_path / "seen.png", count=2, view="as_seen", size=20, fit=fit, channels=channels)
    assert found["size"] == shows
    with Image.open(tmp_path / "seen.png") as picture:
        assert picture.width > 2 * CELL
    yellow, its_grey = (255, 255, 0), (226, 226, 226)  # .299 R + .587 G
    assert pixels_of_colour(tmp_path / "seen.png", yellow) > 1000
    assert (pixels_of_colour(tmp_path / "seen.png", its_grey) > 1000) == (channels == 1)


def test_the_command_takes_the_settings_that_training_takes(halves, tmp_path):
    said = ("data", "show", halves, "--as-seen", "--size", "16", "--fit", "crop", "--channels", "1", "--json")
    found = json.loads(command(*said, cwd=tmp_path).stdout)
    assert (found["size"], found["data"]) == ("16x16, grey", "halves")
    assert (tmp_path / "samples-halves.png").is_file()
