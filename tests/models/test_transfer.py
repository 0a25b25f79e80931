"""Weights of one network for another: by name and shape, and the last layer class by class."""

from collections import OrderedDict

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from foveal.models.transfer import Transfer, last_layer, transfer

SHAPE = (1, 6, 6)


class Net(nn.Module):
    """Its head is registered first, and named like nothing in particular."""

    def __init__(self, num_classes: int, width: int = 4) -> None:
        super().__init__()
        self.answer = nn.Linear(width, num_classes)
        self.conv = nn.Conv2d(1, width, 3)
        self.norm = nn.BatchNorm2d(width)

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.answer(self.norm(self.conv(x.float())).mean(dim=(2, 3)))
        return logits


def net(num_classes: int, seed: int, width: int = 4) -> nn.Module:
    torch.manual_seed(seed)
    model = nn.Sequential(OrderedDict(normalise=nn.Identity(), network=Net(num_classes, width)))
    model(torch.rand(8, *SHAPE))  # so that BatchNorm has seen something
    return model


def moved(known: nn.Module, new: nn.Module, known_classes: str, classes: str) -> Transfer:
    """The transfer, each letter being a class; what is taken is loaded."""
    found = transfer(
        new, known.state_dict(), input_shape=SHAPE, classes=tuple(classes), known_classes=tuple(known_classes)
    )
    new.load_state_dict(found.taken, strict=False)
    return found


def logits(model: nn.Module) -> Tensor:
    images = torch.rand(5, *SHAPE, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        answer: Tensor = model.eval()(images)
    return answer


def test_with_the_same_classes_every_tensor_is_taken_and_every_logit_kept() -> None:
    known, new = net(3, seed=0), net(3, seed=1)
    found = moved(known, new, "abc", "abc")
    assert (found.new, found.new_classes) == ((), ())
    assert torch.equal(logits(new), logits(known))


@pytest.mark.parametrize("classes", ["cab", "abcd", "xaybzc", "ca", "b", "cx"])
def test_the_logits_of_known_classes_are_kept_wherever_they_stand(classes: str) -> None:
    known, new = net(3, seed=0), net(len(classes), seed=1)
    fresh = logits(new)
    found = moved(known, new, "abc", classes)
    for place, name in enumerate(classes):
        if name in "abc":
            torch.testing.assert_close(logits(new)[:, place], logits(known)[:, "abc".index(name)])
    assert found.new_classes == tuple(name for name in classes if name not in "abc")
    assert not torch.equal(logits(new), fresh)


@given(st.permutations("abcdef"), st.permutations("abcdef"), st.integers(1, 6), st.integers(1, 6))
def test_any_classes_from_any_others(known_order: list[str], order: list[str], n: int, m: int) -> None:
    before, after = "".join(known_order[:n]), "".join(order[:m])
    known, new = net(len(before), seed=0), net(len(after), seed=1)
    rows = new.state_dict()["network.answer.weight"].clone()
    moved(known, new, before, after)
    kept, old = new.state_dict()["network.answer.weight"], known.state_dict()["network.answer.weight"]
    for place, name in enumerate(after):
        assert torch.equal(kept[place], old[before.index(name)] if name in before else rows[place])


def test_with_as_many_but_other_classes_the_last_layer_is_new_though_its_shape_agrees() -> None:
    known, new = net(3, seed=0), net(3, seed=1)
    fresh = new.state_dict()["network.answer.weight"].clone()
    found = moved(known, new, "abc", "xyz")
    assert found.new == ("network.answer.weight", "network.answer.bias")
    assert torch.equal(new.state_dict()["network.answer.weight"], fresh)
    assert torch.equal(new.state_dict()["network.conv.weight"], known.state_dict()["network.conv.weight"])


def test_what_has_another_shape_is_new_and_named() -> None:
    found = moved(net(3, seed=0), net(3, seed=1, width=5), "abc", "abc")
    assert "network.conv.weight" in found.new
    assert set(found.taken) == {"network.answer.bias", "network.norm.num_batches_tracked"}


def test_statistics_of_the_first_layer_are_no_weights() -> None:
    model = nn.Sequential(OrderedDict(normalise=nn.BatchNorm2d(1), network=Net(3)))
    other = nn.Sequential(OrderedDict(normalise=nn.BatchNorm2d(1), network=Net(3)))
    other.normalise.running_mean.fill_(7)  # type: ignore[union-attr, operator]
    found = moved(other, model, "abc", "abc")
    assert float(model.normalise.running_mean) == 0  # type: ignore[arg-type]
    assert not [name for name in (*found.taken, *found.new) if name.startswith("normalise")]


def test_the_last_layer_is_the_last_that_is_run_and_looking_for_it_changes_nothing() -> None:
    model = net(3, seed=0).train()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    assert last_layer(model, SHAPE) == "network.answer"
    assert model.training
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())
