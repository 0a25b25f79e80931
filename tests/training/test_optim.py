"""Losses by hand and by torch's own, and one update of each optimizer by the formulas of its paper."""

from collections.abc import Callable
from math import exp, log

import numpy as np
import pytest
import torch
from numpy import ndarray
from torch import Tensor
from torch.nn import functional as F

from foveal.training.optim import balanced_weights, make_loss, make_optimizer

LOGITS = torch.tensor([[2.0, 0.0, -1.0], [0.5, 0.5, 3.0]])
LABELS = torch.tensor([0, 1])


def negative_log_softmax(row: list[float], k: int) -> float:
    """-log p_k, by the definition."""
    return -log(exp(row[k]) / sum(exp(value) for value in row))


@pytest.mark.parametrize("name", ["cross_entropy", "nll"])
def test_the_loss_is_the_mean_of_the_true_classes_negative_log_probabilities(name: str) -> None:
    by_hand = (negative_log_softmax([2, 0, -1], 0) + negative_log_softmax([0.5, 0.5, 3], 1)) / 2
    assert float(make_loss(name, label_smoothing=0.0)(LOGITS, LABELS)) == pytest.approx(by_hand, rel=1e-6)


def test_smoothing_gives_every_class_its_part_of_the_label() -> None:
    by_hand = 0.0
    for row, label in zip(LOGITS.tolist(), LABELS.tolist(), strict=True):
        shares = [0.9 * (k == label) + 0.1 / 3 for k in range(3)]  # Szegedy et al. 2016, section 7
        by_hand += sum(share * negative_log_softmax(row, k) for k, share in enumerate(shares)) / 2
    assert float(make_loss("cross_entropy", label_smoothing=0.1)(LOGITS, LABELS)) == pytest.approx(by_hand, rel=1e-6)


@pytest.mark.parametrize("weights", [None, torch.tensor([0.2, 1.0, 3.0, 0.5])])
def test_nll_on_log_softmax_and_cross_entropy_are_one_loss_with_one_gradient(weights: Tensor | None) -> None:
    generator = torch.Generator().manual_seed(0)
    values, gradients = [], []
    for name in ("nll", "cross_entropy"):
        logits = torch.randn(50, 4, generator=generator.manual_seed(1)).mul(9).requires_grad_()
        labels = torch.randint(0, 4, (50,), generator=generator)
        value = make_loss(name, label_smoothing=0.0, class_weights=weights)(logits, labels)
        value.backward()
        values.append(float(value.detach()))
        gradients.append(logits.grad)
    assert values[0] == pytest.approx(values[1], rel=1e-6)
    torch.testing.assert_close(gradients[0], gradients[1])


@pytest.mark.parametrize("name", ["cross_entropy", "nll"])
def test_weighted_images_count_by_their_weight_also_below_the_line(name: str) -> None:
    weights = torch.tensor([3.0, 1.0, 1.0])
    losses = [negative_log_softmax(row, k) for row, k in zip(LOGITS.tolist(), LABELS.tolist(), strict=True)]
    by_hand = (3 * losses[0] + 1 * losses[1]) / (3 + 1)
    value = make_loss(name, label_smoothing=0.0, class_weights=weights)(LOGITS, LABELS)
    assert float(value) == pytest.approx(by_hand, rel=1e-6)


def test_the_smoothed_loss_is_torchs_own() -> None:
    ours = make_loss("cross_entropy", label_smoothing=0.3)(LOGITS, LABELS)
    torch.testing.assert_close(ours, F.cross_entropy(LOGITS, LABELS, label_smoothing=0.3))


def test_balanced_weights_are_the_ones_worked_out_by_hand() -> None:
    weights = balanced_weights(torch.tensor([0, 0, 0, 0, 0, 0, 1, 1, 2, 2]), 3)
    assert weights.tolist() == pytest.approx([10 / (3 * 6), 10 / (3 * 2), 10 / (3 * 2)])


def test_with_balanced_weights_every_class_has_the_same_say() -> None:
    labels = torch.tensor([0] * 90 + [1] * 9 + [2])
    weights = balanced_weights(labels, 3)
    says = [float(weights[k]) * int((labels == k).sum()) for k in range(3)]
    assert says == pytest.approx([100 / 3] * 3)


def test_a_class_without_images_gets_a_weight_that_is_a_number() -> None:
    assert torch.isfinite(balanced_weights(torch.tensor([0, 0, 1]), 4)).all()


# Each rule gives the weights after the gradients g_1, g_2, ..., as its paper writes it.
Rule = Callable[[ndarray, list[ndarray]], ndarray]
RATE, DECAY, MOMENTUM, BETA1, BETA2 = 0.1, 0.05, 0.9, 0.9, 0.999


