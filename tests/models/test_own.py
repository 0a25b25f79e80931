"""Networks of the user's own: real files that are read, classes and modules that are passed."""

import copy
import hashlib
import re
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from foveal.config import ArchSpec
from foveal.errors import ArtifactError, ConfigError
from foveal.models.catalog import OWN, build_model
from foveal.models.ledger import ledger
from foveal.models.own import build_own, describe, load_class

NET = """
from torch import nn


class MyNet(nn.Module):
    def __init__(self, num_classes):
        super().__init__()
        self.head = nn.Linear(784, num_classes)

    def forward(self, x):
        return self.head(x.flatten(1))


NOT_A_CLASS = 3
"""


def write(path: Path, text: str = NET) -> Path:
    """A Python file with this text."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def own_spec(input_shape: tuple[int, int, int] = (1, 28, 28), border: int = 0) -> ArchSpec:
    """The spec of a user's network."""
    channels = input_shape[0]
    mean, std = (33.0,) * channels, (78.0,) * channels
    return ArchSpec(name=OWN, input_shape=input_shape, mean=mean, std=std, border=border, source="net.py:MyNet")


def test_a_class_is_read_from_the_file_that_is_named_and_can_be_built(tmp_path: Path) -> None:
    cls = load_class(f"{write(tmp_path / 'net.py')}:MyNet")
    model = build_model(own_spec(), 7, cls)
    assert model.eval()(torch.zeros(3, 1, 28, 28, dtype=torch.uint8)).shape == (3, 7)


def test_a_file_in_a_folder_with_a_colon_is_found(tmp_path: Path) -> None:
    assert load_class(f"{write(tmp_path / 'a:b' / 'net.py')}:MyNet").__name__ == "MyNet"


def test_a_file_is_read_anew_after_it_was_changed(tmp_path: Path) -> None:
    path = write(tmp_path / "net.py")
    first = load_class(f"{path}:MyNet")
    write(path, NET + "\nclass Second(nn.Module):\n    pass\n")
    assert load_class(f"{path}:Second").__name__ == "Second"
    assert load_class(f"{path}:MyNet") is not first


@pytest.mark.parametrize(
    ("name", "text", "reference", "sentence"),
    [
        ("net.py", NET, "gone.py:MyNet", r"there is no Python file .*gone\.py, so the network 'MyNet' cannot be read"),
        ("net.txt", NET, "net.txt:MyNet", r"net\.txt is not a Python file\. Name a file that ends in \.py\."),
        ("net.py", NET, "net.py:MyNte", r"net\.py has no network class 'MyNte'\. Did you mean 'MyNet'"),
        ("net.py", NET, "net.py:NOT_A_CLASS", r"has no network class 'NOT_A_CLASS'\. .*Known: MyNet"),
        ("net.py", "x = 1\n", "net.py:MyNet", r"net\.py has no network class 'MyNet'\. It has none\."),
        ("net.py", "class MyNet:\n    pass\n", "net.py:MyNet", r"has no network class 'MyNet'\. It has none\."),
        ("net.py", "import nowhere_at_all\n", "net.py:MyNet", r"net\.py cannot be run: ModuleNotFoundError: .*nowhere"),
        ("net.py", "class MyNet(\n", "net.py:MyNet", r"net\.py cannot be run: SyntaxError: .* Mend it and try again\."),
        ("net.py", "1 / 0\n", "net.py:MyNet", r"net\.py cannot be run: ZeroDivisionError: division by zero"),
    ],
)
def test_a_file_that_holds_no_such_network_is_refused_with_the_reason(
    tmp_path: Path, name: str, text: str, reference: str, sentence: str
) -> None:
    write(tmp_path / name, text)
    with pytest.raises(ConfigError, match=sentence):
        load_class(str(tmp_path / reference))


def test_a_reference_without_a_class_is_answered_with_the_form_it_should_have(tmp_path: Path) -> None:
    path = write(tmp_path / "net.py")
    with pytest.raises(ConfigError, match=rf"{re.escape(str(path))}:"):
        load_class(str(path))


def test_a_class_is_described_by_its_file_and_the_hash_of_its_source(tmp_path: Path) -> None:
    path = write(tmp_path / "net.py")
    cls = load_class(f"{path}:MyNet")
    expected = (f"{path}:MyNet", hashlib.sha256(path.read_bytes()).hexdigest())
    assert describe(cls) == expected
    assert describe(cls(10)) == expected


def test_two_files_of_the_same_name_are_described_apart(tmp_path: Path) -> None:
    first, second = write(tmp_path / "a" / "net.py"), write(tmp_path / "b" / "net.py", NET + "# another\n")
    cls = load_class(f"{first}:MyNet")
    other = load_class(f"{second}:MyNet")
    assert describe(other)[0] == f"{second}:MyNet"
    assert describe(cls) == (f"{first}:MyNet", hashlib.sha256(first.read_bytes()).hexdigest())


def test_a_class_that_has_no_file_is_described_by_its_name() -> None:
    cls = type("Homeless", (nn.Module,), {"__module__": "a_module_that_is_nowhere"})
    assert describe(cls) == ("Homeless", None)


