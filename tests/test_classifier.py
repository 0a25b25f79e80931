"""The artifact: what is saved is what answers, alone and in another process, and nothing damaged is believed."""

import errno
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy import ndarray
from safetensors import safe_open
from scipy.special import softmax
from torch import nn

import foveal
from foveal.classifier import (
    Classifier,
    find_classifier,
    foveal_version,
    load,
    logits_of,
    probabilities,
    replace_classifier,
    save_classifier,
)
from foveal.config import ArchSpec, Familiar, Preprocess
from foveal.errors import ArtifactError
from foveal.models.catalog import build_model

CLASSES = ("cat", "dog", "hen")


class MyNet(nn.Module):
    """A network of the user's own."""

    def __init__(self, num_classes: int) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Flatten(), nn.Linear(64, num_classes))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = self.body(x)
        return logits


class OtherNet(MyNet):
    """Another network, with one layer more."""

    def __init__(self, num_classes: int) -> None:
        super().__init__(num_classes)
        self.more = nn.Linear(num_classes, num_classes)


def arch_of(name: str, input_shape: tuple[int, int, int]) -> ArchSpec:
    """A spec with plausible statistics."""
    c = input_shape[0]
    return ArchSpec(name=name, input_shape=input_shape, mean=(100.0,) * c, std=(50.0,) * c, source="net.py:MyNet")


def saved(folder: Path, name: str = "lenet5", shape: tuple[int, int, int] = (1, 28, 28), own: Any = None) -> nn.Module:
    """Save a network with fresh weights as a Classifier, and return it."""
    torch.manual_seed(0)
    arch = arch_of(name, shape)
    model = build_model(arch, len(CLASSES), own).eval()
    card = {
        "arch": arch,
        "classes": CLASSES,
        "preprocess": Preprocess(channels=1 if shape[0] == 1 else 3, height=shape[1], width=shape[2]),
        "familiar": Familiar(min_side=8, max_side=64, min_border=0, max_border=10),
        "temperature": 1.5,
        "provenance": {"run": "here-1", "seed": 3, "val_accuracy": None},
    }
    save_classifier(folder, model.state_dict(), card)
    return model


def pictures(n: int, shape: tuple[int, int, int]) -> ndarray:
    """Noise, uint8 (N, H, W, C)."""
    channels, height, width = shape
    return np.random.default_rng(0).integers(0, 256, (n, height, width, channels), dtype=np.uint8)


def edit_card(folder: Path, **changes: Any) -> None:
    """Change the card as a person with an editor would."""
    path = folder / "classifier.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


# Saved and loaded


@pytest.mark.parametrize(
    ("name", "shape"),
    [("compact", (1, 28, 28)), ("compact", (3, 40, 30)), ("lenet5", (1, 28, 28)), ("twoconv-rgb", (3, 32, 32))],
)
def test_what_was_saved_answers_with_the_same_logits(name: str, shape: tuple[int, int, int], tmp_path: Path) -> None:
    model, images = saved(tmp_path / "c", name, shape), pictures(5, shape)
    with torch.no_grad():
        expected = model(torch.tensor(images).permute(0, 3, 1, 2)).numpy()
    found = load(tmp_path / "c")
    np.testing.assert_array_equal(found.logits(images), expected)
    assert found.classes == CLASSES
    assert (found.card.temperature, found.card.preprocess.height) == (1.5, shape[1])
    assert not found.network.training


def test_a_classifier_is_two_files_that_everyone_may_read_and_neither_is_a_pickle(tmp_path: Path) -> None:
    saved(tmp_path / "c")
    assert sorted(path.name for path in (tmp_path / "c").iterdir()) == ["classifier.json", "weights.safetensors"]
    assert [path.name for path in tmp_path.iterdir()] == ["c"]
    assert (tmp_path / "c").stat().st_mode & 0o777 == 0o755
    assert all(path.stat().st_mode & 0o777 == 0o644 for path in (tmp_path / "c").iterdir())
    json.loads((tmp_path / "c" / "classifier.json").read_text())
    with safe_open(tmp_path / "c" / "weights.safetensors", "pt") as tensors:
        assert "network.conv1.weight" in tensors.keys()  # noqa: SIM118 -- not a dict


def test_the_card_says_where_the_weights_come_from(trained_run: foveal.Run) -> None:
    card = load(trained_run.folder).card
    assert card.written_by == f"foveal {foveal_version()}"
    assert set(card.provenance) >= {"run", "data", "fingerprint", "update", "val_accuracy", "seed"}
    assert card.provenance["run"] == trained_run.folder.name
    assert card.provenance["fingerprint"] == trained_run.splits["fingerprint"]


