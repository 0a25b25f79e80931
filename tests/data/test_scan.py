"""Folders as people keep them: pictures by class, with and without splits, and IDX files, right and wrong."""

from pathlib import Path

import numpy as np
import pytest
from data_helpers import (
    as_an_ordinary_user,
    mnist_digits,
    noise,
    paths_of,
    write_class_folders,
    write_idx,
    write_picture,
)

from foveal.data.images import EXTENSIONS, Parts
from foveal.data.readers.idx_files import scan_idx
from foveal.data.scan import scan
from foveal.data.sources import open_data
from foveal.data.tree import open_folder
from foveal.errors import DataError

TWO_EACH = {"cats": 2, "dogs": 2}


def named(parts: Parts, root: Path) -> dict[str, dict[str, str]]:
    """Of each part, the class of each picture by its path below the root."""
    return {
        part: {
            path.relative_to(root).as_posix(): images.classes[label]
            for path, label in zip(paths_of(images), images.labels, strict=True)
        }
        for part, images in parts.items()
    }


def test_each_sub_folder_is_a_class_of_its_name(tmp_path: Path) -> None:
    write_class_folders(tmp_path, {"dogs": 1, "cats": 2})
    parts = scan(tmp_path)
    assert named(parts, tmp_path) == {
        "all": {"cats/001.png": "cats", "cats/002.png": "cats", "dogs/000.png": "dogs"},
    }
    assert parts["all"].classes == ("cats", "dogs")
    assert parts["all"].name(0) == str(tmp_path / "cats/001.png")


def test_the_class_of_a_nested_folder_is_its_whole_path(tmp_path: Path) -> None:
    write_class_folders(tmp_path, {"north/red": 1, "south/red": 1, "south": 1})
    assert scan(tmp_path)["all"].classes == ("north/red", "south", "south/red")


SPELLINGS = [
    ("train", "val", "test"),
    ("training", "validation", "testing"),
    ("Train", "Valid", "Test"),
    ("TRAIN", "VAL", "TESTING"),
]


@pytest.mark.parametrize("names", SPELLINGS, ids="/".join)
def test_train_val_and_test_above_the_classes_are_kept_however_they_are_spelt(
    names: tuple[str, str, str], tmp_path: Path
) -> None:
    for number, name in enumerate(names):
        write_class_folders(tmp_path / name, TWO_EACH, first=4 * number)
    parts = scan(tmp_path)
    assert list(parts) == ["train", "validation", "test"]
    for part, name in zip(parts.values(), names, strict=True):
        assert part.classes == ("cats", "dogs")
        assert part.labels.tolist() == [0, 0, 1, 1]
        assert all((tmp_path / name) in path.parents for path in paths_of(part))


@pytest.mark.parametrize("names", [("train",), ("train", "test"), ("train", "val")], ids="/".join)
def test_splits_that_are_not_there_are_not_made_up(names: tuple[str, ...], tmp_path: Path) -> None:
    for number, name in enumerate(names):
        write_class_folders(tmp_path / name, TWO_EACH, first=4 * number)
    assert len(scan(tmp_path)) == len(names)
    assert len(scan(tmp_path)["train"]) == 4


def test_a_split_may_lack_a_class_and_numbers_the_others_as_training_does(tmp_path: Path) -> None:
    write_class_folders(tmp_path / "train", TWO_EACH)
    write_class_folders(tmp_path / "test", {"dogs": 1}, first=4)
    test = scan(tmp_path)["test"]
    assert (test.classes, test.labels.tolist()) == (("cats", "dogs"), [1])


def test_nested_classes_below_splits_carry_their_path_below_the_split(tmp_path: Path) -> None:
    write_class_folders(tmp_path / "train", {"pets/cats": 1, "pets/dogs": 1})
    write_class_folders(tmp_path / "test", {"pets/cats": 1}, first=2)
    assert scan(tmp_path)["test"].classes == ("pets/cats", "pets/dogs")


