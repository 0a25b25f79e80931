"""The seven tutorial networks and LeNet-5, against arithmetic done by hand and the documents' own modules.

Their `view` is `reshape` here, so that they take channels_last images too: only then do both draw the same dropout.
"""

from collections.abc import Callable
from dataclasses import dataclass
from math import sqrt

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from foveal.config import ArchSpec
from foveal.errors import ConfigError
from foveal.models.catalog import build_model
from foveal.models.ledger import ledger
from foveal.models.shapes import Shape

Row = tuple[str, Shape, int]  # kind, output shape, parameters


@dataclass(frozen=True)
class Published:
    """What a document's network is, worked out by hand: a filter of f x f over c channels has c*f*f + 1 parameters."""

    input_shape: tuple[int, int, int]
    rows: tuple[Row, ...]
    parameters: int


NETWORKS = {
    "conv5-fc1000": Published(
        (1, 28, 28),
        (
            ("normalise", (1, 28, 28), 0),
            ("conv", (32, 28, 28), 32 * (1 * 25 + 1)),
            ("relu", (32, 28, 28), 0),
            ("max_pool", (32, 14, 14), 0),
            ("conv", (64, 14, 14), 64 * (32 * 25 + 1)),
            ("relu", (64, 14, 14), 0),
            ("max_pool", (64, 7, 7), 0),
            ("flatten", (3136,), 0),
            ("dropout", (3136,), 0),
            ("linear", (1000,), 1000 * (3136 + 1)),
            ("linear", (10,), 10 * (1000 + 1)),
        ),
        832 + 51_264 + 3_137_000 + 10_010,
    ),
    "oneconv": Published(
        (1, 28, 28),
        (
            ("normalise", (1, 28, 28), 0),
            ("conv", (32, 26, 26), 32 * (1 * 9 + 1)),
            ("relu", (32, 26, 26), 0),
            ("max_pool", (32, 13, 13), 0),
            ("flatten", (5408,), 0),
            ("linear", (10,), 10 * (5408 + 1)),
        ),
        320 + 54_090,
    ),
    "twoconv-fc128": Published(
        (1, 28, 28),
        (
            ("normalise", (1, 28, 28), 0),
            ("conv", (32, 26, 26), 32 * (1 * 9 + 1)),
            ("relu", (32, 26, 26), 0),
            ("max_pool", (32, 13, 13), 0),
            ("conv", (64, 11, 11), 64 * (32 * 9 + 1)),
            ("relu", (64, 11, 11), 0),
            ("max_pool", (64, 5, 5), 0),
            ("flatten", (1600,), 0),
            ("linear", (128,), 128 * (1600 + 1)),
            ("relu", (128,), 0),
            ("linear", (10,), 10 * (128 + 1)),
        ),
        320 + 18_496 + 204_928 + 1_290,
    ),
    "twoconv-rgb": Published(
        (3, 32, 32),
        (
            ("normalise", (3, 32, 32), 0),
            ("conv", (32, 30, 30), 32 * (3 * 9 + 1)),
            ("relu", (32, 30, 30), 0),
            ("max_pool", (32, 15, 15), 0),
            ("dropout", (32, 15, 15), 0),
            ("conv", (64, 13, 13), 64 * (32 * 9 + 1)),
            ("relu", (64, 13, 13), 0),
            ("max_pool", (64, 6, 6), 0),
            ("dropout", (64, 6, 6), 0),
            ("flatten", (2304,), 0),
            ("linear", (128,), 128 * (2304 + 1)),
            ("relu", (128,), 0),
            ("dropout", (128,), 0),
            ("linear", (10,), 10 * (128 + 1)),
        ),
        896 + 18_496 + 295_040 + 1_290,
    ),
    "lenet-dropout2d": Published(
        (1, 28, 28),
        (
            ("normalise", (1, 28, 28), 0),
            ("conv", (10, 24, 24), 10 * (1 * 25 + 1)),
            ("max_pool", (10, 12, 12), 0),
            ("relu", (10, 12, 12), 0),
            ("conv", (20, 8, 8), 20 * (10 * 25 + 1)),
            ("dropout2d", (20, 8, 8), 0),
            ("max_pool", (20, 4, 4), 0),
            ("relu", (20, 4, 4), 0),
            ("flatten", (320,), 0),
            ("linear", (50,), 50 * (320 + 1)),
            ("relu", (50,), 0),
            ("dropout", (50,), 0),
            ("linear", (10,), 10 * (50 + 1)),
        ),
        260 + 5_020 + 16_050 + 510,
    ),
    "threeconv-fc625": Published(
        (1, 28, 28),
        (
            ("normalise", (1, 28, 28), 0),
            ("conv", (32, 28, 28), 32 * (1 * 9 + 1)),
            ("relu", (32, 28, 28), 0),
            ("max_pool", (32, 14, 14), 0),
            ("dropout", (32, 14, 14), 0),
            ("conv", (64, 14, 14), 64 * (32 * 9 + 1)),
            ("relu", (64, 14, 14), 0),
            ("max_pool", (64, 7, 7), 0),
            ("dropout", (64, 7, 7), 0),
            ("conv", (128, 7, 7), 128 * (64 * 9 + 1)),
            ("relu", (128, 7, 7), 0),
            ("max_pool", (128, 4, 4), 0),
            ("dropout", (128, 4, 4), 0),
            ("flatten", (2048,), 0),
            ("linear", (625,), 625 * (2048 + 1)),
            ("linear", (10,), 10 * (625 + 1)),
        ),
        320 + 18_496 + 73_856 + 1_280_625 + 6_260,
    ),
    "twoconv-same": Published(
        (1, 28, 28),
        (
            ("normalise", (1, 28, 28), 0),
            ("conv", (32, 28, 28), 32 * (1 * 9 + 1)),
            ("max_pool", (32, 14, 14), 0),
            ("relu", (32, 14, 14), 0),
            ("conv", (64, 14, 14), 64 * (32 * 9 + 1)),
            ("max_pool", (64, 7, 7), 0),
            ("relu", (64, 7, 7), 0),
            ("flatten", (3136,), 0),
            ("linear", (128,), 128 * (3136 + 1)),
            ("relu", (128,), 0),
            ("linear", (10,), 10 * (128 + 1)),
        ),
        320 + 18_496 + 401_536 + 1_290,
    ),
    "lenet5": Published(
        (1, 28, 28),
        (
            ("normalise", (1, 28, 28), 0),
            ("conv", (6, 28, 28), 6 * (1 * 25 + 1)),
            ("tanh", (6, 28, 28), 0),
            ("average_pool", (6, 14, 14), 0),
            ("conv", (16, 10, 10), 16 * (6 * 25 + 1)),
            ("tanh", (16, 10, 10), 0),
            ("average_pool", (16, 5, 5), 0),
            ("flatten", (400,), 0),
            ("linear", (120,), 120 * (400 + 1)),
            ("tanh", (120,), 0),
            ("linear", (84,), 84 * (120 + 1)),
            ("tanh", (84,), 0),
            ("linear", (10,), 10 * (84 + 1)),
        ),
        156 + 2_416 + 48_120 + 10_164 + 850,
    ),
}


