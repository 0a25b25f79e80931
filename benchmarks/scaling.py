# ruff: noqa: I001 -- foveal goes before torch
"""What another worker gains on this machine: training and predicting by two workers of one thread each, beside one process of
one thread and one of two; what an exchange of gradients costs; and how fast pictures of ImageNet's size are decoded.

Prints Markdown: `python benchmarks/scaling.py [--rounds 5] [--only training exchange predicting decoding] [--write]`, some
twenty minutes on two cores. The sides take turns, each in processes of its own, and ratios are those of one round, so that a
drift of the machine is shared by all. `--write` puts all of it into docs/scale.md. `--quick` tries it out with little work.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import foveal  # noqa: F401
import torch
import torch.distributed
from data import FIRST_DECODE, in_process, write_jpegs

from foveal.config import ArchSpec
from foveal.environment import environment
from foveal.models.catalog import build_model
from foveal.training.distributed import joined_workers

PAGE = Path(__file__).parents[1] / "docs" / "scale.md"
START, END = "<!-- scaling:start -->", "<!-- scaling:end -->"
EPOCHS = {"compact": 1.0, "twoconv-same": 0.5, "resnet8": 0.25, "resnet18": 0.01}  # of MNIST: 5 to 30 seconds on a core
SIDES = {"1 process, 1 thread": (1, 1), "1 process, 2 threads": (1, 2), "2 workers, 1 thread each": (2, 1)}
IMAGENET, SIDE = 1_281_167, 448  # training images; as many pixels as they have on average: Russakovsky et al. 2015
Runs = dict[str, list[float]]


def foveal_command(workers: int, *said: object) -> list[str]:
    """The command line in one process, or in several under torchrun."""
    launcher = ["torch.distributed.run", "--standalone", f"--nproc-per-node={workers}", "-m"] if workers > 1 else []
    return [sys.executable, "-m", *launcher, "foveal", *map(str, said)]


def output(command: list[str]) -> str:
    """What a command prints; torchrun gives workers one thread each, and the others get theirs by --threads."""
    plain = {name: value for name, value in os.environ.items() if name != "OMP_NUM_THREADS"}
    done = subprocess.run(command, env=plain, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(done.stderr)
    return done.stdout


def trained(network: str, workers: int, threads: int, epochs: float) -> float:
    """Images a second of a training on MNIST without validation, its start not counted."""
    with tempfile.TemporaryDirectory() as folder:
        alone = ("--set", "data.validation=0", "--set", "data.calibration=0")
        said = ("--epochs", epochs, "--threads", threads, "--out", f"{folder}/run", "--json", *alone)
        return float(
            json.loads(output(foveal_command(workers, "train", "--model", network, *said)))["images_per_second"]
        )


def in_turn(rounds: int, act: Callable[[int, int], float]) -> Runs:
    """What each side comes to, a number a round."""
    found: Runs = {side: [] for side in SIDES}
    for _ in range(rounds):
        for side, (workers, threads) in SIDES.items():
            found[side].append(act(workers, threads))
    return found


def show(values: list[float], form: str = ",.0f") -> str:
    """Median and range."""
    return f"{statistics.median(values):{form}} ({min(values):{form}} to {max(values):{form}})"


def rows(name: str, found: Runs) -> list[str]:
    """A line for each side; how many times as fast as the first it is, round by round."""
    base = next(iter(found.values()))
    return [
        f"| {name} | {side} | {show(values)} | {show([b / a for a, b in zip(base, values, strict=True)], '.2f')} |"
        for side, values in found.items()
    ]


def training(rounds: int, networks: list[str], scale: float) -> list[str]:
    """Training, the sides in turn."""
    lines = [
        f"Training on MNIST without validation, medians of {rounds} rounds (lowest to highest):",
        "",
        "| network | side | images/s | times one thread |",
        "|---|---|---|---|",
    ]
    for network in networks:
        epochs = EPOCHS[network] * scale
        lines += rows(f"`{network}`", in_turn(rounds, lambda w, t, n=network, e=epochs: trained(n, w, t, e)))  # type: ignore[misc]
    return lines


def predicting(rounds: int, count: int) -> list[str]:
    """A folder of photos into one CSV file, start and all."""
    with tempfile.TemporaryDirectory() as folder:
        output(foveal_command(1, "train", "--epochs", 0.01, "--out", f"{folder}/run", "--json"))
        first, *others = write_jpegs(Path(folder) / "photos", min(count, 200), 160)
        for number in range(len(others) + 1, count):
            (first.parent / f"{number}.jpg").hardlink_to((first, *others)[number % (len(others) + 1)])

        def act(workers: int, threads: int) -> float:
            said = (f"{folder}/run", f"{folder}/photos", "--csv", f"{folder}/out.csv", "--threads", threads)
            begin = time.perf_counter()
            output(foveal_command(workers, "predict", *said))
            return count / (time.perf_counter() - begin)

        found = in_turn(rounds, act)
    return [
        f"`foveal predict --csv` on {count:,} JPEGs of 160x160 by `compact`, whole processes (n = {rounds}):",
        "",
        "| network | side | pictures/s | times one thread |",
        "|---|---|---|---|",
        *rows("`compact`", found),
    ]


def exchange(rounds: int, networks: list[str]) -> list[str]:
    """One exchange of all gradients between two workers of this machine."""
    lines = [
        "One exchange of all gradients between two workers of this machine (gloo), milliseconds an update:",
        "",
        "| network, 3x32x32, 10 classes | parameters | MB | milliseconds (lowest to highest) |",
        "|---|---|---|---|",
    ]
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2", __file__]
    for name in networks:
        found = json.loads(output([*launcher, "--as-worker", name, "--rounds", str(20 * rounds)]))
        count = found["parameters"]
        lines.append(f"| `{name}` | {count:,} | {4e-6 * count:,.2f} | {show(found['milliseconds'], '.2f')} |")
    return lines


def as_worker(name: str, rounds: int) -> None:
    """What `exchange` starts twice: the first one prints the time of each exchange."""
    torch.set_num_threads(1)
    with joined_workers(torch.device("cpu")) as workers:
        model = build_model(ArchSpec(name=name, input_shape=(3, 32, 32), mean=(127.0,) * 3, std=(64.0,) * 3), 10)
        weights = list(model.parameters())
        for weight in weights:
            weight.grad = torch.ones_like(weight)
        milliseconds = []
        for _ in range(rounds + 3):
            torch.distributed.barrier()
            begin = time.perf_counter()
            workers.average_gradients(weights)
            milliseconds.append(1000 * (time.perf_counter() - begin))
        if workers.place.is_first:
            count = sum(weight.numel() for weight in weights)
            print(json.dumps({"parameters": count, "milliseconds": milliseconds[3:]}))


def decoding(rounds: int, count: int) -> list[str]:
    """The first start on photos of ImageNet's size: identify them by content, decode them to 64x64 into the cache."""
    with tempfile.TemporaryDirectory() as folder:
        write_jpegs(Path(folder) / "photos", count, SIDE)
        kept = [Path(folder) / f"kept-{number}" for number in range(rounds)]
        found = [in_process(FIRST_DECODE, f"{folder}/photos", FOVEAL_DATA=str(each)) for each in kept]
    rates = [count / (identify + decode) for identify, decode, _ in found]
    hours = IMAGENET / statistics.median(rates) / 3600
    return [
        f"First start on {count:,} JPEGs of {SIDE}x{SIDE}, as many pixels as ImageNet's have, identified and decoded to 64x64 "
        f"on {os.cpu_count()} cores: {show(rates)} images/s (n = {rounds}). At that rate ImageNet's {IMAGENET:,} take "
        f"{hours:.1f} hours, once."
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5, help="turns of each side")
    parser.add_argument("--networks", nargs="+", choices=EPOCHS, default=list(EPOCHS))
    parts = ("training", "exchange", "predicting", "decoding")
    parser.add_argument("--only", nargs="+", choices=parts, default=parts, help="the parts to measure")
    parser.add_argument("--quick", action="store_true", help="a tenth of the work, to try it out")
    parser.add_argument("--write", action="store_true", help="write it into docs/scale.md")
    parser.add_argument("--as-worker", choices=EPOCHS, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.as_worker:
        as_worker(asked.as_worker, asked.rounds)
        return
    less = 10 if asked.quick else 1
    measured: dict[str, Callable[[], list[str]]] = {
        "training": lambda: training(asked.rounds, asked.networks, 1 / less),
        "exchange": lambda: exchange(asked.rounds, asked.networks),
        "predicting": lambda: predicting(asked.rounds, 20_000 // less),
        "decoding": lambda: decoding(asked.rounds, 3_000 // less),
    }
    machine = environment()
    head = f"{machine['processor']}, {machine['cores']} cores, torch {torch.__version__}."
    text = "\n\n".join([head, *("\n".join(measured[part]()) for part in parts if part in asked.only)])
    print(text)
    if asked.write:
        before, _, rest = PAGE.read_text(encoding="utf-8").partition(START)
        PAGE.write_text(f"{before}{START}\n{text}\n{END}{rest.partition(END)[2]}", encoding="utf-8")


if __name__ == "__main__":
    main()
