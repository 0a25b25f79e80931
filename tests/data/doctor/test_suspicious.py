"""Pictures that do not belong: planted one by one among real and drawn ones, where each is found and nothing else is."""

from pathlib import Path

import numpy as np
import pytest
import torch
from data_helpers import FILES, mnist_digits, noise, write_class_folders
from PIL import Image
from planted_faults import gathered, placeholder, scenes, write_scenes

from foveal.data.doctor.kinds import kinds_of
from foveal.data.doctor.suspicious import suspicions, tones


def found(root: Path, side: int = 64) -> list[tuple[str, str]]:
    """(name, kind of doubt) of each suspicion about the pictures of a folder without splits."""
    images = gathered(root, side)
    kinds = kinds_of(images.facts["all"].take(images.index))
    return [(images.short_name(each.image), each.kind) for each in suspicions(images, kinds)]


@pytest.fixture
def pets(tmp_path: Path) -> Path:
    """Sixty cats and sixty dogs, about whom there is no doubt."""
    return write_scenes(tmp_path, {"": 60})


def test_nothing_is_said_of_pictures_that_are_all_of_a_kind(pets):
    assert found(pets) == []


def test_nothing_is_said_of_digits_which_are_plain_by_nature(tmp_path):
    write_class_folders(tmp_path, {"a": 60, "b": 60})
    assert found(tmp_path, 28) == []


@pytest.mark.parametrize("colour", ["white", "black", (90, 120, 60)], ids=str)
@pytest.mark.parametrize("ending", ["png", "jpg"])
def test_a_picture_of_one_colour_is_blank(pets, colour, ending):
    Image.new("RGB", (64, 64), colour).save(pets / f"cat/sheet.{ending}")
    assert ("cat/sheet.jpg" if ending == "jpg" else "cat/sheet.png", "blank") in found(pets)


def test_a_sheet_with_the_faint_noise_of_a_scanner_is_blank(pets):
    Image.fromarray(250 - noise(1, 64, 64, 3)[0] // 64).save(pets / "dog/scan.png")
    assert found(pets) == [("dog/scan.png", "blank")]


def test_a_placeholder_is_told_by_its_flat_ground(pets):
    placeholder(pets / "dog/picture.png")
    assert found(pets) == [("dog/picture.png", "plain")]


@pytest.mark.parametrize("size", [(300, 260), (12, 15)], ids=str)
def test_a_picture_far_larger_or_smaller_than_its_class_is_named(pets, size):
    Image.fromarray(scenes(1, seed=4)[0]).resize(size).save(pets / "cat/other.png")
    assert found(pets) == [("cat/other.png", "size")]


def test_twice_or_half_the_size_is_nothing(pets):
    Image.fromarray(scenes(1, seed=4)[0]).resize((128, 120)).save(pets / "cat/large.png")
    Image.fromarray(scenes(1, seed=5)[0]).resize((40, 32)).save(pets / "cat/small.png")
    assert found(pets) == []


def test_a_format_that_one_in_sixty_has_is_named_and_one_that_many_have_is_not(pets):
    Image.fromarray(scenes(1, seed=4)[0]).save(pets / "cat/other.jpg", quality=95)
    assert found(pets) == [("cat/other.jpg", "format")]
    for number in range(5):
        Image.fromarray(scenes(6, seed=6)[number]).save(pets / f"cat/more{number}.jpg", quality=95)
    assert found(pets) == []


def test_in_a_class_of_a_few_images_nothing_can_be_unlike_the_rest(tmp_path):
    write_scenes(tmp_path, {"": 8})
    placeholder(tmp_path / "cat/picture.png")
    Image.fromarray(scenes(1, seed=4)[0]).resize((640, 640)).save(tmp_path / "cat/large.png")
    Image.fromarray(scenes(1, seed=5)[0]).save(tmp_path / "cat/other.bmp")
    assert found(tmp_path) == []


@pytest.mark.parametrize(
    ("file", "name", "is_false"),
    [
        ("photo.jpg", "a.JPG", False),
        ("photo.jpg", "a.jfif", False),
        ("photo.jpg", "a.png", True),
        ("digit.png", "a.jpeg", True),
        ("digit.pgm", "a.ppm", False),
        ("photo.webp", "a.jpg", True),
        ("photo.tiff", "a.tif", False),
        ("animated.gif", "a.gif", False),
    ],
)
def test_a_name_that_ends_otherwise_than_its_content_is_told(tmp_path, file, name, is_false):
    write_scenes(tmp_path, {"": 3})
    (tmp_path / "cat" / name).write_bytes((FILES / file).read_bytes())
    assert found(tmp_path) == ([(f"cat/{name}", "ending")] if is_false else [])


@pytest.mark.parametrize(
    "name",
    [
        "placeholder", "place_holder-2", "no_image", "No-Photo", "noimage", "image_not_available", "unavailable",
        "not found", "missing", "coming-soon", "default", "dummy_3", "untitled", "Untitled12", "copy of 17", "017 - Copy",
        "duplicate", "thumb_04", "thumbnails", "Screenshot 2024-01-01", "screen_shot", "017 (1)",
    ],
)  # fmt: skip
def test_a_telltale_name_is_told(pets, name):
    Image.fromarray(scenes(1, seed=4)[0]).save(pets / f"cat/{name}.png")
    assert found(pets) == [(f"cat/{name}.png", "name")]


@pytest.mark.parametrize(
    "name",
    ["test_017", "sample", "404", "photocopy", "defaulted", "thumbelina", "admissing", "copyright", "IMG_1", "x(1234)"],
)
def test_an_ordinary_name_is_not(pets, name):
    Image.fromarray(scenes(1, seed=4)[0]).save(pets / f"cat/{name}.png")
    assert found(pets) == []


def test_names_that_a_whole_class_has_are_how_its_files_are_called(tmp_path):
    write_scenes(tmp_path, {"": 40})
    for number, path in enumerate(sorted((tmp_path / "cat").iterdir())):
        path.rename(path.with_name(f"cat ({number}).png"))
    assert found(tmp_path) == []


def test_images_of_arrays_have_no_names_to_tell_anything():
    images = gathered({"train": (mnist_digits(60), [0, 1] * 30)}, side=28, channels=1)
    assert suspicions(images, kinds_of(images.facts["train"])) == []


@pytest.mark.parametrize("pictures", [scenes(7), mnist_digits(7)[..., None]], ids=["colour", "grey"])
def test_tones_are_those_of_the_grey_picture_that_pillow_makes(pictures):
    grey = [np.asarray(Image.fromarray(each.squeeze()).convert("L")).astype(int) for each in pictures]
    spread, share, shades = tones(torch.from_numpy(np.array(pictures)).permute(0, 3, 1, 2)).T
    np.testing.assert_allclose(spread, [each.std() for each in grey], rtol=0.01)
    counts = [np.bincount(each.ravel() // 4, minlength=64) for each in grey]
    np.testing.assert_allclose(share, [max(a[:-1] + a[1:]) / a.sum() for a in counts], atol=0.01)
    np.testing.assert_allclose(shades, [(a > 0).sum() for a in counts], atol=2)
