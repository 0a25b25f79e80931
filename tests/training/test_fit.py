"""The loop: what its records say, what it looks at and when, and that it learns."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
import torch
from numpy import ndarray
from torch import Generator, Tensor, nn
from torch.nn import functional as F

from foveal.data.augment.pipeline import augmentation
from foveal.errors import TrainingError
from foveal.training.fit import Record, TrainState, fit, make_update, measure
from foveal.training.optim import balanced_weights, make_loss, make_optimizer
from foveal.training.schedule import make_schedule

Set = tuple[Tensor, Tensor]
CROSS_ENTROPY = make_loss("cross_entropy", label_smoothing=0.0)


class Net(nn.Module):
    """Pixels to logits, with batch norm and dropout, so that train mode and eval mode differ; remembers what it saw."""

    def __init__(self, side: int = 4, classes: int = 3) -> None:
        super().__init__()
        self.norm = nn.BatchNorm1d(side * side)
        self.drop = nn.Dropout(0.2)
        self.head = nn.Linear(side * side, classes)
        self.seen: list[tuple[bool, Tensor]] = []

    def forward(self, pixels: Tensor) -> Tensor:
        self.seen.append((self.training, pixels.clone()))
        logits: Tensor = self.head(self.drop(self.norm(pixels.float().flatten(1) / 255)))
        return logits


class Plain(nn.Module):
    """One linear layer, so that everything can be worked out by hand."""

    def __init__(self, side: int = 4, classes: int = 3) -> None:
        super().__init__()
        self.head = nn.Linear(side * side, classes)

    def forward(self, pixels: Tensor) -> Tensor:
        logits: Tensor = self.head(pixels.to(self.head.weight.dtype).flatten(1) / 255)
        return logits


def toy(n: int, classes: int = 3, seed: int = 0) -> Set:
    """Images (N, 1, 4, 4) of noise with one bright row that tells the class."""
    generator = Generator().manual_seed(seed)
    labels = torch.arange(n) % classes
    pixels = torch.randint(0, 120, (n, 1, 4, 4), generator=generator, dtype=torch.uint8)
    pixels[torch.arange(n), 0, labels] += 100
    return pixels, labels


def state_of(
    model: Callable[[], nn.Module] = Plain, *, seed: int = 0, optimizer: str = "sgd", **kind: Any
) -> TrainState:
    """A network with its optimizer, both from one seed."""
    torch.manual_seed(seed)
    net = model(**kind)
    return TrainState(net, make_optimizer(net.parameters(), optimizer), seed)


def train(state: TrainState, train_set: Set, val_set: Set | None = None, **settings: Any) -> list[Record]:
    """All records of a training with little said."""
    return list(records_of(state, train_set, val_set, **settings))


def records_of(state: TrainState, train_set: Set, val_set: Set | None = None, **settings: Any) -> Iterator[Record]:
    """The records as they come."""
    said = {
        "loss": CROSS_ENTROPY,
        "schedule": lambda _: 0.5,
        "augment": augmentation(),
        "batch_size": 10,
        "updates": 12,
        "report_every": 5,
        "validate_every": 6,
        **settings,
    }
    return fit(state, train_set, val_set, **said)


# Records


def test_there_is_a_record_every_so_many_updates_at_each_validation_and_at_the_end() -> None:
    records = train(state_of(), toy(30), toy(9))
    assert [record.update for record in records] == [5, 6, 10, 12]
    assert [record.epoch for record in records] == pytest.approx([5 / 3, 2, 10 / 3, 4])
    assert [record.val_accuracy is not None for record in records] == [False, True, False, True]
    assert [record.val_loss is not None for record in records] == [False, True, False, True]
    assert [record.seconds for record in records] == sorted(record.seconds for record in records)


def test_without_validation_images_nothing_is_validated() -> None:
    records = train(state_of(), toy(30))
    assert [record.update for record in records] == [5, 10, 12]
    assert {(record.val_loss, record.val_accuracy) for record in records} == {(None, None)}


def test_a_record_holds_the_means_over_the_updates_since_the_record_before() -> None:
    # Batches of 10, 10 and 5 images: the accuracy is over images, the loss over updates.
    each = train(state_of(), toy(25), updates=9, report_every=1)
    three = train(state_of(), toy(25), updates=9, report_every=3)
    sizes = [10, 10, 5]
    for number, record in enumerate(three):
        part = each[3 * number : 3 * number + 3]
        assert record.loss == pytest.approx(np.mean([one.loss for one in part]))
        correct = sum(round(one.accuracy * size) for one, size in zip(part, sizes, strict=True))
        assert record.accuracy == pytest.approx(correct / 25)


def test_the_first_record_is_the_loss_and_accuracy_before_the_first_update() -> None:
    state, (pixels, labels) = state_of(), toy(10)
    with torch.no_grad():
        logits = state.model(pixels).numpy().astype(np.float64)
    chances = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    (record,) = train(state, (pixels, labels), updates=1)
    assert record.loss == pytest.approx(-np.log(chances[np.arange(10), labels.numpy()]).mean(), rel=1e-6)
    assert record.accuracy == (logits.argmax(axis=1) == labels.numpy()).mean()


def test_the_rate_of_each_update_is_that_of_the_schedule_and_reaches_the_optimizer() -> None:
    state = state_of()
    schedule = make_schedule("triangular", 0.3, 8)
    rates = []
    for record in fit(
        state,
        toy(30),
        None,
        loss=CROSS_ENTROPY,
        schedule=schedule,
        augment=augmentation(),
        batch_size=10,
        updates=8,
        report_every=1,
        validate_every=99,
    ):
        rates.append(record.learning_rate)
        assert state.optimizer.learning_rate == record.learning_rate
    assert rates == [schedule(update) for update in range(8)]


def test_a_training_begun_goes_on_from_its_update() -> None:
    state = state_of()
    train(state, toy(30), updates=5)
    assert [record.update for record in train(state, toy(30), updates=12)] == [10, 12]
    assert train(state, toy(30), updates=12) == []


# What it looks at


def test_each_image_is_seen_once_an_epoch_in_an_order_that_changes() -> None:
    state = state_of(Net)
    pixels = torch.arange(25, dtype=torch.uint8).view(25, 1, 1, 1).expand(25, 1, 4, 4).contiguous()
    train(state, (pixels, torch.arange(25) % 3), updates=9)
    numbers = [batch[:, 0, 0, 0].tolist() for is_training, batch in state.model.seen if is_training]
    assert [len(batch) for batch in numbers] == [10, 10, 5] * 3
    epochs = [[n for batch in numbers[3 * e : 3 * e + 3] for n in batch] for e in range(3)]
    assert all(sorted(epoch) == list(range(25)) for epoch in epochs)
    assert epochs[0] != epochs[1] != epochs[2]


def test_training_batches_are_augmented_and_validation_images_are_not() -> None:
    state = state_of(Net)
    pixels, labels = toy(10)
    train(
        state,
        (pixels, labels),
        (pixels, labels),
        updates=1,
        augment=lambda batch, generator, numbers, epoch: 255 - batch,
    )
    (_, learnt), (_, validated) = state.model.seen
    assert sorted(map(str, learnt)) == sorted(map(str, 255 - pixels))
    assert torch.equal(validated, pixels)


def test_updates_are_made_in_train_mode_and_validation_in_eval_mode() -> None:
    state = state_of(Net)
    train(state, toy(30), toy(9), updates=3, validate_every=1, report_every=1)
    assert [is_training for is_training, _ in state.model.seen] == [True, False] * 3


def test_the_mode_that_the_caller_leaves_behind_does_not_matter() -> None:
    settings: Any = {"loss": CROSS_ENTROPY, "schedule": lambda _: 0.1, "batch_size": 10, "updates": 3}
    state = state_of(Net)
    for _ in fit(
        state,
        toy(30),
        None,
        augment=augmentation(),
        report_every=1,
        validate_every=9,
        **settings,
    ):
        state.model.eval()
    assert [is_training for is_training, _ in state.model.seen][:3] == [True] * 3


def test_validating_changes_nothing_in_what_is_learnt() -> None:
    weights = []
    for val_set, spacing in ((toy(9), 1), (None, 99)):
        state = state_of(Net)
        train(state, toy(30), val_set, validate_every=spacing)
        weights.append([*state.model.state_dict().values()])
    assert all(torch.equal(often, never) for often, never in zip(*weights, strict=True))


def test_measure_is_the_loss_and_accuracy_that_numpy_gives() -> None:
    state, (pixels, labels) = state_of(Net), toy(103)
    train(state, (pixels, labels))
    net = state.model.eval()
    with torch.no_grad():
        logits = net(pixels).numpy().astype(np.float64)
    true = logits[np.arange(103), labels.numpy()]
    loss = (np.log(np.exp(logits).sum(axis=1)) - true).mean()
    for batch_size in (103, 50, 7):  # with batches of 7 the last holds 5
        found = measure(net.train(), pixels, labels, batch_size)
        assert found == pytest.approx((loss, (logits.argmax(axis=1) == labels.numpy()).mean()), rel=1e-6)
        assert not net.training


# One update


@pytest.mark.parametrize(("name", "label_smoothing"), [("cross_entropy", 0.0), ("nll", 0.0), ("cross_entropy", 0.2)])
def test_one_update_walks_against_the_gradient_that_finite_differences_give(name: str, label_smoothing: float) -> None:
    loss = make_loss(name, label_smoothing=label_smoothing)
    state, (pixels, labels) = state_of(lambda: Plain().double()), toy(12)
    weight = state.model.head.weight
    before = weight.detach().clone()
    slope = torch.zeros_like(before)
    with torch.no_grad():
        for index in np.ndindex(*before.shape):
            values = []
            for step in (1e-6, -1e-6):
                weight[index] += step
                values.append(float(loss(state.model(pixels), labels)))
                weight.copy_(before)
            slope[index] = (values[0] - values[1]) / 2e-6
    make_update(state, pixels, labels, loss=loss, learning_rate=0.5)
    torch.testing.assert_close(weight.detach(), before - 0.5 * slope, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("limit", [1e-3, 0.05])
def test_clipping_bounds_the_length_of_the_gradient_and_keeps_its_direction(limit: float) -> None:
    steps = []
    for clip_norm in (None, limit):
        state, (pixels, labels) = state_of(), toy(30)
        before = nn.utils.parameters_to_vector(state.model.parameters()).detach()
        make_update(state, pixels, labels, loss=CROSS_ENTROPY, learning_rate=1.0, clip_norm=clip_norm)
        steps.append(before - nn.utils.parameters_to_vector(state.model.parameters()).detach())
    free, clipped = steps
    assert float(free.norm()) > limit
    assert float(clipped.norm()) == pytest.approx(limit, rel=1e-3)
    assert float(F.cosine_similarity(free, clipped, dim=0)) == pytest.approx(1, abs=1e-4)


def test_a_gradient_below_the_limit_is_left_as_it_is() -> None:
    states = [state_of(), state_of()]
    for state, clip_norm in zip(states, (None, 1e6), strict=True):
        make_update(state, *toy(30), loss=CROSS_ENTROPY, learning_rate=1.0, clip_norm=clip_norm)
    assert torch.equal(states[0].model.head.weight, states[1].model.head.weight)


# Seeds, learning, running away


def weights_after(seed: int, set_seed: int = 0, **settings: Any) -> Tensor:
    """All weights after a short training of a network with dropout, with shifts."""
    state = state_of(Net, seed=seed)
    train(state, toy(30, seed=set_seed), augment=augmentation(shift=1, flip="random"), **settings)
    return nn.utils.parameters_to_vector(state.model.parameters())


def test_the_same_seed_gives_the_same_weights_and_another_seed_others() -> None:
    assert torch.equal(weights_after(1), weights_after(1))
    assert not torch.allclose(weights_after(1), weights_after(2))


def test_how_often_is_reported_changes_nothing_in_the_weights() -> None:
    assert torch.equal(weights_after(1, report_every=1), weights_after(1, report_every=7))


@pytest.mark.parametrize("optimizer", ["sgd", "adam", "adamw"])
@pytest.mark.parametrize("model", [Plain, Net])
def test_what_can_be_learnt_is_learnt(optimizer: str, model: type[nn.Module]) -> None:
    state = state_of(model, optimizer=optimizer)
    rate = 0.5 if optimizer == "sgd" else 0.05
    records = train(state, toy(90), toy(60, seed=1), updates=150, validate_every=150, schedule=lambda _: rate)
    assert records[-1].loss < records[0].loss / 3
    assert records[-1].accuracy > 0.95
    assert records[-1].val_accuracy is not None
    assert records[-1].val_accuracy > 0.95


def test_real_digits_are_learnt(digits: tuple[ndarray, ndarray]) -> None:
    images, labels = (torch.tensor(array) for array in digits)
    pixels, targets = images[:, None], labels.long()
    state = state_of(Plain, side=28, classes=10, optimizer="adam")
    records = train(
        state,
        (pixels[:500], targets[:500]),
        (pixels[500:], targets[500:]),
        updates=150,
        batch_size=50,
        schedule=make_schedule("triangular", 0.01, 150),
    )
    assert records[-1].val_accuracy is not None
    assert records[-1].val_accuracy > 0.75


def test_balanced_weights_let_a_rare_class_be_found() -> None:
    generator = torch.Generator().manual_seed(0)
    labels = (torch.arange(400) >= 380).long()  # 380 to 20, and much overlap
    pixels = (40 + 30 * labels[:, None] + 40 * torch.randn(400, 16, generator=generator)).clamp(0, 255)
    images = pixels.to(torch.uint8).view(400, 1, 4, 4)
    found = []
    for weights in (None, balanced_weights(labels, 2)):
        state = state_of(Plain, classes=2, optimizer="adam")
        loss = make_loss("cross_entropy", label_smoothing=0.0, class_weights=weights)
        train(state, (images, labels), loss=loss, updates=300, batch_size=50, schedule=lambda _: 0.05)
        with torch.no_grad():
            found.append(int((state.model(images).argmax(dim=1) == 1).sum()))
    without, balanced = found
    assert balanced > without
    assert balanced >= 20


@pytest.mark.parametrize("validating", [True, False])
def test_a_loss_that_is_not_a_number_stops_with_epoch_and_batch_named(validating: bool) -> None:
    records: list[Record] = []
    expected = r"the loss is (nan|inf) in epoch 2, batch 1 \(update 4, learning rate 1e\+60\): .* Lower the rate"
    training = records_of(
        state_of(seed=3),
        toy(30),
        toy(9) if validating else None,
        schedule=lambda update: 1e60 if update >= 2 else 0.01,
        report_every=1,
        validate_every=2,
    )
    with pytest.raises(TrainingError, match=expected):
        records.extend(training)  # keeps what came before the error
    assert [record.update for record in records] == [1, 2, 3]
    assert all(np.isfinite(record.loss) for record in records)


@pytest.mark.parametrize("validating", [True, False])
def test_a_network_whose_weights_ran_away_in_the_last_update_is_not_called_trained(validating: bool) -> None:
    val_set = toy(9) if validating else None
    with pytest.raises(TrainingError, match=r"the loss is (nan|inf) .*\(update 3, learning rate 1e\+60\)"):
        train(state_of(seed=3), toy(30), val_set, updates=3, schedule=lambda update: 1e60 if update == 2 else 0.01)


def test_mixed_batches_are_learnt_from_and_counted_by_the_label_laid_first() -> None:
    seen: list[tuple[torch.Tensor, torch.Tensor]] = []

    def mix(
        pixels: torch.Tensor, labels: torch.Tensor, generator: torch.Generator
    ) -> tuple[torch.Tensor, torch.Tensor]:
        seen.append((pixels, labels))
        return 255 - pixels, torch.full((len(labels), 3), 1 / 3)

    state = state_of()
    records = train(state, toy(12), updates=2, mix=mix)
    assert len(seen) == 2
    # Shares of a third each: the gradient of cross-entropy leads to no class, so that nothing can be learnt.
    assert records[-1].loss >= np.log(3) - 1e-6
    assert all(0 <= record.accuracy <= 1 for record in records)
