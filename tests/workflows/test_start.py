"""`start`: a training that continues a Classifier, on the same data, with more classes, on other images, and refused."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy import ndarray

import foveal
from foveal.config import Config
from foveal.device import choose_device
from foveal.errors import ArtifactError, ConfigError, DataError
from foveal.run import Run
from foveal.training.fit import TrainState, measure
from foveal.workflows.prepare import Prepared, prepare
from foveal.workflows.train import make_state

Quick = Callable[..., Run]
CPU = choose_device("cpu")


@pytest.fixture(autouse=True)
def no_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pictures take most of the time of a small training, and no part in what is tested here."""
    monkeypatch.setattr("foveal.workflows.train.draw_training", lambda *_: None)


@pytest.fixture
def zero_to_four(digits: tuple[ndarray, ndarray]) -> tuple[ndarray, ndarray]:
    """The digits 0 to 4 of the first 600."""
    images, labels = digits
    return images[labels < 5], labels[labels < 5]


@pytest.fixture
def known(quick: Quick, zero_to_four: Any, tmp_path: Path) -> Run:
    """A run that knows 0 to 4."""
    return quick(zero_to_four, epochs=6.0, out=tmp_path / "known", settings={"model": {"normalise": "unit"}})


def begun(run: Run, data: Any) -> tuple[Prepared, TrainState]:
    """A training as it is before its first update."""
    prepared = prepare(run.config, data)
    return prepared, make_state(prepared, CPU)


def logits(model: torch.nn.Module, images: ndarray) -> torch.Tensor:
    with torch.no_grad():
        answer: torch.Tensor = model.eval()(torch.from_numpy(images.copy())[:, None])
    return answer


def test_on_the_same_data_nothing_is_lost(quick: Quick, zero_to_four: Any, known: Run, tmp_path: Path) -> None:
    again = quick(zero_to_four, start=known, out=tmp_path / "again")
    prepared, state = begun(again, zero_to_four)
    validation = prepared.validation
    assert measure(state.model, validation.pixels, validation.labels)[1] == known.summary["val_accuracy"]
    assert torch.equal(logits(state.model, zero_to_four[0]), logits(foveal.load(known.folder).network, zero_to_four[0]))
    assert again.summary["val_accuracy"] > 0.8
    notes = (again.folder / "notes.txt").read_text()
    total = len(foveal.load(again.folder).network.state_dict()) - 2  # but for mean and std of the first layer
    assert f"starts from {known.classifier}: {total} of {total} tensors are its own" in notes


def test_the_statistics_of_the_first_layer_are_kept_on_the_same_data_only(
    quick: Quick, digits: Any, zero_to_four: Any, tmp_path: Path
) -> None:
    first = quick(zero_to_four, out=tmp_path / "first", seed=0)
    same, other = (
        quick(zero_to_four, start=first, out=tmp_path / "same", seed=1),  # another split, so other training images
        quick(digits, start=first, out=tmp_path / "other"),
    )
    means = [foveal.load(run.folder).card.arch.mean for run in (first, same, other)]
    assert means[0] == means[1] != means[2]
    notes = (other.folder / "notes.txt").read_text()
    assert "the first layer normalises by the statistics of these data" in notes


def test_with_more_classes_the_logits_of_the_known_ones_are_kept(
    quick: Quick, digits: Any, known: Run, tmp_path: Path
) -> None:
    more = quick(digits, start=known, out=tmp_path / "more")
    prepared, state = begun(more, digits)
    assert prepared.classes == tuple("0123456789")
    before, after = logits(foveal.load(known.folder).network, digits[0]), logits(state.model, digits[0])
    torch.testing.assert_close(after[:, :5], before)  # products of other sizes are summed up in another order
    assert "keeps the rows of 5 classes and has new ones for 5, 6, 7, 8, 9" in (more.folder / "notes.txt").read_text()
    assert len(foveal.load(more.folder).classes) == 10


def test_with_fewer_classes_what_is_left_out_is_said(quick: Quick, digits: Any, known: Run, tmp_path: Path) -> None:
    few = (digits[0][digits[1] < 2], digits[1][digits[1] < 2])
    run = quick(few, start=known.classifier, out=tmp_path / "few")
    assert "no row any more for 2, 3, 4" in (run.folder / "notes.txt").read_text()
    _, state = begun(run, few)
    before = logits(foveal.load(known.folder).network, few[0])
    torch.testing.assert_close(logits(state.model, few[0]), before[:, :2])