@pytest.mark.parametrize("depth", [1, 2])
def test_a_folder_that_only_wraps_the_data_is_looked_through(depth: int, tmp_path: Path) -> None:
    inner = tmp_path.joinpath(*["archive"] * depth)
    write_class_folders(inner / "train", TWO_EACH)
    write_class_folders(inner / "test", TWO_EACH, first=4)
    (tmp_path / "README.txt").write_text("how it was made")
    write_class_folders(tmp_path / "__MACOSX/archive", {"cats": 1})
    assert list(scan(tmp_path)) == ["train", "test"]


def test_a_wrapped_folder_of_idx_files_is_looked_through(tmp_path: Path) -> None:
    write_idx(tmp_path / "raw", "train", noise(4, 3, 3), [0, 1, 0, 1])
    assert len(scan(tmp_path)["train"]) == 4


def test_hidden_files_and_what_macs_leave_behind_are_not_images(tmp_path: Path) -> None:
    write_class_folders(tmp_path, TWO_EACH)
    for stray in ("cats/._000.png", "cats/.thumbnails/0.png", "__MACOSX/cats/0.png", ".git/dogs/1.png"):
        write_picture(tmp_path / stray, mnist_digits()[0])
    (tmp_path / "cats/Thumbs.db").write_bytes(b"x")
    (tmp_path / ".DS_Store").write_bytes(b"x")
    images = scan(tmp_path)["all"]
    assert images.classes == ("cats", "dogs")
    assert len(images) == 4


@pytest.mark.parametrize("extension", [*EXTENSIONS, ".PNG", ".JPG", ".JPEG", ".Png"])
def test_endings_are_known_in_lower_and_upper_case(extension: str, tmp_path: Path) -> None:
    for name in ("cats", "dogs"):
        (tmp_path / name).mkdir()
        (tmp_path / name / f"a{extension}").write_bytes(b"not decoded yet")
    assert len(scan(tmp_path)["all"]) == 2


@pytest.mark.parametrize("stray", [None, "notes.txt", ".hidden.png"])
@pytest.mark.parametrize("split", ["", "train"])
def test_a_class_folder_without_an_image_is_named(split: str, stray: str | None, tmp_path: Path) -> None:
    write_class_folders(tmp_path / split, TWO_EACH)
    (tmp_path / split / "birds").mkdir()
    if stray:
        (tmp_path / split / "birds" / stray).touch()
    with pytest.raises(DataError, match=r"the class folder .*birds has no image. Put images into it, or remove it"):
        scan(tmp_path)


def test_a_folder_without_images_says_what_is_there_instead(tmp_path: Path) -> None:
    for name in ("a.txt", "b.txt", "c.png"):
        (tmp_path / name).touch()
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
    with pytest.raises(
        DataError,
        match=r"has no folder with images in it: 2 sub-folders and 3 files, 1 of them images\. .*one sub-folder a class",
    ):
        scan(tmp_path)


def test_an_empty_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"0 sub-folders and 0 files"):
        scan(tmp_path)


def test_a_file_in_the_place_of_a_folder_is_refused(tmp_path: Path) -> None:
    path = write_picture(tmp_path / "a.png", mnist_digits()[0])
    with pytest.raises(
        DataError, match=r"a\.png is a file that foveal does not read as data. It reads folders of images, archives"
    ):
        scan(path)


def test_a_folder_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"there is no folder .*nowhere. Check the path"):
        scan(tmp_path / "nowhere")


@pytest.mark.parametrize(
    ("closed", "sentence"),
    [
        ("pictures", r"cannot list the folder .*pictures: Permission denied. Make it readable"),
        ("pictures/cats", r"cannot list the folder .*cats: Permission denied. Make it readable"),
        (".", r"there is no folder .*pictures. Check the path"),
    ],
)
def test_a_folder_that_may_not_be_listed_is_refused(closed: str, sentence: str, open_folder: Path) -> None:
    write_class_folders(open_folder / "pictures", TWO_EACH)
    (open_folder / closed).chmod(0)
    with as_an_ordinary_user(), pytest.raises(DataError, match=sentence):
        scan(open_folder / "pictures")


