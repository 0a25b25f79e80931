"""Hashes and tiny copies, compared with imagehash on the pictures themselves and with SciPy's correlation."""

import imagehash
import numpy as np
import pytest
import torch
from data_helpers import mnist_digits, noise
from numpy import ndarray
from PIL import Image, ImageOps
from planted_faults import scenes
from scipy.stats import pearsonr

from foveal.data.doctor.sketches import Sketches, correlation, correlation_beside_marks, sketch, unit
from foveal.data.mapped import Mapped


def sketches_of(pictures: ndarray) -> Sketches:
    return sketch([torch.from_numpy(np.array(pictures)).permute(0, 3, 1, 2)])


def bits(number: np.uint64) -> list[bool]:
    return [byte >> place & 1 == 1 for byte in np.array([number]).tobytes() for place in range(7, -1, -1)]


@pytest.mark.parametrize("pictures", [scenes(5), mnist_digits(5)[..., None]], ids=["colour", "grey"])
def test_the_hash_is_that_of_imagehash_for_the_picture_and_for_its_mirror_image(pictures):
    found = sketches_of(pictures)
    for number, pixels in enumerate(pictures):
        image = Image.fromarray(pixels.squeeze())
        assert bits(found.hashes[number]) == imagehash.dhash(image).hash.ravel().tolist()
        assert bits(found.mirrored[number]) == imagehash.dhash(ImageOps.mirror(image)).hash.ravel().tolist()


def test_parts_come_one_after_another_whether_they_are_in_memory_or_mapped():
    pictures = torch.from_numpy(np.array(scenes(6))).permute(0, 3, 1, 2)
    seen: list[tuple[int, int]] = []
    rows = torch.tensor([4, 5])
    found = sketch([pictures[:4], Mapped(pictures, rows)], lambda done, total: seen.append((done, total)))
    np.testing.assert_array_equal(found.hashes, sketches_of(scenes(6)).hashes)
    assert seen == [(4, 6), (6, 6)]


def test_a_tiny_copy_is_the_mean_of_the_pixels_that_fall_into_each_of_its_own():
    picture = noise(1, 64, 64, 3)
    means = picture.reshape(1, 16, 4, 16, 4, 3).mean(axis=(2, 4))
    np.testing.assert_allclose(sketches_of(picture).tiny, means, atol=1)  # Pillow rounds after each of two passes


def test_the_mirror_image_of_sketches_is_the_sketch_of_the_mirror_images():
    mirrored, direct = sketches_of(scenes(4)).mirror(), sketches_of(scenes(4)[:, :, ::-1])
    np.testing.assert_array_equal(mirrored.hashes, direct.hashes)
    np.testing.assert_array_equal(mirrored.tiny, direct.tiny)


def test_pictures_without_any_spread_are_flat_and_others_are_not():
    pictures = np.stack([np.full((32, 32, 3), 200, np.uint8), scenes(1, side=32)[0]])
    pictures[0, ..., 2] = 90  # two flat channels of different light are flat all the same
    assert sketches_of(pictures).is_flat.tolist() == [True, False]


def test_the_correlation_of_grey_pictures_is_that_of_scipy():
    first, second = noise(6, 16, 16, 1), noise(6, 16, 16, 1, seed=1)
    second[:3] = first[:3] // 2 + 30
    expected = [pearsonr(a.ravel(), b.ravel())[0] for a, b in zip(first, second, strict=True)]
    np.testing.assert_allclose(correlation(first, second), expected, atol=1e-5)


def test_light_and_contrast_do_not_change_the_correlation_but_colours_of_the_object_do():
    disc = (np.hypot(*np.ogrid[-8:8, -8:8]) < 5)[..., None] * np.array([200, 0, 0]) + 20
    red, darker, green = (each.astype(np.uint8)[None] for each in (disc, disc // 2 + 10, disc[..., [1, 0, 2]]))
    assert correlation(red, darker)[0] == pytest.approx(1, abs=1e-3)
    assert abs(correlation(red, green)[0]) < 0.1


def test_two_different_things_before_one_blue_sky_are_not_alike():
    first, second = np.zeros((2, 1, 16, 16, 3), np.uint8)
    first[..., 2] = second[..., 2] = 220
    first[0, 2:5, 2:5], second[0, 10:13, 9:12] = 120, 90
    assert correlation(first, second)[0] < 0.1


def test_a_mark_in_one_corner_does_not_count_beside_marks():
    plain = scenes(20, side=16)
    marked = plain.copy()
    marked[:, 12:, 12:] = 255
    assert (correlation(plain, marked) < 0.99).all()
    np.testing.assert_allclose(correlation_beside_marks(plain, marked), 1, atol=1e-4)
    assert (correlation_beside_marks(plain, np.roll(plain, 1, axis=0)) < 0.9).all()


def test_beside_marks_is_the_correlation_of_the_blocks_that_are_left():
    first, second = scenes(1, side=16), scenes(1, seed=5, side=16)
    second = (first * 0.8 + second * 0.2).astype(np.uint8)
    standard = [(each - each.mean(axis=(1, 2))) for each in (first.astype(float), second.astype(float))]
    standard = [each / np.sqrt((each**2).mean()) for each in standard]
    difference = ((standard[0] - standard[1]) ** 2).reshape(4, 4, 4, 4, 3).sum(axis=(1, 3, 4))
    kept = np.kron(difference < np.sort(difference.ravel())[-2], np.ones((4, 4))).astype(bool)
    inner = [each[0][kept] for each in (first.astype(float), second.astype(float))]  # (224, 3)
    expected = pearsonr(*((each - each.mean(axis=0)).ravel() for each in inner))[0]
    assert correlation_beside_marks(first, second)[0] == pytest.approx(expected, abs=1e-4)


def test_of_no_pairs_there_is_no_correlation():
    none = np.empty((0, 16, 16, 3), np.uint8)
    assert unit(none).shape == (0, 768)
    assert correlation(none, none).shape == correlation_beside_marks(none, none).shape == (0,)