@pytest.mark.parametrize("count", [5, 3])
def test_where_no_class_is_known_the_last_layer_is_new(
    count: int, quick: Quick, digits: Any, known: Run, tmp_path: Path
) -> None:
    chosen = (digits[1] >= 5) & (digits[1] < 5 + count)  # as many classes as the Classifier has, or fewer
    run = quick((digits[0][chosen], digits[1][chosen]), start=known, out=tmp_path / "strange")
    notes = (run.folder / "notes.txt").read_text()
    names = ", ".join("56789"[:count])
    assert f"the last layer is new: the Classifier knows none of the classes {names}\n" in notes
    assert "as their shapes are others" not in notes


def test_it_learns_faster_than_from_nothing(quick: Quick, digits: Any, known: Run, tmp_path: Path) -> None:
    rate = {"settings": {"training": {"learning_rate": 0.001}, "model": {"normalise": "unit"}}}
    fresh = quick(digits, out=tmp_path / "fresh", **rate)
    continued = quick(digits, start=known, out=tmp_path / "continued", **rate)
    assert continued.summary["val_accuracy"] > fresh.summary["val_accuracy"]


def test_images_are_brought_to_the_size_channels_and_fit_of_the_classifier(
    quick: Quick, digits: Any, tmp_path: Path
) -> None:
    first = quick(size=20, fit="crop", out=tmp_path / "first", settings={"model": {"border": 2}})
    colours = np.repeat(np.pad(digits[0][:200], ((0, 0), (2, 2), (2, 2)))[..., None], 3, axis=3)
    colours[..., 0] //= 2
    run = quick((colours, digits[1][:200]), start=first, out=tmp_path / "run")
    card = foveal.load(run.folder).card
    assert card.preprocess == foveal.load(first.folder).card.preprocess
    assert (card.arch.border, run.config.model.border, run.config.data.size) == (2, 2, 20)
    assert "these images are in colour, and are read in grey" in (run.folder / "notes.txt").read_text()


def test_the_width_and_head_of_compact_come_along(quick: Quick, digits: Any, tmp_path: Path) -> None:
    own = {"model": {"width": 1.5, "head": "flat", "border": 4}}
    first = quick(out=tmp_path / "first", settings=own)
    run = quick(start=first, out=tmp_path / "run")
    assert (run.config.model.width, run.config.model.head) == (1.5, "flat")
    assert foveal.load(run.folder).card.arch.layers == foveal.load(first.folder).card.arch.layers


@pytest.mark.parametrize("network", ["twoconv-rgb", "lenet5", "airbench"])
def test_other_networks_of_the_catalog_are_continued_too(
    network: str, quick: Quick, digits: Any, tmp_path: Path
) -> None:
    first = quick(model=network, out=tmp_path / "first")
    run = quick(start=first, out=tmp_path / "run", seed=1)
    assert run.summary["model"] == network
    few = (digits[0][:300], digits[1][:300])
    _, state = begun(run, few)
    assert torch.equal(logits(state.model, few[0]), logits(foveal.load(first.folder).network, few[0]))


def test_where_only_some_layers_fit_they_are_taken_and_the_others_named(
    quick: Quick, known: Run, digits: Any, zero_to_four: Any, tmp_path: Path
) -> None:
    first = quick(model="lenet5", out=tmp_path / "first")
    run = quick(start=first, size=32, out=tmp_path / "larger")
    notes = (run.folder / "notes.txt").read_text()
    assert "9 of 10 tensors are its own" in notes
    assert "new, as their shapes are others: network.linear1.weight" in notes


def test_code_of_ones_own_is_named_again(quick: Quick, digits: Any, tmp_path: Path) -> None:
    class Mine(torch.nn.Module):
        def __init__(self, num_classes: int) -> None:
            super().__init__()
            self.head = torch.nn.Linear(784, num_classes)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            logits: torch.Tensor = self.head(x.flatten(1))
            return logits

    first = quick(model=Mine, out=tmp_path / "first")
    run = quick(model=Mine, start=first, out=tmp_path / "run")
    assert run.summary["model"] == "python:Mine"
    with pytest.raises(ConfigError, match=r"code of your own .*never run\. Name the code: --model path\.py:MyNet"):
        quick(start=first, out=tmp_path / "third")


