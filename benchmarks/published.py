"""Document 004's published training loop and `foveal train`, timed in turn on one machine; prints the ratio.

torchvision does not install beside a CPU-only torch, so its MNIST class and two transforms are written again here,
operation by operation. Real torchvision 0.28 cost 215 us an image on the reference machine (the project's figure, which
this file cannot repeat); the stand-in's cost is measured in every run (1,000 images, inside the timed process) and
printed. Both sides run with OMP_WAIT_POLICY=PASSIVE. Shortened runs (--limit, other --epochs) are not gathered.

    python benchmarks/published.py                       1 published run and 5 of each preset in turn, then the table
    python benchmarks/published.py --presets best --seeds 1 --published-seeds 0 --seed 3     one run, added to the gathered file
    python benchmarks/published.py --summary --write     the gathered file's table, put into docs/results.md
"""

import argparse
import gzip
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor, nn, optim
from torch.utils.data import DataLoader, Dataset

ROOT = Path(__file__).resolve().parents[1]
START, END = "<!-- published:start -->", "<!-- published:end -->"
PUBLISHED_EPOCHS = 4  # range(1, 5) in document 004
Line = dict[str, Any]


class ToTensor:
    """torchvision's ToTensor for a PIL image: through NumPy and a permuted copy to float32 in 0-1."""

    def __call__(self, image: Image.Image) -> Tensor:
        pixels = torch.from_numpy(np.array(image, np.uint8, copy=True))
        pixels = pixels.view(image.size[1], image.size[0], len(image.getbands()))
        return pixels.permute((2, 0, 1)).contiguous().to(dtype=torch.get_default_dtype()).div(255)


class Normalize(nn.Module):
    """torchvision's Normalize: a Module that makes tensors of its mean and std anew for every image."""

    def __init__(self, mean: tuple[float, ...], std: tuple[float, ...]) -> None:
        super().__init__()
        self.mean, self.std = mean, std

    def forward(self, image: Tensor) -> Tensor:
        if not (isinstance(image, Tensor) and image.is_floating_point() and image.ndim >= 3):
            raise TypeError(f"Normalize takes a float tensor (C, H, W), not {image}")
        image = image.clone()
        mean = torch.as_tensor(self.mean, dtype=image.dtype, device=image.device)
        std = torch.as_tensor(self.std, dtype=image.dtype, device=image.device)
        if (std == 0).any():
            raise ValueError(f"Normalize cannot divide by a zero in std {self.std}")
        return image.sub_(mean.view(-1, 1, 1)).div_(std.view(-1, 1, 1))


class MNIST(Dataset[tuple[Tensor, int]]):
    """torchvision's MNIST: all images in one uint8 tensor, and a PIL image made of one at every access."""

    def __init__(self, name: str, limit: int | None = None) -> None:
        folder = ROOT / "src/foveal/data/bundled/mnist"
        images = gzip.decompress((folder / f"{name}-images-idx3-ubyte.gz").read_bytes())[16:]  # after the IDX header
        labels = gzip.decompress((folder / f"{name}-labels-idx1-ubyte.gz").read_bytes())[8:]
        self.data = torch.from_numpy(np.frombuffer(images, np.uint8).reshape(-1, 28, 28).copy())[:limit]
        self.targets = torch.from_numpy(np.frombuffer(labels, np.uint8).astype(np.int64))[:limit]
        self.to_tensor, self.normalize = ToTensor(), Normalize((0.1307,), (0.3081,))

    def __len__(self) -> int:
        return len(self.data)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        image, target = self.data[index], int(self.targets[index])
        # Pillow 13 reads mode "L" from the array itself.
        return self.normalize(self.to_tensor(Image.fromarray(image.numpy()))), target


def network() -> nn.Sequential:
    """Document 004's network: the same operations in the same order, pool before ReLU and log-softmax included."""
    first = [nn.Conv2d(1, 32, kernel_size=3, padding=1), nn.MaxPool2d(2), nn.ReLU()]
    second = [nn.Conv2d(32, 64, kernel_size=3, padding=1), nn.MaxPool2d(2), nn.ReLU()]
    head = [nn.Flatten(), nn.Linear(64 * 7 * 7, 128), nn.ReLU(), nn.Linear(128, 10), nn.LogSoftmax(dim=1)]
    return nn.Sequential(*first, *second, *head)


def train_epoch(model: nn.Module, device: torch.device, loader: DataLoader[Any], optimizer: optim.Optimizer) -> None:
    """One epoch as published; every 100 batches the loss is read and printed (to stderr here)."""
    model.train()
    for batch, (data, target) in enumerate(loader):
        data, target = data.to(device), target.to(device)
        optimizer.zero_grad()
        loss = F.nll_loss(model(data), target)
        loss.backward()
        optimizer.step()
        if batch % 100 == 0:
            print(f"[{batch * len(data)}/{len(loader.dataset)}] Loss: {loss.item():.6f}", file=sys.stderr)


