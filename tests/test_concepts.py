"""docs/concepts.md: its examples run, and its numbers are worked out a second time, by loops, SciPy or PyTorch."""

import doctest
import gzip
import re
from collections.abc import Iterator
from fractions import Fraction
from math import exp, floor, log, sqrt
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy import ndimage, signal, special
from torch import nn
from torch.nn import functional as F

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "concepts.md"
MNIST = ROOT / "src" / "foveal" / "data" / "bundled" / "mnist"
TEXT = PAGE.read_text(encoding="utf-8")
NUMBER = r"-?\d[\d,]*(?:\.\d+)?"


def section(heading: str) -> str:
    """The text below a heading, down to the next one."""
    found = re.search(rf"^#+ {re.escape(heading)}\n(.*?)(?=^#+ |\Z)", TEXT, re.DOTALL | re.MULTILINE)
    assert found, f"docs/concepts.md has no heading {heading!r}"
    return found[1]


def slip(start: str) -> str:
    """The paragraph and example of one slip, which begins with `**start`, down to the next."""
    found = re.search(rf"^\*\*{re.escape(start)}(.*?)(?=^\*\*|\Z)", section("Where the documents slip"), re.S | re.M)
    assert found, f"no slip begins with {start!r}"
    return found[0]


def printed_after(code: str, text: str = TEXT) -> np.ndarray:
    """The numbers that the page prints below the first example line that holds `code`."""
    lines = text.splitlines()
    start = next(n for n, line in enumerate(lines) if line.startswith(">>>") and code in line)
    output = []
    for line in lines[start + 1 :]:
        if not line.strip() or line.startswith((">>>", "...", "```")):
            break
        output.append([float(value) for value in re.findall(r"-?\d+\.?\d*", line)])
    return np.array(output)


def table(heading: str) -> list[list[str]]:
    """The cells of the first table below a heading, without its head."""
    rows = [line for line in section(heading).splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in row.strip("|").split("|")] for row in rows[2:]]


def as_number(text: str) -> float:
    """The last number of a text, without its commas."""
    return float(re.findall(NUMBER, text)[-1].replace(",", ""))


def correlated(image: np.ndarray, kernel: np.ndarray) -> np.ndarray:
    """Document 004's double sum, one window after the other."""
    height, width = kernel.shape
    return np.array(
        [
            [
                sum(float(image[i + m, j + n]) * float(kernel[m, n]) for m in range(height) for n in range(width))
                for j in range(image.shape[1] - width + 1)
            ]
            for i in range(image.shape[0] - height + 1)
        ]
    )


@pytest.fixture(scope="module")
def digits() -> np.ndarray:
    """MNIST's training images, read without foveal."""
    packed = (MNIST / "train-images-idx3-ubyte.gz").read_bytes()
    return np.frombuffer(gzip.decompress(packed), np.uint8, offset=16).reshape(60000, 28, 28)


@pytest.fixture(scope="module")
def labels() -> np.ndarray:
    """MNIST's training labels, read without foveal."""
    packed = (MNIST / "train-labels-idx1-ubyte.gz").read_bytes()
    return np.frombuffer(gzip.decompress(packed), np.uint8, offset=8)


def examples() -> Iterator[tuple[str, int]]:
    """Each block of examples on the page with the number of its first line."""
    for found in re.finditer(r"^```pycon\n(.*?)^```", TEXT, re.DOTALL | re.MULTILINE):
        yield found[1], TEXT.count("\n", 0, found.start()) + 1


def test_every_example_on_the_page_prints_what_the_page_says() -> None:
    parser, runner = doctest.DocTestParser(), doctest.DocTestRunner(verbose=False)
    shared: dict[str, object] = {}
    for source, line in examples():
        example = parser.get_doctest(source, shared, "concepts.md", str(PAGE), line)
        runner.run(example, clear_globs=False)
        shared = example.globs
    assert runner.tries >= 70
    assert runner.failures == 0


def test_cross_correlation_and_convolution_differ_in_the_sign_of_the_edge_kernel() -> None:
    row = np.array([[0, 10, 10, 40]])
    kernel = np.array([[1, 0, -1]])
    np.testing.assert_array_equal(
        printed_after("left minus right"), signal.correlate(row, kernel, mode="valid").astype(float)
    )
    np.testing.assert_array_equal(
        printed_after("convolution of mathematics"), signal.convolve(row, kernel, mode="valid").astype(float)
    )


