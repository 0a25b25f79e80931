"""Real small files in every format, decoded: against bytes read by NumPy, formulas, and slow loops."""

from pathlib import Path

import numpy as np
import pytest
from data_helpers import FILES, idx_bytes, mnist_digits, noise, write_picture
from numpy import ndarray
from PIL import Image

from foveal.config import Fit, Preprocess
from foveal.data import decode as decode_module
from foveal.data.decode import border_colour, decode, fit_image, image_header, open_image
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
    return np.asarray(open_image(FILES / name)[0]).astype(int)


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
    np.testing.assert_array_equal(np.asarray(open_image(tmp_path / "a.png")[0]), upright)
    assert open_image(tmp_path / "a.png")[1] == upright.shape[::-1]
    assert image_header((tmp_path / "a.png").read_bytes()) == (*upright.shape, True, "PNG", "L")


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
    found = np.asarray(open_image(tmp_path / "a.png")[0])
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
    np.testing.assert_array_equal(np.asarray(open_image(path)[0]), [expected] * 2)


@pytest.mark.parametrize("name", ["alpha.png", "palette.png", "sixteen_bit.png"])
def test_a_picture_that_is_worked_on_in_bands_has_the_same_pixels(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = opened(name)
    monkeypatch.setattr(decode_module, "BAND", 5 * whole.shape[1])  # five rows; the last band has fewer
    np.testing.assert_array_equal(opened(name), whole)


def test_a_big_endian_tiff_has_the_same_pixels(tmp_path: Path) -> None:
    values = (noise(1, 6, 7)[0].astype(np.uint16) * 257).astype(">u2")
    Image.frombytes("I;16B", (7, 6), values.tobytes()).save(tmp_path / "a.tiff")
    np.testing.assert_array_equal(np.asarray(open_image(tmp_path / "a.tiff")[0]), noise(1, 6, 7)[0])


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
    with pytest.raises(DataError, match=r"the data given (cannot be read as an image|is empty \(0 bytes\))") as refused:
        open_image(content)
    assert "0x" not in str(refused.value)


def test_bytes_are_decoded_as_files_are() -> None:
    np.testing.assert_array_equal(decode((FILES / "photo.webp").read_bytes(), preprocess(PHOTO)), PHOTO)


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
        ("photo.jpg", (100, 100, False, "JPEG", "RGB")),
        ("rotated.jpg", (80, 100, False, "JPEG", "RGB")),
        ("grey.jpg", (100, 100, True, "JPEG", "L")),
        ("photo.webp", (32, 48, False, "WEBP", "RGB")),
        ("alpha.png", (32, 48, False, "PNG", "RGBA")),
        ("sixteen_bit.png", (28, 28, True, "PNG", "I;16")),
        ("one_bit.png", (28, 28, True, "PNG", "1")),
        ("digit.pgm", (28, 28, True, "PPM", "L")),
        ("truncated.jpg", (100, 100, False, "JPEG", "RGB")),  # its header is whole
        ("empty.png", None),
        ("text.png", None),
    ],
)
def test_size_format_and_mode_of_a_file_are_read_from_its_header(
    name: str, expected: tuple[int, int, bool, str, str] | None
) -> None:
    assert image_header((FILES / name).read_bytes()) == expected


@pytest.mark.parametrize("orientation", [1, 6])
def test_a_large_jpeg_is_decoded_small_and_its_size_remembered(orientation: int, tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    smooth = np.add.outer(np.arange(640), np.arange(960)).astype(np.float64) * 255 / 1600
    Image.fromarray(smooth.astype(np.uint8)).save(tmp_path / "large.jpg", exif=exif, quality=95)
    image, size = open_image(tmp_path / "large.jpg", at_least=(64, 64))
    assert size == ((960, 640) if orientation == 1 else (640, 960))
    assert 64 <= min(image.size) < 160
    # Both ways average over the same pixels; what differs is where they round.
    wanted = Preprocess(channels=1, height=64, width=64, fit="stretch")
    whole = fit_image(open_image(tmp_path / "large.jpg")[0], wanted).astype(int)
    assert np.abs(decode(tmp_path / "large.jpg", wanted) - whole).max() <= 3


@pytest.mark.parametrize(
    ("name", "shown"),
    [("two\nlines.png", r"two\nlines.png"), ("\udcff.png", r"\udcff.png"), ("图 é.png", "图 é.png")],
    ids=ascii,
)
def test_a_reason_names_a_file_of_any_name_in_one_line_that_can_be_written(name: str, shown: str) -> None:
    with pytest.raises(DataError, match="is empty") as refused:
        decode(b"", preprocess(DIGIT), name)
    assert str(refused.value) == f"{shown} is empty (0 bytes). Fetch it again, or remove it."
    assert str(refused.value).encode()


def test_the_digit_of_the_files_is_the_first_of_mnist() -> None:
    assert (FILES / "digit.pgm").read_bytes().endswith(idx_bytes(DIGIT)[12:])
