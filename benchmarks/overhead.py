"""What the training loop costs beside the bare step: an epoch of `fit` (no augmentation, no validation) against forward,
backward and update alone on a batch that is cut already, in turn in one process.

    python benchmarks/overhead.py --rounds 5 compact twoconv-same resnet8
"""

import argparse
import statistics
import time

import torch

import foveal  # noqa: F401 -- before torch
from foveal.config import ArchSpec
from foveal.data.augment.pipeline import augmentation
from foveal.device import set_threads
from foveal.models.catalog import build_model
from foveal.training.fit import TrainState, fit, make_update
from foveal.training.optim import make_loss, make_optimizer

LOSS = make_loss("cross_entropy", label_smoothing=0.1)


def new_state(name: str) -> TrainState:
    """A network for grey images of 28x28, and its optimizer."""
    torch.manual_seed(0)
    spec = ArchSpec(name=name, input_shape=(1, 28, 28), mean=(33.3,), std=(78.6,))
    model = build_model(spec, 10).train()
    return TrainState(model, make_optimizer(model.parameters(), "adamw"))


def bare(name: str, pixels: torch.Tensor, labels: torch.Tensor, updates: int) -> float:
    """Seconds of the step alone, the same batch again and again."""
    state = new_state(name)
    begin = 0.0
    for number in range(updates + 3):
        if number == 3:
            begin = time.perf_counter()
        make_update(state, pixels, labels, loss=LOSS, learning_rate=1e-6)
    return time.perf_counter() - begin


def whole(name: str, pixels: torch.Tensor, labels: torch.Tensor, updates: int, batch: int) -> float:
    """Seconds of as many updates of the loop, its order, cutting, checks and records included."""
    records = fit(
        new_state(name),
        (pixels, labels),
        None,
        loss=LOSS,
        schedule=lambda _: 1e-6,
        augment=augmentation(),
        batch_size=batch,
        updates=updates + 3,
        report_every=3,
        validate_every=updates,
    )
    next(records)
    begin = time.perf_counter()
    for _ in records:
        pass
    return time.perf_counter() - begin


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("networks", nargs="*", default=["compact", "twoconv-same"])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--updates", type=int, default=150)
    parser.add_argument("--batch", type=int, default=64)
    options = parser.parse_args()
    set_threads(None)
    pixels = torch.randint(0, 256, (60_000, 1, 28, 28), dtype=torch.uint8)
    labels = torch.randint(10, (60_000,))
    print(
        f"| network, batch {options.batch} | bare, ms an update | the loop | loop / bare (least to most) |\n|---|---|---|---|"
    )
    for name in options.networks:
        steps, loops = [], []
        for _ in range(options.rounds):
            steps.append(bare(name, pixels[: options.batch], labels[: options.batch], options.updates))
            loops.append(whole(name, pixels, labels, options.updates, options.batch))
        ratios = [b / a for a, b in zip(steps, loops, strict=True)]
        each = [1000 * statistics.median(seconds) / options.updates for seconds in (steps, loops)]
        spread = f"{statistics.median(ratios):.3f} ({min(ratios):.3f} to {max(ratios):.3f}, n = {len(ratios)})"
        print(f"| `{name}` | {each[0]:.2f} | {each[1]:.2f} | {spread} |", flush=True)


if __name__ == "__main__":
    main()