@torch.no_grad()
def test(model: nn.Module, device: torch.device, loader: DataLoader[Any]) -> tuple[float, float]:
    """Test loss and accuracy (0-1), as published."""
    model.eval()
    test_loss, correct = 0.0, 0
    for data, target in loader:
        data, target = data.to(device), target.to(device)
        output = model(data)
        test_loss += F.nll_loss(output, target, reduction="sum").item()
        correct += (
            output.argmax(dim=1, keepdim=True).eq(target.view_as(output.argmax(dim=1, keepdim=True))).sum().item()
        )
    return test_loss / len(loader.dataset), correct / len(loader.dataset)


def published(epochs: int, seed: int, limit: int | None) -> Line:
    """Train and test as document 004 does, in this process; then the data set's cost an image is measured."""
    torch.manual_seed(seed)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    train_data, test_data = MNIST("train", limit), MNIST("t10k")
    train_loader = DataLoader(train_data, batch_size=64, shuffle=True)
    model = network().to(device)
    optimizer = optim.Adam(model.parameters(), lr=0.001)
    start = time.perf_counter()
    for _ in range(epochs):
        train_epoch(model, device, train_loader, optimizer)
    train_seconds = time.perf_counter() - start
    loss, accuracy = test(model, device, DataLoader(test_data, batch_size=1000, shuffle=False))
    start = time.perf_counter()
    _ = [test_data[index] for index in range(1000)]
    cost = {"us_per_image": 1e6 * (time.perf_counter() - start) / 1000, "train_seconds": train_seconds}
    result = {"accuracy": accuracy, "loss": loss, "n": len(test_data), "epochs": epochs}
    return cost | result | {"threads": torch.get_num_threads(), "device": device.type}


def timed(*arguments: str) -> tuple[float, Line]:
    """Seconds from start to exit of a Python process of its own, and the JSON object that it printed."""
    path = os.pathsep.join(filter(None, [str(ROOT / "src"), os.environ.get("PYTHONPATH")]))
    environment = os.environ | {"OMP_WAIT_POLICY": "PASSIVE", "PYTHONPATH": path}
    start = time.perf_counter()
    done = subprocess.run([sys.executable, *arguments], env=environment, stdout=subprocess.PIPE, text=True)
    seconds = time.perf_counter() - start
    if done.returncode:
        sys.exit(f"`python {' '.join(arguments)}` ended with status {done.returncode}: its message is above.")
    return seconds, json.loads(done.stdout)


def measure_published(seed: int, options: argparse.Namespace) -> Line:
    """One run of the published side, in a process of its own."""
    arguments = ["--side", "published", "--epochs", str(options.epochs), "--seed", str(seed)]
    seconds, line = timed(__file__, *arguments, *(["--limit", str(options.limit)] if options.limit else []))
    return {"seconds": seconds} | line


def measure_ours(preset: str, seed: int) -> Line:
    """One run of a preset: `train` with its pictures is timed; `evaluate` is timed apart, and opens the test split."""
    with tempfile.TemporaryDirectory(prefix="foveal-published-") as folder:
        run = str(Path(folder) / f"run-{seed}")
        seconds, trained = timed(
            "-m", "foveal", "train", "--preset", preset, "--json", "--seed", str(seed), "--out", run
        )
        evaluate_seconds, evaluated = timed("-m", "foveal", "evaluate", run, "--json")
    kept = {key: trained.get(key) for key in ("model", "epochs", "train_seconds", "images_per_second", "val_accuracy")}
    kept |= {key: evaluated[key] for key in ("accuracy", "accuracy_interval", "n", "test_opened")}
    return {"seconds": seconds, "evaluate_seconds": evaluate_seconds} | kept


PRESETS = ("fast", "balanced", "best")


def measure_side(side: str, seed: int, options: argparse.Namespace) -> Line:
    """One run of the published side or of a preset."""
    return measure_published(seed, options) if side == "published" else measure_ours(side, seed)


def git(*arguments: str) -> str:
    """What git answers about src/, empty where there is no checkout."""
    command = ["git", "-C", str(ROOT), *arguments, "--", "src"]
    return subprocess.run(command, capture_output=True, text=True).stdout.strip()


def stamp() -> Line:
    """When, where and what: the date, the machine (lines of different machines are never compared), the commit."""
    info = Path("/proc/cpuinfo").read_text().splitlines()
    processor = next((line.partition(": ")[2] for line in info if line.startswith("model name")), "unknown processor")
    device = torch.cuda.get_device_name() if torch.cuda.is_available() else "no GPU"
    machine = f"{processor}, {len(os.sched_getaffinity(0))} cores, {device}, torch {torch.__version__}"
    # Of src only: the gathered file is tracked too, and grows with every run.
    commit = git("log", "-1", "--format=%h") + "-dirty" * bool(git("status", "--porcelain"))
    return {"date": datetime.now(UTC).isoformat(timespec="seconds"), "machine": machine, "commit": commit}


