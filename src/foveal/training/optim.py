"""Losses and optimizers by name."""

from collections.abc import Callable, Iterable

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn
from torch.nn import functional as F

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
    parameters: Iterable[nn.Parameter],
    name: str,
    *,
    learning_rate: float,
    momentum: float = 0.0,
    nesterov: bool = False,
    weight_decay: float = 0.0,
    epsilon: float = 1e-8,
) -> torch.optim.Optimizer:
    """SGD (Sutskever et al. 2013), Adam (Kingma and Ba 2015) or AdamW (Loshchilov and Hutter 2019), fused."""
    if name == "sgd":
        return torch.optim.SGD(
            parameters, lr=learning_rate, momentum=momentum, nesterov=nesterov, weight_decay=weight_decay, fused=True
        )
    kind: type[torch.optim.Optimizer] = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW}[name]
    return kind(  # type: ignore[call-arg]
        parameters, lr=learning_rate, eps=epsilon, weight_decay=weight_decay, fused=True
    )
