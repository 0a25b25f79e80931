"""The settings of the augmentations: off by default, their ranges, and the truth values that `flip` once had."""

from typing import Any

import pytest

from foveal.config import AugmentConfig, Config
from foveal.errors import ConfigError
from foveal.settings import parse_config, parse_settings


def test_all_are_off_by_default() -> None:
    off = AugmentConfig().model_dump()
    assert off.pop("flip") == "none"
    assert off.pop("policy_magnitude") == 5  # of no operation
    assert set(off.values()) == {0}


@pytest.mark.parametrize(
    ("said", "meant"),
    [(True, "random"), (False, "none"), *((name, name) for name in ("none", "random", "alternating"))],
)
def test_flip_is_a_word_and_the_truth_values_of_old_runs_are_understood(said: object, meant: str) -> None:
    assert parse_config({"augment": {"flip": said}}).augment.flip == meant


def test_the_command_line_may_say_true() -> None:
    assert parse_config(parse_settings(["augment.flip=true"])).augment.flip == "random"


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("shift", -1),
        ("shift", 1.5),
        ("flip", "sideways"),
        ("flip", 1),
        ("rotate", 181),
        ("rotate", -1),
        ("scale", 1),
        ("shear", 61),
        ("crop", 1.1),
        ("brightness", 1.1),
        ("contrast", -0.1),
        ("colour", 2),
        ("hue", 200),
        ("noise", 256),
        ("erase", 1.5),
        ("mixup", -1),
        ("cutmix", -0.5),
        ("policy", 15),
        ("policy_magnitude", 11),
    ],
)
def test_a_value_out_of_range_is_refused_by_its_name(key: str, value: Any) -> None:
    with pytest.raises(ConfigError, match=rf"the setting augment\.{key} cannot be {value!r}"):
        parse_config({"augment": {key: value}})


def test_the_largest_values_are_accepted() -> None:
    largest = {"rotate": 180, "scale": 0.99, "shear": 60, "crop": 1, "brightness": 1, "contrast": 1, "colour": 1}
    largest |= {"hue": 180, "noise": 255, "erase": 1, "policy": 14, "policy_magnitude": 10}
    config: Config = parse_config({"augment": largest})
    assert config.augment.model_dump(include=set(largest)) == largest
