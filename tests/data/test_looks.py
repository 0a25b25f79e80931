"""What is told from images before they are trained on: sizes, the size to train at, statistics, against NumPy."""

import re

import numpy as np
import pytest
import torch
from data_helpers import FILES, array_set, files_set, mnist_digits, noise
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy import ndarray

from foveal.config import Preprocess
from foveal.data import looks
from foveal.data.images import ImageSet
from foveal.data.index import facts_of
from foveal.data.looks import Sizes, border_brightness, channel_statistics, choose_preprocess, familiar
from foveal.data.mapped import Mapped
from foveal.errors import DataError


def measure_sizes(images: ImageSet) -> Sizes:
    return looks.measure_sizes(images, facts_of(images))


def of_files(*names: str) -> ImageSet:
    return files_set(FILES, *names)


def tensor(pixels: ndarray) -> torch.Tensor:
    """(N, H, W, C) in memory, (N, C, H, W) by name, as load_pixels gives it."""
    return torch.from_numpy(pixels).permute(0, 3, 1, 2)


def test_sizes_are_measured_upright_and_without_the_files_that_have_none() -> None:
    sizes = measure_sizes(of_files("rotated.jpg", "photo.webp", "empty.png", "text.png", "digit.png"))
    assert sizes.sizes == ((80, 100), (32, 48), (28, 28))
    assert sizes.sides == [100, 48, 28]
    assert not sizes.is_grey


def test_a_set_is_grey_when_all_of_its_files_are() -> None:
    assert measure_sizes(of_files("digit.png", "grey.jpg", "one_bit.png", "sixteen_bit.png")).is_grey
    assert not measure_sizes(of_files("digit.png", "photo.jpg")).is_grey


@pytest.mark.parametrize("channels", [1, 3])
def test_arrays_have_one_size(channels: int) -> None:
    assert measure_sizes(array_set(noise(3, 5, 9, channels))) == Sizes(((5, 9),) * 3, channels == 1)


def test_files_of_which_none_is_an_image_are_refused_with_the_first() -> None:
    with pytest.raises(
        DataError,
        match=r"none of the 2 files of files is an image that can be read. The first is .*text\.png; open it in",
    ):
        measure_sizes(of_files("text.png", "empty.png"))


@pytest.mark.parametrize(
    ("sizes", "size", "expected", "sentence"),
    [
        ([(28, 28)], None, (28, 28), None),
        ([(28, 28)] * 3, None, (28, 28), None),
        ([(20, 40)] * 3, None, (20, 40), None),
        ([(64, 64)] * 3, None, (64, 64), None),
        ([(100, 100)] * 3, None, (64, 64), "images of 100x100 are padded to shape and scaled to 64x64 .*unless --size"),
        ([(128, 65)] * 3, None, (64, 32), "images of 128x65 .* to 64x32"),
        ([(3000, 1)], None, (64, 1), "images of 3000x1"),
        (
            [(10, 20), (30, 30), (50, 40)],
            None,
            (30, 30),
            r"images of 3 sizes \(10x20 to 50x40\) are padded .* to 30x30",
        ),
        ([(10, 20)] * 3 + [(50, 40)], None, (20, 20), r"2 sizes \(10x20 to 50x40\)"),
        ([(100, 200), (300, 300), (50, 400)], None, (64, 64), "3 sizes .* to 64x64 .at most 64"),
        ([(28, 28)] * 3, 32, (32, 32), "images of 28x28 are padded to shape and scaled to 32x32, as asked"),
        ([(300, 300)] * 3, 128, (128, 128), "to 128x128, as asked"),
        ([(10, 20), (30, 30)], 96, (96, 96), "2 sizes .* to 96x96, as asked"),
        ([(28, 28)] * 3, 28, (28, 28), None),
    ],
)
def test_the_size_to_train_on_is_chosen_and_said(
    sizes: list[tuple[int, int]], size: int | None, expected: tuple[int, int], sentence: str | None
) -> None:
    preprocess, said = choose_preprocess(Sizes(tuple(sizes), is_grey=True), size, "pad")
    assert preprocess == Preprocess(channels=1, height=expected[0], width=expected[1], fit="pad")
    if sentence is None:
        assert said is None
    else:
        assert re.search(sentence, str(said))


