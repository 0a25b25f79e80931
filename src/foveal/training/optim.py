"""Losses and optimizers by name."""

from collections.abc import Callable, Iterable

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn
from torch.nn import functional as F

from foveal.training.optimizers import Adam, Group, Muon, Optimizer, Rule, Sgd

# Of logits and either labels or, for each image, the share of every class.
Loss = Callable[[Float[Tensor, "N K"], Int64[Tensor, " N"] | Float[Tensor, "N K"]], Float[Tensor, ""]]


def make_loss(name: str, *, label_smoothing: float, class_weights: Float[Tensor, " K"] | None = None) -> Loss:
    """The mean loss over a batch of logits. In the mean an image counts by the weight of its class, or of its classes.

    `cross_entropy` takes logits; `nll` takes the log-softmax of them, as documents 002 and 004 write it: the same number.
    Label smoothing: Szegedy et al. 2016, section 7.
    """
    if name == "nll":
        assert not label_smoothing, "recipes.py refuses it"
        return lambda logits, labels: F.nll_loss(F.log_softmax(logits, dim=1), labels, weight=class_weights)
    return lambda logits, targets: _cross_entropy(logits, targets, label_smoothing, class_weights)


def _cross_entropy(
    logits: Float[Tensor, "N K"],
    targets: Int64[Tensor, " N"] | Float[Tensor, "N K"],
    label_smoothing: float,
    weights: Float[Tensor, " K"] | None,
) -> Float[Tensor, ""]:
    if weights is None or not targets.is_floating_point():
        return F.cross_entropy(logits, targets, weight=weights, label_smoothing=label_smoothing)
    # PyTorch divides by the sum of the weights for labels but by N for shares: the rate would change with mixup.
    total = F.cross_entropy(logits, targets, weight=weights, label_smoothing=label_smoothing, reduction="sum")
    return total / (targets @ weights).sum()


def balanced_weights(labels: Int64[Tensor, " N"], num_classes: int) -> Float[Tensor, " K"]:
    """A weight for each class that gives all classes the same say: N / (K * images of the class)."""
    counts = torch.bincount(labels, minlength=num_classes).clamp(min=1)
    return len(labels) / (num_classes * counts.float())


def make_optimizer(
    weights: Iterable[nn.Parameter],
    name: str,
    *,
    momentum: float = 0.0,
    nesterov: bool = False,
    weight_decay: float = 0.0,
    epsilon: float = 1e-8,
) -> Optimizer:
    """SGD, Adam, AdamW, or Muon: for the filters of all convolutions but the first, beside AdamW for all other weights."""
    trained = [weight for weight in weights if weight.requires_grad]
    adamw = Adam(weight_decay, epsilon=epsilon)
    if name == "muon":
        filters = [weight for weight in trained if weight.ndim == 4][1:]
        others = [weight for weight in trained if all(weight is not each for each in filters)]
        # Orthogonal directions are larger steps than AdamW's: five times its rate did best on MNIST (docs/log.md).
        return Optimizer(
            [Group(filters, Muon(momentum or 0.95, weight_decay), relative_rate=5.0), Group(others, adamw)]
        )
    rules: dict[str, Rule] = {
        "sgd": Sgd(momentum, nesterov, weight_decay),
        "adam": Adam(weight_decay, is_decoupled=False, epsilon=epsilon),
        "adamw": adamw,
    }
    return Optimizer([Group(trained, rules[name])])
