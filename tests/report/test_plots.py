"""Every picture is a PNG of the size it should have, with something in it; a failure leaves nothing behind."""

import errno
import itertools
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy import ndarray
from PIL import Image

from foveal.errors import ArtifactError
from foveal.report.plots import (
    MAX_MAPS,
    draw_confusion,
    draw_curves,
    draw_feature_maps,
    draw_filters,
    draw_images,
    evenly_spaced,
    strip,
)

RANDOM = np.random.default_rng(0)
BLUE, ORANGE = (43, 108, 176), (192, 86, 33)


def noise(*shape: int) -> ndarray:
    """Pixels."""
    return RANDOM.integers(0, 256, shape, dtype=np.uint8)


def history(updates: int, validated: bool = True) -> list[dict[str, Any]]:
    """Records of a training that goes well."""
    return [
        {
            "epoch": i / 10,
            "loss": 2 / (i + 1),
            "accuracy": i / (i + 1),
            "val_loss": 1 / i if validated and i % 3 == 0 else None,
            "val_accuracy": 0.9 if validated and i % 3 == 0 else None,
        }
        for i in range(1, updates + 1)
    ]


def pixels_of(path: Path) -> ndarray:
    """The picture as (H, W, 3), read to its end."""
    with Image.open(path) as image:
        assert image.format == "PNG"
        return np.asarray(image.convert("RGB"))


def has_colour(picture: ndarray, colour: tuple[int, int, int], near: int = 12) -> bool:
    """Whether some pixels are of about this colour."""
    return bool((np.abs(picture.astype(int) - colour).max(axis=2) <= near).sum() > 3)


def is_reddish_somewhere(picture: ndarray) -> bool:
    """Whether there is red writing; thin strokes are blended with the white around them."""
    red, others = picture[..., 0].astype(int), picture[..., 1:].max(axis=2)
    return bool((red - others > 60).any())


Draw = Callable[[Path], None]
PICTURES: dict[str, tuple[Draw, tuple[int, int]]] = {  # with the size, (H, W) pixels at 100 an inch, at least
    "curves": (lambda path: draw_curves(history(30), path), (400, 1000)),
    "curves without validation": (lambda path: draw_curves(history(30, validated=False), path), (400, 1000)),
    "curves of one record": (lambda path: draw_curves(history(1), path), (400, 1000)),
    "images": (lambda path: draw_images(noise(20, 28, 28, 1), ["7"] * 20, path, title="digits"), (400, 1000)),
    "one image": (lambda path: draw_images(noise(1, 9, 9, 3), ["cat"], path, title="cats"), (100, 700)),
    "no image": (lambda path: draw_images(noise(0, 28, 28, 1), [], path, title="none"), (50, 700)),
    "wide images": (lambda path: draw_images(noise(9, 10, 40, 3), ["a"] * 9, path, title="wide"), (80, 1000)),
    "grey filters": (lambda path: draw_filters(RANDOM.normal(size=(16, 1, 5, 5)), path), (200, 750)),
    "colour filters": (lambda path: draw_filters(RANDOM.normal(size=(32, 3, 3, 3)), path), (400, 750)),
    "many deep filters": (lambda path: draw_filters(RANDOM.normal(size=(200, 7, 3, 3)), path), (800, 750)),
    "one filter": (lambda path: draw_filters(RANDOM.normal(size=(1, 1, 3, 3)), path), (100, 80)),
    "empty filters": (lambda path: draw_filters(np.zeros((4, 1, 3, 3)), path), (100, 300)),
    "feature maps": (
        lambda path: draw_feature_maps(
            noise(28, 28, 1),
            {"a": RANDOM.normal(size=(32, 28, 28)), "b": RANDOM.normal(size=(5, 1, 1))},
            path,
            title="t",
        ),
        (300, 1000),
    ),
    "feature maps of a deep network": (
        lambda path: draw_feature_maps(
            noise(8, 8, 1), {f"layer{n}": RANDOM.normal(size=(4, 4, 4)) for n in range(90)}, path, title="t"
        ),
        (2000, 1000),
    ),
    "an image without maps": (lambda path: draw_feature_maps(noise(28, 28, 1), {}, path, title="t"), (100, 1000)),
    "confusion": (
        lambda path: draw_confusion(RANDOM.integers(0, 9, (10, 10)), list("0123456789"), path, title="t"),
        (700, 700),
    ),
    "confusion of two": (
        lambda path: draw_confusion(np.eye(2, dtype=int), ["cat", "elephant"], path, title="t"),
        (400, 400),
    ),
    "confusion of many": (
        lambda path: draw_confusion(RANDOM.integers(0, 9, (60, 60)), list(map(str, range(60))), path, title="t"),
        (1500, 1500),
    ),
    "confusion of nothing": (
        lambda path: draw_confusion(np.zeros((3, 3), int), list("abc"), path, title="t"),
        (300, 300),
    ),
}


