# ruff: noqa: I001 -- foveal goes before torch
"""How many images a second each network of the catalog trains on and classifies, on synthetic batches of 3x32x32.

Prints Markdown: `python benchmarks/networks.py [--rounds 5] [--seconds 1] [--threads 2] [--write]`, some six minutes on two
cores; `--only NAME ...` measures some. The networks take turns in one process, so that a drift of the machine is shared by
all: beside others' work, only the ratios to `compact` mean anything. `--write` puts the table into docs/results.md.
"""

import argparse
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import foveal  # noqa: F401
import torch
from torch import Tensor

from foveal.config import ArchSpec
from foveal.environment import environment
from foveal.models.catalog import build_model
from foveal.recipes import MODELS, resolve
from foveal.training.fit import TrainState, make_update
from foveal.training.optim import make_loss, make_optimizer

RESULTS = Path(__file__).parents[1] / "docs" / "results.md"
START, END = "<!-- networks:start -->", "<!-- networks:end -->"
SHAPE = (3, 32, 32)
YARDSTICK = "compact"


@dataclass
class Measured:
    """A network and its images a second, one number a round."""

    state: TrainState
    rate: float
    training: list[float] = field(default_factory=list)
    inference: list[float] = field(default_factory=list)


def prepared(name: str) -> Measured:
    """A network with the optimizer and the rate of its recipe."""
    torch.manual_seed(0)
    model = build_model(ArchSpec(name=name, input_shape=SHAPE, mean=(127.0,) * 3, std=(64.0,) * 3), 10)
    training = resolve({"model": {"name": name}}, "synthetic").training
    optimizer = make_optimizer(model.parameters(), training.optimizer, weight_decay=training.weight_decay)
    return Measured(TrainState(model, optimizer), training.learning_rate)


def images_a_second(act: Callable[[], object], batch_size: int, seconds: float) -> float:
    """The speed of as many batches as fit into the time, at least two, after one that is not counted."""
    act()
    count, begin = 0, time.perf_counter()
    while count < 2 or time.perf_counter() - begin < seconds:
        act()
        count += 1
    return count * batch_size / (time.perf_counter() - begin)


def measure(each: Measured, pixels: Tensor, labels: Tensor, seconds: float) -> None:
    """One turn of a network: updates (forward, backward, optimizer), then inference."""
    model, loss = each.state.model, make_loss("cross_entropy", label_smoothing=0.1)
    model.train()
    each.training.append(
        images_a_second(
            lambda: make_update(each.state, pixels, labels, loss=loss, learning_rate=each.rate), len(pixels), seconds
        )
    )
    model.eval()
    with torch.inference_mode():
        each.inference.append(images_a_second(lambda: model(pixels), len(pixels), seconds))


def show(values: list[float]) -> str:
    """Median and range."""
    return f"{statistics.median(values):,.0f} ({min(values):,.0f} to {max(values):,.0f})"


def times_as_long(values: list[float], yardstick: list[float]) -> str:
    """How long a batch takes beside the yardstick's of the same round: the median of the ratios."""
    return f"{statistics.median(b / a for a, b in zip(values, yardstick, strict=True)):.2f}"


def table(found: dict[str, Measured], batch_size: int) -> str:
    """All networks, slowest last."""
    rounds, base = len(found[YARDSTICK].training), found[YARDSTICK]
    machine = environment()
    lines = [
        f"Batches of {batch_size} images of 3x32x32 for 10 classes, {rounds} rounds, {torch.get_num_threads()} threads of "
        f"{machine['cores']} cores ({machine['processor']}), torch {torch.__version__}. "
        "Images a second: median (lowest to highest).",
        "",
        f"| network | training, images/s | time, `{YARDSTICK}` = 1 | inference, images/s | time, `{YARDSTICK}` = 1 |",
        "|---|---|---|---|---|",
    ]
    for name, each in sorted(found.items(), key=lambda pair: -statistics.median(pair[1].training)):
        training, inference = (
            times_as_long(*pair) for pair in ((each.training, base.training), (each.inference, base.inference))
        )
        lines.append(f"| `{name}` | {show(each.training)} | {training} | {show(each.inference)} | {inference} |")
    return "\n".join(lines)


def write_page(text: str) -> None:
    """Put the table between its markers."""
    before, _, rest = RESULTS.read_text(encoding="utf-8").partition(START)
    RESULTS.write_text(f"{before}{START}\n{text}\n{END}{rest.partition(END)[2]}", encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5, help="turns of each network")
    parser.add_argument("--seconds", type=float, default=1.0, help="of training, and of inference, in each turn")
    parser.add_argument("--batch", type=int, default=128, help="images in a batch")
    parser.add_argument("--threads", type=int, help="default: what torch chooses")
    parser.add_argument(
        "--only", nargs="+", choices=MODELS, metavar="NAME", help=f"networks to measure beside {YARDSTICK}"
    )
    parser.add_argument("--write", action="store_true", help="write the table into docs/results.md")
    asked = parser.parse_args()
    if asked.threads:
        torch.set_num_threads(asked.threads)
    generator = torch.Generator().manual_seed(0)
    pixels = torch.randint(0, 256, (asked.batch, *SHAPE), dtype=torch.uint8, generator=generator)
    pixels, labels = pixels.contiguous(memory_format=torch.channels_last), torch.arange(asked.batch) % 10
    names = [name for name in MODELS if asked.only is None or name in (YARDSTICK, *asked.only)]
    found = {name: prepared(name) for name in names}
    for number in range(asked.rounds):
        for name, each in found.items():
            print(f"round {number + 1} of {asked.rounds}: {name}", file=sys.stderr)
            measure(each, pixels, labels, asked.seconds)
    text = table(found, asked.batch)
    print(text)
    if asked.write:
        write_page(text)


if __name__ == "__main__":
    main()
