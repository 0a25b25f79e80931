"""Real small files in every format, decoded: against bytes read by NumPy, formulas, and slow loops."""

import io
from pathlib import Path

import numpy as np
import pytest
from data_helpers import FILES, idx_bytes, mnist_digits, noise, write_picture
from numpy import ndarray
from PIL import Image

from foveal.config import Fit, Preprocess
from foveal.data.images import (
    border_colour,
    content_ids,
    decode,
    fit_image,
    image_set,
    image_size,
    open_image,
)
from foveal.errors import DataError

DIGIT = mnist_digits()[0]


def bmp_pixels(path: Path) -> ndarray:
    """A 24-bit BMP by NumPy alone: a header that says where the pixels start, rows from the bottom, blue first."""
    content = path.read_bytes()
    start, width, height = (int.from_bytes(content[at : at + 4], "little") for at in (10, 18, 22))
    stride = -(-width * 3 // 4) * 4
    rows = np.frombuffer(content, np.uint8, stride * height, start).reshape(height, stride)
    return rows[::-1, : width * 3].reshape(height, width, 3)[..., ::-1]


PHOTO = bmp_pixels(FILES / "photo.bmp")  # rows 30-61 and columns 20-67 of the photo of 100x100


def preprocess(pixels: ndarray, fit: Fit = "pad") -> Preprocess:
    """The Preprocess that leaves pictures of this shape as they are."""
    return Preprocess(channels=1 if pixels.ndim == 2 else 3, height=pixels.shape[0], width=pixels.shape[1], fit=fit)


def opened(name: str) -> ndarray:
    return np.asarray(open_image(FILES / name)).astype(int)


@pytest.mark.parametrize("name", ["photo.bmp", "photo.tiff", "photo.webp"])
def test_lossless_colour_files_give_exactly_their_pixels(name: str) -> None:
    np.testing.assert_array_equal(opened(name), PHOTO)


@pytest.mark.parametrize("name", ["digit.png", "digit.pgm", "sixteen_bit.png", "animated.gif"])
def test_grey_files_give_exactly_their_pixels_and_an_animation_its_first_picture(name: str) -> None:
    found = opened(name)
    np.testing.assert_array_equal(found if found.ndim == 2 else found[..., 0], DIGIT)
    np.testing.assert_array_equal(decode(FILES / name, preprocess(DIGIT))[..., 0], DIGIT)


def test_one_bit_is_black_or_white() -> None:
    np.testing.assert_array_equal(opened("one_bit.png"), np.where(DIGIT > 127, 255, 0))


@pytest.mark.parametrize("name", ["photo.jpg", "cmyk.jpg"])
def test_jpeg_gives_the_colours_of_the_photo_to_within_its_loss(name: str) -> None:
    difference = np.abs(opened(name)[30:62, 20:68] - PHOTO)
    assert difference.mean() < 4
    assert difference.max() < 40


def test_a_grey_jpeg_has_the_brightness_of_the_photo() -> None:
    luma = PHOTO @ [0.299, 0.587, 0.114]  # ITU-R BT.601, which JPEG and Pillow go by
    assert opened("grey.jpg").shape == (100, 100)
    assert np.abs(opened("grey.jpg")[30:62, 20:68] - luma).mean() < 3


def test_a_photo_stored_on_its_side_is_turned_upright() -> None:
    with Image.open(FILES / "rotated.jpg") as stored:
        assert stored.size == (80, 100)
    upright = opened("rotated.jpg")
    assert upright.shape == (80, 100, 3)
    assert np.abs(upright[20:52, 20:68] - PHOTO).mean() < 4


# EXIF 2.3, tag 0x0112: which corner of the picture the first row and the first column of the file are.
UPRIGHT_OF_STORED = {
    1: lambda a: a,
    2: lambda a: a[:, ::-1],
    3: lambda a: a[::-1, ::-1],
    4: lambda a: a[::-1],
    5: lambda a: a.T,
    6: lambda a: np.rot90(a, -1),
    7: lambda a: np.rot90(a, 2).T,
    8: lambda a: np.rot90(a, 1),
}


@pytest.mark.parametrize("orientation", UPRIGHT_OF_STORED)
def test_every_exif_orientation_is_obeyed_by_pixels_and_by_size(orientation: int, tmp_path: Path) -> None:
    stored = noise(1, 5, 9)[0]
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(stored).save(tmp_path / "a.png", exif=exif)
    upright = UPRIGHT_OF_STORED[orientation](stored)
    np.testing.assert_array_equal(np.asarray(open_image(tmp_path / "a.png")), upright)
    assert image_size(tmp_path / "a.png") == (*upright.shape, True)


def test_transparency_is_laid_on_white() -> None:
    share = np.linspace(0, 255, 48).round()[None, :, None] / 255
    expected = PHOTO * share + 255 * (1 - share)
    assert np.abs(opened("alpha.png") - expected).max() <= 1
    np.testing.assert_array_equal(opened("alpha.png")[:, 0], 255)


def test_a_transparent_colour_of_a_palette_is_white() -> None:
    with Image.open(FILES / "palette.png") as stored:
        numbers, colours = np.asarray(stored), np.array(stored.getpalette()).reshape(-1, 3)
    assert (numbers == 3).any()
    colours[3] = 255
    np.testing.assert_array_equal(opened("palette.png"), colours[numbers])


@pytest.mark.parametrize("mode", ["LA", "L", "RGB", "RGBA", "1"])
def test_what_is_wholly_transparent_is_white_in_every_mode(mode: str, tmp_path: Path) -> None:
    picture = Image.new(mode, (4, 4), 0)
    picture.save(
        tmp_path / "a.png", **({} if mode.endswith("A") else {"transparency": (0,) * 3 if mode == "RGB" else 0})
    )
    found = np.asarray(open_image(tmp_path / "a.png"))
    assert found.shape == ((4, 4, 3) if mode.startswith("RGB") else (4, 4))
    assert (found == 255).all()


@pytest.mark.parametrize(
    ("dtype", "values", "expected"),
    [
        ("uint16", [0, 257, 128 * 257, 65535], [0, 1, 128, 255]),
        ("uint16", [0, 1, 128, 255], [0, 1, 128, 255]),
        ("int32", [0, 257, 128 * 257, 65535], [0, 1, 128, 255]),
        ("float32", [0.0, 1.0, 127.6, 255.0], [0, 1, 128, 255]),
        ("float32", [0.0, 0.25, 0.5, 1.0], [0, 64, 128, 255]),
    ],
    ids=["16 bits", "16 bits, 8 used", "32 bits, 16 used", "floats 0-255", "floats 0-1"],
)
def test_more_than_8_bits_are_scaled_to_8(dtype: str, values: list[float], expected: list[int], tmp_path: Path) -> None:
    path = write_picture(tmp_path / "a.tiff", np.array([values] * 2, dtype=dtype))
    np.testing.assert_array_equal(np.asarray(open_image(path)), [expected] * 2)


def test_a_big_endian_tiff_has_the_same_pixels(tmp_path: Path) -> None:
    values = (noise(1, 6, 7)[0].astype(np.uint16) * 257).astype(">u2")
    Image.frombytes("I;16B", (7, 6), values.tobytes()).save(tmp_path / "a.tiff")
    np.testing.assert_array_equal(np.asarray(open_image(tmp_path / "a.tiff")), noise(1, 6, 7)[0])


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("empty.png", r"empty\.png is empty \(0 bytes\). Fetch it again, or remove it"),
        ("text.png", r"text\.png cannot be read as an image: .* Open it in a viewer, fetch it again"),
        ("truncated.jpg", r"truncated\.jpg cannot be read as an image: .*truncated.* Open it in a viewer"),
        ("nowhere.png", r"there is no file .*nowhere\.png. Check the path"),
        (".", "cannot be read as an image: .*directory"),
    ],
)
def test_what_is_no_image_is_refused_with_its_reason(name: str, reason: str) -> None:
    with pytest.raises(DataError, match=reason):
        decode(FILES / name, preprocess(DIGIT))