@pytest.mark.parametrize("name", PICTURES)
def test_the_picture_is_a_png_of_its_size_with_something_in_it(name: str, tmp_path: Path) -> None:
    draw, (height, width) = PICTURES[name]
    draw(tmp_path / "report" / "picture.png")
    picture = pixels_of(tmp_path / "report" / "picture.png")
    assert height <= picture.shape[0] <= 2.5 * height + 100
    assert width <= picture.shape[1] <= 1.6 * width + 100
    assert picture.std() > 1
    assert [path.name for path in (tmp_path / "report").iterdir()] == ["picture.png"]


def test_drawing_again_replaces_the_picture(tmp_path: Path) -> None:
    path = tmp_path / "picture.png"
    draw_curves(history(3), path)
    before = path.read_bytes()
    draw_curves(history(30), path)
    assert path.read_bytes() != before


def test_the_same_picture_is_the_same_file(tmp_path: Path) -> None:
    for name in ("a.png", "b.png"):
        draw_curves(history(30), tmp_path / name)
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()


def test_curves_show_training_in_blue_and_validation_in_orange(tmp_path: Path) -> None:
    for validated in (True, False):
        draw_curves(history(30, validated), tmp_path / "curves.png")
        picture = pixels_of(tmp_path / "curves.png")
        assert has_colour(picture, BLUE)
        assert has_colour(picture, ORANGE) is validated


def test_only_wrong_answers_have_a_red_caption(tmp_path: Path) -> None:
    images, captions = np.zeros((2, 28, 28, 1), dtype=np.uint8), ["seven", "eight"]
    for wrong in (False, True):
        draw_images(images, captions, tmp_path / "images.png", title="digits", wrong=[False, wrong])
        assert is_reddish_somewhere(pixels_of(tmp_path / "images.png")) is wrong


def test_images_are_shown_with_their_own_pixels(tmp_path: Path) -> None:
    colours = [(255, 0, 0), (0, 255, 0), (0, 0, 255)]
    images = np.stack([np.full((8, 8, 3), colour, dtype=np.uint8) for colour in colours])
    draw_images(images, ["r", "g", "b"], tmp_path / "images.png", title="three")
    picture = pixels_of(tmp_path / "images.png")
    shares = [(picture == colour).all(axis=2).mean() for colour in colours]
    assert min(shares) > 0.1
    assert max(shares) == pytest.approx(min(shares), rel=0.05)
    middles = [np.argwhere((picture == colour).all(axis=2))[:, 1].mean() for colour in colours]
    assert middles == sorted(middles)


@pytest.mark.parametrize("count", [0, 1, 5, 6, 11, 79])
def test_of_many_layers_some_are_drawn_from_the_first_to_the_last_at_even_distances(count: int) -> None:
    numbers = [int(name) for name in evenly_spaced([str(n) for n in range(count)], 6)]
    assert len(numbers) == min(count, 6)
    assert [*numbers[:1], *numbers[-1:]] == ([0, count - 1] if count else [])
    steps = {after - before for before, after in itertools.pairwise(numbers)}
    assert not steps or max(steps) - min(steps) <= 1


