"""What keeps Pillow within bounds: formats, memory measured before it is taken, silence; and headers without pixels."""

import re
import struct
import warnings
from io import BytesIO
from pathlib import Path
from threading import Event, Thread

import numpy as np
import pytest
from cli_process import python
from damage import damaged_files, resized_header
from data_helpers import FILES
from originals import encoded, originals, png
from PIL import Image, UnidentifiedImageError

from foveal.config import Preprocess
from foveal.data.decode import decode, image_header, open_image
from foveal.data.opening import BUDGET, MAX_BYTES, Budget, opened
from foveal.errors import DataError

WANTED = Preprocess(channels=3, height=32, width=32)
PHOTO = Image.open(FILES / "photo.bmp")
# Ghostscript would be run for it.
EPS = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\nshowpage\n%%EOF\n"
# Without a signature: any noise may be one.
TGA = struct.pack("<BBBHHBHHHHBB", 0, 0, 2, 0, 0, 0, 0, 0, 4, 4, 24, 0) + bytes(48)


# Tags of TIFF 6.0.
PAGE = {"width": 256, "height": 257, "samples": 277}
STRIPS = {"strip": 273, "strip_bytes": 279}
TILES = {"tile_width": 322, "tile_height": 323, "tile": 324, "tile_bytes": 325}


def tiff(**tags: int) -> bytes:
    """The header of a grey, deflated TIFF of 8 bits; each tag is one number in the first and only list."""
    numbers = {**PAGE, **STRIPS, **TILES}
    listed = {258: 8, 259: 8, 262: 1, 277: 1, **{numbers[name]: value for name, value in tags.items()}}
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in sorted(listed.items()))
    return b"II*\0" + struct.pack("<IH", 8, len(listed)) + entries + bytes(4)


@pytest.mark.parametrize(("kind", "content"), [("EPS", EPS), ("TGA", TGA)])
def test_what_pillow_would_open_but_no_photo_is_kept_in_is_refused(kind: str, content: bytes) -> None:
    assert Image.open(BytesIO(content)).format == kind
    assert image_header(content) is None
    with pytest.raises(DataError, match=r"its content is none of PNG, JPEG, GIF, BMP, PPM, TIFF, WEBP\. Open it in"):
        decode(content, WANTED)


@pytest.mark.parametrize(
    ("content", "megabytes"),
    [
        (png(8000, 8000, 8, 0, b""), 515),  # 8 bytes a pixel, and 192 a row and a column
        (png(1, 3_000_000, 8, 0, b""), 600),
        (resized_header("photo.webp", 5200, 5200), 488),
        (resized_header("progressive.jpg", 10_000, 10_000), 613),  # its coefficients, and the pixels of an eighth
        (tiff(width=9, height=9, tile_width=30_000, tile_height=30_000, tile=8, tile_bytes=9), 900),
        (tiff(width=7000, height=8000, strip=8, strip_bytes=9), 507),
    ],
    ids=["pixels", "lines", "webp", "progressive", "tile", "strip"],
)
def test_what_would_take_too_much_memory_is_refused_before_it_takes_it(content: bytes, megabytes: int) -> None:
    with pytest.raises(
        DataError, match=r"its [\d,]+ x [\d,]+ pixels, as they are stored, would take [\d,]+ MB"
    ) as refused:
        decode(content, WANTED)
    said = int(re.search(r"take ([\d,]+) MB", str(refused.value)).group(1))
    assert said == pytest.approx(megabytes, rel=0.02)


def test_a_jpeg_that_is_decoded_at_an_eighth_may_be_larger() -> None:
    content = resized_header("photo.jpg", 10_000, 10_000)  # baseline: kept nowhere whole
    assert image_header(content) == (10_000, 10_000, False, "JPEG", "RGB")
    assert decode(content, WANTED).shape == (32, 32, 3)
    with pytest.raises(DataError, match="10,000 x 10,000 pixels, as they are stored, would take 8"):
        open_image(content)


def test_a_file_that_is_too_large_itself_is_not_read(tmp_path: Path) -> None:
    with (tmp_path / "a.png").open("wb") as file:
        file.truncate(MAX_BYTES + 1)  # a hole: it takes no place on the disk
    with pytest.raises(DataError, match=r"a\.png cannot be read as an image: it has 480 MB, more than the 480 that"):
        decode(tmp_path / "a.png", WANTED)


