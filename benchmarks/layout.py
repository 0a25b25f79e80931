# ruff: noqa: I001 -- foveal goes before torch
"""What channels-last memory gains: one update of a network on images in either layout, in turn, in one process.

python benchmarks/layout.py [--updates 60]
"""

import argparse
import statistics
import time

import foveal  # noqa: F401
import torch

from foveal.config import ArchSpec
from foveal.models.catalog import build_model
from foveal.training.fit import TrainState, make_update
from foveal.training.optim import make_loss, make_optimizer

BATCHES = {"compact": 128, "twoconv-same": 64, "conv5-fc1000": 200}
LAYOUTS = {"channels first": torch.contiguous_format, "channels last": torch.channels_last}


def state_in(layout: torch.memory_format, name: str) -> TrainState:
    """A network whose first layer gives images in `layout`, with its weights in the same."""
    torch.manual_seed(0)
    model = build_model(ArchSpec(name=name, input_shape=(1, 28, 28), mean=(33.3,), std=(78.6,)), 10)
    model.normalise.memory_format = layout  # type: ignore[union-attr, assignment]
    model = model.to(memory_format=layout)  # type: ignore[call-overload]
    optimizer = make_optimizer(model.parameters(), "adam")
    return TrainState(model.train(), optimizer)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--updates", type=int, default=60, help="timed updates of each network in each layout")
    updates = parser.parse_args().updates
    loss = make_loss("cross_entropy", label_smoothing=0.0)
    print(f"| network, batch | channels first | channels last | first / last (medians of {updates}) |")
    print("|---|---|---|---|")
    for name, batch in BATCHES.items():
        states = {layout: state_in(layout, name) for layout in LAYOUTS.values()}
        pixels = torch.randint(0, 256, (batch, 1, 28, 28), dtype=torch.uint8)
        labels = torch.arange(batch) % 10
        times: dict[torch.memory_format, list[float]] = {layout: [] for layout in states}
        for _ in range(updates + 5):
            for layout, state in states.items():
                begin = time.perf_counter()
                make_update(state, pixels, labels, loss=loss, learning_rate=1e-6)
                times[layout].append(1000 * (time.perf_counter() - begin))
        first, last = (statistics.median(times[layout][5:]) for layout in LAYOUTS.values())
        print(f"| `{name}`, {batch} | {first:.1f} ms | {last:.1f} ms | {first / last:.2f} |")


if __name__ == "__main__":
    main()