def test_a_deep_network_makes_no_endless_picture(tmp_path: Path) -> None:
    PICTURES["feature maps of a deep network"][0](tmp_path / "deep.png")
    assert pixels_of(tmp_path / "deep.png").shape[0] < 3600


def test_mistakes_off_the_diagonal_are_written_in_red(tmp_path: Path) -> None:
    for mistakes in (0, 1):
        confusion = np.array([[50, mistakes], [0, 50]])
        draw_confusion(confusion, ["cat", "dog"], tmp_path / "confusion.png", title="t")
        assert is_reddish_somewhere(pixels_of(tmp_path / "confusion.png")) is bool(mistakes)


def test_maps_lie_side_by_side_each_stretched_from_0_to_1() -> None:
    maps = RANDOM.normal(size=(3, 4, 8)) * np.array([1, 100, 0])[:, None, None]
    pasted = strip(maps)
    assert pasted.shape == (4, MAX_MAPS * 9 - 1)
    for number in range(2):
        part, values = pasted[:, 9 * number : 9 * number + 8], maps[number]
        np.testing.assert_allclose(part, (values - values.min()) / (values.max() - values.min()))
    assert (pasted[:, 18:26] == 0).all()  # a flat map
    assert np.isnan(pasted[:, [8, 17]]).all()
    assert np.isnan(pasted[:, 27:]).all()


@pytest.mark.filterwarnings("ignore:Glyph .* missing from font")
@pytest.mark.parametrize("text", ["$", "$5 and $10", "$^$", r"\frac{", "a_b^c", "%d {} \\", "数字", "<b>&amp;"])
def test_names_of_any_characters_are_drawn(text: str, tmp_path: Path) -> None:
    path = tmp_path / "picture.png"
    draw_images(noise(2, 8, 8, 1), [text, "x"], path, title=text)
    draw_confusion(np.eye(2, dtype=int), [text, "x"], path, title=text)
    draw_feature_maps(noise(8, 8, 1), {text: RANDOM.normal(size=(2, 4, 4))}, path, title=text)
    assert pixels_of(path).std() > 1


@pytest.mark.parametrize("name", ["curves", "images", "grey filters", "feature maps", "confusion"])
def test_a_full_disk_leaves_no_picture_behind(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(Path, "replace", refuse)
    with pytest.raises(ArtifactError, match=r"cannot write .*picture.png: No space left on device. Free some space"):
        PICTURES[name][0](tmp_path / "picture.png")
    assert list(tmp_path.iterdir()) == []


def test_a_picture_cannot_take_the_place_of_a_folder(tmp_path: Path) -> None:
    (tmp_path / "picture.png").mkdir()
    with pytest.raises(ArtifactError, match=r"cannot write .*picture.png: Is a directory"):
        draw_curves(history(3), tmp_path / "picture.png")
    assert [path.name for path in tmp_path.iterdir()] == ["picture.png"]


def test_a_report_folder_that_is_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "report").write_text("no folder")
    with pytest.raises(ArtifactError, match=r"cannot write .*report/picture.png: "):
        draw_curves(history(3), tmp_path / "report" / "picture.png")


@pytest.mark.parametrize("count", [0, 1, 3])
def test_a_long_title_is_not_cut_off_however_few_the_images(count: int, tmp_path: Path) -> None:
    images = np.zeros((count, 28, 28, 1), dtype=np.uint8)
    title = "the worst of 3 mistakes on the test images: true label, answer, confidence, image"
    draw_images(images, ["a"] * count, tmp_path / "grid.png", title=title)
    with Image.open(tmp_path / "grid.png") as picture:
        pixels = np.asarray(picture.convert("L"))
    assert pixels.min() < 128
    assert (pixels[:, [0, -1]] == 255).all()
