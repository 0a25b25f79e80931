"""How batches come to the device: whole where they fit, one ahead where not, and the same bits either way."""

from pathlib import Path

import numpy as np
import pytest
import torch
from devices import DEVICES, device_of
from torch import Tensor, nn

from foveal.data.augment.pipeline import augmentation
from foveal.data.mapped import Images, Mapped, cut
from foveal.data.pixels import Pixels
from foveal.device import free_memory
from foveal.training import feed as feeding
from foveal.training.feed import Feed, Lane, is_resident, lane_for, on_device
from foveal.training.fit import TrainState, fit, measure
from foveal.training.optim import make_loss, make_optimizer

GIB = 1 << 30


@pytest.mark.parametrize(
    ("needed", "free", "expected"),
    [
        (5 * GIB, 10 * GIB, True),  # half of what is free
        (5 * GIB + 1, 10 * GIB, False),
        (60_000 * 784, 139 * GIB, True),  # MNIST on an H200
        (1_281_167 * 3 * 224 * 224, 139 * GIB, False),  # ImageNet's 180 GiB on one
        (1_281_167 * 3 * 64 * 64, 139 * GIB, True),  # 15 GiB
        (1_281_167 * 3 * 64 * 64, 24 * GIB, False),
        (0, 0, True),
        (1, None, False),  # the CPU, which has them already
    ],
)
def test_images_lie_on_a_gpu_where_they_take_half_of_its_free_memory_at_most(
    needed: int, free: int | None, expected: bool
) -> None:
    assert is_resident(needed, free) is expected


def pictures(n: int, channels: int = 3) -> Tensor:
    """Noise (N, C, 6, 8), channels last, as decoded images lie."""
    generator = torch.Generator().manual_seed(1)
    return torch.randint(0, 256, (n, 6, 8, channels), dtype=torch.uint8, generator=generator).permute(0, 3, 1, 2)


def kinds(n: int, folder: Path) -> dict[str, Images]:
    """The same images in memory, and as rows of a file in another order that is mapped."""
    images, order = pictures(n), torch.randperm(n, generator=torch.Generator().manual_seed(2))
    stored = np.memmap(folder / "pixels", dtype=np.uint8, mode="w+", shape=(n, 6, 8, 3))
    stored[order.numpy()] = images.permute(0, 2, 3, 1).numpy()
    return {"in memory": images, "mapped": Mapped(torch.from_numpy(stored).permute(0, 3, 1, 2), order)}


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("kind", ["in memory", "mapped"])
@pytest.mark.parametrize("fits", [True, False])
def test_images_are_moved_whole_where_they_fit_and_stay_where_they_are_where_not(
    fits: bool, kind: str, device: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feeding, "PORTION", 7)
    monkeypatch.setattr(feeding, "free_memory", lambda _: 20 * 144 * (2 if fits else 1))
    images = kinds(20, tmp_path)[kind]
    labels = torch.arange(20)
    pixels, moved_labels = on_device(Pixels(images, labels, np.arange(20), ()), device_of(device))
    assert moved_labels.device == device_of(device)
    if not fits:
        assert pixels is images
        return
    assert isinstance(pixels, Tensor)
    assert pixels.device == device_of(device)
    assert torch.equal(pixels.cpu(), pictures(20))
    assert pixels.is_contiguous(memory_format=torch.channels_last)
    assert lane_for(pixels, device_of(device)) is None


def test_on_the_cpu_nothing_is_moved_or_copied(tmp_path: Path) -> None:
    cpu = torch.device("cpu")
    assert free_memory(cpu) is None
    for images in kinds(10, tmp_path).values():
        labels = torch.arange(10)
        assert on_device(Pixels(images, labels, np.arange(10), ()), cpu)[0] is images
        assert lane_for(images, cpu) is None
    batch = pictures(3)
    ((_, handed_on),) = Feed(iter([("a", batch)]), None)
    assert handed_on is batch


class Slow(Lane):
    """A lane whose copies hold nothing before they have arrived; and no more than one is on its way."""

    def __init__(self) -> None:
        super().__init__(torch.device("cpu"))
        self.on_its_way: list[tuple[Tensor, Tensor]] = []
        self.longest = 0

    def send(self, batch: Tensor) -> Tensor:
        assert super().send(batch) is batch, "nothing is copied from the CPU to itself"
        self.on_its_way.append((torch.full_like(batch, 77), batch))
        self.longest = max(self.longest, len(self.on_its_way))
        return self.on_its_way[-1][0]

    def arrived(self, sent: Tensor) -> Tensor:
        (there, batch) = self.on_its_way.pop(0)
        assert sent is there
        return super().arrived(sent.copy_(batch))


