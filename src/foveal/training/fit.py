"""The training loop, as a generator: whoever iterates draws progress, keeps weights and stops. There is no Trainer."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int64, UInt8
from torch import Generator, Tensor, nn
from torch.nn import functional as F

from foveal.data.augment.draws import derived_seed
from foveal.data.augment.pipeline import Augmentation
from foveal.data.batches import endless_batches, updates_per_epoch
from foveal.data.mapped import Images, cut
from foveal.device import Precision, autocast, seed_network
from foveal.errors import TrainingError
from foveal.training.distributed import ALONE, Workers
from foveal.training.feed import Feed, lane_for
from foveal.training.optim import Loss
from foveal.training.optimizers import Optimizer
from foveal.training.schedule import Schedule
from foveal.training.shards import Shards

# Called as mix(pixels, labels, generator): mixed pixels and, for each, the share of every class.
Mix = Callable[
    [UInt8[Tensor, "B C H W"], Int64[Tensor, " B"], Generator], tuple[UInt8[Tensor, "B C H W"], Float[Tensor, "B K"]]
]


AUGMENT, NETWORK = 2, 3  # the draws of an update: what changes its images, and dropout


@dataclass
class TrainState:
    """All that changes while training; the only mutable value.

    Whatever is drawn by chance in an update follows from `seed` and the update's number, so that there is no generator
    whose state would have to be kept.
    """

    model: nn.Module
    optimizer: Optimizer
    seed: int = 0
    update: int = 0
    seconds: float = 0.0  # trained so far, by the clock


@dataclass(frozen=True)
class Record:
    """What a stretch of training did: means over the updates since the record before, in train mode.

    `epoch` is fractional. The `val_` fields are there when validation was measured after this update.
    """

    update: int
    epoch: float
    loss: float
    accuracy: float
    learning_rate: float
    seconds: float
    val_loss: float | None = None
    val_accuracy: float | None = None


def fit(
    state: TrainState,
    train: tuple[Images, Int64[Tensor, " N"]],
    val: tuple[Images, Int64[Tensor, " M"]] | None,
    *,
    loss: Loss,
    schedule: Schedule,
    augment: Augmentation,
    mix: Mix | None = None,
    batch_size: int,
    updates: int,
    report_every: int,
    validate_every: int,
    checkpoint_every: int | None = None,
    clip_norm: float | None = None,
    precision: Precision = "float32",
    shards: int = 1,
    workers: Workers = ALONE,
) -> Iterator[Record]:
    """Train up to `updates` updates; a Record every `report_every` and `checkpoint_every`, at each validation and at the end.

    `augment` changes each image of a batch, then `mix` makes images and targets of two each; the accuracy of a Record then
    counts the label of the image that was laid first. Each of the `workers` takes its share of every batch; with one worker,
    a batch may be worked on in several `shards`, each by a thread.

    Raises TrainingError, naming epoch and batch, when the loss is not a number.
    """
    pixels, labels = train
    per_epoch = updates_per_epoch(len(labels), batch_size)
    batches = endless_batches(len(labels), batch_size, state.seed, state.update)
    feed, chance = _feed(pixels, labels.device, batches, workers), Generator()
    parts = Shards(state.model, shards) if shards > 1 else None
    begin, tally = time.perf_counter() - state.seconds, _Tally()
    state.model.train()
    while state.update < updates:
        (own, count, size), images = next(feed)
        chance.manual_seed(derived_seed(state.seed, AUGMENT, state.update, *workers.number))
        seed_network(derived_seed(state.seed, NETWORK, state.update, *workers.number))
        batch = augment(images, chance, own, state.update // per_epoch)
        rate, targets = schedule(state.update), labels[own]
        mixed, shares = mix(batch, targets, chance) if mix is not None else (batch, targets)
        part = workers.part_of_mean(loss, count, size)
        logits, part_of_loss = make_update(
            state,
            mixed,
            shares,
            loss=part,
            learning_rate=rate,
            clip_norm=clip_norm,
            precision=precision,
            shards=parts,
            workers=workers,
        )
        feed.ahead()
        correct = int((logits[:count].argmax(dim=1) == targets[:count]).sum())
        value, all_correct = workers.mean_and_total(float(part_of_loss), correct)
        _require_finite(value, state.update, per_epoch, rate)
        state.update += 1
        tally.add(value, all_correct, size)
        is_last = state.update == updates
        is_validation = val is not None and (is_last or state.update % validate_every == 0)
        is_checkpoint = checkpoint_every is not None and state.update % checkpoint_every == 0
        if not (is_last or is_validation or is_checkpoint or state.update % report_every == 0):
            continue
        workers.average_statistics(state.model)
        measured = measure(state.model, *val, workers=workers) if val is not None and is_validation else None
        if measured is not None or is_last:  # the last weights have met no image yet: without validation, a batch
            new_loss, _ = measured or measure(state.model, batch, targets)
            _require_finite(workers.total(new_loss)[0], state.update - 1, per_epoch, rate)
        state.seconds = time.perf_counter() - begin
        epoch, means = state.update / per_epoch, tally.means
        yield Record(state.update, epoch, *means, rate, state.seconds, *(measured or (None, None)))
        tally = _Tally()
        state.model.train()


# Of a batch this worker's numbers, how many of them count, and how many there are in all.
Share = tuple[Int64[Tensor, " b"], int, int]


def _feed(
    pixels: Images, device: torch.device, batches: Iterator[Int64[Tensor, " B"]], workers: Workers
) -> Feed[Share]:
    """This worker's share of one batch after another, with its images on the device."""
    lane = lane_for(pixels, device)
    shares = ((*workers.share(chosen), len(chosen)) for chosen in batches)
    is_pinned = lane is not None and lane.is_pinned
    return Feed(((share, cut(pixels, share[0], is_pinned=is_pinned)) for share in shares), lane)


