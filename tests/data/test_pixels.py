"""Sets decoded into one tensor, what is refused on the way, and what is told about the pixels, against NumPy."""

import re
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from data_helpers import FILES, mnist_digits, noise, write_picture
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy import ndarray

from foveal.config import Preprocess
from foveal.data.images import ImageSet, image_set
from foveal.data.pixels import (
    Pixels,
    Sizes,
    border_brightness,
    channel_statistics,
    choose_preprocess,
    drop_equal_channels,
    familiar,
    load_pixels,
    measure_sizes,
)
from foveal.errors import DataError

DIGIT_SHAPE = Preprocess(channels=1, height=28, width=28)


def in_memory(pixels: ndarray) -> ImageSet:
    return image_set(pixels, ["x"] * len(pixels), ("x",), "memory")


def of_files(*names: str) -> ImageSet:
    return image_set([FILES / name for name in names], list("abcdefghij"[: len(names)]), tuple("abcdefghij"), "files")


def tensor(pixels: ndarray) -> torch.Tensor:
    """(N, H, W, C) in memory, (N, C, H, W) by name, as load_pixels gives it."""
    return torch.from_numpy(pixels).permute(0, 3, 1, 2)


@pytest.mark.parametrize("channels", [1, 3])
def test_arrays_of_the_right_size_come_back_untouched_and_channels_last_in_memory(channels: int) -> None:
    images = noise(5, 28, 28, channels)
    pixels = load_pixels(in_memory(images), DIGIT_SHAPE.model_copy(update={"channels": channels}))
    assert pixels.pixels.shape == (5, channels, 28, 28)
    np.testing.assert_array_equal(pixels.pixels.permute(0, 2, 3, 1).numpy(), images)
    assert pixels.pixels.is_contiguous(memory_format=torch.channels_last)
    assert (pixels.kept.tolist(), pixels.refused) == ([0, 1, 2, 3, 4], ())


def test_arrays_of_another_size_are_fitted_as_files_are(tmp_path: Path) -> None:
    digits = mnist_digits()[:4]
    paths = [write_picture(tmp_path / f"{i}.png", digit) for i, digit in enumerate(digits)]
    wanted = Preprocess(channels=3, height=20, width=24)
    from_files = load_pixels(image_set(paths, ["x"] * 4, ("x",), "files"), wanted)
    from_memory = load_pixels(in_memory(digits[..., None]), wanted)
    assert from_files.pixels.shape == (4, 3, 20, 24)
    torch.testing.assert_close(from_files.pixels, from_memory.pixels)


def test_damaged_files_are_named_and_the_rest_keep_their_labels_and_order() -> None:
    names = ("empty.png", "digit.png", "truncated.jpg", "sixteen_bit.png", "text.png", "digit.pgm")
    pixels = load_pixels(of_files(*names), DIGIT_SHAPE)
    assert pixels.kept.tolist() == [1, 3, 5]
    assert pixels.labels.tolist() == [1, 3, 5]
    assert len(pixels) == 3
    np.testing.assert_array_equal(pixels.pixels[:, 0].numpy(), mnist_digits()[[0, 0, 0]])
    for name, reason in zip(("empty.png", "truncated.jpg", "text.png"), pixels.refused, strict=True):
        assert name in reason


def test_a_set_of_which_no_file_can_be_read_is_refused_with_the_first_reason() -> None:
    with pytest.raises(DataError, match=r"none of the 2 images of files can be read. The first: .*empty\.png is empty"):
        load_pixels(of_files("empty.png", "text.png"), DIGIT_SHAPE)


@pytest.mark.parametrize("images", [of_files(), in_memory(noise(0, 9, 9, 1))], ids=["files", "memory"])
def test_an_empty_set_gives_empty_pixels_of_the_right_shape(images: ImageSet) -> None:
    pixels = load_pixels(images, DIGIT_SHAPE)
    assert (pixels.pixels.shape, pixels.pixels.dtype) == ((0, 1, 28, 28), torch.uint8)
    assert (pixels.labels.dtype, len(pixels), len(pixels.kept)) == (torch.int64, 0, 0)


def test_the_pixels_of_bytes_that_may_not_be_written_can_be_written() -> None:
    pixels = load_pixels(in_memory(mnist_digits()[:3, ..., None]), DIGIT_SHAPE)
    pixels.pixels[0] = 7
    assert mnist_digits()[0].max() == 255


def test_decoding_many_files_keeps_their_order(tmp_path: Path) -> None:
    digits = mnist_digits()[:60]
    paths = [write_picture(tmp_path / f"{i:02d}.png", digit) for i, digit in enumerate(digits)]
    pixels = load_pixels(image_set(paths, [str(i) for i in range(60)], tuple(map(str, range(60))), "many"), DIGIT_SHAPE)
    np.testing.assert_array_equal(pixels.pixels[:, 0].numpy(), digits)
    assert pixels.labels.tolist() == list(range(60))


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
    assert measure_sizes(in_memory(noise(3, 5, 9, channels))) == Sizes(((5, 9),), channels == 1)


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


def test_grey_saved_as_colour_becomes_grey() -> None:
    images = np.repeat(noise(4, 6, 5, 1), 3, axis=3)
    colour = Preprocess(channels=3, height=6, width=5)
    pixels, preprocess = drop_equal_channels(load_pixels(in_memory(images), colour), colour)
    assert preprocess == Preprocess(channels=1, height=6, width=5)
    np.testing.assert_array_equal(pixels.pixels[:, 0].numpy(), images[..., 0])
    assert pixels.labels.tolist() == [0] * 4


@pytest.mark.parametrize("channel", [0, 1, 2])
def test_one_pixel_of_colour_in_one_image_keeps_three_channels(channel: int) -> None:
    images = np.repeat(noise(4, 6, 5, 1), 3, axis=3)
    images[2, 3, 4, channel] ^= 1
    colour = Preprocess(channels=3, height=6, width=5)
    pixels, preprocess = drop_equal_channels(load_pixels(in_memory(images), colour), colour)
    assert preprocess == colour
    assert pixels.pixels.shape[1] == 3


def test_grey_stays_grey() -> None:
    pixels = load_pixels(in_memory(noise(4, 28, 28, 1)), DIGIT_SHAPE)
    assert drop_equal_channels(pixels, DIGIT_SHAPE) == (pixels, DIGIT_SHAPE)


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


def test_a_folder_of_every_kind_of_file_goes_the_whole_way(tmp_path: Path) -> None:
    paths = [Path(shutil.copy(path, tmp_path)) for path in sorted(FILES.iterdir()) if path.suffix not in (".py", ".md")]
    images = image_set(paths, ["x"] * len(paths), ("x",), "all kinds")
    preprocess, said = choose_preprocess(measure_sizes(images), None, "pad")
    pixels = load_pixels(images, preprocess)
    assert isinstance(pixels, Pixels)
    assert {Path(reason.split()[0]).name for reason in pixels.refused} == {"empty.png", "text.png", "truncated.jpg"}
    assert pixels.pixels.shape == (len(paths) - 3, 3, 48, 48)
    assert said is not None
