"""Batches in shards: the same gradients as the whole batch, BatchNorm shard by shard, always the same sums."""

from collections.abc import Iterator

import pytest
import torch
from torch import Generator, Tensor, nn
from torch.nn.modules.dropout import _DropoutNd

from foveal.config import ArchSpec
from foveal.data.augment.pipeline import augmentation
from foveal.device import seed_everything
from foveal.models.catalog import ARCHITECTURES, OWN, build_model, is_by_no_chance
from foveal.training.fit import Record, TrainState, fit, make_update
from foveal.training.optim import make_loss, make_optimizer
from foveal.training.shards import Shards, choose_shards

LOSS = make_loss("cross_entropy", label_smoothing=0.1)
CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def two_threads() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


def digits(n: int) -> tuple[Tensor, Tensor]:
    chance = Generator().manual_seed(1)
    pixels = torch.randint(0, 256, (n, 1, 12, 12), generator=chance, dtype=torch.uint8)
    return pixels, torch.arange(n) % 10


def network(name: str = "compact") -> nn.Module:
    seed_everything(0)
    return build_model(ArchSpec(name=name, input_shape=(1, 12, 12), mean=(128.0,), std=(70.0,)), 10).train()


def plain_network() -> nn.Module:
    torch.manual_seed(0)
    layers = nn.Conv2d(1, 8, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(8 * 25, 10)
    return nn.Sequential(*layers).double()


def state_of(model: nn.Module, rule: str = "adamw") -> TrainState:
    return TrainState(model, make_optimizer(model.parameters(), rule))


@pytest.mark.parametrize("count", [2, 3])
@pytest.mark.parametrize("is_mixed", [False, True])
def test_the_gradients_are_those_of_the_whole_batch(count: int, is_mixed: bool) -> None:
    """Independent: autograd on the whole batch, in double precision; 50 images do not divide by 3."""
    model = plain_network()
    pixels, labels = digits(50)
    targets = torch.rand(50, 10, dtype=torch.float64).softmax(1) if is_mixed else labels
    expected_logits = model(pixels.double())
    expected_loss = LOSS(expected_logits, targets)
    expected = torch.autograd.grad(expected_loss, list(model.parameters()))
    weights = list(model.parameters())

    def loss(logits: Tensor, wanted: Tensor) -> Tensor:  # the engine's logits are in 32 bits: those of the first pass
        return LOSS(logits.double(), wanted)

    logits, value = Shards(model, count).backward(pixels.double(), targets, weights, loss=loss, precision="float32")

    torch.testing.assert_close(logits.double(), expected_logits.detach(), rtol=1e-6, atol=1e-6)
    assert value.item() == pytest.approx(expected_loss.item(), rel=1e-6)
    for weight, gradient in zip(weights, expected, strict=True):
        assert weight.grad is not None
        torch.testing.assert_close(weight.grad, gradient, rtol=1e-3, atol=1e-5)


def test_batch_norm_looks_at_each_shard_and_remembers_the_mean() -> None:
    """By hand: of the shards (1, 3) and (10, 20) the means are 2 and 15, the variances (over n - 1) 2 and 50."""
    model = nn.Sequential(nn.BatchNorm2d(1, momentum=0.5), nn.Flatten())
    images = torch.tensor([1.0, 3.0, 10.0, 20.0]).view(4, 1, 1, 1)
    targets = torch.zeros(4, dtype=torch.long)
    logits, _ = Shards(model, 2).backward(
        images, targets, list(model.parameters()), loss=lambda z, _: z.sum(), precision="float32"
    )
    torch.testing.assert_close(logits.flatten(), torch.tensor([-1.0, 1.0, -1.0, 1.0]), rtol=0, atol=1e-4)
    norm = model[0]
    assert isinstance(norm, nn.BatchNorm2d)
    assert norm.running_mean is not None
    assert norm.running_var is not None
    assert float(norm.running_mean) == pytest.approx(0.5 * 0 + 0.5 * (2 + 15) / 2)
    assert float(norm.running_var) == pytest.approx(0.5 * 1 + 0.5 * (2 + 50) / 2)


def test_an_unused_weight_has_no_gradient() -> None:
    model = nn.Sequential(nn.Flatten(), nn.Linear(144, 10))
    unused = nn.Parameter(torch.ones(3))
    pixels, labels = digits(8)
    Shards(model, 2).backward(pixels.float(), labels, [*model.parameters(), unused], loss=LOSS, precision="float32")
    assert unused.grad is None
    assert all(weight.grad is not None for weight in model.parameters())


def updates(state: TrainState, last: int, shards: int = 2) -> list[Record]:
    pixels, labels = digits(300)
    return list(
        fit(
            state,
            (pixels, labels),
            (pixels[:50], labels[:50]),
            loss=LOSS,
            schedule=lambda _: 0.01,
            augment=augmentation(shift=1),
            batch_size=64,
            updates=last,
            report_every=2,
            validate_every=3,
            shards=shards,
        )
    )


def weights_of(state: TrainState) -> dict[str, Tensor]:
    return {**state.model.state_dict(), **state.optimizer.tensors()}


def test_threads_come_in_any_order_and_the_weights_are_the_same() -> None:
    found = []
    for _ in range(5):
        state = state_of(network())
        records = updates(state, 8)
        found.append((weights_of(state), [(each.loss, each.val_loss) for each in records]))
    for weights, losses in found[1:]:
        assert losses == found[0][1]
        assert all(torch.equal(weights[name], value) for name, value in found[0][0].items())


def test_to_go_on_is_exact() -> None:
    whole = state_of(network())
    updates(whole, 9)

    first = state_of(network())
    updates(first, 4)
    second = state_of(network())
    second.model.load_state_dict({name: value.clone() for name, value in first.model.state_dict().items()})
    second.optimizer.restore(first.optimizer.tensors())
    second.update = 4
    updates(second, 9)

    assert all(torch.equal(weights_of(second)[name], value) for name, value in weights_of(whole).items())


def test_it_learns_as_well_as_in_one_piece() -> None:
    pixels, labels = digits(64)
    found = {}
    for count in (1, 2):
        state = state_of(network())
        shards = Shards(state.model, count) if count > 1 else None
        losses = [
            float(make_update(state, pixels, labels, loss=LOSS, learning_rate=0.01, shards=shards)[1])
            for _ in range(25)
        ]
        found[count] = losses
    assert found[1][0] == pytest.approx(found[2][0], rel=0.05)  # BatchNorm looks at 32 images in place of 64
    assert found[2][-1] < 0.7 < 2 < found[2][0]
    assert found[1][-1] == pytest.approx(found[2][-1], abs=0.1)


def test_an_error_in_a_thread_is_the_callers() -> None:
    model = nn.Sequential(nn.Flatten(), nn.Linear(7, 10))
    pixels, labels = digits(8)
    with pytest.raises(RuntimeError, match="shapes cannot be multiplied"):
        Shards(model, 2).backward(pixels.float(), labels, list(model.parameters()), loss=LOSS, precision="float32")


@pytest.mark.parametrize(
    ("batch", "precision", "is_plain", "expected"),
    [
        (128, "float32", True, 2),  # two threads
        (64, "float32", True, 2),
        (63, "float32", True, 1),  # 31 images would be too few
        (128, "bfloat16", True, 1),
        (128, "float32", False, 1),
    ],
)
def test_shards_are_chosen(batch: int, precision: str, is_plain: bool, expected: int) -> None:
    assert choose_shards(batch, CPU, precision, is_plain=is_plain) == expected  # type: ignore[arg-type]


def test_many_threads_make_no_tiny_shards() -> None:
    torch.set_num_threads(8)
    assert choose_shards(128, CPU, "float32", is_plain=True) == 4
    assert choose_shards(512, CPU, "float32", is_plain=True) == 8
    assert choose_shards(512, torch.device("cuda"), "float32", is_plain=True) == 1


def test_no_shards_under_torchrun(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"RANK": "0", "LOCAL_RANK": "0", "WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": "2"}.items():
        monkeypatch.setenv(name, value)
    assert choose_shards(512, CPU, "float32", is_plain=True) == 1


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_what_draws_by_chance_is_known(name: str) -> None:
    """Against the modules themselves: dropout is all of PyTorch's that draws in the forward pass."""
    spec = ArchSpec(name=name, input_shape=ARCHITECTURES[name].input_shape, mean=(128.0,), std=(70.0,))
    spec = spec.model_copy(update={"mean": (128.0,) * spec.input_shape[0], "std": (70.0,) * spec.input_shape[0]})
    modules = build_model(spec, 10).modules()
    assert is_by_no_chance(spec) == (not any(isinstance(each, _DropoutNd) for each in modules))
    assert not is_by_no_chance(spec.model_copy(update={"name": OWN}))