@dataclass
class _Tally:
    """Sums over the updates since the last Record."""

    loss: float = 0.0
    updates: int = 0
    correct: int = 0
    images: int = 0

    @property
    def means(self) -> tuple[float, float]:
        """Loss and accuracy."""
        return self.loss / self.updates, self.correct / self.images

    def add(self, loss: float, correct: int, images: int) -> None:
        self.loss += loss
        self.updates += 1
        self.correct += correct
        self.images += images


def make_update(
    state: TrainState,
    batch: UInt8[Tensor, "B C H W"],
    targets: Int64[Tensor, " B"] | Float[Tensor, "B K"],
    *,
    loss: Loss,
    learning_rate: float,
    clip_norm: float | None = None,
    precision: Precision = "float32",
    shards: Shards | None = None,
    workers: Workers = ALONE,
) -> tuple[Float[Tensor, "B K"], Float[Tensor, ""]]:
    """One update of the weights; the logits before it, and the batch's mean loss. On a GPU, to read them is to wait for it."""
    if shards is not None:
        logits, value = shards.backward(batch, targets, state.optimizer.weights, loss=loss, precision=precision)
    else:
        with autocast(precision, batch.device):
            logits = state.model(batch).float()
        value = loss(logits, targets)
        state.optimizer.forget_gradients()
        value.backward()  # type: ignore[no-untyped-call]
    workers.average_gradients(state.optimizer.weights)
    if clip_norm is not None:
        nn.utils.clip_grad_norm_(state.model.parameters(), clip_norm)
    state.optimizer.step(learning_rate)
    return logits.detach(), value.detach()


def _require_finite(loss: float, update: int, per_epoch: int, learning_rate: float) -> None:
    if loss - loss != 0:  # true for NaN and for both infinities
        raise TrainingError(
            f"the loss is {loss} in epoch {update // per_epoch + 1}, batch {update % per_epoch + 1} "
            f"(update {update + 1}, learning rate {learning_rate:g}): the weights have run away. "
            "Lower the rate (--set training.learning_rate=...) or clip the gradients (--set training.clip_norm=1)."
        )


@torch.no_grad()
def measure(
    model: nn.Module, pixels: Images, labels: Int64[Tensor, " M"], batch_size: int = 500, workers: Workers = ALONE
) -> tuple[float, float]:
    """Mean cross-entropy and accuracy in eval mode; each image is looked at by one of the workers.

    Labels are on the device that computes; images are, or are sent there.
    """
    model.eval()
    starts = [start for number, start in enumerate(range(0, len(labels), batch_size)) if workers.is_mine(number)]
    batches = ((start, pixels[start : start + batch_size]) for start in starts)
    feed = Feed(batches, lane_for(pixels, labels.device))
    sums = torch.zeros(2, dtype=torch.float64, device=labels.device)  # losses, and right answers
    for start, batch in feed:
        targets, logits = labels[start : start + batch_size], model(batch)
        # Sum over images, divide once: a mean of batch means gives the short last batch too much weight.
        sums[0] += F.cross_entropy(logits, targets, reduction="sum")
        sums[1] += (logits.argmax(dim=1) == targets).sum()
        feed.ahead()
    all_loss, all_correct = workers.total(*sums.tolist())
    return all_loss / len(labels), all_correct / len(labels)