def build(name: str, mean: float = 0.0, std: float = 255.0) -> nn.Module:
    """The catalog's network for its document's images; mean and std are in pixels 0-255."""
    shape = NETWORKS[name].input_shape
    spec = ArchSpec(name=name, input_shape=shape, mean=(mean,) * shape[0], std=(std,) * shape[0])
    return build_model(spec, num_classes=10)


def leaves(model: nn.Module) -> list[nn.Module]:
    """The modules that hold no others, in the order of their registration."""
    return [module for module in model.modules() if not list(module.children())]


def measured_shapes(model: nn.Module, input_shape: Shape) -> list[Shape]:
    """The output shape of every leaf, in the order in which they ran."""
    shapes: list[Shape] = []
    handles = [leaf.register_forward_hook(lambda m, x, y: shapes.append(tuple(y.shape[1:]))) for leaf in leaves(model)]
    model.eval()(torch.rand(3, *input_shape) * 255)
    for handle in handles:
        handle.remove()
    return shapes


@pytest.mark.parametrize("name", NETWORKS)
def test_the_ledger_of_a_published_network_is_the_one_worked_out_by_hand(name: str) -> None:
    by_hand = NETWORKS[name]
    rows = ledger(build(name), by_hand.input_shape, 10).layers
    assert tuple((row.kind, row.output_shape, row.parameters) for row in rows) == by_hand.rows


@pytest.mark.parametrize("name", NETWORKS)
def test_a_forward_pass_of_a_published_network_gives_the_shapes_worked_out_by_hand(name: str) -> None:
    by_hand = NETWORKS[name]
    assert measured_shapes(build(name), by_hand.input_shape) == [shape for _, shape, _ in by_hand.rows]