def test_a_folder_copied_alone_answers_the_same_in_another_process(
    trained_run: foveal.Run, classifier: Classifier, digits: tuple[ndarray, ndarray], tmp_path: Path
) -> None:
    shutil.copytree(trained_run.classifier, tmp_path / "alone")
    np.save(tmp_path / "images.npy", digits[0][:20, :, :, None])
    code = (
        "import foveal, numpy, torch\n"
        f"torch.set_num_threads({torch.get_num_threads()})\n"
        "logits = foveal.load('alone').logits(numpy.load('images.npy'))\n"
        "numpy.save('logits.npy', logits)"
    )
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=True, timeout=60)
    expected = classifier.logits(digits[0][:20, :, :, None])
    np.testing.assert_array_equal(np.load(tmp_path / "logits.npy"), expected)


def test_a_run_folder_a_classifier_folder_and_their_names_as_text_are_one(trained_run: foveal.Run) -> None:
    cards = [load(path).card for path in (trained_run.folder, trained_run.classifier, str(trained_run.folder))]
    assert cards[0] == cards[1] == cards[2]


def test_logits_do_not_depend_on_the_batch_nor_on_train_mode(
    classifier: Classifier, digits: tuple[ndarray, ndarray]
) -> None:
    images = digits[0][:7, :, :, None]
    one_by_one = np.concatenate([classifier.logits(images[i : i + 1]) for i in range(7)])
    np.testing.assert_allclose(classifier.logits(images), one_by_one, atol=1e-4)
    np.testing.assert_array_equal(logits_of(classifier.network.train(), images), classifier.logits(images))


@pytest.mark.parametrize("temperature", [0.05, 1.0, 4.0])
def test_probabilities_are_scipys_softmax_of_logits_over_temperature(temperature: float) -> None:
    logits = np.random.default_rng(0).normal(0, 9, (40, 5)).astype(np.float32)
    ours = probabilities(logits, temperature)
    np.testing.assert_allclose(ours, softmax(logits.astype(np.float64) / temperature, axis=1), rtol=1e-4, atol=1e-7)
    assert ours.dtype == np.float32
    np.testing.assert_allclose(ours.sum(axis=1), 1, atol=1e-6)


# Damaged, missing, foreign


@pytest.mark.parametrize("place", [0, 9, 2000, -1])
def test_one_bit_that_flipped_in_the_weights_is_noticed(place: int, tmp_path: Path) -> None:
    saved(tmp_path / "c")
    path = tmp_path / "c" / "weights.safetensors"
    content = bytearray(path.read_bytes())
    content[place] ^= 1
    path.write_bytes(content)
    with pytest.raises(
        ArtifactError, match=r"weights.safetensors is damaged: its sha256 is [0-9a-f]{64}, but classifier"
    ):
        load(tmp_path / "c")


def test_weights_that_change_after_loading_are_noticed_before_they_are_used(tmp_path: Path) -> None:
    saved(tmp_path / "c")
    found = load(tmp_path / "c")
    (tmp_path / "c" / "weights.safetensors").write_bytes(b"")
    with pytest.raises(ArtifactError, match=r"weights.safetensors is damaged"):
        found.logits(pictures(1, (1, 28, 28)))


def test_missing_weights_are_missed(tmp_path: Path) -> None:
    saved(tmp_path / "c")
    (tmp_path / "c" / "weights.safetensors").unlink()
    with pytest.raises(ArtifactError, match=r"cannot read .*weights.safetensors: No such file .*Copy the whole folder"):
        load(tmp_path / "c")


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "classifier.json is not valid JSON"),
        (b'{"format": 1, "cla', "classifier.json is not valid JSON"),
        (b"[]", "classifier.json has the format None, written by something else"),
        (b"{}", "classifier.json has the format None, written by an unknown version"),
        (b'{"format": 1}', "classifier.json is damaged: the setting written_by"),
    ],
)
def test_a_damaged_card_is_refused(content: bytes, sentence: str, tmp_path: Path) -> None:
    saved(tmp_path / "c")
    (tmp_path / "c" / "classifier.json").write_bytes(content)
    with pytest.raises(ArtifactError, match=sentence):
        load(tmp_path / "c")


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"temperature": 0}, "classifier.json is damaged: the setting temperature cannot be 0"),
        ({"classes": "abc"}, "classifier.json is damaged: the setting classes cannot be 'abc'"),
        ({"hallo": 1}, "classifier.json is damaged: there is no setting 'hallo'"),
    ],
)
def test_a_card_with_a_wrong_value_is_refused(changes: dict[str, Any], sentence: str, tmp_path: Path) -> None:
    saved(tmp_path / "c")
    edit_card(tmp_path / "c", **changes)
    with pytest.raises(ArtifactError, match=sentence):
        load(tmp_path / "c")


