"""Training on each device there is; and on one that only knows shapes, which tells what would mix it with the CPU."""

from contextlib import nullcontext
from pathlib import Path

import numpy as np
import pytest
import torch
from devices import DEVICES, device_of
from network_weights import fresh, noise
from numpy import ndarray
from torch import Tensor

import foveal
from foveal.data.augment.pipeline import augmentation, mixing
from foveal.models.catalog import ARCHITECTURES
from foveal.training.fit import TrainState, make_update
from foveal.training.optim import make_loss, make_optimizer

SIDES = {name: max(32 if each.needs_rgb else 28, 28) for name, each in ARCHITECTURES.items()}
AUGMENTATIONS = [
    {"shift": 2},
    {"flip": "random"},
    {"flip": "alternating"},
    {"rotate": 10.0, "scale": 0.2, "shear": 10.0},
    {"crop": 0.5},
    {"brightness": 0.3},
    {"contrast": 0.3},
    {"colour": 0.3},
    {"hue": 20.0},
    {"noise": 5.0},
    {"erase": 0.5},
    {"policy_operations": 2, "policy_magnitude": 5.0},
]


def update(name: str, optimizer: str, device: torch.device, precision: str = "float32") -> tuple[Tensor, Tensor]:
    """The logits and the loss of the second update of a network, which depend on the first one's arithmetic."""
    shape = (3, SIDES[name], SIDES[name])
    model = fresh(name, shape).to(device).train()
    for module in model.modules():
        if isinstance(module, torch.nn.Dropout | torch.nn.Dropout2d):
            module.p = 0.0  # each kind of device draws its own
    state = TrainState(model, make_optimizer(model.parameters(), optimizer, momentum=0.9))
    images, labels = noise(8, shape).to(device), (torch.arange(8) % 10).to(device)
    loss = make_loss("cross_entropy", label_smoothing=0.1, class_weights=torch.ones(10, device=device))
    for _ in range(2):
        found = make_update(state, images, labels, loss=loss, learning_rate=1e-3, clip_norm=1.0, precision=precision)
    return found


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("name", ["compact", "twoconv-same", "resnet8", "convnext", "airbench"])
def test_two_updates_come_to_nearly_the_same_on_every_device(name: str, device: str) -> None:
    logits, value = update(name, "adamw", device_of(device))
    expected, expected_value = update(name, "adamw", torch.device("cpu"))
    assert logits.device == device_of(device)
    assert float(value) == pytest.approx(float(expected_value), rel=1e-2)
    torch.testing.assert_close(logits.cpu(), expected, rtol=0.05, atol=0.05)


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("optimizer", ["sgd", "adam", "adamw", "muon"])
def test_the_same_updates_twice_are_the_same_bits(optimizer: str, device: str) -> None:
    first, second = (update("resnet8", optimizer, device_of(device)) for _ in range(2))
    assert torch.equal(first[0], second[0])
    assert torch.equal(first[1], second[1])


@pytest.mark.parametrize("device", DEVICES)
def test_in_16_bits_the_loss_is_nearly_that_of_32(device: str) -> None:
    values = [float(update("resnet8", "adamw", device_of(device), each)[1]) for each in ("float32", "bfloat16")]
    assert values[1] == pytest.approx(values[0], rel=0.05)


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("settings", AUGMENTATIONS, ids=lambda each: next(iter(each)))
@pytest.mark.parametrize("channels", [1, 3])
def test_an_augmentation_draws_the_same_for_every_device(channels: int, settings: dict, device: str) -> None:
    images, changes = noise(16, (channels, 20, 24)), augmentation(**settings)
    found, expected = (
        changes(images.to(where), torch.Generator().manual_seed(5), torch.arange(16), 1)
        for where in (device_of(device), torch.device("cpu"))
    )
    assert found.device == device_of(device)
    off = (found.cpu().int() - expected.int()).abs()
    assert float((off > 1).float().mean()) < 0.01, "rounding aside, and what rounding decides"


@pytest.mark.parametrize("device", DEVICES)
def test_a_training_from_end_to_end_done_twice_gives_the_same_bits(
    device: str, digits: tuple[ndarray, ndarray], tmp_path: Path
) -> None:
    found = []
    for name in ("one", "other"):
        run = foveal.train(
            digits, model="twoconv-same", epochs=2, seed=1, threads=1, device=device, out=tmp_path / name
        )
        assert run.summary["val_accuracy"] > 0.3
        found.append(run.summary["last_weights_sha256"])
    assert found[0] == found[1]
    answers = foveal.load(tmp_path / "one").logits(digits[0][:5, ..., None])
    assert np.isfinite(answers).all()


# A device that only knows shapes


META = torch.device("meta")


@pytest.fixture
def without_autocast(monkeypatch: pytest.MonkeyPatch) -> None:
    """Autocast knows no such device."""
    monkeypatch.setattr("foveal.training.fit.autocast", lambda *_: nullcontext())


@pytest.mark.usefixtures("without_autocast")
@pytest.mark.parametrize("name", ARCHITECTURES)
def test_an_update_of_any_network_leaves_nothing_on_the_cpu(name: str) -> None:
    logits, value = update(name, "muon", META)
    assert logits.device == value.device == META


@pytest.mark.parametrize("settings", AUGMENTATIONS[:-1], ids=lambda each: next(iter(each)))
@pytest.mark.parametrize("channels", [1, 3])
def test_an_augmentation_leaves_nothing_on_the_cpu(channels: int, settings: dict) -> None:
    images = noise(8, (channels, 20, 24)).to(META)
    assert augmentation(**settings)(images, torch.Generator(), torch.arange(8), 1).device == META


@pytest.mark.parametrize("settings", [{"mixup": 1.0}, {"cutmix": 1.0}])
def test_mixing_leaves_nothing_on_the_cpu(settings: dict) -> None:
    mix = mixing(**settings)
    assert mix is not None
    pixels, shares = mix(noise(8, (3, 20, 24)).to(META), torch.zeros(8, 10, device=META), torch.Generator())
    assert pixels.device == shares.device == META


def test_such_a_device_does_tell_when_it_is_mixed_with_the_cpu() -> None:
    with pytest.raises(RuntimeError, match="device"):
        torch.zeros(3, device=META) * torch.ones(3)
