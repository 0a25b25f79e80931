"""Data in every form that a person may have it in: names, folders, arrays, tensors, and what is refused."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from data_helpers import noise, write_class_folders, write_idx
from hypothesis import given
from hypothesis.extra import numpy as hnp
from numpy import ndarray
from PIL import Image

from foveal.data.sources import data_name, names_of, open_data, pixels_of
from foveal.errors import DataError

GREY, COLOUR = noise(4, 6, 7), noise(4, 6, 7, 3)
LABELS = [0, 1, 0, 1]


@pytest.mark.parametrize(
    ("images", "expected"),
    [
        (GREY, GREY[..., None]),
        (GREY[..., None], GREY[..., None]),
        (GREY[:, None], GREY[..., None]),
        (COLOUR, COLOUR),
        (COLOUR.transpose(0, 3, 1, 2), COLOUR),
        (GREY.tolist(), GREY[..., None]),
        (list(COLOUR), COLOUR),
        ([Image.fromarray(pixels) for pixels in COLOUR], COLOUR),
        (GREY.astype(np.int64), GREY[..., None]),
        (GREY.astype(np.uint16), GREY[..., None]),
        (GREY.astype(np.float32), GREY[..., None]),
        (GREY / 255, GREY[..., None]),
        ((GREY / 255).astype(np.float32), GREY[..., None]),
        (GREY > 127, np.where(GREY > 127, 255, 0)[..., None]),
        (torch.from_numpy(GREY), GREY[..., None]),
        (torch.from_numpy(COLOUR).permute(0, 3, 1, 2), COLOUR),
        (torch.from_numpy(COLOUR).float() / 255, COLOUR),
        (torch.from_numpy(GREY).float().requires_grad_(), GREY[..., None]),
        ((GREY > 127).astype(np.int32), (GREY > 127)[..., None]),
    ],
    ids=[
        "NHW",
        "NHW1",
        "N1HW",
        "NHW3",
        "N3HW",
        "nested lists",
        "list of arrays",
        "Pillow images",
        "int64",
        "uint16",
        "floats 0-255",
        "floats 0-1",
        "float32 0-1",
        "bool",
        "torch NHW",
        "torch N3HW",
        "torch floats 0-1",
        "torch with gradients",
        "whole numbers 0 and 1 are not a scale",
    ],
)
def test_images_in_memory_become_bytes_with_channels_last(images: Any, expected: ndarray) -> None:
    found = pixels_of(images)
    assert found.dtype == np.uint8
    assert found.flags.c_contiguous
    np.testing.assert_array_equal(found, expected)


@given(hnp.arrays(np.uint8, hnp.array_shapes(min_dims=3, max_dims=3, max_side=6)))
def test_bytes_survive_the_way_through_floats_between_0_and_1(images: ndarray) -> None:
    np.testing.assert_array_equal(pixels_of(images.astype(np.float32) / 255), images[..., None])


@pytest.mark.parametrize(
    "shape",
    [(), (5,), (5, 784), (5, 6, 7, 2), (5, 6, 7, 4), (5, 2, 6, 7), (0, 6, 7), (5, 0, 7), (2, 5, 6, 7, 3)],
    ids=str,
)
def test_a_shape_that_is_not_of_images_is_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(DataError, match=rf"the images have shape {re.escape(str(shape))}; expected .* Reshape them"):
        pixels_of(np.zeros(shape, np.uint8))


@pytest.mark.parametrize(
    ("low", "high", "sentence"),
    [
        (-1.0, 1.0, "the pixels run from -1.0 to 1.0; expected 0 to 255, or 0 to 1. Scale them first"),
        (0.0, 255.5, "the pixels run from 0.0 to 255.5"),
        (0, 256, "the pixels run from 0.* to 256"),
        (-5, 5, "the pixels run from -5.* to 5"),
        (0.0, np.nan, "the pixels run from nan to nan"),
        (0.0, np.inf, "the pixels run from 0.0 to inf"),
    ],
)
def test_pixels_out_of_range_are_refused_with_their_range(low: float, high: float, sentence: str) -> None:
    with pytest.raises(DataError, match=sentence):
        pixels_of(np.array([[[low, high]]]))


@pytest.mark.parametrize("dtype", ["U1", "complex64", "datetime64[s]", "object"])
def test_values_that_are_not_numbers_are_refused(dtype: str) -> None:
    with pytest.raises(DataError, match=r"the images have the type .*; expected numbers 0-255 or 0-1. Convert them"):
        pixels_of(np.zeros((2, 3, 4), dtype=dtype))


def test_images_of_several_sizes_in_memory_are_refused() -> None:
    with pytest.raises(DataError, match=r"the images .* size"):
        pixels_of([np.zeros((4, 4), np.uint8), np.zeros((5, 5), np.uint8)])


@pytest.mark.parametrize(
    ("labels", "names"),
    [
        ([3, 1, 3], ["3", "1", "3"]),
        (np.array([3, 1, 3], np.uint8), ["3", "1", "3"]),
        (np.array([[3], [1], [3]]), ["3", "1", "3"]),
        (np.array([3.0, 1.0, 3.0]), ["3", "1", "3"]),
        (torch.tensor([3, 1, 3]), ["3", "1", "3"]),
        ([-1, 1], ["-1", "1"]),
        ([True, False], ["True", "False"]),
        (["cat", "dog"], ["cat", "dog"]),
        (np.array(["cat", "dog"], dtype=object), ["cat", "dog"]),
        (np.array([b"cat", b"dog"]), ["cat", "dog"]),
    ],
)
def test_labels_are_whole_numbers_or_names(labels: Any, names: list[str]) -> None:
    assert names_of(labels) == names


def test_one_hot_labels_are_refused_with_the_way_to_turn_them_into_numbers() -> None:
    one_hot = np.eye(3)[[0, 2, 1, 0]]
    with pytest.raises(DataError, match=r"the labels have shape \(4, 3\); .* take labels.argmax\(axis=1\)"):
        names_of(one_hot)
    assert names_of(one_hot.argmax(axis=1)) == ["0", "2", "1", "0"]


@pytest.mark.parametrize("labels", [[0.5, 1.0], [np.nan, 1.0], [np.inf, 1.0], [1j, 2j]], ids=str)
def test_labels_of_another_type_are_refused(labels: list[Any]) -> None:
    with pytest.raises(DataError, match=r"the labels have the type .*; expected whole numbers or names"):
        names_of(labels)


def test_labels_of_several_lengths_are_refused() -> None:
    with pytest.raises(DataError, match=r"the labels"):
        names_of([[1], [2, 3]])


@pytest.mark.parametrize("count", [3, 5])
def test_counts_of_images_and_labels_that_differ_are_refused(count: int) -> None:
    with pytest.raises(DataError, match=rf"has 4 images but {count} labels. Each image needs one label"):
        open_data((GREY, [0, 1, 0, 1, 1][:count]))


@pytest.mark.parametrize(
    "pair", [(GREY, LABELS), [GREY, LABELS], {"all": (GREY, LABELS)}], ids=["tuple", "list", "dict"]
)
def test_a_pair_of_images_and_labels_is_data_without_splits(pair: Any) -> None:
    data = open_data(pair)
    assert (data.name, list(data.parts), data.classes, len(data)) == ("arrays", ["all"], ("0", "1"), 4)
    np.testing.assert_array_equal(data.base.images[..., 0], GREY)
    assert data.base.labels.tolist() == LABELS


def test_a_dict_keeps_its_splits_and_numbers_classes_as_training_does() -> None:
    data = open_data({"test": (GREY[:2], ["dog", "dog"]), "train": (GREY, ["dog", "cat", "dog", "eel"])})
    assert data.classes == ("cat", "dog", "eel")
    assert data.base.labels.tolist() == [1, 0, 1, 2]
    assert data.parts["test"].labels.tolist() == [1, 1]
    assert len(data) == 6
    assert data.parts["test"].name(1) == "test #1"


def test_classes_that_are_numbers_are_in_the_order_of_numbers() -> None:
    assert open_data((GREY, [10, 9, 2, 100])).classes == ("2", "9", "10", "100")
    assert open_data((GREY, ["b", "a", "10", "9"])).classes == ("9", "10", "a", "b")


@pytest.mark.parametrize(
    ("source", "sentence"),
    [
        (GREY, r"data in memory is \(images, labels\), or a dict of such pairs; got ndarray"),
        ((GREY,), "got tuple"),
        (None, "got NoneType"),
        ({"train": GREY}, "got ndarray for 'train'"),
        ({"tset": (GREY, LABELS)}, "for 'tset'. Did you mean 'test'"),
        ({}, "the arrays have the parts none, but no 'train'. Give that one too"),
        ({"test": (GREY, LABELS)}, "the arrays have the parts test, but no 'train'"),
        ({"test": (GREY, LABELS), "validation": (GREY, LABELS)}, "the parts test, validation, but no 'train'"),
        ({"all": (GREY, LABELS), "train": (GREY, LABELS)}, "all"),
        (
            {"train": (GREY, LABELS), "test": (GREY, [0, 1, 0, 7])},
            "test has the class '7', which the training images do not have",
        ),
    ],
    ids=[
        "images alone",
        "tuple of one",
        "nothing",
        "dict of images",
        "unknown part",
        "empty dict",
        "test alone",
        "no train",
        "all beside train",
        "class only in test",
    ],
)
def test_data_in_memory_of_another_form_is_refused(source: Any, sentence: str) -> None:
    with pytest.raises(DataError, match=sentence):
        open_data(source)


def test_one_class_only_is_refused_by_its_name() -> None:
    with pytest.raises(DataError, match=r"arrays has one class only \('5'\); telling classes apart needs two or more"):
        open_data((GREY, [5, 5, 5, 5]))


def test_an_unknown_name_gets_the_closest_known_ones(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(
        DataError,
        match=r"no data set, folder or file called 'fashon-mnist'. Did you mean 'fashion-mnist'.* is a path: foveal train",
    ):
        open_data("fashon-mnist")


def test_a_name_too_long_for_a_file_is_unknown_as_any_other() -> None:
    with pytest.raises(DataError, match=r"no data set, folder or file called"):
        open_data("a" * 5000)


@pytest.mark.parametrize("as_type", [str, Path])
def test_a_path_opens_the_folder_and_gives_its_name_to_the_data(as_type: Any, tmp_path: Path) -> None:
    data = open_data(as_type(write_class_folders(tmp_path / "pets", {"cats": 2, "dogs": 1})))
    assert (data.name, data.classes, len(data)) == ("pets", ("cats", "dogs"), 3)


def test_a_folder_of_idx_files_is_data(tmp_path: Path) -> None:
    data = open_data(write_idx(tmp_path / "digits", "train", GREY, LABELS))
    assert (data.name, list(data.parts)) == ("digits", ["train"])


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ("mnist", "mnist"),
        ("some/where/pets/", "pets"),
        (Path("pets"), "pets"),
        ((GREY, LABELS), "arrays"),
        ({}, "arrays"),
    ],
    ids=["known", "folder", "path", "arrays", "dict"],
)
def test_data_has_a_name_before_it_is_read(source: Any, name: str) -> None:
    assert data_name(source) == name


def test_a_known_name_wins_over_a_folder_and_a_dot_chooses_the_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_class_folders(tmp_path / "mnist", {"one": 1, "two": 1})
    monkeypatch.chdir(tmp_path)
    assert open_data("./mnist").classes == ("one", "two")
    assert len(open_data("mnist")) == 70_000