@pytest.mark.parametrize("name", NETWORKS)
def test_the_parameters_of_a_published_network_add_up_to_the_hand_count(name: str) -> None:
    by_hand = NETWORKS[name]
    model = build(name)
    assert sum(row[2] for row in by_hand.rows) == by_hand.parameters
    assert ledger(model, by_hand.input_shape, 10).parameters == by_hand.parameters
    assert sum(parameter.numel() for parameter in model.parameters()) == by_hand.parameters


@pytest.mark.parametrize(
    ("name", "rates"),
    [
        ("conv5-fc1000", [0.5]),
        ("twoconv-rgb", [0.5, 0.5, 0.5]),
        ("lenet-dropout2d", [0.5, 0.5]),
        ("threeconv-fc625", [0.3, 0.3, 0.3]),
        ("twoconv-same", []),
        ("oneconv", []),
    ],
)
def test_dropout_has_the_rates_of_the_document(name: str, rates: list[float]) -> None:
    assert [leaf.p for leaf in leaves(build(name)) if isinstance(leaf, nn.Dropout | nn.Dropout2d)] == rates


def test_the_last_pool_of_document_003_is_padded_so_that_7_pixels_give_4() -> None:
    pool = next(row for row in reversed(ledger(build("threeconv-fc625"), (1, 28, 28), 10).layers) if row.kernel_size)
    assert pool.formula == "floor((7 + 2*1 - 2)/2) + 1 = 4"
    assert (pool.kernel_size, pool.stride, pool.padding) == (2, 2, 1)


