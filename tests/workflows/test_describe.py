"""What a network is and what a training would be, before anything is trained."""

import pytest

import foveal
from foveal.config import Config
from foveal.settings import parse_config
from foveal.workflows.describe import dry_run, parse_shape, summarise_model


def test_a_summary_of_a_network_is_its_ledger():
    ledger = summarise_model("lenet5", None, 10)
    assert ledger.parameters == 61_706
    assert ledger.input_shape == (1, 28, 28)


def test_more_classes_change_the_last_layer_only():
    ten, five = (summarise_model("lenet5", (1, 28, 28), classes) for classes in (10, 5))
    assert ten.parameters - five.parameters == 5 * 84 + 5


@pytest.mark.parametrize("text", ["28x28", "2x28x28", "1x0x28", "1xax28", "1x28x28x28", ""])
def test_an_input_that_is_no_image_is_refused(text):
    with pytest.raises(foveal.ConfigError, match="takes channels x height x width"):
        parse_shape(text)


@pytest.mark.parametrize(("text", "shape"), [("1x28x28", (1, 28, 28)), ("3X32X40", (3, 32, 40)), ("3×8×8", (3, 8, 8))])
def test_an_input_is_channels_by_height_by_width(text, shape):
    assert parse_shape(text) == shape


def test_images_too_small_for_a_network_are_refused_by_the_layer_that_fails():
    with pytest.raises(foveal.ConfigError, match="conv2"):
        summarise_model("lenet5", (1, 8, 8), 10)


def test_a_dry_run_of_mnist_gives_the_numbers_of_the_default_training():
    config: Config = parse_config({"training": {"epochs": 2.0, "batch_size": 100}, "threads": 1})
    plan = dry_run(config)
    assert (plan["data"], plan["model"], plan["threads"]) == ("mnist", "compact", 1)
    assert plan["images"] == {"train": 55_000, "validation": 2_500, "calibration": 2_500, "test": 10_000}
    assert plan["updates"] == 1_100
    assert plan["input_shape"] == [1, 28, 28]
    assert plan["estimated_seconds"] == pytest.approx(1_100 * plan["seconds_per_update"])
    assert plan["seconds_per_update"] > 0


def test_a_dry_run_notes_that_grey_images_are_made_to_fit_a_colour_network(digits):
    plan = dry_run(parse_config({"model": {"name": "twoconv-rgb"}, "threads": 1}), digits)
    assert "padded by 2 on each side and grey is repeated to 3 channels" in " ".join(plan["notes"])
    assert plan["ledger"]["layers"][-1]["output_shape"] == [10]
