"""What a training says of its data before the first update."""

import numpy as np
import pytest
from data_helpers import mnist_digits, write_picture

from foveal.errors import DataError
from foveal.recipes import resolve
from foveal.workflows.prepare import prepare

COPIES = "5 test images are among the training images too: what is measured on them says nothing"
NO_TEST = "no image is left for testing: evaluate will need other data"


def notes_on(source, **data):
    return " ".join(prepare(resolve({"data": {"source": "arrays", **data}}, "arrays"), source).notes)


def with_copies(digits, count):
    """200 training images, and 60 test images besides copies of `count` of them."""
    images, labels = digits
    first = 200 - count
    return {"train": (images[:200], labels[:200]), "test": (images[first:260], labels[first:260])}


def test_a_few_test_images_that_are_training_images_too_are_told_of(digits):
    images, labels = digits
    parts = {"train": (images[:200], labels[:200]), "test": (images[199:600], labels[199:600])}
    assert "among the training images" not in notes_on(with_copies(digits, 0))
    assert "1 test images are among the training images too" in notes_on(parts, validation=0, calibration=0)


def test_copies_that_would_make_the_score_a_lie_are_refused_with_the_ways_to_go_on(digits):
    with pytest.raises(
        DataError,
        match=r"5 of the 65 test images are among the training images too, test #0 for example.*data check.*leaks=drop.*keep",
    ):
        notes_on(with_copies(digits, 5), validation=0, calibration=0)


def test_copies_are_kept_or_left_out_of_training_as_asked(digits):
    source, nothing = with_copies(digits, 5), {"validation": 0, "calibration": 0}
    config = resolve({"data": {"source": "arrays", "leaks": "keep", **nothing}}, "arrays")
    kept = prepare(config, source)
    assert len(kept.train) == 200
    assert COPIES in " ".join(kept.notes)
    config = resolve({"data": {"source": "arrays", "leaks": "drop", **nothing}}, "arrays")
    dropped = prepare(config, source)
    assert len(dropped.train) == 195
    assert "5 training images are left out: the test images hold copies of them" in " ".join(dropped.notes)
    assert not set(dropped.train.ids) & set(dropped.splits.ids["test"])
    assert len(dropped.splits.as_dict()["splits"]["train"]["ids"]) == 195


def test_a_data_set_without_an_image_to_test_on_says_so(digits):
    source = (digits[0][:200], digits[1][:200])
    assert NO_TEST in notes_on(source, test=0)
    assert NO_TEST not in notes_on(source)


def test_test_images_that_choose_the_weights_are_refused_and_dropped_there(digits):
    images, labels = digits
    parts = {
        "train": (images[:200], labels[:200]),
        "validation": (images[200:300], labels[200:300]),
        "test": (images[280:400], labels[280:400]),
    }
    with pytest.raises(
        DataError, match=r"20 of the 120 test images are among the validation or calibration images too"
    ):
        notes_on(parts, calibration=0)
    dropped = prepare(resolve({"data": {"source": "arrays", "leaks": "drop", "calibration": 0}}, "arrays"), parts)
    assert (len(dropped.train), len(dropped.validation)) == (200, 80)
    assert "20 validation images are left out" in " ".join(dropped.notes)


def test_what_is_dropped_for_one_split_and_for_another_is_kept_by_the_split_that_it_was_in(digits):
    images, labels = digits
    ranges = {"train": slice(0, 200), "validation": slice(190, 300), "test": np.r_[5:8, 295:400]}
    parts = {name: (images[rows], labels[rows]) for name, rows in ranges.items()}
    splits = prepare(resolve({"data": {"source": "arrays", "leaks": "drop", "calibration": 0}}, "arrays"), parts).splits
    dropped = splits.as_dict()["dropped"]
    assert {name: columns["names"] for name, columns in dropped.items()} == {
        "train": [*(f"#{i}" for i in range(190, 200)), "#5", "#6", "#7"],
        "validation": [f"#{i}" for i in range(105, 110)],
    }
    assert [splits.train.classes[label] for label in dropped["train"]["labels"][-3:]] == [str(i) for i in labels[5:8]]
    assert dropped["train"]["ids"][-3:] == list(splits.ids["test"][:3])


def test_a_class_whose_every_image_would_be_dropped_is_named(digits):
    images, labels = digits
    ones = images[labels == 1][:20]
    others = images[:200][labels[:200] != 1]
    source = {
        "train": (np.concatenate([ones, others]), ["one"] * 20 + ["other"] * len(others)),
        "test": (ones, ["one"] * 20),
    }
    with pytest.raises(DataError, match=r"every training image of the class 'one' is in a later split too.*leaks=keep"):
        notes_on(source, leaks="drop", validation=0, calibration=0)


def test_persons_on_both_sides_of_a_given_split_are_refused(tmp_path):
    for part, first in (("train", 0), ("test", 60)):
        for number in range(first, first + 60):
            person = f"p{number % 12}_{number}.png"
            write_picture(tmp_path / part / "ab"[number % 2] / person, mnist_digits()[number])
    wanted = {"source": str(tmp_path), "group_by": r"p(\d+)_"}
    with pytest.raises(DataError, match=r"60 of the 60 test images are among, or of one group with some of, the"):
        prepare(resolve({"data": wanted}, "some"))