# Refused


def test_another_network_is_refused_in_a_sentence(quick: Quick, known: Run, tmp_path: Path) -> None:
    match = r"known/classifier is of the network compact, and lenet5 was asked for: .* Name that one with --model"
    with pytest.raises(ConfigError, match=match):
        quick(model="lenet5", start=known, out=tmp_path / "other")
    assert not (tmp_path / "other").exists()


def test_a_network_in_which_nothing_fits_is_refused(quick: Quick, known: Run, digits: Any, tmp_path: Path) -> None:
    with pytest.raises(
        ConfigError, match=r"no weight of the Classifier in .* fits: its layers are others\. Leave .* out"
    ):
        quick(start=known, out=tmp_path / "wide", settings={"model": {"width": 3.0}})
    colours = np.repeat(digits[0][..., None], 3, axis=3).copy()
    colours[:, 0, 0, 0] = 9
    why = r"fits: it takes images of 1x28x28, and these are 3x28x28\. Bring them to its size and channels"
    with pytest.raises(ConfigError, match=why):
        quick((colours, digits[1]), start=known, out=tmp_path / "colour", channels=3)


def test_what_is_no_classifier_is_refused(quick: Quick, tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match="there is no folder"):
        quick(start=tmp_path / "nosuch", out=tmp_path / "run")


# The Classifier is part of what decides the weights


def test_the_run_remembers_what_it_began_with(quick: Quick, zero_to_four: Any, known: Run, tmp_path: Path) -> None:
    run = quick(zero_to_four, start=known, out=tmp_path / "run")
    sha256 = foveal.load(known.folder).card.weights_sha256
    assert (run.config.model.start, run.config.model.start_sha256) == (str(known.classifier), sha256)
    provenance = foveal.load(run.folder).card.provenance
    assert (provenance["start"], provenance["start_sha256"]) == (str(known.classifier), sha256)


def test_the_config_of_a_continued_run_trains_the_same_weights_again(
    quick: Quick, zero_to_four: Any, known: Run, tmp_path: Path
) -> None:
    run = quick(zero_to_four, start=known, out=tmp_path / "run")
    again = Run(tmp_path / "again")
    again.folder.mkdir()
    foveal.workflows.train.train(run.config, again, zero_to_four)  # type: ignore[attr-defined]
    assert again.summary["last_weights_sha256"] == run.summary["last_weights_sha256"]


class Stopped(BaseException):
    """A training that ends without a word, in the way of SIGKILL."""