def edge_kernel() -> np.ndarray:
    """The kernel that the page prints."""
    block = re.search(r"```text\n(.*?)```", section("A vertical edge in a real digit"), re.DOTALL)
    assert block
    return np.array([[int(value) for value in line.split()] for line in block[1].splitlines()])


def test_the_page_shows_the_pixels_of_the_ninth_training_image_which_is_a_one(
    digits: np.ndarray, labels: np.ndarray
) -> None:
    assert labels[8] == 1
    np.testing.assert_array_equal(printed_after("print(one[12:17"), digits[8, 12:17, 11:18])


def test_the_feature_map_of_the_vertical_edge_kernel_is_document_004s_double_sum(digits: np.ndarray) -> None:
    kernel = edge_kernel()
    assert kernel.tolist() == [[1, 0, -1]] * 3
    printed = printed_after("show(F.conv2d(image(one[12:17")
    np.testing.assert_array_equal(printed, correlated(digits[8, 12:17, 11:18], kernel))
    by_hand = re.search(r"`(.+) = (-?\d+)`", section("A vertical edge in a real digit"))
    assert by_hand
    pairs = [tuple(map(int, pair)) for pair in re.findall(r"\((\d+) - (\d+)\)", by_hand[1])]
    assert pairs == [(left, right) for left, right in digits[8, 12:15, [12, 14]].T.tolist()]
    assert sum(left - right for left, right in pairs) == int(by_hand[2]) == printed[0, 1]


def test_the_edges_of_the_whole_digit_are_those_of_scipy(digits: np.ndarray) -> None:
    edges = ndimage.correlate(digits[8].astype(int), edge_kernel(), mode="constant")[1:-1, 1:-1]
    assert printed_after("tuple(edges.shape)").tolist() == [[1, 1, *edges.shape, edges.min(), edges.max()]]
    assert printed_after("(edges == 0)")[0, 0] == round(100 * (edges == 0).mean(), 1)


def test_each_row_of_the_table_of_sizes_is_what_pytorch_makes_of_it() -> None:
    rows = table("How large the feature map is")
    assert len(rows) == 8
    for _, *cells in rows:
        n, f, s, p, result = map(int, cells)
        places = F.conv1d(torch.zeros(1, 1, n), torch.zeros(1, 1, f), stride=s, padding=p).shape[2]
        assert result == places == floor(Fraction(n + 2 * p - f, s)) + 1


def test_same_padding_keeps_the_size_for_the_odd_kernels_that_the_page_names() -> None:
    pairs = re.search(r"whole number only when f is odd: (.*?)\. It", section("How large the feature map is"))
    assert pairs
    named = [(int(p), int(f)) for p, f in re.findall(r"(\d) for (\d)", pairs[1])]
    assert named == [(1, 3), (2, 5), (3, 7)]
    for p, f in named:
        assert F.conv1d(torch.zeros(1, 1, 28), torch.zeros(1, 1, f), padding=p).shape[2] == 28


def test_the_three_channel_convolution_is_three_sums_and_a_bias() -> None:
    text = section("Three channels")
    channels = [
        np.array(re.findall(r"-?\d+", line), dtype=int).reshape(3, 3)
        for line in re.findall(r">>> (?:red|green|blue) +=(.*)", text)
    ]
    found = re.search(r">>> kernels = (.*)", text)
    assert found
    kernels = np.array(re.findall(r"-?\d+", found[1]), dtype=int).reshape(3, 2, 2)
    sums = [correlated(channel, kernel) for channel, kernel in zip(channels, kernels, strict=True)]
    np.testing.assert_array_equal(printed_after("show(F.conv2d(pixels", text), sum(sums) + 1)
    lines = [line for line in text.splitlines() if line.startswith("top ")]
    for column, line in enumerate(lines):
        red, green, blue = (int(value) for value in re.findall(r"= +(-?\d+)", line)[:3])
        assert (red, green, blue) == tuple(int(one[0, column]) for one in sums)
        assert as_number(line) == red + green + blue + 1
    assert len(lines) == 2


