"""Exact copies, whatever the format, and what pairs and groups make of splits; pairs are compared with plain loops."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from data_helpers import FILES, mnist_digits
from numpy import ndarray
from PIL import Image
from planted_faults import copy, gathered, scenes, write_scenes

from foveal.data.doctor.duplicates import equal, exact_copies, families, later_side, pairs_of, representatives
from foveal.data.doctor.gathered import Gathered
from foveal.data.images import MAX_FILE
from foveal.data.tree import Stamp


def names(images: Gathered, groups: list[ndarray]) -> list[set[str]]:
    return [{images.short_name(i) for i in group.tolist()} for group in groups]


def test_the_same_pixels_are_one_picture_whatever_the_format_and_the_split(tmp_path):
    write_scenes(tmp_path, {"train": 4, "test": 2})
    copy(tmp_path, "train/cat/001.png", "train/cat/as.bmp", "train/dog/as.tiff", "test/cat/as.png")
    copy(tmp_path, "test/dog/000.png", "test/dog/as.webp", lossless=True)
    images = gathered(tmp_path)
    assert names(images, exact_copies(images)) == [
        {"train/cat/001.png", "train/cat/as.bmp", "train/dog/as.tiff", "test/cat/as.png"},
        {"test/dog/000.png", "test/dog/as.webp"},
    ]


def test_the_same_photo_in_three_formats_is_one_and_a_jpeg_of_it_is_another(tmp_path):
    write_scenes(tmp_path, {"": 3})
    for name in ("photo.bmp", "photo.tiff", "photo.webp"):
        (tmp_path / "cat" / name).write_bytes((FILES / name).read_bytes())
    with Image.open(FILES / "photo.bmp") as photo:
        photo.save(tmp_path / "dog" / "photo.jpg", quality=95)
    images = gathered(tmp_path)
    assert names(images, exact_copies(images)) == [{"cat/photo.bmp", "cat/photo.tiff", "cat/photo.webp"}]


def test_pictures_that_are_equal_only_when_made_small_are_no_copies(tmp_path):
    write_scenes(tmp_path, {"": 3})
    picture = scenes(1, seed=3)[0]
    other = picture.copy()
    other[20, 30] ^= 1  # too little to be seen at 4x4
    Image.fromarray(picture).save(tmp_path / "cat/a.png")
    Image.fromarray(picture).save(tmp_path / "cat/b.png", compress_level=1)
    Image.fromarray(other).save(tmp_path / "dog/c.png")
    images = gathered(tmp_path, side=4)
    assert [len(group) for group in equal(images.pixel_ids)] == [3]
    assert names(images, exact_copies(images)) == [{"cat/a.png", "cat/b.png"}]


def test_a_grey_picture_and_the_same_saved_in_colour_are_one(tmp_path):
    write_scenes(tmp_path, {"": 2})
    Image.fromarray(mnist_digits()[0]).save(tmp_path / "cat/grey.png")
    Image.fromarray(mnist_digits()[0]).convert("RGB").save(tmp_path / "dog/colour.png")
    images = gathered(tmp_path)
    assert names(images, exact_copies(images)) == [{"cat/grey.png", "dog/colour.png"}]


def test_copies_in_arrays_are_found_by_their_pixels():
    digits = mnist_digits(20)
    train, test = np.concatenate([digits[:10], digits[:2]]), np.concatenate([digits[10:], digits[1:2]])
    images = gathered({"train": (train, [0, 1] * 6), "test": (test, [0] * 11)}, side=28, channels=1)
    assert [group.tolist() for group in exact_copies(images)] == [[0, 10], [1, 11, 22]]


def test_what_cannot_be_decoded_at_full_size_is_a_copy_only_of_the_same_file(tmp_path):
    write_scenes(tmp_path, {"": 2})
    copy(tmp_path, "cat/000.png", "dog/as.bmp", "dog/as2.bmp", "dog/as.tiff")
    images = gathered(tmp_path)
    for name in ("as.bmp", "as2.bmp"):
        (tmp_path / "dog" / name).write_bytes(b"BM")
    assert names(images, exact_copies(images)) == [{"cat/000.png", "dog/as.tiff"}, {"dog/as.bmp", "dog/as2.bmp"}]


def test_a_file_too_large_for_a_picture_is_not_read_to_be_compared(tmp_path):
    write_scenes(tmp_path, {"": 2})
    copy(tmp_path, "cat/000.png", "dog/as.bmp", "dog/as.tiff")
    images = gathered(tmp_path)
    part = images.data.parts["all"]
    stamps = {**part.images.tree.files, "dog/as.bmp": Stamp(MAX_FILE + 1, 0)}
    large = replace(part, images=replace(part.images, tree=replace(part.images.tree, files=stamps)))
    images = replace(images, data=replace(images.data, parts={"all": large}))
    assert names(images, exact_copies(images)) == [{"cat/000.png", "dog/as.tiff"}]


@pytest.mark.parametrize("keys", [[], ["a"], ["a", "b"], [3, 1, 3, 2, 1, 3]], ids=str)
def test_equal_gives_the_places_of_what_occurs_more_than_once(keys):
    expected = [
        [i for i, key in enumerate(keys) if key == each] for each in sorted({k for k in keys if keys.count(k) > 1})
    ]
    assert [group.tolist() for group in equal(np.array(keys))] == expected


def test_one_of_each_group_stays_in_each_split():
    pictures = mnist_digits(8)
    train, test = pictures[[0, 1, 0, 2, 0]], pictures[[0, 0, 3]]
    images = gathered({"train": (train, [0, 1, 0, 1, 0]), "test": (test, [0, 0, 1])}, side=28, channels=1)
    assert representatives(images, exact_copies(images)).tolist() == [0, 1, 3, 5, 7]
    assert representatives(images, []).tolist() == list(range(8))


def test_families_are_what_hangs_together_by_pairs():
    generator = np.random.default_rng(0)
    pairs = np.sort(generator.integers(0, 60, (35, 2)), axis=1)
    pairs = pairs[pairs[:, 0] < pairs[:, 1]]
    family = list(range(60))
    for _ in range(60):  # the smaller number spreads along the pairs until nothing changes
        for i, j in pairs.tolist():
            family[i] = family[j] = min(family[i], family[j])
    expected = [[i for i in range(60) if family[i] == each] for each in sorted(set(family))]
    found = [group.tolist() for group in families(pairs, 60)]
    assert found == [group for group in expected if len(group) > 1]
    assert families(np.empty((0, 2), np.int64), 5) == []


def test_of_a_pair_across_splits_the_image_of_the_later_split_is_the_copy():
    part = np.array([0, 0, 1, 1, 2, 2])
    pairs = np.array([[0, 1], [2, 1], [2, 4], [4, 5], [3, 2]])
    assert later_side(pairs, part).tolist() == [2, 4]


def test_each_image_of_a_group_is_paired_with_its_first():
    assert pairs_of([np.array([3, 5, 9]), np.array([1, 2])]).tolist() == [[3, 5], [3, 9], [1, 2]]
    assert pairs_of([]).shape == (0, 2)


def test_an_image_is_called_by_its_path_or_by_its_number_in_its_array(tmp_path):
    write_scenes(tmp_path, {"train": 2, "test": 1})
    images = gathered(tmp_path)
    last = len(images) - 1
    assert Path(images.name(last)) == tmp_path / "test/dog/000.png"
    assert (images.short_name(last), images.split(last), images.label(last)) == ("test/dog/000.png", "test", "dog")
    np.testing.assert_array_equal(images.picture(last), scenes(6)[5])
    arrays = gathered({"train": (mnist_digits(4), [0, 1, 0, 1])}, side=28, channels=1)
    assert (arrays.name(3), arrays.short_name(3)) == ("train #3", "train #3")