@pytest.fixture
def killed(
    quick: Quick, zero_to_four: Any, known: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> tuple[Run, Run]:
    """A continued run as a whole, and one that was killed in its third epoch."""
    from foveal.workflows import train as workflow

    whole = quick(zero_to_four, start=known, epochs=4.0, out=tmp_path / "whole")
    real = workflow.start_fit

    def until(*arguments: Any, **named: Any) -> Any:
        for record in real(*arguments, **named):
            if record.epoch > 2.5:
                raise Stopped
            yield record

    monkeypatch.setattr(workflow, "start_fit", until)
    with pytest.raises(Stopped):
        quick(zero_to_four, start=known, epochs=4.0, out=tmp_path / "killed")
    monkeypatch.setattr(workflow, "start_fit", real)
    return whole, Run(tmp_path / "killed")


def test_a_continued_training_is_resumed_bit_for_bit(killed: tuple[Run, Run], zero_to_four: Any) -> None:
    whole, run = killed
    assert foveal.resume(run, zero_to_four).summary["last_weights_sha256"] == whole.summary["last_weights_sha256"]


def test_a_changed_or_missing_classifier_is_refused_when_it_is_resumed(
    killed: tuple[Run, Run], known: Run, zero_to_four: Any
) -> None:
    whole, run = killed
    kept = shutil.copytree(known.classifier, known.folder / "kept")
    shutil.rmtree(known.classifier)
    with pytest.raises(ArtifactError, match="that this training starts from cannot be used: there is no folder"):
        foveal.resume(run, zero_to_four)
    shutil.copytree(whole.classifier, known.classifier)
    match = r"is not the one that this training was begun with: .* sha256 .*Bring that one back"
    with pytest.raises(ArtifactError, match=match):
        foveal.resume(run, zero_to_four)
    shutil.rmtree(known.classifier)
    kept.rename(known.classifier)
    assert foveal.resume(run, zero_to_four).is_finished


def test_settings_from_a_card_win_over_recipes_and_lose_to_what_is_said(known: Run) -> None:
    from foveal.recipes import resolve
    from foveal.workflows.start_settings import start_settings

    asked: dict[str, Any] = {"model": {"start": str(known.folder)}, "data": {"source": "mnist"}}
    assert start_settings({}) == {}
    config: Config = resolve(asked, "mnist", start_settings(asked))
    assert (config.model.border, config.data.size, config.model.normalise) == (0, 28, "unit")  # the recipe has border 4
    said = {**asked, "model": {**asked["model"], "border": 3, "normalise": "mean_std"}}
    config = resolve(said, "mnist", start_settings(said))
    assert (config.model.border, config.model.normalise) == (3, "mean_std")
    assert (
        json.loads(config.model_dump_json())["model"]["start_sha256"] == foveal.load(known.folder).card.weights_sha256
    )


# No image that was learnt from is taken for a new one


def test_images_stay_in_their_splits_whatever_the_seed(
    quick: Quick, digits: Any, zero_to_four: Any, known: Run, tmp_path: Path
) -> None:
    more = quick(digits, start=known, seed=5, out=tmp_path / "more")
    third = quick(digits, start=more, seed=6, out=tmp_path / "third")
    before, after = known.splits["splits"], more.splits["splits"]
    for name in ("train", "validation", "calibration", "test"):
        assert set(before[name]["ids"]) <= set(after[name]["ids"])
        assert set(after[name]["ids"]) == set(third.splits["splits"][name]["ids"])
    sizes = {name: len(columns["ids"]) for name, columns in after.items()}
    assert sizes["test"] == 60  # a tenth, as ever
    assert np.bincount([int(after["test"]["labels"][i]) for i in range(60)]).min() >= 3


def test_what_a_chain_of_trainings_has_learnt_from_stays_learnt_from(
    quick: Quick, digits: Any, zero_to_four: Any, known: Run, tmp_path: Path
) -> None:
    others = (digits[0][digits[1] > 3], digits[1][digits[1] > 3])  # with the fours in common
    second = quick(others, start=known, out=tmp_path / "second")
    third = quick(digits, start=second, seed=3, out=tmp_path / "third")
    held_out = {i for name in ("validation", "calibration", "test") for i in third.splits["splits"][name]["ids"]}
    for run in (known, second):
        assert not held_out & set(run.splits["splits"]["train"]["ids"])


def test_a_score_on_what_the_classifier_before_was_trained_on_is_refused(
    quick: Quick, digits: Any, zero_to_four: Any, known: Run, tmp_path: Path
) -> None:
    second = quick((digits[0][digits[1] > 4], digits[1][digits[1] > 4]), start=known, out=tmp_path / "second")
    shutil.rmtree(known.folder)  # the run itself remembers what the one before it had met
    old = zero_to_four[0][:100], zero_to_four[1][:100] + 5  # as classes that it knows
    with pytest.raises(DataError, match=r"of the 100 images are among those that the run was trained on"):
        foveal.evaluate(second, old)


def test_a_test_split_that_the_data_bring_must_hold_nothing_that_was_learnt_from(
    quick: Quick, digits: Any, zero_to_four: Any, known: Run, tmp_path: Path
) -> None:
    images, labels = digits
    old = zero_to_four[0][:150], zero_to_four[1][:150]
    data = {"train": (images[300:], labels[300:]), "test": old}
    match = r"test images, .* were learnt from by the Classifier that this training starts from: .*data\.leaks=keep"
    with pytest.raises(DataError, match=match):
        quick(data, start=known, out=tmp_path / "run")
    run = quick(data, start=known, out=tmp_path / "kept", settings={"data": {"leaks": "keep"}})
    assert "were learnt from by the Classifier" in (run.folder / "notes.txt").read_text()


def test_a_classifier_without_its_run_is_used_with_a_warning(
    quick: Quick, digits: Any, known: Run, tmp_path: Path
) -> None:
    alone = shutil.copytree(known.classifier, tmp_path / "alone")
    run = quick(digits, start=alone, out=tmp_path / "run")
    assert "validation and test say too much" in (run.folder / "notes.txt").read_text()
