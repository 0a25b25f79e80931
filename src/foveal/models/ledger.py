"""Walks a real forward pass, layer by layer, and writes the ledger of its shapes.

Each layer's output shape is worked out by formula before the layer runs and checked against what came out;
a layer that does not fit is named before PyTorch fails on it. A layer's inputs are found again by the tensors
themselves, so that branches are followed.
"""

from dataclasses import dataclass, replace
from math import prod
from typing import Any
from weakref import ReferenceType, ref

import torch
from torch import Tensor, nn

from foveal.errors import ConfigError, is_out_of_memory
from foveal.models.shapes import Formula, LayerRow, Ledger, Shape, formula_of, show


@dataclass(frozen=True)
class _Source:
    """Where a tensor of the forward pass came from, and what one of its values sees."""

    row: int  # -1 is the image
    shape: Shape
    receptive_field: int | None
    jump: int  # how many input pixels lie between two neighbours of the feature map


class _Walk:
    """What is known between two layers of the forward pass."""

    def __init__(self, images: Tensor) -> None:
        self.rows: list[LayerRow] = []
        self.input_shape: Shape = tuple(images.shape[1:])
        self.last = _Source(-1, self.input_shape, 1, 1)
        # By id; the reference tells whether it is still that tensor. A tensor is not kept: large images have large maps.
        self.known: dict[int, tuple[ReferenceType[Tensor], _Source]] = {id(images): (ref(images), self.last)}
        self.inputs: list[_Source] = []
        self.formula: Formula | None = None
        self.counted: set[int] = set()

    def enter(self, name: str, module: nn.Module, inputs: tuple[Any, ...]) -> None:
        self.inputs = [self._source_of(x) for x in inputs if isinstance(x, Tensor)] or [self.last]
        self.formula = formula_of(module, name, self.inputs[0].shape)

    def _source_of(self, x: Tensor) -> _Source:
        reference, source = self.known.get(id(x), (None, self.last))
        if reference is not None and reference() is x:
            return source
        shape = tuple(x.shape[1:])
        if shape != self.last.shape:
            self._note_function(shape)
        elif self.rows:
            return replace(self.last, receptive_field=None)  # by something in `forward` that is no layer
        return self.last

    def _note_function(self, shape: Shape) -> None:
        before = self.last
        is_flat = shape == (prod(before.shape),)
        factors = "*".join(map(str, before.shape))
        text = f"{factors} = {prod(shape)}" if is_flat else f"{show(before.shape)} -> {show(shape)}"
        field = before.receptive_field if is_flat else None
        kind = "flatten" if is_flat else "function"
        self.last = _Source(len(self.rows), shape, field, before.jump)
        self.rows.append(LayerRow("(in forward)", kind, None, None, None, text, shape, 0, 0, field, (before.row,)))

    def leave(self, name: str, module: nn.Module, y: Any) -> None:
        if not isinstance(y, Tensor):  # a recurrent layer, attention, a pool with return_indices: (output, ...)
            y = next(part for part in y if isinstance(part, Tensor))
        formula, shape = self.formula, tuple(y.shape[1:])
        assert formula is not None
        # What came out is the truth; PyTorch allows more than the formulas know (ceil_mode, Flatten(2), padding="same").
        is_by_formula = bool(formula.text) and formula.output_shape == shape
        text = formula.text if is_by_formula else f"{show(self.inputs[0].shape)} -> {show(shape)}"
        if formula.kind == "add":
            text = " + ".join(self._called(source) for source in self.inputs)
        field, jump = self._see_further(formula, module)
        self.last = _Source(len(self.rows), shape, field, jump)
        self.known[id(y)] = (ref(y), self.last)
        self.rows.append(
            LayerRow(
                name,
                formula.kind,
                formula.kernel_size,
                formula.stride,
                formula.padding,
                text,
                shape,
                self._parameters(module),
                formula.multiply_adds,
                field,
                tuple(source.row for source in self.inputs),
            )
        )

    def _see_further(self, formula: Formula, module: nn.Module) -> tuple[int | None, int]:
        """The receptive field and the jump after a layer. Where branches meet, what one sees holds what the others see."""
        jump, fields = self.inputs[0].jump, [source.receptive_field for source in self.inputs]
        known = [field for field in fields if field is not None]
        if len(known) < len(fields) or {source.jump for source in self.inputs} != {jump}:
            return None, jump
        if formula.kind == "linear" and len(formula.output_shape) != 1:
            return None, jump  # over the last of several axes: what that axis is cannot be told
        if formula.kind in ("linear", "global_max_pool", "global_average_pool"):
            return max(self.input_shape[1:]), jump
        if isinstance(formula.kernel_size, int) and isinstance(formula.stride, int):
            dilation: Any = getattr(module, "dilation", 1)
            dilation = dilation[0] if isinstance(dilation, tuple) else dilation
            return max(known) + (formula.kernel_size - 1) * dilation * jump, jump * formula.stride
        if formula.kernel_size is not None or not formula.text:
            return None, jump  # windows that are not square, kinds without a formula
        return max(known), jump

    def _called(self, source: _Source) -> str:
        return "image" if source.row < 0 else self.rows[source.row].name.rpartition(".")[2]

    def _parameters(self, module: nn.Module) -> int:
        fresh = [p for p in module.parameters() if id(p) not in self.counted]
        self.counted.update(id(p) for p in fresh)
        return sum(p.numel() for p in fresh)


