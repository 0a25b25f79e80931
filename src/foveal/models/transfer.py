"""Weights of one network for another of the same kind: what fits by name and shape, and the last layer class by class."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from foveal.models.shapes import Shape

FIRST_LAYER = "normalise."  # its statistics are the data's, and no weights


@dataclass(frozen=True)
class Transfer:
    """The tensors that are taken, by name, and what is not: tensors, and classes of the last layer, which is `head`."""

    taken: Mapping[str, Tensor]
    new: tuple[str, ...]
    new_classes: tuple[str, ...] = ()
    head: str | None = None  # where the classes are others


def transfer(
    model: nn.Module,
    known: Mapping[str, Tensor],
    *,
    input_shape: Shape,
    classes: Sequence[str],
    known_classes: Sequence[str],
) -> Transfer:
    """What `model` can take of the weights `known`: all tensors whose name and shape agree.

    Where the classes are others, or in another order, its last layer takes the row of each class that is known by name, and
    keeps its own row for each that is new.
    """
    own = {name: tensor for name, tensor in model.state_dict().items() if not name.startswith(FIRST_LAYER)}
    head = last_layer(model, input_shape) if tuple(classes) != tuple(known_classes) else None
    taken: dict[str, Tensor] = {}
    for name, tensor in own.items():
        found = known.get(name)
        if head is not None and name.rpartition(".")[0] == head:
            found = _with_rows(tensor, found, classes, known_classes)
        if found is not None and found.shape == tensor.shape:
            taken[name] = found.detach().clone()
    new_classes = () if head is None else tuple(each for each in classes if each not in known_classes)
    return Transfer(taken, tuple(name for name in own if name not in taken), new_classes, head)


def _with_rows(
    own: Tensor, known: Tensor | None, classes: Sequence[str], known_classes: Sequence[str]
) -> Tensor | None:
    """A tensor of one row a class, with the known row of each class that is known; None where there is none to take."""
    both = [(row, known_classes.index(name)) for row, name in enumerate(classes) if name in known_classes]
    if known is None or not both or own.shape[:1] != (len(classes),) or known.shape[:1] != (len(known_classes),):
        return None
    if known.shape[1:] != own.shape[1:]:
        return None
    rows = own.detach().clone()
    for row, known_row in both:
        rows[row] = known[known_row]
    return rows


def last_layer(model: nn.Module, input_shape: Shape) -> str:
    """The name of the layer with weights that a forward pass goes through last."""
    order: list[str] = []
    layers = [(name, each) for name, each in model.named_modules() if list(each.parameters(recurse=False))]
    hooks = [each.register_forward_hook(lambda *_, name=name: order.append(name)) for name, each in layers]
    was_training = model.training
    try:
        with torch.no_grad():
            model.eval()(torch.zeros(1, *input_shape, dtype=torch.uint8))
    finally:
        model.train(was_training)
        for hook in hooks:
            hook.remove()
    return order[-1]
