"""foveal's own network: its sizes, worked out by hand, and what its settings make of it."""

import pytest
import torch
from few_digits import digits

import foveal
from foveal.config import ArchSpec
from foveal.models.catalog import build_model
from foveal.models.compact import Head, compact
from foveal.models.shapes import Shape

# Weights of the convolutions, two for each channel of a BatchNorm, and the last layer.
FLAT = 25 * 16 + 9 * 16 * 48 + 9 * 48 * 64 + 2 * (16 + 48 + 64) + (3 * 3 * 64 + 1) * 10
MAX = 25 * 16 + 9 * 16 * 32 + 9 * 32 * 64 + 9 * 64 * 64 + 2 * (16 + 32 + 64 + 64) + (64 + 1) * 10
WIDE = 25 * 24 + 9 * 24 * 48 + 9 * 48 * 96 + 9 * 96 * 96 + 2 * (24 + 48 + 96 + 96) + (96 + 1) * 10


@pytest.mark.parametrize(
    ("shape", "width", "head", "parameters"),
    [((1, 20, 20), 1.0, "flat", FLAT), ((1, 20, 20), 1.0, "max", MAX), ((1, 20, 20), 1.5, "max", WIDE)],
)
def test_the_parameters_are_those_worked_out_by_hand(shape: Shape, width: float, head: Head, parameters: int) -> None:
    spec = ArchSpec(name="compact", input_shape=shape, mean=(0.0,), std=(255.0,), layers=compact(shape, width, head))
    assert sum(weight.numel() for weight in build_model(spec, 10).parameters()) == parameters


@pytest.mark.parametrize("width", [0.01, 0.25, 1.0, 2.0])
@pytest.mark.parametrize("head", ["max", "flat"])
@pytest.mark.parametrize("shape", [(1, 12, 12), (1, 24, 20), (3, 24, 24)])
def test_any_width_and_head_gives_logits(width: float, head: Head, shape: Shape) -> None:
    channels = shape[0]
    spec = ArchSpec(
        name="compact",
        input_shape=shape,
        mean=(0.0,) * channels,
        std=(255.0,) * channels,
        layers=compact(shape, width, head),
    )
    assert build_model(spec, 7).eval()(torch.zeros(2, *shape)).shape == (2, 7)


def train(**model: object) -> "foveal.Run":
    settings = {"model": model, "training": {"epochs": 0.1}}
    return foveal.train(digits(), threads=1, settings=settings)


def test_the_classifier_holds_the_layers_and_is_read_back_without_the_settings(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    classifier = foveal.load(train(border=4, head="flat", width=0.5).classifier)
    assert [layer.out_channels for layer in classifier.card.arch.layers or () if layer.kind == "conv"] == [8, 24, 32]
    assert classifier.logits(digits()[0][:2, ..., None]).shape == (2, 3)


def test_a_flat_head_is_refused_for_large_images_with_the_value(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(foveal.ConfigError, match=r"model.head=flat is for images of up to 24 pixels .* not of 28"):
        train(head="flat")


@pytest.mark.parametrize("setting", [{"width": 2.0}, {"head": "flat"}])
def test_another_network_is_not_made_wider(setting, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(foveal.ConfigError, match=r"belongs to compact( and vgg6)?, and not to lenet5"):
        train(name="lenet5", **setting)
