"""Near copies: found after what encoders and people do to pictures, and not among pictures that only look alike."""

import io
from collections.abc import Callable

import numpy as np
import pytest
import torch
from data_helpers import FILES, mnist_digits
from numpy import ndarray
from PIL import Image, ImageDraw, ImageEnhance, ImageOps
from planted_faults import scenes

from foveal.data.doctor import near_duplicates
from foveal.data.doctor.near_duplicates import NearPairs, candidates, near_pairs
from foveal.data.doctor.sketches import Sketches, sketch

N = 120


def jpeg(quality: int) -> Callable[[Image.Image], Image.Image]:
    def encode(image: Image.Image) -> Image.Image:
        content = io.BytesIO()
        image.save(content, "JPEG", quality=quality)
        return Image.open(content).convert("RGB")

    return encode


def brightness(factor: float) -> Callable[[Image.Image], Image.Image]:
    return lambda image: ImageEnhance.Brightness(image).enhance(factor)


def cropped(image: Image.Image) -> Image.Image:
    return ImageOps.crop(image, border=1)


def smaller(image: Image.Image) -> Image.Image:
    return image.resize((round(image.width * 0.7), round(image.height * 0.7)), Image.Resampling.BILINEAR)


def watermarked(image: Image.Image) -> Image.Image:
    marked = image.copy()
    ImageDraw.Draw(marked).rectangle((image.width - 10, image.height - 6, image.width, image.height), fill="white")
    return marked


CHANGES = {
    "JPEG 90": jpeg(90),
    "JPEG 50": jpeg(50),
    "70 % of the size": smaller,
    "lighter": brightness(1.15),
    "darker": brightness(0.85),
    "cropped by 3 %": cropped,
    "watermark": watermarked,
    "mirrored": ImageOps.mirror,
}


def changed(pictures: ndarray, change: Callable[[Image.Image], Image.Image]) -> ndarray:
    size = pictures.shape[2], pictures.shape[1]
    images = [change(Image.fromarray(each)).resize(size, Image.Resampling.BILINEAR) for each in pictures]
    return np.stack([np.asarray(each) for each in images])


def sketches_of(pictures: ndarray) -> Sketches:
    return sketch([torch.from_numpy(np.array(pictures)).permute(0, 3, 1, 2)])


def found(pictures: ndarray) -> NearPairs:
    return near_pairs(sketches_of(pictures))


@pytest.mark.parametrize("name", CHANGES)
def test_a_changed_copy_is_found_among_other_pictures_and_nothing_else(name):
    originals = scenes(400)
    copies = changed(originals[:10], CHANGES[name])
    near = found(np.concatenate([originals, copies]))
    assert near.pairs.tolist() == [[i, 400 + i] for i in range(10)]
    assert near.is_mirrored.all() == (name == "mirrored")
    assert not near.is_crowded


def test_a_real_photo_is_found_again_in_another_format_and_a_little_cropped():
    with Image.open(FILES / "photo.jpg") as opened:
        photo = opened.convert("RGB")
    versions = [photo, cropped(photo), jpeg(60)(photo), smaller(photo)]
    pictures = np.stack([np.asarray(each.resize((64, 64), Image.Resampling.BILINEAR)) for each in versions])
    near = found(np.concatenate([scenes(200), pictures]))
    assert near.pairs.tolist() == [[200 + i, 200 + j] for i in range(4) for j in range(i + 1, 4)]


def test_real_digits_which_are_alike_by_nature_are_no_copies_of_one_another():
    near = found(mnist_digits(2000)[..., None])
    assert near.is_crowded
    assert len(near.pairs) <= 2  # of two million


def test_a_copy_that_stands_out_is_found_even_among_digits():
    digits = mnist_digits(600)[..., None]
    encoded = [np.asarray(jpeg(75)(Image.fromarray(each[..., 0]).convert("RGB")))[..., :1] for each in digits[:8]]
    near = found(np.concatenate([digits, np.stack(encoded)]))
    assert {(i, 600 + i) for i in range(8)} <= set(map(tuple, near.pairs.tolist()))


def test_flat_pictures_are_compared_with_nothing():
    flat = np.arange(10, 200, 10, dtype=np.uint8)[:, None, None, None] * np.ones((1, 32, 32, 3), np.uint8)
    assert len(found(flat).pairs) == 0


@pytest.mark.parametrize("count", [0, 1, 2])
def test_hardly_any_pictures_have_no_near_copies(count):
    near = near_pairs(sketches_of(scenes(2)).take(np.arange(count)))
    assert near.pairs.shape == (0, 2)
    assert near.searched == count


def test_pictures_beyond_what_can_be_searched_are_left_and_the_number_says_so(monkeypatch):
    monkeypatch.setattr(near_duplicates, "MAX_IMAGES", 100)
    originals = scenes(100)
    near = found(np.concatenate([originals, originals[:5]]))
    assert (near.searched, near.left_out, len(near.pairs)) == (100, 5, 0)


def test_where_all_hashes_are_one_nothing_can_be_told(monkeypatch):
    monkeypatch.setattr(near_duplicates, "MAX_CANDIDATES", 10)
    some = sketches_of(scenes(50))
    near = near_pairs(Sketches(np.zeros_like(some.hashes), some.mirrored, some.tiny))
    assert near.crowded == 1
    assert len(near.pairs) == 0


@pytest.mark.parametrize("radius", [0, 3, 20, 30])
def test_candidates_are_all_pairs_within_the_radius_and_no_others(radius, monkeypatch):
    monkeypatch.setattr(near_duplicates, "ROWS", 7)
    monkeypatch.setattr(near_duplicates, "COLUMNS", 11)
    monkeypatch.setattr(near_duplicates, "AT_ONCE", 5)
    generator = np.random.default_rng(0)
    hashes = generator.integers(0, 2**64, 60, dtype=np.uint64)
    hashes[40:50] = hashes[:10]
    others = hashes ^ np.uint64(1)
    numbers, turned = hashes.tolist(), others.tolist()
    expected = {(i, j) for i in range(60) for j in range(i + 1, 60) if (numbers[i] ^ turned[j]).bit_count() <= radius}
    pairs = [tuple(pair) for some in candidates(hashes, others, radius) for pair in some.tolist()]
    assert len(pairs) == len(set(pairs))
    assert set(pairs) == expected