@pytest.mark.parametrize("part", ["val", "test"])
def test_a_class_that_only_another_split_has_is_named(part: str, tmp_path: Path) -> None:
    write_class_folders(tmp_path / "train", TWO_EACH)
    write_class_folders(tmp_path / part, {"cats": 1, "wolves": 1}, first=4)
    with pytest.raises(
        DataError,
        match=rf"{part} has the class 'wolves', which the training images do not have. The classes known are: cats, dogs. Rename",
    ):
        scan(tmp_path)


def test_a_split_in_two_spellings_is_refused_instead_of_becoming_classes(tmp_path: Path) -> None:
    for number, name in enumerate(("train", "val", "valid")):
        write_class_folders(tmp_path / name, TWO_EACH, first=4 * number)
    with pytest.raises(DataError, match=r"val"):
        scan(tmp_path)


@pytest.mark.parametrize("other", ["extra", "unlabelled"])
def test_a_folder_beside_train_and_test_does_not_turn_them_into_classes(other: str, tmp_path: Path) -> None:
    for number, name in enumerate(("train", "test", other)):
        write_class_folders(tmp_path / name, TWO_EACH, first=4 * number)
    with pytest.raises(DataError, match=other):
        scan(tmp_path)


@pytest.mark.parametrize("names", [("test",), ("val", "test")], ids="/".join)
def test_splits_without_training_images_are_refused_instead_of_becoming_classes(
    names: tuple[str, ...], tmp_path: Path
) -> None:
    for number, name in enumerate(names):
        write_class_folders(tmp_path / name, TWO_EACH, first=4 * number)
    with pytest.raises(DataError, match=r"train"):
        scan(tmp_path)


def test_a_class_may_be_called_like_a_split(tmp_path: Path) -> None:
    write_class_folders(tmp_path, {"car": 1, "plane": 1, "train": 1})
    assert scan(tmp_path)["all"].classes == ("car", "plane", "train")


def test_one_class_only_is_named_with_the_folder_that_was_given(tmp_path: Path) -> None:
    write_class_folders(tmp_path / "animals", {"cats": 3})
    with pytest.raises(DataError, match=r"animals has one class only \('cats'\); telling classes apart needs two"):
        open_data(tmp_path / "animals")


@pytest.mark.parametrize(
    "stems", [("train", "t10k"), ("train", "test"), ("training", "testing"), ("a-train", "a-test")]
)
def test_idx_files_are_matched_by_name(stems: tuple[str, str], tmp_path: Path) -> None:
    train, test = noise(4, 3, 5), noise(2, 3, 5, seed=1)
    write_idx(tmp_path, stems[0], train, [7, 3, 7, 10])
    write_idx(tmp_path, stems[1], test, [10, 3])
    parts = scan(tmp_path)
    assert set(parts) == {"train", "test"}
    np.testing.assert_array_equal(parts["train"].images[..., 0], train)
    np.testing.assert_array_equal(parts["test"].images[..., 0], test)
    assert parts["train"].classes == parts["test"].classes == ("3", "7", "10")
    assert parts["train"].labels.tolist() == [1, 0, 1, 2]
    assert parts["test"].labels.tolist() == [2, 0]
    assert parts["test"].name(1).endswith("-ubyte #1")


def test_idx_images_may_be_in_colour_and_lie_beside_other_files(tmp_path: Path) -> None:
    images = noise(4, 3, 8, 9)
    write_idx(tmp_path, "train", images, [0, 1, 0, 1])
    (tmp_path / "README.md").touch()
    np.testing.assert_array_equal(scan(tmp_path)["train"].images, images.transpose(0, 2, 3, 1))


def test_one_pair_of_idx_files_need_not_say_what_part_it_is(tmp_path: Path) -> None:
    write_idx(tmp_path, "letters", noise(4, 3, 3), [0, 1, 0, 1])
    assert list(scan(tmp_path)) == ["all"]


