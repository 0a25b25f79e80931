"""Checkpoints: all of a state comes back bit for bit, and no damage goes unseen."""

import shutil
from collections.abc import Callable
from itertools import islice
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from foveal.data.augment.pipeline import augmentation
from foveal.errors import ArtifactError
from foveal.training.checkpoint import (
    Checkpoint,
    load_checkpoint,
    newest_checkpoint,
    restore,
    save_checkpoint,
    tensors_of,
)
from foveal.training.fit import TrainState, fit
from foveal.training.optim import make_loss, make_optimizer

UPDATES = 14


class Net(nn.Module):
    """A convolution in the layout that convolutions like, BatchNorm and dropout: each has state of a kind of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(1, 4, 3).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.norm = nn.BatchNorm2d(4)
        self.drop = nn.Dropout(0.3)
        self.head = nn.Linear(4 * 36, 3)

    def forward(self, pixels: Tensor) -> Tensor:
        images = (pixels / 255).contiguous(memory_format=torch.channels_last)
        logits: Tensor = self.head(self.drop(self.norm(self.conv(images)).relu().flatten(1)))
        return logits


def start(optimizer: str = "adamw", **settings: float | bool) -> TrainState:
    torch.manual_seed(0)
    net = Net()
    return TrainState(net, make_optimizer(net.parameters(), optimizer, **settings), 7)  # type: ignore[arg-type]


def go_on(state: TrainState, updates: int) -> None:
    """Train up to this update: batches of 5 of 23 images, shifted, mirrored in turn, noisy."""
    generator = torch.Generator().manual_seed(1)
    labels = torch.arange(23) % 3
    pixels = torch.randint(0, 255, (23, 1, 8, 8), generator=generator, dtype=torch.uint8)
    records = fit(
        state,
        (pixels, labels),
        None,
        loss=make_loss("cross_entropy", label_smoothing=0.1),
        schedule=lambda update: 0.01 * (1 - update / UPDATES),
        augment=augmentation(shift=1, flip="alternating", noise=2.0, seed=7),
        batch_size=5,
        updates=UPDATES,
        report_every=100,
        validate_every=100,
        checkpoint_every=1,
    )
    for _ in islice(records, updates - state.update):
        pass


def checkpoint_of(state: TrainState) -> Checkpoint:
    return Checkpoint(state.update, tensors_of(state), {"seconds": 1.5, "note": "ü"})


NESTEROV: dict[str, str | float | bool] = {"optimizer": "sgd", "momentum": 0.9, "nesterov": True}


@pytest.mark.parametrize(
    "settings",
    [{}, {"optimizer": "adam"}, {"optimizer": "muon"}, {"optimizer": "sgd"}, NESTEROV],
    ids=["adamw", "adam", "muon", "sgd", "nesterov"],
)
@pytest.mark.parametrize("stop", [1, 5, 7, UPDATES - 1, UPDATES])
def test_a_training_that_goes_on_elsewhere_has_the_weights_of_one_that_never_stopped(
    settings: dict[str, str | float | bool], stop: int, tmp_path: Path
) -> None:
    whole, stopped = start(**settings), start(**settings)  # type: ignore[arg-type]
    go_on(whole, UPDATES)
    go_on(stopped, stop)
    save_checkpoint(tmp_path / "checkpoint", checkpoint_of(stopped))
    found, faults = newest_checkpoint(tmp_path / "checkpoint")
    assert found is not None
    assert faults == []
    resumed = start(**settings)  # type: ignore[arg-type]
    torch.rand(5)  # whatever else was drawn in the new process
    restore(resumed, found)
    assert (resumed.update, resumed.seconds) == (stop, 1.5)
    go_on(resumed, UPDATES)
    ours, theirs = tensors_of(resumed), tensors_of(whole)
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)


def test_every_flipped_bit_is_seen(tmp_path: Path) -> None:
    state = start()
    go_on(state, 2)
    tensors = {
        name: tensor for name, tensor in tensors_of(state).items() if name in ("model.norm.bias", "optimizer.0.step.0")
    }
    save_checkpoint(tmp_path, Checkpoint(2, tensors, {"seconds": 0.0}))
    place = tmp_path / "000000002"
    for path in sorted(place.iterdir()):
        content = path.read_bytes()
        for number in range(8 * len(content)):
            byte, bit = divmod(number, 8)
            path.write_bytes(content[:byte] + bytes([content[byte] ^ 1 << bit]) + content[byte + 1 :])
            with pytest.raises(ArtifactError, match="is damaged"):
                load_checkpoint(place)
        path.write_bytes(content)
    assert load_checkpoint(place).facts == {"seconds": 0.0}


@pytest.mark.parametrize("name", ["tensors.safetensors", "state.json", "manifest.json"])
@pytest.mark.parametrize(
    "harm",
    [
        lambda path: path.unlink(),
        lambda path: path.write_bytes(b""),
        lambda path: path.write_bytes(path.read_bytes()[:-1]),
    ],
    ids=["gone", "empty", "cut"],
)
def test_the_one_before_takes_the_place_of_a_damaged_one(
    name: str, harm: Callable[[Path], None], tmp_path: Path
) -> None:
    for update in (3, 6):
        save_checkpoint(tmp_path, Checkpoint(update, {"model.w": torch.tensor([float(update)])}, {}))
    harm(tmp_path / "000000006" / name)
    found, faults = newest_checkpoint(tmp_path)
    assert found is not None
    assert found.update == 3
    assert torch.equal(found.under("model")["w"], torch.tensor([3.0]))
    assert len(faults) == 1
    assert "000000006" in faults[0]


def test_the_newest_two_are_kept(tmp_path: Path) -> None:
    for update in (5, 10, 15, 20):
        save_checkpoint(tmp_path, Checkpoint(update, {"a": torch.zeros(1)}, {}))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["000000015", "000000020"]


def test_where_no_checkpoint_is_none_is_found(tmp_path: Path) -> None:
    assert newest_checkpoint(tmp_path / "none") == (None, [])
    (tmp_path / ".000000005.x").mkdir()
    assert newest_checkpoint(tmp_path) == (None, [])


def test_a_checkpoint_under_another_number_is_no_checkpoint(tmp_path: Path) -> None:
    save_checkpoint(tmp_path, Checkpoint(5, {"a": torch.zeros(1)}, {}))
    shutil.move(tmp_path / "000000005", tmp_path / "000000006")
    with pytest.raises(ArtifactError, match="000000006 is damaged: its files are not those"):
        load_checkpoint(tmp_path / "000000006")


def test_a_checkpoint_of_another_network_is_refused_by_the_name_of_a_tensor() -> None:
    state = start()
    tensors = {**tensors_of(state), "model.extra": torch.zeros(2)}
    with pytest.raises(ArtifactError, match=r"checkpoint of update 4 does not fit the network: .*extra.* Train again"):
        restore(state, Checkpoint(4, tensors, {"seconds": 0.0}))


def test_weights_that_are_one_tensor_under_two_names_can_be_kept(tmp_path: Path) -> None:
    shared = torch.arange(3.0)
    save_checkpoint(tmp_path, Checkpoint(1, {"model.a": shared, "model.b": shared}, {}))
    assert torch.equal(load_checkpoint(tmp_path / "000000001").tensors["model.b"], shared)
