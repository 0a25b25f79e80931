"""The layers that PyTorch does not have, against SciPy, NumPy loops and numbers worked out by hand."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from scipy import ndimage
from torch import Tensor

from foveal.models.blocks import (
    Add,
    LayerNorm2d,
    LayerScale,
    MedianPool2d,
    Normalise,
    PaddedShortcut,
    Scale,
    SumPool2d,
)

WINDOWS = [(2, 2, 0), (3, 3, 0), (3, 1, 1), (3, 2, 1), (2, 1, 1), (4, 2, 0), (5, 3, 2), (1, 1, 0)]


def feature_maps(height: int = 9, width: int = 8) -> Tensor:
    """Two images of three channels, with negative values among them."""
    return torch.randn(2, 3, height, width, generator=torch.Generator().manual_seed(0))


def pooled_by_loops(
    x: Tensor, statistic: Callable[[np.ndarray], float], kernel_size: int, stride: int, padding: int
) -> Tensor:
    """One window after the other, over a copy with zeros around it."""
    padded = np.pad(x.numpy(), ((0, 0), (0, 0), (padding, padding), (padding, padding)))
    rows = range(0, padded.shape[2] - kernel_size + 1, stride)
    columns = range(0, padded.shape[3] - kernel_size + 1, stride)
    return torch.tensor(
        np.array(
            [
                [
                    [[statistic(plane[i : i + kernel_size, j : j + kernel_size]) for j in columns] for i in rows]
                    for plane in image
                ]
                for image in padded
            ]
        ),
        dtype=torch.float32,
    )


@pytest.mark.parametrize(("kernel_size", "stride", "padding"), WINDOWS)
def test_sum_pooling_adds_up_each_window_counting_padding_as_zeros(kernel_size: int, stride: int, padding: int) -> None:
    x = feature_maps()
    expected = pooled_by_loops(x, lambda window: float(window.sum()), kernel_size, stride, padding)
    torch.testing.assert_close(SumPool2d(kernel_size, stride, padding)(x), expected)


@pytest.mark.parametrize(("kernel_size", "stride", "padding"), WINDOWS)
def test_median_pooling_takes_the_median_of_each_window_counting_padding_as_zeros(
    kernel_size: int, stride: int, padding: int
) -> None:
    x = feature_maps()
    expected = pooled_by_loops(x, lambda window: float(np.median(window)), kernel_size, stride, padding)
    torch.testing.assert_close(MedianPool2d(kernel_size, stride, padding)(x), expected)


@pytest.mark.parametrize("kernel_size", [3, 5])
def test_median_pooling_at_stride_1_is_the_median_filter_of_scipy(kernel_size: int) -> None:
    x = feature_maps()
    filtered = ndimage.median_filter(x.numpy(), size=(1, 1, kernel_size, kernel_size), mode="constant", cval=0.0)
    pooled = MedianPool2d(kernel_size, stride=1, padding=(kernel_size - 1) // 2)(x)
    np.testing.assert_array_equal(pooled.numpy(), filtered)


@pytest.mark.parametrize("kernel_size", [3, 5])
def test_sum_pooling_at_stride_1_is_correlation_with_ones(kernel_size: int) -> None:
    x = feature_maps()
    summed = ndimage.correlate(x.numpy(), np.ones((1, 1, kernel_size, kernel_size)), mode="constant", cval=0.0)
    pooled = SumPool2d(kernel_size, stride=1, padding=(kernel_size - 1) // 2)(x)
    np.testing.assert_allclose(pooled.numpy(), summed, atol=1e-5)


@pytest.mark.parametrize("pool", [SumPool2d, MedianPool2d])
def test_windows_lie_side_by_side_when_no_stride_is_given(pool: type[SumPool2d] | type[MedianPool2d]) -> None:
    x = feature_maps()
    torch.testing.assert_close(pool(3)(x), pool(3, stride=3)(x))
    assert pool(3)(x).shape == (2, 3, 3, 2)


def test_an_even_window_has_the_mean_of_its_middle_two_as_its_median() -> None:
    x = torch.tensor([[[[1.0, 10.0], [2.0, 5.0]]]])
    assert MedianPool2d(2)(x).item() == (2 + 5) / 2
    assert SumPool2d(2)(x).item() == 18


@pytest.mark.parametrize("pool", [SumPool2d(2), MedianPool2d(2), MedianPool2d(3)])
def test_pooling_lets_gradients_through_as_finite_differences_say(pool: torch.nn.Module) -> None:
    x = torch.randn(1, 1, 6, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(1), requires_grad=True)
    assert torch.autograd.gradcheck(pool, (x,))


def test_normalise_subtracts_the_mean_and_divides_by_the_standard_deviation_of_each_channel() -> None:
    pixels = torch.tensor([0.0, 100.0, 255.0]).view(1, 3, 1, 1)
    images = Normalise((10.0, 50.0, 5.0), (2.0, 25.0, 125.0))(pixels)
    assert images.flatten().tolist() == [(0 - 10) / 2, (100 - 50) / 25, (255 - 5) / 125]


def test_normalise_gives_mnist_black_and_white_the_values_of_the_documents() -> None:
    black_and_white = torch.tensor([0, 255], dtype=torch.uint8).view(1, 1, 1, 2)
    images = Normalise((0.1307 * 255,), (0.3081 * 255,))(black_and_white)
    assert images.flatten().tolist() == pytest.approx([-0.1307 / 0.3081, (1 - 0.1307) / 0.3081], abs=1e-5)
    assert images.flatten().tolist() == pytest.approx([-0.4242, 2.8215], abs=1e-4)


def test_normalise_takes_bytes_and_floats_alike() -> None:
    pixels = torch.randint(0, 256, (2, 3, 5, 4), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    layer = Normalise((1.0, 2.0, 3.0), (4.0, 5.0, 6.0), border=1)
    assert torch.equal(layer(pixels), layer(pixels.float()))
    assert layer(pixels).dtype == torch.float32


@pytest.mark.parametrize("border", [1, 2])
def test_a_border_is_cut_off_each_side(border: int) -> None:
    pixels = np.arange(2 * 1 * 7 * 6).reshape(2, 1, 7, 6)
    images = Normalise((0.0,), (1.0,), border=border)(torch.tensor(pixels))
    np.testing.assert_array_equal(images.numpy(), pixels[:, :, border : 7 - border, border : 6 - border])


@pytest.mark.parametrize("dtype", [torch.uint8, torch.float32])
def test_a_negative_border_adds_black_before_normalising(dtype: torch.dtype) -> None:
    pixels = torch.full((1, 1, 2, 2), 200, dtype=dtype)
    images = Normalise((50.0,), (100.0,), border=-1)(pixels)
    black, bright = (0 - 50) / 100, (200 - 50) / 100
    assert images[0, 0].tolist() == [
        [black, black, black, black],
        [black, bright, bright, black],
        [black, bright, bright, black],
        [black, black, black, black],
    ]


def test_grey_is_repeated_to_the_channels_that_the_network_takes() -> None:
    pixels = torch.tensor([[[[10.0, 30.0]]]])
    images = Normalise((10.0,), (5.0,), channels=3)(pixels)
    assert images[0].tolist() == [[[0.0, 4.0]]] * 3


def test_normalise_leaves_the_pixels_it_was_given_as_they_were() -> None:
    pixels = torch.full((1, 1, 2, 2), 7.0)
    Normalise((1.0,), (2.0,))(pixels)
    assert pixels.unique().tolist() == [7.0]


def test_mean_and_std_are_saved_with_the_weights_and_never_trained() -> None:
    layer = Normalise((1.0,), (2.0,), border=3, channels=3)
    assert sorted(layer.state_dict()) == ["mean", "std"]
    assert list(layer.parameters()) == []
    assert repr(layer) == "Normalise(border=3, channels=3)"


# Networks with branches


@pytest.mark.parametrize("stride", [1, 2, 3])
def test_a_padded_shortcut_keeps_every_stride_th_pixel_and_adds_channels_of_zeros(stride: int) -> None:
    x = feature_maps()
    y = PaddedShortcut(3, 5, stride)(x)
    np.testing.assert_array_equal(y[:, :3].numpy(), x.numpy()[:, :, ::stride, ::stride])
    assert y.shape[1] == 5
    assert not y[:, 3:].any()
    assert list(PaddedShortcut(3, 5, stride).parameters()) == []


def test_a_padded_shortcut_has_the_size_of_the_3x3_convolution_that_it_goes_around() -> None:
    for height, width in [(9, 8), (7, 7), (1, 2)]:
        x = feature_maps(height, width)
        assert PaddedShortcut(3, 6, 2)(x).shape == torch.nn.Conv2d(3, 6, 3, stride=2, padding=1)(x).shape


def test_layer_norm_2d_gives_the_channels_of_each_pixel_mean_zero_and_variance_one() -> None:
    x, layer = feature_maps(), LayerNorm2d(3)
    values = x.double().numpy()
    expected = (values - values.mean(axis=1, keepdims=True)) / np.sqrt(values.var(axis=1, keepdims=True) + 1e-6)
    np.testing.assert_allclose(layer(x).detach().numpy(), expected, atol=1e-5)
    with torch.no_grad():
        layer.weight.copy_(torch.tensor([2.0, 0.0, -1.0]))
        layer.bias.copy_(torch.tensor([0.0, 5.0, 1.0]))
    scaled = expected * np.array([2.0, 0.0, -1.0]).reshape(1, 3, 1, 1) + np.array([0.0, 5.0, 1.0]).reshape(1, 3, 1, 1)
    np.testing.assert_allclose(layer(x).detach().numpy(), scaled, atol=1e-5)


@pytest.mark.parametrize("layer", [LayerNorm2d(3), LayerScale(3), PaddedShortcut(3, 6, 2), Scale(2.0)])
def test_images_whose_channels_lie_together_stay_so(layer: torch.nn.Module) -> None:
    x = feature_maps().contiguous(memory_format=torch.channels_last)
    assert layer(x).is_contiguous(memory_format=torch.channels_last)


def test_a_layer_scale_has_one_factor_a_channel_and_starts_near_zero() -> None:
    x, layer = feature_maps(), LayerScale(3)
    np.testing.assert_allclose(layer(x).detach().numpy(), 1e-6 * x.numpy(), rtol=1e-5)
    with torch.no_grad():
        layer.weight.copy_(torch.tensor([1.0, 0.0, -2.0]))
    np.testing.assert_allclose(layer(x).detach().numpy(), x.numpy() * np.array([1, 0, -2.0]).reshape(1, 3, 1, 1))


def test_branches_are_added_and_values_are_scaled() -> None:
    x, y = feature_maps(), feature_maps().flip(0)
    np.testing.assert_array_equal(Add()(x, y).numpy(), x.numpy() + y.numpy())
    np.testing.assert_array_equal(Scale(0.25)(x).numpy(), x.numpy() / 4)
    np.testing.assert_array_equal(Scale(0.25)(x[:, :, 0, 0]).numpy(), x.numpy()[:, :, 0, 0] / 4)


def test_the_settings_of_a_block_are_printed() -> None:
    assert repr(PaddedShortcut(16, 32, 2)) == "PaddedShortcut(16, 32, stride=2)"
    assert repr(Scale(0.5)) == "Scale(factor=0.5)"