def test_idx_files_get_the_class_names_they_are_given(tmp_path: Path) -> None:
    write_idx(tmp_path, "train", noise(3, 3, 3), [2, 0, 2])
    images = scan_idx(open_folder(tmp_path), None, ("ant", "bee", "cow"))["train"]
    assert images.classes == ("ant", "bee", "cow")
    assert images.labels.tolist() == [2, 0, 2]


def test_idx_images_without_labels_are_told_the_name_of_the_file_that_lacks(tmp_path: Path) -> None:
    write_idx(tmp_path, "train", noise(4, 3, 3), None)
    with pytest.raises(
        DataError, match=r"train-images-idx3-ubyte has no labels file beside it. Add train-labels-idx1-ubyte"
    ):
        scan(tmp_path)


def test_idx_labels_without_images_are_refused(tmp_path: Path) -> None:
    write_idx(tmp_path, "train", None, [0, 1])
    with pytest.raises(DataError, match=r"has labels but no images. Add the file of images, whose name has idx3 in it"):
        scan(tmp_path)


@pytest.mark.parametrize("labels", [[0, 1, 0], [0, 1, 0, 1, 1]])
def test_idx_images_and_labels_of_different_counts_are_refused(labels: list[int], tmp_path: Path) -> None:
    write_idx(tmp_path, "train", noise(4, 3, 3), labels)
    with pytest.raises(DataError, match=rf"has 4 images but {len(labels)} labels. Each image needs one label"):
        scan(tmp_path)


def test_two_sets_of_idx_files_in_one_folder_are_refused(tmp_path: Path) -> None:
    write_idx(tmp_path, "letters-train", noise(4, 3, 3), [0, 1, 0, 1])
    write_idx(tmp_path, "digits-train", noise(4, 3, 3), [0, 1, 0, 1])
    with pytest.raises(
        DataError,
        match=r"more than one set of train images .*digits-train.*letters-train.* Put each data set into a folder",
    ):
        scan(tmp_path)


def test_two_sets_of_idx_files_that_do_not_say_their_part_are_refused(tmp_path: Path) -> None:
    write_idx(tmp_path, "letters", noise(4, 3, 3), [0, 1, 0, 1])
    write_idx(tmp_path, "train", noise(4, 3, 3), [0, 1, 0, 1])
    with pytest.raises(DataError, match=r"letters.* does not say by its name whether it is train or test. Rename it"):
        scan(tmp_path)


def test_idx_files_without_training_images_are_refused(tmp_path: Path) -> None:
    write_idx(tmp_path, "test", noise(4, 3, 3), [0, 1, 0, 1])
    with pytest.raises(DataError, match=r"there are test images but no training images. Add them"):
        scan(tmp_path)


def test_idx_files_with_no_image_in_them_say_that(tmp_path: Path) -> None:
    write_idx(tmp_path, "train", np.zeros((0, 3, 3), np.uint8), [])
    with pytest.raises(DataError, match=r"train-images-idx3-ubyte has nothing in it: its header gives the shape"):
        scan(tmp_path)


def test_a_class_that_only_the_idx_test_labels_have_is_named(tmp_path: Path) -> None:
    write_idx(tmp_path, "train", noise(4, 3, 3), [0, 1, 0, 1])
    write_idx(tmp_path, "test", noise(2, 3, 3), [1, 2])
    with pytest.raises(
        DataError, match=r"test.* has the class '2', which the training images do not have. The classes known are: 0, 1"
    ):
        scan(tmp_path)


def test_idx_files_that_are_not_images_of_ours_are_refused_by_their_shape(tmp_path: Path) -> None:
    write_idx(tmp_path, "train", noise(4, 2, 3, 5), [0, 1, 0, 1])
    with pytest.raises(DataError, match=r"has shape \(4, 2, 3, 5\), which is not that of images"):
        scan(tmp_path)
