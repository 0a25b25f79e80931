"""airbench: its size and work against the paper's, its forward by formula, its whitening against NumPy and scikit-learn."""

import numpy as np
import pytest
import torch
from network_weights import MEAN, STD, batch_norm, drawn, fresh, noise
from numpy import ndarray
from numpy.lib.stride_tricks import sliding_window_view
from sklearn.decomposition import PCA
from torch import Tensor
from torch.nn import functional as F

from foveal.config import ArchSpec
from foveal.errors import ConfigError, DataError
from foveal.models.airbench import Airbench, AirbenchBlock, whitening_filters
from foveal.models.catalog import build_model, look_at_images
from foveal.models.ledger import ledger
from foveal.training.fit import TrainState, make_update
from foveal.training.optim import make_loss, make_optimizer


def test_the_parameters_are_those_worked_out_by_hand() -> None:
    whitening = 24 * 3 * 4 + 24
    blocks = (24 * 64 + 64 * 64 + 64 * 256 + 3 * 256 * 256) * 9 + 2 * 2 * (64 + 256 + 256)
    model = fresh("airbench")
    assert sum(parameter.numel() for parameter in model.parameters()) == whitening + blocks + 2560 == 1_972_792
    frozen = 24 * 3 * 4 + 2 * (64 + 256 + 256)  # the whitening filters, and the weights of BatchNorm
    assert sum(p.numel() for p in model.parameters() if not p.requires_grad) == frozen


def test_the_work_is_that_of_the_papers_training() -> None:
    # Jordan 2024, section 1: 3.6e14 operations in 9.9 epochs of 50,000 images; two operations are a multiply-add, and a
    # backward pass is twice a forward pass.
    multiply_adds = ledger(fresh("airbench"), (3, 32, 32), 10).multiply_adds
    assert 3 * 2 * multiply_adds * 9.9 * 50_000 == pytest.approx(3.6e14, rel=0.03)


def gelu(x: Tensor) -> Tensor:
    """x times the share of a normal distribution below x. Source: Hendrycks and Gimpel 2016, section 2."""
    return x * 0.5 * (1 + torch.erf(x / 2**0.5))


@pytest.mark.parametrize("input_shape", [(3, 32, 32), (1, 28, 25)])
def test_the_forward_is_the_papers_with_its_pooling_of_3x3(input_shape: tuple[int, int, int]) -> None:
    model, state = drawn("airbench", input_shape)
    pixels = noise(2, input_shape)
    x = gelu(F.conv2d((pixels.double() - MEAN) / STD, state["whitening.weight"], state["whitening.bias"]))
    for block in ("block1", "block2", "block3"):
        x = F.max_pool2d(F.conv2d(x, state[f"{block}.conv1.weight"], padding=1), 2)
        x = gelu(batch_norm(x, state, f"{block}.norm1"))
        x = gelu(batch_norm(F.conv2d(x, state[f"{block}.conv2.weight"], padding=1), state, f"{block}.norm2"))
    logits = F.max_pool2d(x, 3).flatten(1) @ state["head.weight"].T / 9
    torch.testing.assert_close(model(pixels), logits, rtol=1e-9, atol=1e-9)


def test_its_convolutions_begin_by_handing_their_input_on() -> None:
    x = torch.randn(2, 5, 6, 6, generator=torch.Generator().manual_seed(0))
    block = AirbenchBlock(5, 8)
    assert torch.equal(block.conv1(x)[:, :5], x)
    assert torch.equal(block.conv2(block.conv1(x)), block.conv1(x))


def test_training_leaves_the_whitening_filters_and_the_weights_of_batchnorm_as_they_are() -> None:
    model = fresh("airbench").train()
    before = {name: value.clone() for name, value in model.named_parameters()}
    state = TrainState(model, make_optimizer(model.parameters(), "adamw", weight_decay=0.1))
    loss = make_loss("cross_entropy", label_smoothing=0)
    make_update(state, noise(8, (3, 32, 32)), torch.arange(8), loss=loss, learning_rate=0.01, clip_norm=1.0)
    kept = {name for name, value in model.named_parameters() if torch.equal(value, before[name])}
    norms = {f"network.block{n}.norm{m}.weight" for n in (1, 2, 3) for m in (1, 2)}
    assert kept == {"network.whitening.weight", *norms}


# Whitening


def patches_of(images: ndarray, size: int = 2) -> ndarray:
    """Every window of images (N, C, H, W), as (patches, C, size, size)."""
    windows = sliding_window_view(images, (size, size), axis=(2, 3))  # (N, C, h, w, size, size)
    return windows.transpose(0, 2, 3, 1, 4, 5).reshape(-1, images.shape[1], size, size)


def smooth_colours() -> ndarray:
    """20 images whose neighbouring pixels and channels resemble each other, (20, 3, 12, 12), with a mean of their own."""
    generator = np.random.default_rng(0)
    grey, colours = generator.normal(size=(20, 1, 13, 13)), generator.normal(size=(20, 3, 13, 13))
    images = 2 * grey + colours + 1.5
    return images[..., 1:, 1:] + images[..., :-1, 1:] + images[..., 1:, :-1]