class AsksForAll(nn.Module):
    """Takes everything that is offered."""

    def __init__(self, num_classes: int, in_channels: int, input_shape: tuple[int, ...], width: int = 5) -> None:
        super().__init__()
        self.asked = (num_classes, in_channels, input_shape, width)
        self.head = nn.Linear(in_channels * input_shape[1] * input_shape[2], num_classes)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(x.flatten(1))


class AsksForNothing(nn.Module):
    """Has its sizes written in, as in the documents."""

    def __init__(self) -> None:
        super().__init__()
        self.head = nn.Linear(784, 10)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(x.flatten(1))


class AsksForMore(nn.Module):
    """Needs what nobody offers."""

    def __init__(self, num_classes: int, depth: int) -> None:
        super().__init__()


def test_a_class_gets_what_it_asks_for_by_name() -> None:
    network = build_own(AsksForAll, (3, 9, 8), 4)
    assert network.asked == (4, 3, (3, 9, 8), 5)
    assert isinstance(build_own(AsksForNothing, (1, 28, 28), 10), AsksForNothing)


def test_a_network_is_told_the_image_without_the_border_that_is_cut() -> None:
    model = build_model(own_spec((3, 20, 18), border=2), 4, AsksForAll)
    assert model.network.asked[2] == (3, 16, 14)


def test_a_class_that_asks_for_more_is_refused_with_what_it_may_ask_for() -> None:
    with pytest.raises(
        ConfigError,
        match=r"AsksForMore cannot be made: .*'depth'\. Its __init__ may ask for num_classes, in_channels and input_shape",
    ):
        build_own(AsksForMore, (1, 28, 28), 10)


def test_a_module_that_is_passed_is_copied_with_its_weights() -> None:
    mine = AsksForNothing()
    before = copy.deepcopy(mine.state_dict())
    network = build_own(mine, (1, 28, 28), 10)
    assert network is not mine
    assert torch.equal(network.head.weight, mine.head.weight)
    with torch.no_grad():
        network.head.weight.zero_()
    assert torch.equal(mine.head.weight, before["head.weight"])


def test_a_users_network_gets_normalised_images() -> None:
    class Shows(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.scale = nn.Parameter(torch.ones(()))

        def forward(self, x: Tensor) -> Tensor:
            return x.flatten(1)[:, :2] * self.scale

    model = build_model(own_spec((1, 4, 4)), 2, Shows)
    assert model(torch.full((1, 1, 4, 4), 111.0)).tolist() == [[1.0, 1.0]]  # (111 - 33)/78


def test_a_network_of_ones_own_that_does_not_fit_is_named_before_any_training() -> None:
    with pytest.raises(ConfigError, match=r"layer 'head' takes in_features=784, but 1024 comes in.*in_features=1024"):
        build_model(own_spec((1, 32, 32)), 10, AsksForNothing)


def test_a_saved_network_of_ones_own_asks_for_its_code() -> None:
    with pytest.raises(
        ArtifactError, match=r"built from code of your own \(net\.py:MyNet\).*foveal\.load\(path, model=MyNet\)"
    ):
        build_model(own_spec(), 10)


class ViewsAsTheDocuments(nn.Module):
    """The networks of documents 001 (colour) and 004 (grey), with the `view` that both publish."""

    def __init__(self, in_channels: int) -> None:
        super().__init__()
        padding, side = (1, 7) if in_channels == 1 else (0, 6)
        self.width = 64 * side * side
        self.conv1 = nn.Conv2d(in_channels, 32, kernel_size=3, padding=padding)
        self.conv2 = nn.Conv2d(32, 64, kernel_size=3, padding=padding)
        self.fc1 = nn.Linear(self.width, 128)
        self.fc2 = nn.Linear(128, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = F.max_pool2d(F.relu(self.conv1(x)), 2)
        x = F.max_pool2d(F.relu(self.conv2(x)), 2)
        x = x.view(-1, self.width)
        return self.fc2(F.relu(self.fc1(x)))


@pytest.mark.parametrize("input_shape", [(1, 28, 28), (3, 32, 32)])
def test_a_network_copied_from_a_document_with_its_view_can_be_used(input_shape: tuple[int, int, int]) -> None:
    network = ViewsAsTheDocuments(input_shape[0])
    assert network(torch.zeros(2, *input_shape)).shape == (2, 10)
    model = build_model(own_spec(input_shape), 10, network)
    assert model(torch.zeros(2, *input_shape)).shape == (2, 10)


def test_a_file_without_a_class_is_told_how_to_name_one() -> None:
    with pytest.raises(ConfigError, match=r"'net.py' names no class. Write net.py:MyNet"):
        load_class("net.py")


def test_whatever_a_forward_raises_is_told_with_the_layer_before_it() -> None:
    class Forgetful(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(1, 4, 3)

        def forward(self, images: Tensor) -> Tensor:
            return self.conv(images).missing_attribute

    with pytest.raises(ConfigError, match=r"fails on 1x28x28 images after layer 'conv'.*missing_attribute"):
        ledger(Forgetful(), (1, 28, 28), 10)
