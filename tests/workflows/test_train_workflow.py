"""Training from Python: every kind of data and network, which weights are kept, and what the test images are spared."""

import hashlib
import json
import math
from pathlib import Path

import numpy as np
import pytest
from cli_process import no_half_written, write_discs
from numpy import ndarray
from own_networks import TwoLayers
from PIL import Image

import foveal

Digits = tuple[ndarray, ndarray]
FILES = Path(__file__).parents[1] / "files"


def weights_of(run: "foveal.Run") -> str:
    return hashlib.sha256((run.classifier / "weights.safetensors").read_bytes()).hexdigest()


def test_the_example_of_the_readme_works_as_it_stands(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run = foveal.train("mnist", epochs=0.02, threads=1)
    assert run.folder == Path("runs/mnist-compact-1")
    classifier = foveal.load(run.classifier)
    answers = list(foveal.predict(classifier, [FILES / "digit.png"]))
    assert len(answers) == 1
    for prediction in answers:
        assert prediction.label in "0123456789"
        assert 0.1 <= prediction.probability <= 1
    splits = run.splits["splits"]
    assert {name: len(columns["ids"]) for name, columns in splits.items()} == {
        "train": 55_000,
        "validation": 2_500,
        "calibration": 2_500,
        "test": 10_000,
    }
    assert run.summary["val_accuracy"] > 0.5


def test_a_network_learns_the_digits_that_it_is_shown(trained_run, digits: Digits):
    assert trained_run.summary["val_accuracy"] > 0.75
    assert trained_run.history[-1]["loss"] < trained_run.history[0]["loss"] / 2


def test_arrays_of_colour_images_with_names_as_labels_are_learnt(quick):
    generator = np.random.default_rng(0)
    images = generator.integers(0, 50, (90, 3, 16, 20), dtype=np.uint8)  # channels first, as torch has them
    labels = np.repeat(["red", "green", "blue"], 30)
    for channel, name in enumerate(("red", "green", "blue")):
        images[labels == name, channel] += 150
    run = quick((images, labels), epochs=6.0)
    classifier = foveal.load(run.classifier)
    assert classifier.classes == ("blue", "green", "red")
    preprocess = classifier.card.preprocess
    assert (preprocess.channels, preprocess.height, preprocess.width) == (3, 16, 20)
    assert run.summary["val_accuracy"] == 1.0


def test_arrays_in_a_dict_keep_the_splits_that_they_bring(quick, digits: Digits):
    images, labels = digits
    data = {"train": (images[:200], labels[:200]), "test": (images[200:260], labels[200:260])}
    run = quick(data)
    assert {name: len(columns["ids"]) for name, columns in run.splits["splits"].items()} == {
        "train": 162,
        "validation": 20,
        "calibration": 18,
        "test": 60,
    }
    report = foveal.evaluate(run, data)
    assert report.scores.n == 60


def test_the_same_seed_gives_the_same_weights_and_another_seed_others(quick, tmp_path):
    first, second, other = (quick(out=tmp_path / str(n), seed=seed) for n, seed in enumerate((1, 1, 2)))
    assert weights_of(first) == weights_of(second) != weights_of(other)


@pytest.mark.parametrize("make", [lambda: TwoLayers, lambda: TwoLayers(10, 1)], ids=["class", "instance"])
def test_a_network_of_ones_own_trains_as_a_class_or_an_instance(quick, make):
    own = make()
    run = quick(model=own, epochs=4.0)
    assert run.summary["parameters"] == 104 + 5770
    with pytest.raises(foveal.ArtifactError, match="code of your own"):
        next(foveal.predict(foveal.load(run.classifier), [FILES / "digit.png"]))
    classifier = foveal.load(run.classifier, model=own)
    assert next(foveal.predict(classifier, [FILES / "digit.png"])).label in classifier.classes
    assert run.summary["val_accuracy"] > 0.2
    assert no_half_written(run.folder)


def test_an_instance_that_is_passed_is_not_changed_by_the_training(quick):
    own = TwoLayers(10, 1)
    before = own.linear.weight.detach().clone()
    quick(model=own)
    assert own.linear.weight.equal(before)


LAYERS = """
[[layer]]
kind = "conv"
out_channels = 4
kernel_size = 5
stride = 2
[[layer]]
kind = "relu"
[[layer]]
kind = "sum_pool"
kernel_size = 2
[[layer]]
kind = "median_pool"
kernel_size = 2
[[layer]]
kind = "flatten"
[[layer]]
kind = "linear"
out_features = "classes"
"""


def test_a_network_written_as_a_list_of_layers_is_in_the_classifier_whole(quick, tmp_path):
    file = tmp_path / "layers.toml"
    file.write_text(LAYERS)
    run = quick(model=str(file))
    assert run.summary["parameters"] == (4 * 25 + 4) + (4 * 3 * 3 * 10 + 10)  # 28 -> 12 -> 6 -> 3
    file.unlink()
    assert next(foveal.predict(foveal.load(run.classifier), [FILES / "digit.png"])).label in "0123456789"


def test_balanced_weights_give_a_rare_class_more_say(quick, digits: Digits, tmp_path):
    images, labels = digits
    chosen = np.concatenate([np.flatnonzero(labels == 0)[:10], np.flatnonzero(labels == 1)])
    few = (images[chosen], labels[chosen])
    held_out = {"validation": 0, "calibration": 0, "test": 0}
    settings = {"data": held_out, "training": {"optimizer": "sgd", "learning_rate": 0.02}}
    chance_of_zero = []
    for balance in (False, True):
        settings["training"] |= {"balance": balance}
        run = quick(few, model="lenet5", epochs=4.0, out=tmp_path / str(balance), settings=settings)
        logits = foveal.load(run.classifier).logits(few[0][..., None])
        chance_of_zero.append(float((1 / (1 + np.exp(logits[:, 1] - logits[:, 0]))).mean()))
    assert chance_of_zero[0] < 0.35 < 0.42 < chance_of_zero[1] < 0.55, chance_of_zero  # .28 and .48 measured


def test_without_progress_training_stops_early_and_says_so(quick):
    # A rate of almost nothing changes no answer, so that validation cannot get better.
    settings = {"training": {"patience": 2, "learning_rate": 1e-30, "validate_every": 0.1, "optimizer": "sgd"}}
    run = quick(model="lenet5", epochs=20.0, settings=settings)
    assert "stopped early: no gain on validation in 2 measurements" in (run.folder / "notes.txt").read_text()
    assert run.summary["updates"] == 6  # 13 updates an epoch: every second one is validated
    assert run.summary["chosen_update"] == 2
    assert run.summary["stopped"] is False


def test_the_weights_with_the_best_validation_are_kept_not_the_last(quick):
    settings = {"training": {"learning_rate": 0.5, "schedule": "constant", "validate_every": 0.2}}
    run = quick(epochs=3.0, settings=settings)
    measured = [record for record in run.history if record["val_accuracy"] is not None]
    best = max(measured, key=lambda record: (record["val_accuracy"], -record["val_loss"]))
    assert run.summary["chosen_update"] == best["update"]
    assert run.summary["val_accuracy"] == best["val_accuracy"]


def test_as_published_holds_nothing_out_and_keeps_the_last_weights(quick):
    run = quick(model="twoconv-same", as_published=True)
    assert run.summary["val_accuracy"] is None
    assert run.summary["chosen_update"] == run.summary["updates"] == math.ceil(270 / 64)  # a tenth is kept for testing
    assert [len(run.splits["splits"][name]["ids"]) for name in ("validation", "calibration")] == [0, 0]
    assert foveal.load(run.classifier).card.temperature == 1.0


def test_the_temperature_is_fitted_to_the_calibration_images_alone(trained_run, digits: Digits):
    from foveal.evaluation.calibration import fit_temperature

    classifier = foveal.load(trained_run.classifier)
    images, labels = digits
    ids = [hashlib.blake2b(image.tobytes(), digest_size=8).hexdigest() for image in images]
    members = set(trained_run.splits["splits"]["calibration"]["ids"])
    rows = [number for number, each in enumerate(ids) if each in members]
    assert len(rows) == len(members)
    expected = fit_temperature(classifier.logits(images[rows][..., None]), labels[rows].astype(np.int64))
    assert classifier.card.temperature == pytest.approx(expected, rel=1e-3)
    assert classifier.card.temperature != 1.0


@pytest.fixture
def broken_test_images(tmp_path: Path) -> Path:
    """Colour discs with a test folder whose pictures are none but for one a class."""
    data = tmp_path / "discs"
    write_discs(data / "train", sides=(20,))
    write_discs(data / "test", per_class=3, sides=(20,))
    for name in ("red", "green", "blue"):
        for number in (0, 1):
            (data / "test" / name / f"{number:02}.png").write_bytes(f"no picture {name} {number}".encode())
    return data


def test_training_never_decodes_a_test_image_and_evaluation_names_those_it_cannot_read(quick, broken_test_images):
    run = quick(str(broken_test_images), epochs=4.0, settings={"data": {"leaks": "keep"}})
    assert "left out" not in (run.folder / "notes.txt").read_text()
    assert len(run.splits["splits"]["test"]["ids"]) == 9
    report = foveal.evaluate(run)
    assert report.scores.n == 3
    assert len(report.refused) == 6
    assert str(broken_test_images / "test" / "blue" / "00.png") in report.refused[0]
    assert report.test_opened == 1


def test_training_images_that_cannot_be_read_are_left_out_and_named(quick, tmp_path):
    data = write_discs(tmp_path / "discs", sides=(20,))
    for number in range(4):
        (data / "red" / f"broken{number}.png").write_bytes(bytes([number]) * 40)
    run = quick(str(data), epochs=2.0, settings={"data": {"test": 0}})
    notes = (run.folder / "notes.txt").read_text()
    assert notes.count("left out: ") == 4
    assert "broken3.png cannot be read as an image" in notes


def test_few_images_get_the_presets_floor_of_updates_unless_epochs_are_said(quick, tmp_path):
    run = quick(epochs=None, preset="fast", model="lenet5", settings={"training": {"min_updates": 30}})
    assert run.summary["updates"] == 30
    assert "instead of 1 to reach 30 updates" in (run.folder / "notes.txt").read_text()
    assert quick(out=tmp_path / "said").summary["updates"] == 10 + 1  # 219 images by 21


RUNAWAY = {"optimizer": "sgd", "learning_rate": 1e30, "schedule": "constant", "validate_every": 0.01}


def test_weights_that_ran_away_before_a_validation_are_never_kept(quick, tmp_path):
    with pytest.raises(foveal.TrainingError, match=r"is nan in epoch 1, batch [12] "):
        quick(model="twoconv-same", settings={"training": RUNAWAY})
    assert list(tmp_path.iterdir()) == []


def test_every_line_of_a_history_is_json_that_any_reader_accepts(trained_run):
    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is not JSON")

    lines = (trained_run.folder / "history.jsonl").read_text().splitlines()
    records = [json.loads(line, parse_constant=refuse) for line in lines]
    assert all(record["seconds"] > 0 for record in records)


@pytest.mark.parametrize("name", ["resnet8"])
def test_networks_of_the_literature_are_trained_kept_and_asked_like_the_default(name, quick, digits: Digits):
    run = quick(model=name)
    classifier = foveal.load(run.classifier)
    assert classifier.card.arch.name == name
    answers = list(foveal.predict(classifier, digits[0][300:303]))
    assert [0 <= answer.probability <= 1 for answer in answers] == [True] * 3
    assert foveal.evaluate(run, data=(digits[0][400:450], digits[1][400:450])).scores.n == 50


def test_an_existing_run_folder_is_refused(quick, tmp_path):
    (tmp_path / "run").mkdir()
    with pytest.raises(foveal.ArtifactError, match="exists already"):
        quick()


@pytest.mark.parametrize("name", ["curves", "predictions", "filters", "feature_maps"])
def test_pictures_are_drawn_of_every_training(trained_run, name):
    with Image.open(trained_run.report / f"{name}.png") as picture:
        picture.load()
        assert picture.format == "PNG"


def test_a_border_that_leaves_nothing_of_the_images_is_refused(quick, tmp_path):
    with pytest.raises(foveal.ConfigError, match="border"):
        quick(settings={"model": {"border": 14}})
    assert list(tmp_path.iterdir()) == []
