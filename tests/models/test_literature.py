"""What every network from the literature must do: take images of many sizes, learn, be saved, and be told in a ledger."""

from pathlib import Path

import numpy as np
import pytest
import torch
from network_weights import fresh, noise
from numpy import ndarray
from torch import nn

from foveal.classifier import load, logits_of, save_classifier
from foveal.config import ArchSpec, Familiar, Preprocess
from foveal.errors import ConfigError
from foveal.models.ledger import ledger
from foveal.recipes import LITERATURE, resolve
from foveal.training.fit import TrainState, make_update
from foveal.training.optim import make_loss, make_optimizer

SIZES = [(1, 8, 8), (3, 9, 11), (3, 13, 8), (1, 28, 28), (3, 33, 32), (3, 64, 48), (1, 96, 96)]
TOO_SMALL = {"airbench": [(1, 8, 8), (3, 13, 8)]}
SMALL = [name for name in LITERATURE if name not in ("resnet18", "wide_resnet16_4")]  # they take 20 s to do the same


@pytest.mark.parametrize("input_shape", SIZES)
@pytest.mark.parametrize("name", LITERATURE)
def test_images_of_any_size_are_answered_or_refused_with_the_size_to_use(
    name: str, input_shape: tuple[int, int, int]
) -> None:
    if input_shape in TOO_SMALL.get(name, []):
        with pytest.raises(ConfigError, match=rf"{name} .*{input_shape[1]}x{input_shape[2]}.*--size"):
            fresh(name, input_shape, 7)
        return
    model = fresh(name, input_shape, 7).eval()
    with torch.no_grad():
        logits = model(noise(1, input_shape))  # one image alone
    assert logits.shape == (1, 7)
    assert bool(logits.isfinite().all())


@pytest.mark.parametrize("name", LITERATURE)
def test_one_image_alone_is_answered_as_it_is_among_others(name: str) -> None:
    model, images = fresh(name).eval(), noise(3, (3, 32, 32))
    with torch.no_grad():
        together, alone = model(images), torch.cat([model(image[None]) for image in images])
    torch.testing.assert_close(alone, together, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", LITERATURE)
def test_the_first_layer_normalises_pixels_and_whole_numbers_are_as_good_as_others(name: str) -> None:
    model, images = fresh(name).eval(), noise(2, (3, 32, 32))
    with torch.no_grad():
        assert torch.equal(model(images), model(images.float()))
    assert next(iter(model.children())).extra_repr() == "border=0, channels=3"


@pytest.mark.parametrize("name", LITERATURE)
def test_the_gradient_reaches_every_parameter_that_is_trained(name: str) -> None:
    model = fresh(name, (3, 16, 16)).train()
    loss = make_loss("cross_entropy", label_smoothing=0.1)(model(noise(8, (3, 16, 16))), torch.arange(8))
    loss.backward()
    for key, parameter in model.named_parameters():
        has_gradient = parameter.grad is not None and bool(parameter.grad.abs().sum() > 0)
        assert has_gradient is parameter.requires_grad, key


@pytest.mark.parametrize("name", SMALL)
def test_thirty_digits_are_learnt_by_heart_at_the_rate_of_the_recipe(
    name: str, digits: tuple[ndarray, ndarray]
) -> None:
    images, labels = torch.tensor(digits[0][:30, None]), torch.tensor(digits[1][:30]).long()
    model, rate = fresh(name, (1, 28, 28)), resolve({"model": {"name": name}}, "photos").training.learning_rate
    state = TrainState(model.train(), make_optimizer(model.parameters(), "adamw"))
    loss, value, logits = make_loss("cross_entropy", label_smoothing=0), 9.0, torch.zeros(30, 10)
    while value > 0.1 and state.update < 60:
        logits, value = make_update(state, images, labels, loss=loss, learning_rate=rate)
        state.update += 1
    assert value <= 0.1
    assert torch.equal(logits.argmax(dim=1), labels)


@pytest.mark.parametrize("name", LITERATURE)
def test_in_16_bits_nearly_the_same_is_learnt_from_a_batch(name: str) -> None:
    images, labels = noise(8, (3, 16, 16)), torch.arange(8)
    loss, values = make_loss("cross_entropy", label_smoothing=0), []
    for precision in ("float32", "bfloat16"):
        model = fresh(name, (3, 16, 16))
        state = TrainState(model.train(), make_optimizer(model.parameters(), "adamw"))
        logits, value = make_update(state, images, labels, loss=loss, learning_rate=1e-4, precision=precision)
        assert logits.dtype == torch.float32
        values.append(float(value))
    assert values[1] == pytest.approx(values[0], rel=0.05)


@pytest.mark.parametrize("name", LITERATURE)
def test_a_saved_network_gives_the_same_logits_to_the_bit(name: str, tmp_path: Path) -> None:
    torch.manual_seed(3)
    model = fresh(name, (3, 16, 16), 3)
    model.train()(noise(16, (3, 16, 16)))  # statistics of its own
    card = {
        "arch": ArchSpec(name=name, input_shape=(3, 16, 16), mean=(33.0,) * 3, std=(78.0,) * 3),
        "classes": ("cat", "dog", "hen"),
        "preprocess": Preprocess(channels=3, height=16, width=16),
        "familiar": Familiar(min_side=8, max_side=64, min_border=0, max_border=10),
    }
    save_classifier(tmp_path / "saved", model.state_dict(), card)
    pixels = noise(5, (3, 16, 16)).permute(0, 2, 3, 1).contiguous().numpy()
    assert np.array_equal(load(tmp_path / "saved").logits(pixels), logits_of(model, pixels))


@pytest.mark.parametrize("name", LITERATURE)
def test_what_a_forward_does_is_all_in_the_ledger(name: str) -> None:
    rows = ledger(fresh(name), (3, 32, 32), 10).layers
    assert "function" not in {row.kind for row in rows}
    assert "(in forward)" not in {row.name for row in rows}
    assert all(row.receptive_field is not None for row in rows)
    assert all(row.formula for row in rows)
    joined = [len(row.inputs) for row in rows if row.kind == "add"]
    assert set(joined) <= {2}
    assert all(len(row.inputs) == 1 for row in rows if row.kind != "add")
    taken = {source for row in rows for source in row.inputs}
    assert taken == set(range(-1, len(rows) - 1))  # no layer's output is lost


@pytest.mark.parametrize("name", LITERATURE)
def test_channels_lie_together_in_memory_as_in_our_other_networks(name: str) -> None:
    model, layouts = fresh(name, (3, 20, 18)), []
    for layer in model.modules():
        if isinstance(layer, nn.Conv2d):
            layer.register_forward_hook(
                lambda _, __, y: layouts.append(y.is_contiguous(memory_format=torch.channels_last))
            )
    model(noise(2, (3, 20, 18)))
    assert layouts
    assert all(layouts)