def sgd(w: ndarray, gradients: list[ndarray]) -> ndarray:
    """w <- w - rate (g + decay w)."""
    for g in gradients:
        w = w - RATE * (g + DECAY * w)
    return w


def sgd_momentum(w: ndarray, gradients: list[ndarray]) -> ndarray:
    """v <- momentum v + g, w <- w - rate v: Polyak's momentum, the rate taken out of v."""
    v = np.zeros_like(w)
    for g in gradients:
        v = MOMENTUM * v + g + DECAY * w
        w = w - RATE * v
    return w


def sgd_nesterov(w: ndarray, gradients: list[ndarray]) -> ndarray:
    """Sutskever et al. 2013 with the look-ahead folded in (Bengio et al. 2013, eq. 7)."""
    v = np.zeros_like(w)
    for g in gradients:
        slope = g + DECAY * w
        v = MOMENTUM * v + slope
        w = w - RATE * (slope + MOMENTUM * v)
    return w


def adam_direction(gradients: list[ndarray], epsilon: float) -> ndarray:
    """m / (sqrt(v) + epsilon) with both moments freed from their bias: Kingma and Ba 2015, algorithm 1."""
    m = sum((1 - BETA1) * BETA1 ** (len(gradients) - 1 - i) * g for i, g in enumerate(gradients))
    v = sum((1 - BETA2) * BETA2 ** (len(gradients) - 1 - i) * g * g for i, g in enumerate(gradients))
    t = len(gradients)
    return np.asarray((m / (1 - BETA1**t)) / (np.sqrt(v / (1 - BETA2**t)) + epsilon))


def adam(w: ndarray, gradients: list[ndarray], epsilon: float = 1e-3) -> ndarray:
    """The decay goes into the gradient, as in L2 regularisation."""
    seen: list[ndarray] = []
    for g in gradients:
        seen.append(g + DECAY * w)
        w = w - RATE * adam_direction(seen, epsilon)
    return w


def adamw(w: ndarray, gradients: list[ndarray], epsilon: float = 1e-3) -> ndarray:
    """The decay shrinks the weights beside the gradient: Loshchilov and Hutter 2019, algorithm 2."""
    for t in range(1, len(gradients) + 1):
        w = w - RATE * DECAY * w - RATE * adam_direction(gradients[:t], epsilon)
    return w


@pytest.mark.parametrize("updates", [1, 2, 7])
@pytest.mark.parametrize(
    ("rule", "name", "momentum", "nesterov"),
    [
        (sgd, "sgd", 0.0, False),
        (sgd_momentum, "sgd", MOMENTUM, False),
        (sgd_nesterov, "sgd", MOMENTUM, True),
        (adam, "adam", 0.0, False),
        (adamw, "adamw", 0.0, False),
    ],
)
def test_updates_are_those_of_the_papers_formulas(
    rule: Rule, name: str, momentum: float, nesterov: bool, updates: int
) -> None:
    random = np.random.default_rng(0)
    begin, gradients = random.normal(size=5), [random.normal(size=5) for _ in range(updates)]
    weights = torch.nn.Parameter(torch.tensor(begin))
    optimizer = make_optimizer(
        [weights],
        name,
        momentum=momentum,
        nesterov=nesterov,
        weight_decay=DECAY,
        epsilon=1e-3,  # large enough to be seen in the result
    )
    for gradient in gradients:
        weights.grad = torch.tensor(gradient)
        optimizer.step(RATE)
    np.testing.assert_allclose(weights.detach().numpy(), rule(begin, gradients), rtol=1e-9)


@pytest.mark.parametrize("label_smoothing", [0.0, 0.1])
@pytest.mark.parametrize("weights", [None, torch.tensor([0.2, 1.0, 3.0])], ids=["even", "weighted"])
def test_shares_that_are_all_of_one_class_are_labels(weights: torch.Tensor | None, label_smoothing: float) -> None:
    logits, labels = torch.randn(7, 3, generator=torch.Generator().manual_seed(0)), torch.tensor([0, 1, 2, 2, 1, 0, 0])
    loss = make_loss("cross_entropy", label_smoothing=label_smoothing, class_weights=weights)
    shares = torch.nn.functional.one_hot(labels, 3).float()
    torch.testing.assert_close(loss(logits, shares), loss(logits, labels))


def test_the_loss_of_shares_is_the_mean_of_the_losses_of_their_classes() -> None:
    logits = torch.tensor([[2.0, 0.0, -1.0]])
    by_class = [float(torch.logsumexp(logits, 1) - logits[0, k]) for k in range(3)]
    loss = make_loss("cross_entropy", label_smoothing=0.0)(logits, torch.tensor([[0.7, 0.1, 0.2]]))
    assert float(loss) == pytest.approx(0.7 * by_class[0] + 0.1 * by_class[1] + 0.2 * by_class[2])
