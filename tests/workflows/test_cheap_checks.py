"""What every training says of its classes and splits without looking at a pixel."""

import numpy as np
import pytest
from data_helpers import noise

from foveal.recipes import resolve
from foveal.workflows.load import load


def notes_on(labels, **parts):
    source = {"train": (noise(len(labels), 8, 8), labels), **parts}
    wanted = {"validation": 0, "calibration": 0, "test": 0}
    return load(resolve({"data": {"source": "arrays", **wanted}}, "arrays"), source).notes


def test_even_classes_with_enough_images_are_not_spoken_of():
    assert all("images to learn from" not in note and "times as many" not in note for note in notes_on([0, 1] * 20))


def test_classes_with_few_images_are_named_with_their_numbers():
    (note,) = [note for note in notes_on([0] * 20 + [1] * 9 + [2] * 3) if "images to learn from" in note]
    assert note.startswith("there are fewer than 10 images to learn from of 1 (9), 2 (3): what is reported of so few")


@pytest.mark.parametrize(("large", "is_told"), [(29, False), (30, True), (90, True)])
def test_imbalance_is_told_with_what_always_answering_the_largest_would_score(large, is_told):
    found = [note for note in notes_on([0] * large + [1] * 10) if "times as many" in note]
    assert bool(found) == is_told
    if is_told:
        assert f"{large / 10:.1f} times as many training images of '0' as of '1'" in found[0]
        assert f"right in {large / (large + 10):.1%}" in found[0]
        assert "training.balance=true" in found[0]


def test_a_class_that_the_test_images_lack_is_named():
    test = (noise(12, 8, 8, seed=9), np.array([0, 2] * 6))
    found = [note for note in notes_on([0, 1, 2] * 12, test=test) if "no test image is of" in note]
    assert found == ["no test image is of '1': a score on them says nothing of that"]
