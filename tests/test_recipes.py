"""What presets and published forms come to: DESIGN.md's table, and who overrules whom."""

from typing import Any

import pytest
from torch import nn

from foveal.config import ArchSpec, Config, Preset
from foveal.errors import ConfigError
from foveal.models.blocks import LayerNorm2d
from foveal.models.catalog import ARCHITECTURES, build_model, find_architecture
from foveal.recipes import GENTLE, KNOWN_DATA, LITERATURE, MODELS, PRESETS, PUBLISHED, require_known, resolve

MNIST_STATISTICS = ("fixed", (0.1307,), (0.3081,))
HALVES = ("fixed", (0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
UNIT = ("unit", None, None)

# DESIGN.md, "Tutorial networks": optimizer, rate, momentum, epsilon, batch, epochs, loss, normalisation.
DESIGN = {
    "conv5-fc1000": ("adam", 0.01, 0.0, 1e-8, 200, 10, "cross_entropy", MNIST_STATISTICS),
    "oneconv": ("adam", 0.001, 0.0, 1e-7, 128, 10, "cross_entropy", UNIT),
    "twoconv-fc128": ("adam", 0.001, 0.0, 1e-7, 128, 10, "cross_entropy", UNIT),
    "twoconv-rgb": ("sgd", 0.01, 0.0, 1e-8, 32, 10, "cross_entropy", HALVES),
    "lenet-dropout2d": ("sgd", 0.01, 0.5, 1e-8, 32, 19, "nll", MNIST_STATISTICS),
    "threeconv-fc625": ("adam", 0.001, 0.0, 1e-8, 32, 15, "cross_entropy", UNIT),
    "twoconv-same": ("adam", 0.001, 0.0, 1e-8, 64, 4, "nll", MNIST_STATISTICS),
}


def published(name: str, **said: Any) -> Config:
    """The published form of a network on MNIST, with what the user said on top."""
    return resolve({"model": {"name": name}, "as_published": True, **said}, "mnist")


@pytest.mark.parametrize("name", DESIGN)
def test_the_published_numbers_are_those_of_the_documents(name: str) -> None:
    config = published(name)
    training, model = config.training, config.model
    assert (
        training.optimizer,
        training.learning_rate,
        training.momentum,
        training.epsilon if training.optimizer == "adam" else 1e-8,
        training.batch_size,
        training.epochs,
        training.loss,
        (model.normalise, model.mean, model.std),
    ) == DESIGN[name]


@pytest.mark.parametrize("name", PUBLISHED)
def test_a_published_form_holds_nothing_out_and_adds_nothing_that_its_document_does_not_have(name: str) -> None:
    config = published(name)
    assert (config.data.validation, config.data.calibration) == (0, 0)
    assert (config.augment.shift, config.augment.flip, config.model.border) == (0, "none", None)
    training = config.training
    assert (training.schedule, training.weight_decay, training.label_smoothing) == ("constant", 0, 0)
    assert (training.nesterov, training.clip_norm, training.min_updates, training.balance) == (False, None, 0, False)


@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("data", ["mnist", "photos"])
def test_every_network_has_settings_in_every_preset(preset: Preset, name: str, data: str) -> None:
    config = resolve({"model": {"name": name}, "preset": preset}, data)
    tried = KNOWN_DATA.get(data, {}).get(preset, {}) if name == "compact" else {}
    expected = {**PRESETS[preset]["training"], **tried.get("training", {})}
    assert config.training.epochs == expected["epochs"]
    assert config.training.min_updates == expected["min_updates"]
    assert PRESETS[preset]["training"]["min_updates"] >= 500
    assert config.augment.flip == "none"


def test_the_presets_train_longer_one_after_the_other() -> None:
    epochs = [PRESETS[name]["training"]["epochs"] for name in ("fast", "balanced", "best")]
    assert epochs == sorted(set(epochs))


def test_without_a_word_the_default_network_and_preset_are_used() -> None:
    assert resolve({}, "photos") == resolve({"model": {"name": "compact"}, "preset": "balanced"}, "photos")


def test_networks_without_batchnorm_get_the_gentle_rate() -> None:
    assert resolve({}, "photos").training.learning_rate == 0.01
    rate = resolve({"model": {"name": "lenet5"}}, "photos").training.learning_rate
    assert rate == GENTLE["training"]["learning_rate"] == 0.002


@pytest.mark.parametrize("name", LITERATURE)
def test_networks_with_batchnorm_get_the_rate_of_the_preset_and_those_with_layernorm_their_own(name: str) -> None:
    spec = ArchSpec(name=name, input_shape=(3, 32, 32), mean=(0.0,) * 3, std=(1.0,) * 3)
    kinds = {type(module) for module in build_model(spec, 10).modules()}
    rate = resolve({"model": {"name": name}}, "mnist").training.learning_rate
    assert rate == (0.01 if nn.BatchNorm2d in kinds else 0.0007)
    assert (nn.BatchNorm2d in kinds) is (LayerNorm2d not in kinds)
    said = {"model": {"name": name}, "training": {"learning_rate": 0.5}}
    assert resolve(said, "mnist").training.learning_rate == 0.5


def test_the_border_of_digits_is_cut_for_the_default_network_only() -> None:
    assert [resolve({"model": {"name": name}}, "mnist").model.border for name in ("compact", "resnet8")] == [4, None]


def test_clothes_are_learnt_by_another_network_unless_the_user_names_one() -> None:
    def of_clothes(**said: Any) -> Config:
        return resolve({"data": {"source": "fashion-mnist"}, **said}, "fashion-mnist")

    clothes = of_clothes()
    assert (clothes.model.name, clothes.training.optimizer, clothes.augment.flip) == ("vgg6", "muon", "alternating")
    assert of_clothes(model={"name": "vgg6"}) == clothes
    assert of_clothes(preset="best").model.width == 1.6
    named = of_clothes(model={"name": "compact"})
    assert (named.model.name, named.training.optimizer, named.training.epochs) == ("compact", "adamw", 2)
    gentle = of_clothes(model={"name": "lenet5"})
    assert (gentle.model.name, gentle.training.learning_rate) == ("lenet5", 0.002)
    assert of_clothes(preset="fast").model.name == "compact"  # which has no recipe of its own there
    # A folder that is called so is not the known data, and images in another size are not known either.
    assert resolve({"data": {"source": "/my/fashion-mnist"}}, "fashion-mnist").model.name == "compact"
    assert of_clothes(data={"source": "fashion-mnist", "size": 14}).model.name == "compact"


def test_what_is_known_of_the_data_overrules_the_preset_and_the_user_overrules_both() -> None:
    assert resolve({}, "photos").augment.shift == PRESETS["balanced"]["augment"]["shift"] == 2
    assert resolve({}, "mnist").augment.shift == KNOWN_DATA["mnist"]["balanced"]["augment"]["shift"] == 1
    assert resolve({"augment": {"shift": 3}}, "mnist").augment.shift == 3
    assert resolve({"model": {"border": 0}}, "mnist").model.border == 0
    said = {"model": {"name": "lenet5"}, "training": {"learning_rate": 0.5}}
    assert resolve(said, "mnist").training.learning_rate == 0.5


def test_the_border_of_digits_is_not_cut_off_images_that_the_user_wants_in_another_size() -> None:
    assert resolve({}, "mnist").model.border == 4
    assert not resolve({"data": {"size": 14}}, "mnist").model.border


def test_epochs_said_in_so_many_words_have_no_floor_of_updates() -> None:
    assert resolve({"training": {"epochs": 0.5}}, "mnist").training.min_updates == 0
    both = resolve({"training": {"epochs": 0.5, "min_updates": 70}}, "mnist").training
    assert (both.epochs, both.min_updates) == (0.5, 70)


def test_the_user_overrules_a_published_form_too() -> None:
    config = published("twoconv-same", training={"epochs": 1.0}, data={"validation": 0.1})
    assert (config.training.epochs, config.training.batch_size, config.data.validation) == (1, 64, 0.1)


@pytest.mark.parametrize("name", ["compact", "resnet8", "layers.toml", "net.py:MyNet", "python:MyNet"])
def test_a_network_without_a_published_form_cannot_be_trained_as_published(name: str) -> None:
    with pytest.raises(ConfigError, match=f"{name} has no published form, so --as-published cannot be followed"):
        published(name)


def test_an_unknown_network_is_answered_with_the_closest_one_and_with_how_to_bring_ones_own() -> None:
    with pytest.raises(ConfigError, match=r"no network 'lenet-5'. Did you mean 'lenet5'.*path/to/file.py:MyNet"):
        resolve({"model": {"name": "lenet-5"}}, "mnist")
    with pytest.raises(ConfigError, match="there is no network 'resnet152'"):
        find_architecture("resnet152")


@pytest.mark.parametrize("name", [*MODELS, "layers.toml", "some/where/net.py:MyNet", "python:MyNet"])
def test_the_catalog_and_files_are_known_networks(name: str) -> None:
    require_known(name)


def test_the_names_are_those_of_the_catalog() -> None:
    assert tuple(ARCHITECTURES) == MODELS


def test_fixed_normalisation_needs_its_numbers() -> None:
    with pytest.raises(ConfigError, match=r"model.normalise=fixed needs model.mean and model.std"):
        resolve({"model": {"normalise": "fixed", "mean": [0.5]}}, "mnist")


def test_a_bad_key_is_answered_before_an_unknown_network() -> None:
    with pytest.raises(ConfigError, match=r"no setting 'training.epoch'. Did you mean 'epochs'"):
        resolve({"model": {"name": "nothing"}, "training": {"epoch": 1}}, "mnist")


def test_nll_refuses_label_smoothing_that_was_asked_for_and_drops_what_was_only_a_default():
    assert resolve({"training": {"loss": "nll"}}, "mnist").training.label_smoothing == 0
    with pytest.raises(
        ConfigError, match=r"nll knows no label smoothing \(training.label_smoothing is 0.2\). Set it to 0"
    ):
        resolve({"training": {"loss": "nll", "label_smoothing": 0.2}}, "mnist")


@pytest.mark.parametrize("name", ["sgd", "adam", "adamw"])
def test_nesterov_without_momentum_is_refused(name):
    with pytest.raises(ConfigError, match=r"Nesterov's momentum needs a momentum. Set training.momentum"):
        resolve({"training": {"optimizer": name, "nesterov": True}}, "mnist")


@pytest.mark.parametrize("name", ["foo:bar", "net.py", "compct"])
def test_a_name_that_is_no_network_is_refused_before_anything_is_read(name):
    with pytest.raises(ConfigError, match=r"names no class. Write|there is no network"):
        resolve({"model": {"name": name}}, "mnist")


def test_a_folder_of_ones_own_called_mnist_is_not_cut_like_mnist():
    assert resolve({"data": {"source": "/photos/mnist"}}, "mnist").model.border is None