class Document000(nn.Module):
    """Model, as published."""

    def __init__(self) -> None:
        super().__init__()
        self.l1 = nn.Sequential(
            nn.Conv2d(1, 32, kernel_size=5, stride=1, padding=2), nn.ReLU(), nn.MaxPool2d(kernel_size=2, stride=2)
        )
        self.l2 = nn.Sequential(
            nn.Conv2d(32, 64, kernel_size=5, stride=1, padding=2), nn.ReLU(), nn.MaxPool2d(kernel_size=2, stride=2)
        )
        self.drop_out = nn.Dropout()
        self.fc1 = nn.Linear(7 * 7 * 64, 1000)
        self.fc2 = nn.Linear(1000, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = self.l1(x)
        x = self.l2(x)
        x = x.reshape(x.size(0), -1)
        x = self.drop_out(x)
        x = self.fc1(x)
        x = self.fc2(x)
        return x.reshape(x.size(0), -1)


class Document001(nn.Module):
    """The PyTorch CNN, as published."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 32, kernel_size=3)
        self.conv2 = nn.Conv2d(32, 64, kernel_size=3)
        self.pool = nn.MaxPool2d(2, 2)
        self.dropout = nn.Dropout(p=0.5)
        self.fc1 = nn.Linear(64 * 6 * 6, 128)
        self.fc2 = nn.Linear(128, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = self.pool(F.relu(self.conv1(x)))
        x = self.dropout(x)
        x = self.pool(F.relu(self.conv2(x)))
        x = self.dropout(x)
        x = x.reshape(-1, 64 * 6 * 6)
        x = F.relu(self.fc1(x))
        x = self.dropout(x)
        return self.fc2(x)


class Document002(nn.Module):
    """The document prints no code: this follows its seven numbered steps and the layers that it quotes."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(1, 10, kernel_size=5, stride=1, padding=0)
        self.conv2 = nn.Conv2d(10, 20, kernel_size=5, stride=1, padding=0)
        self.conv2_drop = nn.Dropout2d()
        self.fc1 = nn.Linear(320, 50)
        self.fc2 = nn.Linear(50, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(F.max_pool2d(self.conv1(x), 2))
        x = F.relu(F.max_pool2d(self.conv2_drop(self.conv2(x)), 2))
        x = x.reshape(-1, 320)
        x = F.relu(self.fc1(x))
        x = F.dropout(x, training=self.training)
        return F.log_softmax(self.fc2(x), dim=1)


class Document003(nn.Module):
    """CNN, as published: layer4 is built and never called. The printed summary says p=0.30."""

    def __init__(self, keep_prob: float = 0.7) -> None:
        super().__init__()
        self.layer1 = nn.Sequential(
            nn.Conv2d(1, 32, kernel_size=3, stride=1, padding=1),
            nn.ReLU(),
            nn.MaxPool2d(kernel_size=2, stride=2),
            nn.Dropout(p=1 - keep_prob),
        )
        self.layer2 = nn.Sequential(
            nn.Conv2d(32, 64, kernel_size=3, stride=1, padding=1),
            nn.ReLU(),
            nn.MaxPool2d(kernel_size=2, stride=2),
            nn.Dropout(p=1 - keep_prob),
        )
        self.layer3 = nn.Sequential(
            nn.Conv2d(64, 128, kernel_size=3, stride=1, padding=1),
            nn.ReLU(),
            nn.MaxPool2d(kernel_size=2, stride=2, padding=1),
            nn.Dropout(p=1 - keep_prob),
        )
        self.fc1 = nn.Linear(4 * 4 * 128, 625, bias=True)
        self.layer4 = nn.Sequential(self.fc1, nn.ReLU(), nn.Dropout(p=1 - keep_prob))
        self.fc2 = nn.Linear(625, 10, bias=True)

    def forward(self, x: Tensor) -> Tensor:
        out = self.layer1(x)
        out = self.layer2(out)
        out = self.layer3(out)
        out = out.reshape(out.size(0), -1)
        out = self.fc1(out)
        return self.fc2(out)


class Document004(nn.Module):
    """CNN, as published."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(1, 32, kernel_size=3, padding=1)
        self.conv2 = nn.Conv2d(32, 64, kernel_size=3, padding=1)
        self.fc1 = nn.Linear(64 * 7 * 7, 128)
        self.fc2 = nn.Linear(128, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(F.max_pool2d(self.conv1(x), 2))
        x = F.relu(F.max_pool2d(self.conv2(x), 2))
        x = x.reshape(-1, 64 * 7 * 7)
        x = F.relu(self.fc1(x))
        x = self.fc2(x)
        return F.log_softmax(x, dim=1)


@dataclass(frozen=True)
class Twin:
    """A document's module with its normalisation of pixels/255, and whether it returns log-probabilities."""

    module: Callable[[], nn.Module]
    mean: float
    std: float
    log_softmax: bool


TWINS = {
    "conv5-fc1000": Twin(Document000, 0.1307, 0.3081, False),
    "twoconv-rgb": Twin(Document001, 0.5, 0.5, False),
    "lenet-dropout2d": Twin(Document002, 0.1307, 0.3081, True),
    "threeconv-fc625": Twin(Document003, 0.0, 1.0, False),
    "twoconv-same": Twin(Document004, 0.1307, 0.3081, True),
}


def with_the_same_weights(name: str) -> tuple[nn.Module, nn.Module]:
    """Our network and the document's, its weights copied into ours in the order of the parameters."""
    torch.manual_seed(1)
    twin = TWINS[name]
    ours, published = build(name, 255 * twin.mean, 255 * twin.std), twin.module()
    with torch.no_grad():
        for mine, theirs in zip(ours.parameters(), published.parameters(), strict=True):
            mine.copy_(theirs)
    return ours, published.to(memory_format=torch.channels_last)


def answers(name: str, ours: nn.Module, published: nn.Module) -> tuple[Tensor, Tensor]:
    """What both say of the same eight images: ours takes 0-255, the document's what its transform would give."""
    twin = TWINS[name]
    generator = torch.Generator().manual_seed(2)
    pixels = torch.randint(0, 256, (8, *NETWORKS[name].input_shape), dtype=torch.uint8, generator=generator)
    images = ((pixels / 255 - twin.mean) / twin.std).contiguous(memory_format=torch.channels_last)
    torch.manual_seed(3)
    mine = ours(pixels)
    torch.manual_seed(3)
    theirs = published(images)
    return (F.log_softmax(mine, dim=1) if twin.log_softmax else mine), theirs


@pytest.mark.parametrize("name", TWINS)
def test_a_network_answers_as_the_documents_own_module_with_the_same_weights(name: str) -> None:
    ours, published = with_the_same_weights(name)
    mine, theirs = answers(name, ours.eval(), published.eval())
    assert theirs.std() > 0.01
    torch.testing.assert_close(mine, theirs, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", [name for name in TWINS if name != "twoconv-same"])
def test_a_network_drops_the_same_values_as_the_documents_own_module_in_training(name: str) -> None:
    ours, published = with_the_same_weights(name)
    mine, theirs = answers(name, ours.train(), published.train())
    torch.testing.assert_close(mine, theirs, rtol=1e-4, atol=1e-5)
    still, _ = answers(name, ours.eval(), published)
    assert not torch.allclose(mine, still, atol=1e-3)


@pytest.mark.parametrize("name", ["lenet-dropout2d", "twoconv-same"])
def test_nll_of_the_documents_log_softmax_is_cross_entropy_of_our_logits(name: str) -> None:
    ours, published = with_the_same_weights(name)
    _, log_probabilities = answers(name, ours.eval(), published.eval())
    logits = ours(torch.randint(0, 256, (8, 1, 28, 28), dtype=torch.uint8, generator=torch.Generator().manual_seed(2)))
    labels = torch.tensor([0, 1, 2, 3, 4, 5, 6, 7])
    torch.testing.assert_close(F.cross_entropy(logits, labels), F.nll_loss(log_probabilities, labels))
    exponentials = logits.detach().double().exp()
    by_hand = -(exponentials[range(8), labels] / exponentials.sum(dim=1)).log().mean()
    assert F.cross_entropy(logits, labels).item() == pytest.approx(by_hand.item(), abs=1e-5)


def fans(module: nn.Module) -> tuple[int, int]:
    """How many values go into one output, and how many outputs one input goes to (Glorot and Bengio 2010)."""
    weight = module.weight
    window = weight[0, 0].numel() if weight.ndim == 4 else 1
    return weight.shape[1] * window, weight.shape[0] * window


def assert_glorot_uniform(module: nn.Module) -> None:
    """Within the bound, and filling it: PyTorch's default keeps to another bound."""
    bound = sqrt(6 / sum(fans(module)))
    widest = module.weight.abs().max().item()
    assert 0.93 * bound < widest <= bound


def test_glorot_fans_are_those_worked_out_by_hand() -> None:
    assert fans(nn.Conv2d(32, 64, 3)) == (32 * 9, 64 * 9)
    assert fans(nn.Linear(1600, 128)) == (1600, 128)


@pytest.mark.parametrize("name", ["oneconv", "twoconv-fc128"])
def test_the_keras_networks_start_glorot_uniform_with_biases_of_zero(name: str) -> None:
    torch.manual_seed(0)
    weighted = [leaf for leaf in leaves(build(name)) if isinstance(leaf, nn.Conv2d | nn.Linear)]
    assert len(weighted) == {"oneconv": 2, "twoconv-fc128": 4}[name]
    for module in weighted:
        assert_glorot_uniform(module)
        assert not module.bias.any()


def test_document_003_draws_only_its_fully_connected_weights_glorot_uniform() -> None:
    torch.manual_seed(0)
    weighted = [leaf for leaf in leaves(build("threeconv-fc625")) if isinstance(leaf, nn.Conv2d | nn.Linear)]
    for module in weighted:
        assert module.bias.any()
        if isinstance(module, nn.Linear):
            assert_glorot_uniform(module)
        else:
            bound = 1 / sqrt(fans(module)[0])  # PyTorch's default: Kaiming uniform with a = sqrt(5)
            assert 0.93 * bound < module.weight.abs().max().item() <= bound


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize(("input_shape", "classes"), [((3, 32, 32), 4), ((3, 48, 40), 2)])
def test_a_published_network_adapts_to_other_images_and_classes(
    name: str, input_shape: tuple[int, int, int], classes: int
) -> None:
    spec = ArchSpec(name=name, input_shape=input_shape, mean=(128.0,) * 3, std=(64.0,) * 3)
    model = build_model(spec, classes)
    assert model.eval()(torch.zeros(2, *input_shape)).shape == (2, classes)


def test_the_colour_network_sees_a_grey_image_as_three_equal_channels_with_a_border_added() -> None:
    spec = ArchSpec(name="twoconv-rgb", input_shape=(1, 28, 28), mean=(33.0,), std=(78.0,), border=-2)
    model = build_model(spec, 10)
    assert measured_shapes(model, (1, 28, 28))[:2] == [(3, 32, 32), (32, 30, 30)]
    assert sum(parameter.numel() for parameter in model.parameters()) == NETWORKS["twoconv-rgb"].parameters


def test_an_unknown_network_is_answered_with_the_closest_name() -> None:
    spec = ArchSpec(name="lenet-5", input_shape=(1, 28, 28), mean=(0.0,), std=(1.0,))
    with pytest.raises(ConfigError, match=r"there is no network 'lenet-5'\. Did you mean 'lenet5'.*layers\.toml"):
        build_model(spec, 10)
