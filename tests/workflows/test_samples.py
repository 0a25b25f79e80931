"""`data show` draws training images only, each class in turn."""

from cli_process import write_discs
from PIL import Image

from foveal.workflows.samples import draw_samples


def test_samples_are_drawn_and_counted_for_each_class(tmp_path):
    write_discs(tmp_path / "discs", per_class=4)
    (tmp_path / "discs" / "red" / "broken.png").write_bytes(b"no picture")
    found = draw_samples(str(tmp_path / "discs"), tmp_path / "look.png", 40, 0)
    assert found["images"] == 13
    assert found["classes"] == {"blue": 4, "green": 4, "red": 5}
    assert any("broken.png cannot be read" in note for note in found["notes"])
    with Image.open(tmp_path / "look.png") as picture:
        assert picture.format == "PNG"
        picture.load()


def test_samples_leave_the_test_images_closed(tmp_path):
    write_discs(tmp_path / "discs" / "train", per_class=4)
    write_discs(tmp_path / "discs" / "test", per_class=2)
    found = draw_samples(str(tmp_path / "discs"), tmp_path / "look.png", 4, 0)
    assert found["images"] == 12


def test_the_same_seed_draws_the_same_picture_and_another_seed_another(tmp_path):
    write_discs(tmp_path / "discs", per_class=9)
    pictures = []
    for number, seed in enumerate((1, 1, 2)):
        draw_samples(str(tmp_path / "discs"), tmp_path / f"{number}.png", 6, seed)
        with Image.open(tmp_path / f"{number}.png") as picture:
            pictures.append(picture.tobytes())
    assert pictures[0] == pictures[1] != pictures[2]