@pytest.mark.parametrize(
    "content", [b"", b"no picture", (FILES / "truncated.jpg").read_bytes()], ids=["empty", "text", "cut"]
)
def test_bytes_that_are_no_image_are_refused_without_the_address_of_an_object(content: bytes) -> None:
    with pytest.raises(DataError, match=r"the data given cannot be read as an image") as refused:
        open_image(io.BytesIO(content))
    assert "0x" not in str(refused.value)


def test_bytes_are_decoded_as_files_are() -> None:
    stream = io.BytesIO((FILES / "photo.webp").read_bytes())
    np.testing.assert_array_equal(decode(stream, preprocess(PHOTO)), PHOTO)


def test_a_colour_picture_becomes_grey_by_its_brightness_and_a_grey_one_three_equal_channels() -> None:
    grey = fit_image(Image.fromarray(PHOTO), preprocess(PHOTO[..., 0]))
    assert grey.shape == (32, 48, 1)
    assert np.abs(grey[..., 0] - PHOTO @ [0.299, 0.587, 0.114]).max() < 1
    colour = fit_image(Image.fromarray(DIGIT), Preprocess(channels=3, height=28, width=28))
    np.testing.assert_array_equal(colour, np.repeat(DIGIT[..., None], 3, axis=2))


@pytest.mark.parametrize("fit", ["pad", "stretch", "crop"])
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("size", [(28, 28), (10, 40), (40, 10), (1, 1), (200, 150)])
@pytest.mark.parametrize("picture", [(32, 48), (100, 7), (1, 300), (2000, 1)])
def test_any_picture_comes_out_in_the_shape_that_is_asked_for(
    picture: tuple[int, int], size: tuple[int, int], channels: int, fit: Fit
) -> None:
    wanted = Preprocess(channels=channels, height=size[0], width=size[1], fit=fit)
    found = fit_image(Image.fromarray(noise(1, *picture, 3)[0]), wanted)
    assert (found.shape, found.dtype) == ((*size, channels), np.uint8)


