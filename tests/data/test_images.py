"""Sets of images: what they are called, taken from one another, and told apart by."""

from pathlib import Path

import numpy as np
import pytest
from data_helpers import array_set, files_set, mnist_digits, noise, pixels_in, write_picture

from foveal.data.images import ImageSet, image_set, with_classes
from foveal.data.index import facts_of
from foveal.errors import DataError


def content_ids(images: ImageSet) -> tuple[str, ...]:
    return facts_of(images).ids


def test_the_id_of_an_image_is_that_of_its_content(tmp_path: Path) -> None:
    names = ["a.png", "copy/of/a.png", "b.png"]
    for name, digit in zip(names, mnist_digits()[[0, 0, 1]], strict=True):
        write_picture(tmp_path / name, digit)
    ids = content_ids(files_set(tmp_path, *names))
    assert ids[0] == ids[1] != ids[2]
    in_memory = array_set(mnist_digits()[[0, 1, 0], ..., None])
    ids = content_ids(in_memory)
    assert ids[0] == ids[2] != ids[1]
    assert all(len(image_id) == 16 for image_id in ids)
    assert content_ids(in_memory.take(np.array([1]))) == (ids[1],)


def test_images_of_the_same_bytes_in_another_order_have_other_ids() -> None:
    images = noise(1, 4, 6, 1)
    turned = np.ascontiguousarray(images[:, ::-1])
    assert content_ids(array_set(images)) != content_ids(array_set(turned))


def test_a_set_takes_images_in_the_order_that_is_asked_for_and_remembers_their_numbers() -> None:
    images = image_set(noise(5, 2, 2, 1), list("ababb"), ("a", "b"), "train.idx")
    taken = images.take(np.array([4, 0])).take(np.array([1, 0, 0]))
    np.testing.assert_array_equal(pixels_in(taken), noise(5, 2, 2, 1)[[0, 4, 4]])
    assert taken.labels.tolist() == [0, 1, 1]
    assert [taken.name(i) for i in range(3)] == ["train.idx #0", "train.idx #4", "train.idx #4"]


def test_counts_of_images_and_labels_must_be_the_same() -> None:
    with pytest.raises(DataError, match=r"here has 5 images but 4 labels. Each image needs one label"):
        image_set(noise(5, 2, 2, 1), list("aaaa"), ("a",), "here")


def test_labels_follow_the_names_of_the_classes_into_another_order() -> None:
    images = image_set(noise(3, 2, 2, 1), list("bab"), ("a", "b"), "here")
    turned = with_classes(images, ("b", "x", "a"), known_to="is unknown", remedy="Go.")
    assert (turned.labels.tolist(), turned.classes) == ([0, 2, 0], ("b", "x", "a"))


def test_a_class_that_is_not_known_is_named_with_those_that_are() -> None:
    images = image_set(noise(3, 2, 2, 1), list("bab"), ("a", "b"), "here")
    with pytest.raises(DataError, match=r"here has the class 'b', which nobody has. The classes known are: a, c. Go\."):
        with_classes(images, ("a", "c"), known_to="nobody has", remedy="Go.")