@pytest.mark.parametrize("is_ahead", [True, False])
def test_batches_arrive_in_order_and_whole_and_one_is_ahead(is_ahead: bool) -> None:
    images, lane, cuts = pictures(20), Slow(), []

    def batches():
        for number in range(5):
            cuts.append(number)
            yield number, images[4 * number : 4 * number + 4]

    feed = Feed(batches(), lane)
    for expected, (number, batch) in enumerate(feed):
        assert number == expected
        assert torch.equal(batch, images[4 * number : 4 * number + 4])
        assert len(cuts) == number + 1, "nothing is cut before the device has its work"
        if is_ahead:
            feed.ahead()
            feed.ahead()
            assert len(cuts) == min(number + 2, 5), "one batch ahead, and no more"
    assert lane.longest == 1
    assert len(cuts) == 5


class Net(nn.Module):
    """A convolution, a norm and dropout."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.norm = nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4)
        self.drop, self.head = nn.Dropout(0.2), nn.Linear(4, 3)

    def forward(self, pixels: Tensor) -> Tensor:
        features = self.norm(self.conv(pixels.float() / 255)).relu().mean(dim=(2, 3))
        logits: Tensor = self.head(self.drop(features))
        return logits


def trained(images: Images, device: torch.device, updates: int = 12) -> tuple[list[Tensor], list[float]]:
    """The weights after a few updates and all losses, training and validation."""
    torch.manual_seed(0)
    net = Net().to(device)
    state = TrainState(net, make_optimizer(net.parameters(), "adamw"), seed=3)
    labels = (torch.arange(len(images)) % 3).to(device)
    records = list(
        fit(
            state,
            (images, labels),
            (images, labels),
            loss=make_loss("cross_entropy", label_smoothing=0.1),
            schedule=lambda _: 0.01,
            augment=augmentation(shift=1, flip="random", brightness=0.2),
            batch_size=8,
            updates=updates,
            report_every=3,
            validate_every=4,
        )
    )
    losses = [value for record in records for value in (record.loss, record.val_loss, record.val_accuracy)]
    return [each.detach().cpu() for each in net.state_dict().values()], losses


@pytest.mark.parametrize("device", DEVICES)
def test_the_weights_are_the_same_bits_whether_images_are_there_or_are_sent(
    device: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    there, found = pictures(30).to(device_of(device)), []
    weights, losses = trained(there, device_of(device))
    lanes: list[Slow] = []
    if device == "cpu":  # where nothing is sent by itself
        monkeypatch.setattr("foveal.training.fit.lane_for", lambda *_: lanes.append(Slow()) or lanes[-1])
    for images in kinds(30, tmp_path).values():
        found.append(trained(images, device_of(device)))
    for sent_weights, sent_losses in found:
        assert sent_losses == losses
        assert all(torch.equal(one, other) for one, other in zip(sent_weights, weights, strict=True))
    assert device != "cpu" or len(lanes) == 2 * (1 + 3), "one for each training, and for each time it was validated"


@pytest.mark.parametrize("device", DEVICES)
def test_what_is_measured_is_the_same_for_images_that_are_there_and_sent(device: str, tmp_path: Path) -> None:
    torch.manual_seed(0)
    net, labels = Net().to(device_of(device)), (torch.arange(31) % 3).to(device_of(device))
    logits = net.eval().cpu()(pictures(31)).detach().double().numpy()
    net.to(device_of(device))
    chances = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    answers = labels.cpu().numpy()
    expected = -np.log(chances[np.arange(31), answers]).mean()
    for images in (*kinds(31, tmp_path).values(), pictures(31).to(device_of(device))):
        loss, accuracy = measure(net, images, labels, batch_size=7)
        assert loss == pytest.approx(expected, rel=1e-5)
        assert accuracy == (logits.argmax(axis=1) == answers).mean()


@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU here")
def test_a_batch_for_a_gpu_is_cut_into_memory_that_is_never_paged_out(tmp_path: Path) -> None:
    for images in kinds(20, tmp_path).values():
        batch = cut(images, torch.tensor([3, 1, 19]), is_pinned=True)
        assert batch.is_pinned()
        assert torch.equal(batch, pictures(20)[[3, 1, 19]])
