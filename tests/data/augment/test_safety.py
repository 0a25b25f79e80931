"""Which classes a mirror or a turn makes alike; and that the defaults for known data do not."""

import pytest

from foveal.data.augment.safety import merging_augmentations
from foveal.data.catalog import DATASETS
from foveal.recipes import resolve

FIGURES = [str(digit) for digit in range(10)]
WORDS = ["Zero", "One", "Two", "Three", "Four", "Five", "Six", "Seven", "Eight", "Nine"]
BOTH = [f"{figure} - {word.lower()}" for figure, word in zip(FIGURES, WORDS, strict=True)]  # as torchvision has them
SMALL, LARGE = [[chr(ord(first) + i) for i in range(26)] for first in "aA"]
CIFAR10 = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"]


@pytest.mark.parametrize("flip", ["random", "alternating"])
@pytest.mark.parametrize(
    ("classes", "pairs"),
    [
        (FIGURES, ["2 and 5"]),
        (WORDS, ["Two and Five"]),
        (BOTH, ["2 - two and 5 - five"]),
        (SMALL, ["b and d", "p and q"]),
        (LARGE, ["B and D", "P and Q"]),
        ([*FIGURES, *LARGE], ["2 and 5", "B and D", "P and Q"]),
        (["digit", "5", "2"], []),
        (["0", "1"], []),
        (["2", "3"], []),
        (["b", "d", "cat"], []),
        (CIFAR10, []),
        (["turn left", "turn right", "stop"], ["turn left and turn right"]),
        (["TurnRight", "TurnLeft"], ["TurnLeft and TurnRight"]),
        (["left_hand", "foot"], ["left_hand and its other side"]),
        (["arrow-right"], ["arrow-right and its other side"]),
        (["bright", "cleft", "copyright"], []),
    ],
)
def test_a_mirror_merges_these_classes_and_no_others(classes: list[str], pairs: list[str], flip) -> None:  # type: ignore[no-untyped-def]
    sentences = merging_augmentations(classes, flip=flip, rotate=0)
    assert len(sentences) == len(pairs)
    for pair, sentence in zip(pairs, sentences, strict=True):
        assert sentence.startswith(f"augment.flip={flip} ")
        assert f" {pair} " in sentence
        assert sentence.endswith(("set augment.flip=none.", "Set augment.flip=none."))


@pytest.mark.parametrize("degrees", [46.0, 90.0, 180.0])
@pytest.mark.parametrize(
    ("classes", "pairs"),
    [
        (FIGURES, ["6 and 9"]),
        (WORDS, ["Six and Nine"]),
        (["6", "8"], []),
        (SMALL, ["b and q", "d and p", "n and u", "m and w"]),
        (LARGE, ["B and Q", "D and P", "N and U", "M and W"]),
        (CIFAR10, []),
        (["left", "right"], []),
    ],
)
def test_turning_far_enough_merges_these_classes(classes: list[str], pairs: list[str], degrees: float) -> None:
    sentences = merging_augmentations(classes, flip="none", rotate=degrees)
    assert sentences == [
        f"augment.rotate={degrees:g} turns {pair} into each other. If the images show writing, keep it at 45 or below."
        for pair in pairs
    ]


@pytest.mark.parametrize("classes", [FIGURES, WORDS, SMALL, LARGE, ["left", "right"], []])
def test_neither_mirrored_nor_turned_far_nothing_is_merged(classes: list[str]) -> None:
    assert merging_augmentations(classes, flip="none", rotate=45) == []


def test_mirrored_and_turned_both_are_named() -> None:
    sentences = merging_augmentations(FIGURES, flip="random", rotate=180)
    assert [sentence.split(" ")[0] for sentence in sentences] == ["augment.flip=random", "augment.rotate=180"]


@pytest.mark.parametrize("name", DATASETS)
@pytest.mark.parametrize("model", ["compact", "lenet5"])
def test_defaults_for_known_data_merge_none_of_their_classes(model: str, name: str) -> None:
    config = resolve({"data": {"source": name}, "model": {"name": model}}, name).augment
    assert merging_augmentations(DATASETS[name].classes, flip=config.flip, rotate=config.rotate) == []
    assert config.shift > 0
    assert (config.flip == "alternating") == name.startswith("cifar")


def test_a_folder_that_is_called_like_known_data_has_no_defaults_of_theirs() -> None:
    assert resolve({"data": {"source": "/home/somebody/cifar10"}}, "cifar10").augment.flip == "none"