def test_relu_keeps_the_larger_of_zero_and_the_value() -> None:
    assert printed_after("show(F.relu(image([[-534").tolist() == [[max(0, x) for x in (-534, -762, 86, 762, 448)]]


@pytest.mark.parametrize(
    ("code", "statistic"),
    [
        ("show(F.max_pool2d", np.max),
        ("show(F.avg_pool2d", np.mean),
        ("SumPool2d(2)", np.sum),
        ("MedianPool2d", np.median),
    ],
)
def test_each_pooling_is_its_statistic_of_each_window(code: str, statistic: object) -> None:
    text = section("Pooling")
    found = re.search(r"x = image\((.*)\)", text)
    assert found
    x = np.array(re.findall(r"-?\d+", found[1]), dtype=float).reshape(4, 4)
    windows = [[x[i : i + 2, j : j + 2] for j in (0, 2)] for i in (0, 2)]
    assert sorted(windows[0][0].flatten()) == [1, 3, 5, 11]
    assert callable(statistic)
    printed = printed_after(code, text)
    np.testing.assert_array_equal(printed, [[statistic(window) for window in row] for row in windows])


def test_max_pooling_ignores_padding_and_average_pooling_counts_zeros() -> None:
    x = torch.full((1, 1, 2, 2), -8.0)
    assert F.max_pool2d(x, 2, padding=1).unique().tolist() == [-8.0]
    assert F.avg_pool2d(x, 2, padding=1).unique().tolist() == [-2.0]


def test_dropout_keeps_the_sum_on_average_and_dropout2d_drops_whole_maps() -> None:
    torch.manual_seed(0)
    x = torch.rand(1, 400, 10, 10) + 0.5
    dropped = nn.Dropout(0.3).train()(x)
    assert (dropped.sum() / x.sum()).item() == pytest.approx(1, abs=0.02)
    torch.testing.assert_close(dropped[dropped != 0], (x / 0.7)[dropped != 0])
    gone = (nn.Dropout2d(0.3).train()(x) == 0).float().mean(dim=(2, 3))
    assert gone.unique().tolist() == [0.0, 1.0]
    assert gone.mean().item() == pytest.approx(0.3, abs=0.1)


def test_the_linear_layer_is_two_weighted_sums() -> None:
    weight, x, bias = np.array([[1, 2, 3], [0, -1, 1]]), np.array([2, 1, 4]), np.array([0.5, 0])
    assert printed_after("show(layer(").tolist() == [(weight @ x + bias).tolist()]


def test_batch_norm_takes_the_mean_and_variance_of_the_batch() -> None:
    values = (1, 3, 5, 7)
    mean = sum(values) / 4
    variance = sum((x - mean) ** 2 for x in values) / 4
    assert (mean, variance) == (4, 5)
    by_hand = [[round((x - mean) / sqrt(variance + 1e-5), 4) for x in values]]
    assert printed_after("nn.BatchNorm2d(1)").tolist() == by_hand


def test_mean_and_standard_deviation_of_the_training_pixels_are_those_of_the_documents(digits: np.ndarray) -> None:
    counts = sum(np.bincount(part.ravel(), minlength=256) for part in np.array_split(digits, 60))
    share = counts / counts.sum()
    brightness = np.arange(256) / 255
    mean = (share * brightness).sum()
    std = sqrt((share * (brightness - mean) ** 2).sum())
    assert (round(mean, 4), round(std, 4)) == (0.1307, 0.3081)
    assert re.search(r"\$\\mu\$ = 0\.1307 and \$\\sigma\$ = 0\.3081", section("Normalising the pixels"))
    assert printed_after("digits.mean()")[0, 0] == 0.1307


def test_both_normalisations_of_black_grey_and_white_are_right() -> None:
    by_mean = [round((x / 255 - 0.1307) / 0.3081, 4) for x in (0, 128, 255)]
    assert printed_after("mean and standard deviation, in pixels").tolist() == [by_mean]
    assert printed_after("# unit").tolist() == [[round(x / 255, 4) for x in (0, 128, 255)]]
    assert printed_after("std=[60, 55, 50]").tolist() == [[(255 - 120) / 60, (165 - 110) / 55, (0 - 100) / 50]]