def test_a_format_of_the_future_is_refused_with_the_version_that_wrote_it(tmp_path: Path) -> None:
    saved(tmp_path / "c")
    edit_card(tmp_path / "c", format=2, written_by="foveal 9.9", shape_of_things="to come")
    with pytest.raises(
        ArtifactError, match=r"has the format 2, written by foveal 9.9; this is foveal .*Upgrade foveal"
    ):
        load(tmp_path / "c")


def test_a_network_that_this_version_does_not_know_is_refused(tmp_path: Path) -> None:
    saved(tmp_path / "c")
    arch = json.loads((tmp_path / "c" / "classifier.json").read_text())["arch"]
    edit_card(tmp_path / "c", arch={**arch, "name": "resnet152"})
    with pytest.raises(foveal.FovealError, match="resnet152"):
        load(tmp_path / "c").logits(pictures(1, (1, 28, 28)))


def test_weights_of_another_network_are_refused(tmp_path: Path) -> None:
    saved(tmp_path / "c")
    arch = json.loads((tmp_path / "c" / "classifier.json").read_text())["arch"]
    edit_card(tmp_path / "c", arch={**arch, "name": "twoconv-same"})
    with pytest.raises(ArtifactError, match=r"the weights in .* do not fit the network twoconv-same: "):
        load(tmp_path / "c").logits(pictures(1, (1, 28, 28)))


def test_a_missing_folder_an_empty_one_and_an_unfinished_run_are_told_apart(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match=r"there is no folder .*none. Name a run folder or a Classifier folder"):
        find_classifier(tmp_path / "none")
    with pytest.raises(ArtifactError, match=r"holds no classifier.json, so it is no Classifier and no finished run"):
        find_classifier(tmp_path)
    (tmp_path / "config.toml").write_text("")
    with pytest.raises(ArtifactError, match=r"the run .* has no Classifier: its training did not finish. Train again"):
        load(tmp_path)


# A network of the user's own


@pytest.mark.parametrize("own", [MyNet, MyNet(3)])
def test_a_network_of_ones_own_answers_again_when_its_code_is_given(own: Any, tmp_path: Path) -> None:
    shape = (1, 8, 8)
    model, images = saved(tmp_path / "c", "own", shape, MyNet), pictures(4, shape)
    np.testing.assert_array_equal(load(tmp_path / "c", model=own).logits(images), logits_of(model, images))


def test_a_network_of_ones_own_is_refused_without_its_code(tmp_path: Path) -> None:
    saved(tmp_path / "c", "own", (1, 8, 8), MyNet)
    with pytest.raises(
        ArtifactError, match=r"built from code of your own \(net.py:MyNet\).*foveal.load\(path, model=MyNet"
    ):
        load(tmp_path / "c").logits(pictures(1, (1, 8, 8)))


def test_other_code_than_that_of_the_training_is_refused(tmp_path: Path) -> None:
    saved(tmp_path / "c", "own", (1, 8, 8), MyNet)
    with pytest.raises(ArtifactError, match=r"do not fit the network own: .*give the code it was trained with"):
        load(tmp_path / "c", model=OtherNet).logits(pictures(1, (1, 8, 8)))


# Saving goes wrong


def test_a_classifier_never_replaces_another(tmp_path: Path) -> None:
    saved(tmp_path / "c")
    before = (tmp_path / "c" / "classifier.json").read_bytes()
    with pytest.raises(ArtifactError, match=r"cannot write .*/c: "):
        saved(tmp_path / "c", "compact")
    assert (tmp_path / "c" / "classifier.json").read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["c"]


def test_a_full_disk_leaves_no_half_classifier(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    flushed = []

    def refuse_the_second(handle: int) -> None:
        flushed.append(handle)
        if len(flushed) == 2:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", refuse_the_second)
    with pytest.raises(ArtifactError, match=r"No space left on device. Free some space"):
        saved(tmp_path / "c")
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_written_to_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(ArtifactError, match=r"cannot write .*file/c: Not a directory"):
        saved(tmp_path / "file" / "c")


def test_a_new_classifier_takes_the_place_of_the_old_one_only_when_it_is_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.manual_seed(0)
    model, card = nn.Linear(2, 2), {"no": "card"}
    old = tmp_path / "classifier"
    old.mkdir()
    (old / "classifier.json").write_text("old")
    with pytest.raises(ValueError, match="validation error"):
        replace_classifier(old, model.state_dict(), card)
    assert (old / "classifier.json").read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["classifier"]