def test_a_damaged_file_is_refused_for_the_same_reason_by_its_path_and_by_its_content(tmp_path: Path) -> None:
    for made in damaged_files(130, seed=3):
        (tmp_path / "a").write_bytes(made.content)
        assert _said_of(tmp_path / "a") == _said_of(made.content)


def _said_of(source: Path | bytes) -> str:
    try:
        return str(decode(source, WANTED, "a").sum())
    except DataError as error:
        return str(error)


def test_a_budget_makes_wait_who_needs_more_than_is_left_and_lets_go_on_who_does_not() -> None:
    budget, is_in = Budget(10), Event()

    def take_six() -> None:
        with budget.taken(6):
            is_in.set()

    waiting = Thread(target=take_six)
    with budget.taken(5):
        waiting.start()
        with budget.taken(5):  # goes on at once
            assert not is_in.wait(0.05)
    assert is_in.wait(10)
    waiting.join()


def test_what_fails_gives_its_memory_back() -> None:
    for content in (b"no picture", (FILES / "truncated.jpg").read_bytes()):
        with pytest.raises(DataError, match="cannot be read"):
            decode(content, WANTED)
    with BUDGET.taken(MAX_BYTES):
        pass


def test_what_pillow_warns_of_is_not_shown() -> None:
    content = (FILES / "photo.tiff").read_bytes()[:-1]
    with pytest.warns(UserWarning, match="Truncated File Read"), pytest.raises(UnidentifiedImageError):
        Image.open(BytesIO(content))
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        image_header(content)
        with pytest.raises(DataError, match="cannot be read"):
            decode(content, WANTED)
    assert told == []


def test_what_pillow_logs_is_not_shown(tmp_path: Path) -> None:
    (tmp_path / "a.tif").write_bytes(tiff(width=9, height=9, samples=200))
    open_it = "Image.open('a.tif', formats=('TIFF',))"
    alone = python(f"from PIL import Image; {open_it}", cwd=tmp_path, expect=1)
    assert "More samples per pixel than can be decoded" in alone.stderr
    within = python(f"import foveal.data.decode; from PIL import Image; {open_it}", cwd=tmp_path, expect=1)
    assert "More samples" not in within.stderr


def test_warnings_are_as_before_when_the_last_of_several_threads_is_done() -> None:
    before = list(warnings.filters)
    first, second = opened(FILES / "photo.bmp"), opened(FILES / "photo.jpg")
    first.__enter__()
    second.__enter__()
    first.__exit__(None, None, None)
    assert warnings.filters != before
    second.__exit__(None, None, None)
    assert warnings.filters == before


@pytest.mark.parametrize("ending", [".png", ".tif", ".webp"])
def test_a_header_tells_the_size_that_the_picture_has_when_it_is_turned(ending: str) -> None:
    content = originals()[f"turned{ending}"]
    upright, size = open_image(content)
    np.testing.assert_array_equal(np.asarray(upright), np.rot90(np.asarray(PHOTO), -1))
    assert upright.size == size == PHOTO.size[::-1]
    assert image_header(content)[:2] == size[::-1]


@pytest.mark.parametrize("exif", [b"", b"II*\0", b"no list of tags", b"MM\0*\xff\xff\xff\xff"], ids=str)
@pytest.mark.parametrize("ending", [".png", ".webp"])
def test_a_picture_whose_exif_is_damaged_is_good_and_stays_as_it_is_stored(ending: str, exif: bytes) -> None:
    content = encoded(PHOTO, f"a{ending}", exif=b"Exif\0\0" + exif, **({"lossless": True} if ending == ".webp" else {}))
    np.testing.assert_array_equal(np.asarray(open_image(content)[0]), np.asarray(PHOTO))
    assert image_header(content)[:2] == PHOTO.size[::-1]


def test_the_header_of_a_png_is_read_without_its_pixels() -> None:
    assert image_header(png(9, 5, 8, 0, b"")) == (5, 9, True, "PNG", "L")
