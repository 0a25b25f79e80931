"""What updates the weights: rules of arithmetic, and groups of weights that follow one of them.

The arithmetic of SGD and Adam is PyTorch's own (fused); its Optimizer classes are not used, because to make one loads torch's
compiler: 1 to 2.5 seconds of every start.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor, nn
from torch.optim.adam import adam
from torch.optim.sgd import sgd

State = dict[str, list[Tensor]]  # by name, one tensor for each of a group's weights


@runtime_checkable
class Rule(Protocol):
    """How weights change by their gradients."""

    def begin(self, weights: Sequence[Tensor]) -> State:
        """What is remembered between updates, as it is before the first."""

    def update(self, weights: list[Tensor], gradients: list[Tensor], state: State, learning_rate: float) -> None:
        """Change weights and state in place."""


@dataclass(frozen=True)
class Sgd:
    """Stochastic gradient descent. Source: Sutskever et al. 2013, section 2, for both kinds of momentum."""

    momentum: float = 0.0
    nesterov: bool = False
    weight_decay: float = 0.0

    def begin(self, weights: Sequence[Tensor]) -> State:
        """A velocity for each weight where there is momentum."""
        return {"momentum_buffer": [torch.zeros_like(each) for each in weights]} if self.momentum else {}

    def update(self, weights: list[Tensor], gradients: list[Tensor], state: State, learning_rate: float) -> None:
        """w -= learning_rate * velocity."""
        buffers: list[Tensor | None] = list(state.get("momentum_buffer", [None] * len(weights)))
        sgd(
            weights,
            gradients,
            buffers,
            fused=True,
            lr=learning_rate,
            momentum=self.momentum,
            nesterov=self.nesterov,
            weight_decay=self.weight_decay,
            dampening=0.0,
            maximize=False,
        )


@dataclass(frozen=True)
class Adam:
    """Adam (Kingma and Ba 2015, algorithm 1), or AdamW where the decay is decoupled (Loshchilov and Hutter 2019)."""

    weight_decay: float = 0.0
    is_decoupled: bool = True
    beta1: float = 0.9
    beta2: float = 0.999
    epsilon: float = 1e-8

    def begin(self, weights: Sequence[Tensor]) -> State:
        """Both moments, and the number of updates."""
        return {
            "step": [torch.zeros((), device=each.device) for each in weights],
            "exp_avg": [torch.zeros_like(each) for each in weights],
            "exp_avg_sq": [torch.zeros_like(each) for each in weights],
        }

    def update(self, weights: list[Tensor], gradients: list[Tensor], state: State, learning_rate: float) -> None:
        """w -= learning_rate * first moment / root of the second."""
        adam(
            weights,
            gradients,
            state["exp_avg"],
            state["exp_avg_sq"],
            [],
            state["step"],
            fused=True,
            lr=learning_rate,
            beta1=self.beta1,
            beta2=self.beta2,
            eps=self.epsilon,
            weight_decay=self.weight_decay,
            decoupled_weight_decay=self.is_decoupled,
            amsgrad=False,
            maximize=False,
        )


@dataclass(frozen=True)
class Muon:
    """Momentum whose matrix is made orthogonal, for the filters of convolutions as (out, in * kh * kw) matrices.

    A rate of .05 suits it where AdamW has .01. Source: Jordan et al. 2024, "Muon: an optimizer for hidden layers in neural
    networks", with its Newton-Schulz iteration and coefficients.
    """

    momentum: float = 0.95
    weight_decay: float = 0.0

    def begin(self, weights: Sequence[Tensor]) -> State:
        """A velocity for each filter bank."""
        return {"momentum_buffer": [torch.zeros_like(each) for each in weights]}

    def update(self, weights: list[Tensor], gradients: list[Tensor], state: State, learning_rate: float) -> None:
        """w -= learning_rate * the orthogonal matrix nearest to the velocity, so to speak."""
        for weight, gradient, velocity in zip(weights, gradients, state["momentum_buffer"], strict=True):
            velocity.mul_(self.momentum).add_(gradient)
            ahead = gradient.add(velocity, alpha=self.momentum)  # Nesterov's
            direction = orthogonalised(ahead.reshape(len(ahead), -1)).view(ahead.shape)
            rows, columns = len(ahead), ahead[0].numel()
            weight.mul_(1 - learning_rate * self.weight_decay)
            weight.add_(direction, alpha=-learning_rate * max(1.0, rows / columns) ** 0.5)


def orthogonalised(matrix: Tensor, steps: int = 5) -> Tensor:
    """Nearly U V^T where the matrix is U S V^T: singular values between about .7 and 1.2, by Newton-Schulz iteration.

    The coefficients of the quintic are those of Jordan et al. 2024 (see Muon), chosen there to rise fast from small values.
    """
    a, b, c = 3.4445, -4.7750, 2.0315
    found: Tensor = matrix / (matrix.norm() + 1e-7)
    is_tall = found.shape[0] > found.shape[1]
    if is_tall:
        found = found.T
    for _ in range(steps):
        square = found @ found.T
        found = a * found + (b * square + c * square @ square) @ found
    return found.T if is_tall else found


@dataclass(frozen=True)
class Group:
    """Weights that follow one rule, at `relative_rate` times the learning rate of the schedule."""

    weights: list[nn.Parameter]
    rule: Rule
    relative_rate: float = 1.0
    state: State = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "state", self.rule.begin(self.weights))


class Optimizer:
    """Groups of weights, updated together. A weight without a gradient stays as it is, and so does its state."""

    def __init__(self, groups: Iterable[Group]) -> None:
        self.groups = tuple(group for group in groups if group.weights)
        self.learning_rate = 0.0  # of the last update

    @property
    def weights(self) -> list[nn.Parameter]:
        """All weights, group after group."""
        return [weight for group in self.groups for weight in group.weights]

    @torch.no_grad()
    def step(self, learning_rate: float) -> None:
        """One update of all weights by their gradients."""
        self.learning_rate = learning_rate
        for group in self.groups:
            used = [number for number, weight in enumerate(group.weights) if weight.grad is not None]
            if not used:
                continue
            group.rule.update(
                [group.weights[number].data for number in used],
                [gradient for number in used if (gradient := group.weights[number].grad) is not None],
                {name: [values[number] for number in used] for name, values in group.state.items()},
                learning_rate * group.relative_rate,
            )

    def forget_gradients(self) -> None:
        """Let the next backward pass begin from none."""
        for group in self.groups:
            for weight in group.weights:
                weight.grad = None

    def tensors(self) -> dict[str, Tensor]:
        """All that is remembered between updates, by group, name and number."""
        return {
            f"{place}.{name}.{number}": value
            for place, group in enumerate(self.groups)
            for name, values in group.state.items()
            for number, value in enumerate(values)
        }

    @torch.no_grad()
    def restore(self, tensors: Mapping[str, Tensor]) -> None:
        """Take back what `tensors` gave, in the memory layout of the weights. Raises KeyError where one is missing."""
        for name, value in self.tensors().items():
            value.copy_(tensors[name])
