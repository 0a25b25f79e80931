"""A batch in shards: each is worked on by a thread of its own, so that threads meet once an update, not in every layer.

A layer of a small network takes hardly longer than two threads need to wait for each other: updates in 32 bits take a fifth
to a third less time this way, those in 16 bits no less (docs/log.md). BatchNorm takes the statistics of each shard, as in
Hoffer et al. 2017, arXiv:1705.08741, algorithm 1 ("ghost batch normalization").
"""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from copy import deepcopy

import torch
from jaxtyping import Float, Int64, Real
from torch import Tensor, nn

from foveal.device import Precision, autocast
from foveal.launch import place
from foveal.training.optim import Loss

LEAST = 32  # images of a shard: BatchNorm needs some, and a smaller piece of work is not worth a thread

Part = tuple[Float[Tensor, "b K"], Float[Tensor, ""], tuple[Tensor | None, ...]]  # logits, loss, gradients


def choose_shards(batch_size: int, device: torch.device, precision: Precision, *, is_plain: bool) -> int:
    """How many shards suit a batch: in 32 bits as many as there are threads, of 32 images or more; else 1.

    On GPUs, under torchrun and in 16 bits there is nothing to win, and one is enough.

    `is_plain` says that a batch is no more than its shards: the network draws nothing by chance while it trains, in whatever
    order threads come, and the loss is a mean in which every image counts the same.
    """
    if device.type != "cpu" or precision != "float32" or place().workers > 1 or not is_plain:
        return 1
    return max(1, min(torch.get_num_threads(), batch_size // LEAST))


class Shards:
    """A network and its copies, which share its weights; each has a thread, and running statistics of its own."""

    def __init__(self, model: nn.Module, count: int) -> None:
        self.models = [model, *(_copy_with_the_same_weights(model) for _ in range(count - 1))]
        self._statistics = [[each for each in copy.buffers() if each.is_floating_point()] for copy in self.models]
        threads = max(1, torch.get_num_threads() // count)
        self._pool = ThreadPoolExecutor(count, "shard", initializer=torch.set_num_threads, initargs=(threads,))

    def backward(
        self,
        batch: Real[Tensor, "B C H W"],
        targets: Int64[Tensor, " B"] | Float[Tensor, "B K"],
        weights: Sequence[nn.Parameter],
        *,
        loss: Loss,
        precision: Precision,
    ) -> tuple[Float[Tensor, "B K"], Float[Tensor, ""]]:
        """Set the gradients of `weights` to those of the mean loss of the batch; its logits and that loss.

        Parts are added in the order of the shards, whichever thread is first, so that the sums are always the same.
        """
        count = len(self.models)
        pieces = zip(self.models, batch.tensor_split(count), targets.tensor_split(count), strict=True)
        waiting = [
            self._pool.submit(_work, model, images, wanted, weights, loss, precision, len(images) / len(batch))
            for model, images, wanted in pieces
        ]
        parts: list[Part] = [each.result() for each in waiting]
        self._average_statistics()
        for weight, *gradients in zip(weights, *(part[2] for part in parts), strict=True):
            weight.grad = None
            for gradient in gradients:
                weight.grad = gradient if weight.grad is None else weight.grad.add_(gradient)
        return torch.cat([part[0] for part in parts]), torch.stack([part[1] for part in parts]).sum()

    @torch.no_grad()
    def _average_statistics(self) -> None:
        first, *others = self._statistics
        if not first:
            return
        for other in others:
            torch._foreach_add_(first, other)
        torch._foreach_div_(first, len(self.models))
        for other in others:
            torch._foreach_copy_(other, first)


def _copy_with_the_same_weights(model: nn.Module) -> nn.Module:
    copy = deepcopy(model)
    for original, module in zip(model.modules(), copy.modules(), strict=True):
        for name, weight in original.named_parameters(recurse=False):
            setattr(module, name, weight)
    return copy


def _work(
    model: nn.Module,
    images: Real[Tensor, "b C H W"],
    targets: Int64[Tensor, " b"] | Float[Tensor, "b K"],
    weights: Sequence[nn.Parameter],
    loss: Loss,
    precision: Precision,
    share: float,
) -> Part:
    with autocast(precision, images.device):
        logits = model(images).float()
    value = share * loss(logits, targets)
    gradients = torch.autograd.grad(value, weights, allow_unused=True)
    return logits.detach(), value.detach(), gradients