def ledger(model: nn.Module, input_shape: Shape, num_classes: int) -> Ledger:
    """The ledger of a network for images (C, H, W), from one forward pass of two black images in eval mode.

    Raises ConfigError, naming the layer and the right `in_features`, when layers do not fit together,
    and when what comes out is not logits (N, num_classes).
    """
    device = next((p.device for p in model.parameters()), torch.device("cpu"))
    images = torch.zeros(2, *input_shape, device=device)
    walk = _Walk(images)
    modes = [(module, module.training) for module in model.modules()]  # a part may be frozen in eval mode
    handles = []
    for name, module in model.named_modules():
        if not list(module.children()):
            short = name.removeprefix("network.") or type(module).__name__
            handles.append(module.register_forward_pre_hook(lambda m, x, n=short: walk.enter(n, m, x)))
            handles.append(module.register_forward_hook(lambda m, _, y, n=short: walk.leave(n, m, y)))
    try:
        with torch.no_grad():
            logits = model.eval()(images)
    except ConfigError:
        raise
    except Exception as error:  # a user's forward may fail in any way
        if is_out_of_memory(error):  # which is not its fault
            raise
        raise ConfigError(_after(walk, (str(error) or type(error).__name__).splitlines()[0])) from error
    finally:
        for module, is_training in modes:
            module.training = is_training
        for handle in handles:
            handle.remove()
    _check_logits(logits, num_classes, walk)
    return Ledger(input_shape, tuple(walk.rows), sum(p.numel() for p in model.parameters()))


def _after(walk: _Walk, problem: str) -> str:
    last = f"after layer {walk.rows[-1].name!r}" if walk.rows else "at the first layer"
    return (
        f"the network fails on {show(walk.input_shape)} images {last}, where the shape is {show(walk.last.shape)}: {problem}. "
        f"A linear layer there needs in_features={prod(walk.last.shape)}."
    )


def _check_logits(logits: object, num_classes: int, walk: _Walk) -> None:
    if not isinstance(logits, Tensor) or logits.ndim != 2:
        got = f"a tensor of shape {tuple(logits.shape)}" if isinstance(logits, Tensor) else type(logits).__name__
        raise ConfigError(f"the network returns {got}; it must return logits of shape (N, {num_classes}).")
    if logits.shape[0] != 2:
        flat = next((row for row in reversed(walk.rows) if len(row.output_shape) == 3), None)
        hint = f" After {flat.name!r} there are {prod(flat.output_shape)} values an image." if flat else ""
        raise ConfigError(
            f"the network returns {logits.shape[0]} rows for 2 images: a view(-1, ...) in its forward has the wrong number."
            f"{hint} Use x.flatten(1) there, and in_features to match."
        )
    if logits.shape[1] != num_classes:
        raise ConfigError(
            f"the network returns {logits.shape[1]} logits an image, but the data have {num_classes} classes. "
            f"Let its last layer have out_features={num_classes}."
        )
    if bool((logits >= 0).all()) and torch.allclose(logits.sum(dim=1), torch.ones(2, device=logits.device), atol=1e-5):
        raise ConfigError(
            "the network returns probabilities (they sum to 1); foveal's networks return logits, because the loss takes "
            "the softmax itself and taking it twice learns badly. Leave the last softmax out."
        )
