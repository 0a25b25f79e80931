"""What `foveal tune` tries: the usual settings, those that were asked for, and what cannot be compared."""

import json
from typing import Any

import pytest

from foveal.config import Config
from foveal.errors import ConfigError
from foveal.recipes import resolve
from foveal.settings import merge, parse_config, parse_settings
from foveal.workflows.tune_space import (
    Floats,
    search_space,
    space_as_json,
    space_from_json,
    wanted_choices,
    with_settings,
)

USUAL = {
    "training.learning_rate",
    "training.weight_decay",
    "training.batch_size",
    "augment.shift",
    "augment.rotate",
    "augment.scale",
    "model.width",
}


def config_of(*said: str) -> Config:
    return resolve(merge({"data": {"source": "mnist"}}, parse_settings(list(said))), "few")


def test_the_recipe_itself_is_within_the_space_and_wide_ranges_around_it() -> None:
    space, recipe = search_space(config_of(), 1000, 60, set())
    assert space["training.learning_rate"] == Floats(0.001, 0.1)
    assert space["training.batch_size"] == (32, 60, 64, 128)  # no batch of more than a quarter of the images
    assert space["augment.shift"] == (0, 1, 2, 3, 4)
    assert recipe == {
        "training.learning_rate": 0.01,
        "training.weight_decay": 0.01,
        "training.batch_size": 60,
        "augment.shift": 2,
        "augment.rotate": 0.0,
        "augment.scale": 0.0,
        "model.width": 1.0,
    }
    assert set(space) == USUAL


def test_what_was_said_is_not_tried() -> None:
    space, recipe = search_space(config_of(), 1000, 60, {"training.learning_rate", "augment.shift"})
    assert set(space) == set(recipe) == USUAL - {"training.learning_rate", "augment.shift"}


@pytest.mark.parametrize("said", ["model.name=lenet5", "model.start=somewhere"])
def test_a_width_is_tried_only_where_the_network_takes_one(said: str) -> None:
    config: Config = parse_config(parse_settings([said]))
    assert set(search_space(config, 1000, 60, set())[0]) == USUAL - {"model.width"}


def test_values_of_the_recipe_that_are_not_usual_are_tried_too_and_those_out_of_range_left_to_chance() -> None:
    space, recipe = search_space(config_of("training.weight_decay=0", "augment.shift=6"), 1000, 60, set())
    assert "training.weight_decay" not in recipe
    assert (space["augment.shift"], recipe["augment.shift"]) == ((0, 1, 2, 3, 4, 6), 6)


def test_values_that_were_asked_for_come_besides_the_usual_or_in_their_place() -> None:
    base = config_of()
    tried = parse_settings(
        ["augment.rotate=[0, 30]", 'training.optimizer=["adamw", "sgd"]', "augment.flip=[false, true]"]
    )
    wanted = wanted_choices(tried, base, set())
    assert wanted == {
        "augment.rotate": (0.0, 30.0),
        "training.optimizer": ("adamw", "sgd"),
        "augment.flip": ("none", "random"),  # as the settings call it
    }
    space, recipe = search_space(base, 1000, 60, set(), wanted)
    assert set(space) == USUAL | {"training.optimizer", "augment.flip"}
    assert space["augment.rotate"] == (0.0, 30.0)
    assert (recipe["training.optimizer"], recipe["augment.rotate"]) == ("adamw", 0.0)


@pytest.mark.parametrize(
    ("tried", "why"),
    [
        ("augment.rotate=10", r"a list of at least two values, for example .*; got 10 for augment.rotate"),
        ("augment.rotate=[10]", r"a list of at least two values.*; got \[10\]"),
        ("augment.rotate=[10, 10]", "a list of at least two values"),
        ("augment.rotate=[0, 900]", "the setting augment.rotate cannot be 900"),
        ("augment.rotat=[0, 10]", r"there is no setting 'augment.rotat'. Did you mean 'rotate'"),
        ("rotate=[0, 10]", "there is no setting 'rotate'"),
        ("data.size=[28, 32]", "cannot take data.size: with other data"),
        ("training.epochs=[1, 2]", "cannot take training.epochs: with other data, networks, seeds or lengths"),
        ('model.name=["compact", "lenet5"]', "cannot take model.name"),
        ("seed=[0, 1]", "cannot take seed"),
        ("augment.shift=[0, 1]", "augment.shift was said with --set and with --try"),
        ("training.turns=[[[0, 5]], [[0, 6]]]", "cannot take training.turns"),
        ("model.mean=[[0.1], [0.2]]", "a list of at least two values"),
    ],
)
def test_values_that_cannot_be_tried_are_refused(tried: str, why: str) -> None:
    with pytest.raises(ConfigError, match=why):
        wanted_choices(parse_settings([tried]), config_of(), {"augment.shift"})


def test_settings_are_put_in_their_places() -> None:
    tried: dict[str, Any] = {"training.learning_rate": 3e-05, "model.width": 1.5, "augment.shift": 0}
    config = with_settings(config_of(), tried | {"training.nesterov": True, "training.optimizer": "sgd"})
    assert (config.training.learning_rate, config.model.width, config.augment.shift) == (3e-05, 1.5, 0)
    assert (config.training.nesterov, config.training.optimizer) == (True, "sgd")
    assert config.training.weight_decay == config_of().training.weight_decay


def test_a_space_is_the_same_once_it_was_written_down() -> None:
    space, _ = search_space(config_of(), 1000, 60, set(), {"augment.flip": ("none", "random")})
    assert space_from_json(json.loads(json.dumps(space_as_json(space)))) == space
