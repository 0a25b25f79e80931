"""Losses and optimizers by name."""

from collections.abc import Callable, Iterable

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn
from torch.nn import functional as F

Loss = Callable[[Float[Tensor, "N K"], Int64[Tensor, " N"]], Float[Tensor, ""]]


def make_loss(name: str, *, label_smoothing: float, class_weights: Float[Tensor, " K"] | None = None) -> Loss:
    """The mean loss over a batch of logits.

    `cross_entropy` takes logits; `nll` takes the log-softmax of them, as documents 002 and 004 write it: the same number.
    Label smoothing: Szegedy et al. 2016, section 7.
    """
    if name == "nll":
        assert not label_smoothing, "recipes.py refuses it"
        return lambda logits, labels: F.nll_loss(F.log_softmax(logits, dim=1), labels, weight=class_weights)
    return lambda logits, labels: F.cross_entropy(logits, labels, weight=class_weights, label_smoothing=label_smoothing)


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