def reach(layers: list[nn.Module]) -> int:
    """How many pixels in a row the gradient of one value in the middle reaches."""
    pixels = torch.zeros(1, 1, 28, requires_grad=True)
    y = nn.Sequential(*layers)(pixels)
    y[0, 0, y.shape[2] // 2].backward()
    assert pixels.grad is not None
    return int(pixels.grad.count_nonzero())


def test_each_receptive_field_in_the_table_is_where_a_gradient_reaches() -> None:
    layers: list[nn.Module] = []
    field, jump = 1, 1
    rows = table("Receptive field")
    assert [row[0] for row in rows] == ["conv1", "max_pool1", "conv2", "max_pool2"]
    for name, f, s, printed_jump, sentence in rows:
        if name.startswith("conv"):
            layers.append(nn.Conv1d(1, 1, int(f), int(s)))
            nn.init.ones_(layers[-1].weight)
        else:
            layers.append(nn.AvgPool1d(int(f), int(s)))
        assert int(printed_jump) == jump
        assert sentence == f"{field} + {int(f) - 1}*{jump} = {reach(layers)}"
        field, jump = int(as_number(sentence)), jump * int(s)


def product(text: str) -> int:
    """The value of a product such as 14*14 * 64*32*25, or 64 * (32*25 + 1)."""
    found = re.fullmatch(r"(\d+) \* \(([\d*]+) \+ 1\)", text)
    if found:
        return int(found[1]) * (product(found[2]) + 1)
    return int(np.prod([int(factor) for factor in re.findall(r"\d+", text)]))


def test_the_parameters_and_the_work_of_document_000_are_those_of_its_layers() -> None:
    *rows, total = table("Counting parameters and work")
    modules = [nn.Conv2d(1, 32, 5), nn.Conv2d(32, 64, 5), nn.Linear(3136, 1000), nn.Linear(1000, 10)]
    places = [28 * 28, 14 * 14, 1, 1]
    for (_, parameters, work), module, windows in zip(rows, modules, places, strict=True):
        assert as_number(parameters) == product(parameters.split(" = ")[0])
        assert as_number(parameters) == sum(p.numel() for p in module.parameters())
        assert as_number(work) == product(work.split(" = ")[0]) == windows * module.weight.numel()
    assert as_number(total[1]) == sum(as_number(row[1]) for row in rows)
    assert as_number(total[2]) == sum(as_number(row[2]) for row in rows)
    shares = [float(share) for share in re.findall(r"([\d.]+) % of the", section("Counting parameters and work"))]
    assert shares == [
        round(100 * as_number(rows[2][1]) / as_number(total[1]), 1),
        round(100 * as_number(rows[1][2]) / as_number(total[2]), 1),
    ]


def test_flatten_and_batch_norm_have_the_sizes_that_the_page_names() -> None:
    assert nn.Flatten()(torch.zeros(1, 64, 7, 7)).shape == (1, product("64 * 7 * 7"))
    assert "64 * 7 * 7 = 3136" in section("Flatten")
    assert sum(p.numel() for p in nn.BatchNorm2d(24).parameters()) == 2 * 24
    assert "**2 * D**" in section("Counting parameters and work")


def test_softmax_and_the_loss_are_those_of_scipy() -> None:
    np.testing.assert_array_equal(printed_after("show(F.softmax"), [special.softmax([2, 1, 0]).round(4)])
    loss = -log(exp(2) / (exp(2) + exp(1) + exp(0)))
    assert printed_after("F.cross_entropy(logits, label)").tolist() == [[round(loss, 4)] * 2]
    assert printed_after("F.nll_loss(F.softmax").tolist() == [[round(-special.softmax([2, 1, 0])[0], 4)]]


SIZE_SLIPS = r"floor\(\((\d+)(?: \+ 2\*(\d))? - (\d)\)/(\d)\) \+ 1 = (\d)"


def test_five_pixels_at_stride_two_give_two_or_three_as_the_page_says() -> None:
    formulas = re.findall(SIZE_SLIPS, slip('000: "if the input image'))
    assert [result for *_, result in formulas] == ["2", "3", "3"]
    for n, p, f, s, result in formulas:
        pooled = F.conv1d(torch.zeros(1, 1, int(n)), torch.ones(1, 1, int(f)), stride=int(s), padding=int(p or 0))
        assert pooled.shape[2] == int(result)


@pytest.mark.parametrize("in_channels", [1, 3, 7])
def test_the_output_channels_are_as_many_as_the_filters_whatever_comes_in(in_channels: int) -> None:
    assert "makes 32 of 1" in slip('000: "The ouptut')
    conv = nn.Conv2d(in_channels, 32, 5)
    assert conv(torch.zeros(1, in_channels, 9, 9)).shape[1] == 32
    assert conv.weight.shape[:2] == (32, in_channels)


def test_pooling_spares_parameters_only_in_the_first_linear_layer() -> None:
    text = slip("000: pooling")
    found = re.search(r"1000 \* \((64\*28\*28) \+ 1\) = ([\d,]+) parameters in place of ([\d,]+)", text)
    assert found
    without = nn.Linear(64 * 28 * 28, 1000, device="meta")
    assert as_number(found[2]) == 1000 * (product(found[1]) + 1) == sum(p.numel() for p in without.parameters())
    assert as_number(found[3]) == sum(p.numel() for p in nn.Linear(64 * 7 * 7, 1000, device="meta").parameters())


def test_the_formula_without_rounding_down_gives_the_halves_that_the_page_shows() -> None:
    halves = re.findall(r"\((\d+)(?: \+ (\d))? - 2\)/2 \+ 1 = (\d\.5)", slip("000 and 004"))
    assert [half for *_, half in halves] == ["5.5", "4.5"]
    for n, padded, half in halves:
        assert Fraction(int(n) + int(padded or 0) - 2, 2) + 1 == Fraction(half)
        pool = nn.MaxPool1d(2, padding=int(padded or 0) // 2)
        assert pool(torch.zeros(1, 1, int(n))).shape[2] == floor(Fraction(half))


def test_pytorchs_pooling_pads_nothing_unless_told_and_knows_no_same() -> None:
    sides = [28]
    for _ in range(2):
        sides.append(F.max_pool2d(torch.zeros(1, 1, sides[-1], sides[-1]), 2).shape[2])
    assert ", ".join(map(str, sides)) in slip("004: 'Pooling is typically")
    with pytest.raises(TypeError, match="padding"):
        nn.MaxPool2d(2, padding="same")(torch.zeros(1, 1, 4, 4))


def test_relu_and_max_pooling_can_change_places_and_relu_and_average_pooling_cannot() -> None:
    x = torch.randn(4, 8, 12, 12, generator=torch.Generator().manual_seed(0))
    assert torch.equal(F.relu(F.max_pool2d(x, 2)), F.max_pool2d(F.relu(x), 2))
    assert not torch.allclose(F.relu(F.avg_pool2d(x, 2)), F.avg_pool2d(F.relu(x), 2))
    assert F.max_pool2d(x, 2).numel() / x.numel() == 1 / 4


def test_the_largest_pixel_over_256_is_the_number_on_the_page() -> None:
    assert f"255/256 is {255 / 256:.4f}" in slip('004: "dividing by 255')


def test_a_convolution_moves_with_the_digit_and_a_linear_layer_does_not(digits: np.ndarray) -> None:
    here, there = digits[8], np.roll(digits[8], 1, axis=1)
    kernel = edge_kernel()
    np.testing.assert_array_equal(correlated(here, kernel)[:, :-1], correlated(there, kernel)[:, 1:])
    assert correlated(here, kernel).max() == correlated(there, kernel).max()
    weights = np.arange(784).reshape(28, 28)
    assert (weights * here).sum() != (weights * there).sum()


def test_mean_and_std_put_mnist_outside_of_0_to_1() -> None:
    black, white = (0 - 0.1307) / 0.3081, (1 - 0.1307) / 0.3081
    assert f"black at {black:.4f} and its white at {white:.4f}" in slip('002: "Data should')
    assert black < 0
    assert white > 1


def test_the_variance_is_not_the_number_that_document_002_prints() -> None:
    assert f"the variance would be {0.3081**2:.4f}" in slip('002: "mean and variance')


def test_hard_thresholding_and_relu_differ_as_the_page_shows() -> None:
    values = (-3, -0.5, 0.5, 3)
    text = slip("003: ReLU")
    assert printed_after("F.hardshrink", text).tolist() == [[x if abs(x) > 1 else 0 for x in values]]
    assert printed_after("F.relu", text).tolist() == [[max(0, x) for x in values]]