def blocks() -> ndarray:
    """40 wide and 20 high: left half 200, right half 100, in a frame of 10."""
    picture = np.full((20, 40), 10, np.uint8)
    picture[2:18, 2:20], picture[2:18, 20:38] = 200, 100
    return picture


def halved(pixels: ndarray) -> ndarray:
    """Every 2x2 pixels averaged."""
    height, width = pixels.shape
    return pixels.reshape(height // 2, 2, width // 2, 2).mean(axis=(1, 3))


def test_padding_keeps_the_aspect_and_puts_the_border_colour_around() -> None:
    padded = fit_image(Image.fromarray(blocks()), Preprocess(channels=1, height=40, width=40))[..., 0]
    np.testing.assert_array_equal(padded[10:30], blocks())
    assert (padded[:10] == 10).all()
    assert (padded[30:] == 10).all()
    smaller = fit_image(Image.fromarray(blocks()), Preprocess(channels=1, height=20, width=20))[..., 0].astype(float)
    assert (smaller[:5] == 10).all()
    assert (smaller[15:] == 10).all()
    # A triangle of twice the width of the average is what Pillow's bilinear filter is; they agree away from the edges.
    np.testing.assert_allclose(smaller[5:15][3:7, 3:8], halved(blocks())[3:7, 3:8])
    np.testing.assert_allclose(smaller[5:15][3:7, 12:17], halved(blocks())[3:7, 12:17])


def test_stretching_ignores_the_aspect_and_uses_the_whole_picture() -> None:
    stretched = fit_image(Image.fromarray(blocks()), Preprocess(channels=1, height=40, width=40, fit="stretch"))[..., 0]
    assert (stretched[8:32, 5:17] == 200).all()
    assert (stretched[8:32, 23:35] == 100).all()
    assert (stretched[0] == 10).all()


def test_cropping_keeps_the_aspect_and_cuts_the_longer_side_evenly() -> None:
    cropped = fit_image(Image.fromarray(blocks()), Preprocess(channels=1, height=20, width=20, fit="crop"))[..., 0]
    np.testing.assert_array_equal(cropped, blocks()[:, 10:30])


def test_shrinking_averages_over_all_pixels_so_that_fine_lines_become_grey() -> None:
    lines = np.zeros((256, 256), np.uint8)
    lines[::2] = 255
    shrunk = fit_image(Image.fromarray(lines), Preprocess(channels=1, height=16, width=16))
    assert np.abs(shrunk.astype(int) - 128).max() < 10


@pytest.mark.parametrize("shape", [(6, 7), (6, 7, 3), (1, 5), (5, 1, 3), (1, 1)], ids=str)
def test_the_border_colour_is_the_median_of_the_outermost_pixels(shape: tuple[int, ...]) -> None:
    pixels = noise(1, *shape)[0]
    height, width = shape[:2]
    edges = [pixels[0, x] for x in range(width)] + [pixels[height - 1, x] for x in range(width)]
    edges += [pixels[y, 0] for y in range(height)] + [pixels[y, width - 1] for y in range(height)]
    expected = np.median(np.array(edges), axis=0).astype(int)
    assert border_colour(Image.fromarray(pixels)) == (int(expected) if len(shape) == 2 else tuple(expected.tolist()))


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("photo.jpg", (100, 100, False)),
        ("rotated.jpg", (80, 100, False)),
        ("grey.jpg", (100, 100, True)),
        ("photo.webp", (32, 48, False)),
        ("alpha.png", (32, 48, False)),
        ("sixteen_bit.png", (28, 28, True)),
        ("one_bit.png", (28, 28, True)),
        ("digit.pgm", (28, 28, True)),
        ("truncated.jpg", (100, 100, False)),  # its header is whole
        ("empty.png", None),
        ("text.png", None),
        ("nowhere.png", None),
    ],
)
def test_the_size_of_a_file_is_read_from_its_header(name: str, expected: tuple[int, int, bool] | None) -> None:
    assert image_size(FILES / name) == expected