@pytest.fixture(params=["digits", "colours"])
def images(request: pytest.FixtureRequest, digits: tuple[ndarray, ndarray]) -> ndarray:
    """Real digits, normalised, or colour images of a known kind; float64 (N, C, H, W)."""
    return (digits[0][:200, None].astype(float) - MEAN) / STD if request.param == "digits" else smooth_colours()


def test_whitened_patches_have_unit_covariance(images: ndarray) -> None:
    patches = patches_of(images)
    filters = whitening_filters(torch.from_numpy(patches), epsilon=0.0).numpy()
    directions = patches[0].size
    assert filters.shape == (2 * directions, *patches.shape[1:])
    np.testing.assert_array_equal(filters[directions:], -filters[:directions])
    whitened = patches.reshape(len(patches), -1) @ filters[:directions].reshape(directions, -1).T
    np.testing.assert_allclose(np.cov(whitened.T), np.eye(directions), atol=1e-6)


def test_the_filters_are_the_eigenvectors_that_numpy_finds_over_the_roots_of_their_eigenvalues(images: ndarray) -> None:
    patches = patches_of(images)
    flat = patches.reshape(len(patches), -1)
    values, vectors = np.linalg.eigh(np.cov(flat.T))
    expected = (vectors / np.sqrt(values + 5e-4)).T[::-1]
    found = whitening_filters(torch.from_numpy(patches)).numpy()[: len(values)].reshape(len(values), -1)
    signs = np.sign(
        (found * expected).sum(axis=1, keepdims=True)
    )  # an eigenvector is no less one when it is turned round
    np.testing.assert_allclose(found * signs, expected, rtol=1e-5, atol=1e-7)


def test_the_filters_give_what_scikit_learns_whitening_gives(images: ndarray) -> None:
    patches = patches_of(images)
    flat = patches.reshape(len(patches), -1)
    expected = PCA(whiten=True, svd_solver="full").fit_transform(flat)
    filters = whitening_filters(torch.from_numpy(patches), epsilon=0.0).numpy()
    found = (flat - flat.mean(axis=0)) @ filters[: flat.shape[1]].reshape(flat.shape[1], -1).T
    np.testing.assert_allclose(np.abs(found), np.abs(expected), rtol=1e-4, atol=1e-6)


def test_whitening_a_network_makes_the_outputs_of_its_first_layer_uncorrelated(images: ndarray) -> None:
    torch.manual_seed(0)
    network = Airbench(images.shape[1:], 10).double()
    network.whiten(torch.from_numpy(images))
    with torch.no_grad():
        maps = network.whitening(torch.from_numpy(images))  # (N, F, h, w)
    values = maps.movedim(1, 0).flatten(1).numpy()
    half = len(values) // 2
    np.testing.assert_allclose(np.cov(values[:half]), np.eye(half), atol=0.02)  # as near as the epsilon lets it
    assert not network.whitening.weight.requires_grad
    assert network.whitening.bias is not None
    assert network.whitening.bias.requires_grad


def test_before_it_has_seen_images_a_network_whitens_noise() -> None:
    filters = fresh("airbench").network.whitening.weight.detach().flatten(1)
    torch.testing.assert_close(filters[:12] @ filters[:12].T, torch.eye(12))
    assert torch.equal(filters[12:], -filters[:12])


def test_directions_in_which_nothing_varies_are_not_blown_up() -> None:
    grey = np.random.default_rng(0).normal(size=(500, 1, 2, 2)).repeat(3, axis=1)  # three equal channels
    filters = whitening_filters(torch.from_numpy(grey), epsilon=5e-4)
    assert bool(filters.isfinite().all())
    assert float(filters.flatten(1).norm(dim=1).max()) <= (1 / 5e-4) ** 0.5 * 1.001


def test_fewer_patches_than_directions_are_refused() -> None:
    with pytest.raises(DataError, match=r"12 patches cannot tell how 12 values vary together\. Give more than 12\."):
        whitening_filters(torch.zeros(12, 3, 2, 2))


@pytest.mark.parametrize("input_shape", [(3, 8, 8), (1, 40, 8)])
def test_images_that_would_be_pooled_to_nothing_are_refused(input_shape: tuple[int, int, int]) -> None:
    sizes = f"{input_shape[1]}x{input_shape[2]}"
    with pytest.raises(ConfigError, match=rf"airbench pools three times and needs images of 9x9 .* are {sizes}\. Use"):
        fresh("airbench", input_shape)


def test_the_catalog_shows_it_the_first_images_and_leaves_other_networks_alone(images: ndarray) -> None:
    pixels = torch.from_numpy((255 * (images - images.min()) / np.ptp(images)).astype(np.uint8))
    channels = pixels.shape[1]
    spec = ArchSpec(
        name="airbench", input_shape=tuple(pixels.shape[1:]), mean=(9.0,) * channels, std=(70.0,) * channels
    )
    model, other = build_model(spec, 10), build_model(spec.model_copy(update={"name": "resnet8"}), 10)
    before = {name: tensor.clone() for name, tensor in other.state_dict().items()}
    look_at_images(model, torch.split(pixels, 7))
    look_at_images(other, torch.split(pixels, 7))
    expected = Airbench(tuple(pixels.shape[1:]), 10)
    expected.whiten(model.get_submodule("normalise")(pixels))
    torch.testing.assert_close(model.get_submodule("network.whitening").weight, expected.whitening.weight)
    assert all(torch.equal(tensor, before[name]) for name, tensor in other.state_dict().items())