@pytest.mark.parametrize(
    ("fit", "how"), [("pad", "padded to shape"), ("stretch", "stretched"), ("crop", "cropped to shape")]
)
def test_the_sentence_says_how_images_are_fitted(fit: str, how: str) -> None:
    preprocess, said = choose_preprocess(Sizes(((10, 20), (20, 10)), is_grey=False), None, fit)  # type: ignore[arg-type]
    assert (preprocess.fit, preprocess.channels) == (fit, 3)
    assert said is not None
    assert f"are {how}" in said


@given(hnp.arrays(np.uint8, st.tuples(*[st.integers(1, 5)] * 3, st.sampled_from([1, 3]))))
def test_channel_statistics_are_the_mean_and_deviation_of_numpy(images: ndarray) -> None:
    means, deviations = channel_statistics(tensor(images))
    np.testing.assert_allclose(means, images.mean(axis=(0, 1, 2)), rtol=1e-12)
    expected = images.astype(np.float64).std(axis=(0, 1, 2))
    np.testing.assert_allclose(deviations, np.where(expected > 1e-9, expected, 1.0), rtol=1e-9)


def test_a_channel_without_spread_can_be_divided_by() -> None:
    images = np.full((3, 4, 4, 3), 77, np.uint8)
    images[..., 0] = noise(3, 4, 4)
    _, deviations = channel_statistics(tensor(images))
    assert deviations[0] > 1
    assert deviations[1:] == (1.0, 1.0)


def test_the_statistics_of_mnist_are_the_published_ones() -> None:
    # .1307 and .3081 of all 60,000 images are what every tutorial prints; 200 of them are near.
    (mean,), (deviation,) = channel_statistics(tensor(mnist_digits()[..., None].copy()))
    assert mean / 255 == pytest.approx(0.1307, abs=0.01)
    assert deviation / 255 == pytest.approx(0.3081, abs=0.01)


@pytest.mark.parametrize("channels", [1, 3])
def test_border_brightness_is_the_lower_median_of_the_outermost_pixels(channels: int) -> None:
    images = noise(6, 5, 7, channels)
    found = border_brightness(tensor(images))
    for image, brightness in zip(images, found.tolist(), strict=True):
        edges = sorted(np.concatenate([image[0].ravel(), image[-1].ravel(), image[:, 0].ravel(), image[:, -1].ravel()]))
        assert brightness == edges[(len(edges) - 1) // 2]


def test_familiar_holds_the_sides_and_the_range_of_backgrounds() -> None:
    images = np.zeros((101, 4, 4, 1), np.uint8)
    images[:] = np.arange(101, dtype=np.uint8)[:, None, None, None]
    seen = familiar(tensor(images), [4, 9, 6])
    assert (seen.min_side, seen.max_side) == (4, 9)
    assert (seen.min_border, seen.max_border) == (1.0, 99.0)


def test_digits_are_familiar_by_their_black_background() -> None:
    seen = familiar(tensor(mnist_digits()[..., None].copy()), [28])
    assert (seen.min_side, seen.max_side, seen.min_border, seen.max_border) == (28, 28, 0.0, 0.0)


def test_channels_can_be_forced() -> None:
    sizes = Sizes(((28, 28),), is_grey=True)
    assert choose_preprocess(sizes, None, "pad", channels=3)[0].channels == 3
    assert choose_preprocess(sizes, None, "pad")[0].channels == 1


@pytest.mark.parametrize("border", [0, 2])
def test_statistics_of_images_that_are_mapped_are_those_of_the_rows_that_are_meant(
    border: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(looks, "AT_ONCE", 3)  # so that seven images come in three portions
    images = noise(20, 9, 8, 3)
    rows = np.array([3, 19, 0, 7, 7, 12, 1])
    mapped = Mapped(tensor(images), torch.from_numpy(rows))
    inner = images[rows][:, border : 9 - border, border : 8 - border]
    means, deviations = channel_statistics(mapped, border)
    np.testing.assert_allclose(means, inner.mean(axis=(0, 1, 2)), rtol=1e-12)
    np.testing.assert_allclose(deviations, inner.astype(np.float64).std(axis=(0, 1, 2)), rtol=1e-9)
    torch.testing.assert_close(border_brightness(mapped), border_brightness(tensor(images[rows])))