def measure(options: argparse.Namespace) -> None:
    """Run both sides in turn, spread evenly so that drifts are shared; each run is printed and, if whole, appended."""
    counts = {"published": options.published_seeds, **dict.fromkeys(options.presets, options.seeds)}
    turns = [(index / count, side, options.seed + index) for side, count in counts.items() for index in range(count)]
    for _, side, seed in sorted(turns, key=lambda turn: turn[0]):  # stable: published goes first on a tie
        line = json.dumps({"side": side, "seed": seed, **measure_side(side, seed, options), **stamp()})
        print(line, flush=True)
        if options.limit is None and options.epochs == PUBLISHED_EPOCHS:
            options.results.parent.mkdir(parents=True, exist_ok=True)
            with options.results.open("a") as results:
                results.write(line + "\n")


def row(side: str, lines: list[Line], base: list[Line]) -> str:
    """One side's row of the table."""
    median = statistics.median
    seconds, accuracies = [line["train_seconds"] for line in lines], [100 * line["accuracy"] for line in lines]
    deviation = f"{statistics.stdev(accuracies):.3f}" if len(lines) > 1 else "unknown"
    cells = [side, f"{len(lines)} ({len({line['seed'] for line in lines})})", f"{median(seconds):.1f}"]
    cells += [f"{min(seconds):.1f} - {max(seconds):.1f}", f"{statistics.mean(accuracies):.3f} %", deviation]
    cells += [
        f"{median(line[key] for line in base) / median(line[key] for line in lines):.1f}" if base else "unknown"
        for key in ("train_seconds", "seconds")
    ]
    return f"| {' | '.join(cells)} |"


def table(machine: str, lines: list[Line]) -> str:
    """One machine's Markdown table, and what a reader must know to judge it."""
    sides = {side: [line for line in lines if line["side"] == side] for side in dict.fromkeys(x["side"] for x in lines)}
    theirs = sides.get("published", [])
    head = (
        "| side | n (seeds) | median training seconds | min - max | mean test accuracy | standard deviation, points "
        "| published / side, training seconds | the same, whole processes |"
    )
    rows = [row(side, found, theirs) for side, found in sides.items()]
    commits = sorted({line["commit"] for line in lines if line["side"] != "published"})
    few = f" Only {len(theirs)} published run(s): the spread of that side is hardly known." if len(theirs) <= 2 else ""
    cost = [f"{line['us_per_image']:.0f}" for line in theirs]
    end = (
        "Training seconds are `train_seconds` for a preset and the four epochs for the published loop. Of the whole processes "
        "the published one contains its test, ours do not contain `evaluate`.\n"
        f"The stand-in for torchvision cost {', '.join(cost) or 'an unknown number of'} us an image. "
        f"Commits measured: {', '.join(commits)}.{few}"
    )
    return "\n".join([f"Machine: {machine}.", "", head, "|---|---|---|---|---|---|---|---|", *rows, "", end])


def summary(results: Path) -> str:
    """The tables of the gathered file, one for each machine."""
    if not results.exists():
        sys.exit(f"{results} does not exist: nothing was gathered yet. Run `python benchmarks/published.py` first.")
    lines = [json.loads(line) for line in results.read_text().splitlines()]
    machines = dict.fromkeys(line["machine"] for line in lines)
    return "\n\n".join(table(name, [line for line in lines if line["machine"] == name]) for name in machines)


def write_page(text: str) -> None:
    """Put the text between the two markers of docs/results.md; the page is made where there is none."""
    page = ROOT / "docs/results.md"
    old = page.read_text() if page.exists() else f"# Results\n\n## The published loop\n\n{START}\n{END}\n"
    before, start, rest = old.partition(START)
    _, end, after = rest.partition(END)
    if not (start and end):
        sys.exit(f"{page} lacks {START} or the {END} after it. Add both where the table belongs.")
    page.write_text(f"{before}{START}\n{text}\n{END}{after}")


def parse() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    add = parser.add_argument
    add("--presets", nargs="*", choices=PRESETS, default=PRESETS, help="of foveal (default: all three)")
    add("--seeds", type=int, default=5, help="runs of each preset (default 5)")
    add("--published-seeds", type=int, default=1, help="runs of the published loop (default 1)")
    add("--seed", type=int, default=0, help="the first seed of either side (default 0)")
    add("--epochs", type=int, default=PUBLISHED_EPOCHS, help="epochs of the published loop (default 4)")
    add("--limit", type=int, help="a quick check: only the first LIMIT training images of the published loop")
    add("--side", choices=["published"], help="run this side in this process and print its JSON object")
    add("--results", type=Path, default=ROOT / "benchmarks/results/published.jsonl", help="file that whole runs join")
    add("--summary", action="store_true", help="measure nothing: print the table of the gathered file")
    add("--write", action="store_true", help="put the table between the markers of docs/results.md too")
    return parser.parse_args()


def main() -> None:
    """Run one side here, or measure both in turn and sum up the gathered file."""
    options = parse()
    if options.side:
        print(json.dumps(published(options.epochs, options.seed, options.limit)))
        return
    if not options.summary:
        measure(options)
    if options.summary or options.results.exists():
        print(text := summary(options.results))
        if options.write:
            write_page(text)


if __name__ == "__main__":
    main()