def test_the_id_of_an_image_is_that_of_its_content(tmp_path: Path) -> None:
    names = ["a.png", "copy/of/a.png", "b.png"]
    for name, digit in zip(names, mnist_digits()[[0, 0, 1]], strict=True):
        write_picture(tmp_path / name, digit)
    ids = content_ids(image_set([tmp_path / name for name in names], ["x"] * 3, ("x",), "here"))
    assert ids[0] == ids[1] != ids[2]
    in_memory = image_set(mnist_digits()[[0, 1, 0], ..., None], ["x"] * 3, ("x",), "here")
    ids = content_ids(in_memory)
    assert ids[0] == ids[2] != ids[1]
    assert all(len(image_id) == 16 for image_id in ids)
    assert content_ids(in_memory.take(np.array([1]))) == (ids[1],)


def test_images_of_the_same_bytes_in_another_order_have_other_ids() -> None:
    images = noise(1, 4, 6, 1)
    turned = np.ascontiguousarray(images[:, ::-1])
    assert content_ids(image_set(images, ["x"], ("x",), "a")) != content_ids(image_set(turned, ["x"], ("x",), "a"))


def test_a_set_takes_images_in_the_order_that_is_asked_for_and_remembers_their_numbers() -> None:
    images = image_set(noise(5, 2, 2, 1), list("ababb"), ("a", "b"), "train.idx")
    taken = images.take(np.array([4, 0])).take(np.array([1, 0, 0]))
    np.testing.assert_array_equal(taken.images, noise(5, 2, 2, 1)[[0, 4, 4]])
    assert taken.labels.tolist() == [0, 1, 1]
    assert [taken.name(i) for i in range(3)] == ["train.idx #0", "train.idx #4", "train.idx #4"]


def test_counts_of_images_and_labels_must_be_the_same() -> None:
    with pytest.raises(DataError, match=r"here has 5 images but 4 labels. Each image needs one label"):
        image_set(noise(5, 2, 2, 1), list("aaaa"), ("a",), "here")


def test_the_digit_of_the_files_is_the_first_of_mnist() -> None:
    assert (FILES / "digit.pgm").read_bytes().endswith(idx_bytes(DIGIT)[12:])
