"""What data cost: the first decode, the second start, memory, and cutting batches. Each as a ratio measured in one run.

Prints Markdown: `python benchmarks/data.py [--rounds 3] [--write]`, some five minutes and 5 GB of temporary disk space;
`--only decode` (or start, memory, batches) measures one of the four. `--write` puts it into docs/results.md.
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
from multiprocessing import get_context
from pathlib import Path

import numpy as np
from PIL import Image

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "docs" / "results.md"
START, END = "<!-- data:start -->", "<!-- data:end -->"
TARGET = 64  # pixels a side, as foveal chooses for larger images


def write_jpegs(folder: Path, count: int, side: int) -> list[Path]:
    """Crops of a real photo with noise, no two alike, in two class folders."""
    generator = np.random.default_rng(0)
    with Image.open(ROOT / "tests" / "files" / "photo.jpg") as photo:
        large = photo.convert("RGB").resize((2 * side, 2 * side), Image.Resampling.BICUBIC)
    paths = []
    for number in range(count):
        left, top = generator.integers(0, side, 2).tolist()
        pixels = np.asarray(large.crop((left, top, left + side, top + side))).astype(np.int16)
        noisy = np.clip(pixels + generator.integers(-6, 7, pixels.shape), 0, 255).astype(np.uint8)
        paths.append(folder / "ab"[number % 2] / f"{number:05}.jpg")
        paths[-1].parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(noisy).save(paths[-1], quality=88)
    return paths


def bare(path: Path) -> bytes:
    """What anybody would write: open, convert, resize."""
    with Image.open(path) as image:
        return image.convert("RGB").resize((TARGET, TARGET), Image.Resampling.BILINEAR).tobytes()


def seconds_bare(paths: list[Path]) -> float:
    """The bare loop over as many processes as cores; starting them is not counted."""
    with get_context("spawn").Pool(os.cpu_count()) as pool:
        pool.map(bare, paths[:64])  # so that all of them have imported Pillow
        begin = time.perf_counter()
        for _ in pool.imap(bare, paths, chunksize=64):
            pass
        return time.perf_counter() - begin


FIRST_DECODE = """
import json, sys, time
import foveal
from foveal.config import Preprocess
from foveal.data.index import facts_of
from foveal.data.pixels import load_pixels
from foveal.data.sources import open_data
data = open_data(sys.argv[1])
begin = time.perf_counter()
facts = facts_of(data.base)
identified = time.perf_counter()
pixels = load_pixels(data.base, Preprocess(channels=3, height=64, width=64), facts)
print(json.dumps([identified - begin, time.perf_counter() - identified, len(pixels)]))
"""


def in_process(code: str, *arguments: object, **environment: str) -> list[float]:
    """What a fresh process prints as JSON."""
    command = [sys.executable, "-c", code, *map(str, arguments)]
    done = subprocess.run(command, env={**os.environ, **environment}, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(done.stderr)
    return list(json.loads(done.stdout.splitlines()[-1]))


def decode(folder: Path, rounds: int, count: int) -> list[str]:
    """The first decode beside the bare loop."""
    lines = [
        f"| JPEG side | bare Pillow, {os.cpu_count()} processes, s | foveal: identify, s | decode into the cache, s | "
        "decode / bare | both / bare |",
        "|---|---|---|---|---|---|",
    ]
    for side in (160, 256):
        paths = write_jpegs(folder / str(side), count, side)
        ours, bares = [], []
        for number in range(rounds):
            bares.append(seconds_bare(paths))
            kept = folder / f"kept-{side}-{number}"
            ours.append(in_process(FIRST_DECODE, folder / str(side), FOVEAL_DATA=str(kept))[:2])
        identify, decoding = (statistics.median(each) for each in zip(*ours, strict=True))
        plain = statistics.median(bares)
        spread = f"{min(bares):.2f}-{max(bares):.2f}"
        lines.append(
            f"| {side} | {plain:.2f} ({spread}) | {identify:.2f} | {decoding:.2f} "
            f"({min(d for _, d in ours):.2f}-{max(d for _, d in ours):.2f}) | **{decoding / plain:.2f}** | "
            f"{(identify + decoding) / plain:.2f} |"
        )
    return [f"First decode of {count:,} JPEGs to {TARGET}x{TARGET}, medians of {rounds}:", "", *lines]


SECOND_START = """
import json, sys, time
import foveal
from foveal.config import Preprocess
from foveal.data.index import facts_of
from foveal.data.pixels import load_pixels
from foveal.data.sources import open_data
begin = time.perf_counter()
data = open_data(sys.argv[1])
listed = time.perf_counter()
facts = facts_of(data.base)
known = time.perf_counter()
pixels = load_pixels(data.base, Preprocess(channels=3, height=32, width=32), facts)
print(json.dumps([listed - begin, known - listed, time.perf_counter() - known, len(pixels)]))
"""


def second_start(folder: Path, rounds: int, count: int) -> list[str]:
    """What a second start on a folder of small JPEGs costs before the first batch."""
    write_jpegs(folder / "small", count, 32)
    long_ago = time.time() - 100
    for path in (folder / "small").rglob("*.jpg"):
        os.utime(path, (long_ago, long_ago))
    kept = {"FOVEAL_DATA": str(folder / "kept-small")}
    first = in_process(SECOND_START, folder / "small", **kept)
    seconds = [in_process(SECOND_START, folder / "small", **kept)[:3] for _ in range(rounds)]
    listing, knowing, opening = (statistics.median(each) for each in zip(*seconds, strict=True))
    return [
        f"Start on a folder of {count:,} JPEGs of 32x32 (first once, second: medians of {rounds}):",
        "",
        "| | list the files, s | know them (ids, headers), s | open or make the cache, s |",
        "|---|---|---|---|",
        f"| first start | {first[0]:.2f} | {first[1]:.2f} | {first[2]:.2f} |",
        f"| second start | {listing:.2f} | {knowing:.2f} | **{opening:.3f}** |",
    ]


TRAIN = """
import json, re, sys, threading, time
from pathlib import Path
import foveal
peak = 0
def anonymous():
    return int(re.search(r"RssAnon:\\s+(\\d+)", Path("/proc/self/status").read_text()).group(1)) // 1024
def watch():
    global peak
    while True:
        peak = max(peak, anonymous())
        time.sleep(0.01)
threading.Thread(target=watch, daemon=True).start()
import torch
imported = anonymous()
held_out = {"validation": 1000, "calibration": 1000, "test": 0.01}
settings = {"data": {"memory_mb": int(sys.argv[2]), **held_out}, "training": {"epochs": 0.02}}
run = foveal.train(sys.argv[1], settings=settings, out=sys.argv[3])
print(json.dumps([imported, peak, run.summary["updates"], run.summary["train_seconds"]]))
"""


def memory(folder: Path, allowed_mb: int) -> list[str]:
    """A training on four times as much data as may be held in memory."""
    side = 64
    count = 4 * (allowed_mb << 20) // (3 * side * side)
    (folder / "large").mkdir()
    images = np.lib.format.open_memmap(
        folder / "large" / "images.npy", mode="w+", dtype=np.uint8, shape=(count, side, side, 3)
    )
    generator = np.random.default_rng(0)
    labels = generator.integers(0, 4, count)
    for start in range(0, count, 4096):
        part = generator.integers(0, 64, (min(4096, count - start), side, side, 3), dtype=np.uint8)
        part[..., 0] += (60 * labels[start : start + len(part)]).astype(np.uint8)[:, None, None]
        images[start : start + len(part)] = part
    images.flush()
    del images
    np.save(folder / "large" / "labels.npy", labels)
    imported, peak, updates, seconds = in_process(
        TRAIN, folder / "large", allowed_mb, folder / "run-large", FOVEAL_DATA=str(folder / "kept-large")
    )
    return [
        f"Training on {4 * allowed_mb:,} MB of pixels ({count:,} images of {side}x{side}) with "
        f"`data.memory_mb={allowed_mb}`: the process's own (anonymous) memory was {imported:,.0f} MB once torch was imported "
        f"and **{peak:,.0f} MB** at its highest; {updates:.0f} updates, {seconds:.0f} s with the reading (n = 1).",
    ]


def median_ms(act: Callable[[], object], times: int) -> float:
    """The median of `times` calls, in milliseconds."""
    taken = []
    for _ in range(times):
        begin = time.perf_counter()
        act()
        taken.append(1000 * (time.perf_counter() - begin))
    return statistics.median(taken)


def batches(rounds: int) -> list[str]:
    """Cutting and augmenting a batch beside the update that it is for, on the default network and data."""
    import foveal  # noqa: F401, I001 -- before torch
    import torch

    from foveal.data.augment.pipeline import augmentation
    from foveal.data.batches import endless_batches
    from foveal.data.mapped import cut
    from foveal.models.catalog import build_model
    from foveal.recipes import resolve
    from foveal.training.fit import TrainState, make_update
    from foveal.training.optim import make_loss, make_optimizer
    from foveal.workflows.prepare import prepare

    config = resolve({"data": {"source": "mnist"}}, "mnist")
    prepared = prepare(config)
    model = build_model(prepared.arch, 10).train()
    generator = torch.Generator().manual_seed(0)
    state = TrainState(model, make_optimizer(model.parameters(), "adamw"))
    augment, loss = augmentation(shift=config.augment.shift), make_loss("cross_entropy", label_smoothing=0.1)
    order = endless_batches(len(prepared.train), prepared.plan.batch_size, seed=0)
    pixels, labels = prepared.train.pixels, prepared.train.labels
    chosen = next(order)
    batch, targets = pixels[chosen], labels[chosen]
    cutting, update = [], []
    for _ in range(max(rounds, 5)):
        cutting.append(median_ms(lambda: augment(cut(pixels, numbers := next(order)), generator, numbers, 0), 60))
        update.append(median_ms(lambda: make_update(state, batch, targets, loss=loss, learning_rate=1e-6), 60))
    ratio = statistics.median(a / b for a, b in zip(cutting, update, strict=True))
    return [
        f"Cutting a batch of {prepared.plan.batch_size} out of {len(prepared.train):,} images of MNIST and shifting each: "
        f"{statistics.median(cutting):.2f} ms; the update of the default network: {statistics.median(update):.2f} ms. "
        f"**Ratio {ratio:.3f}** (median of {len(cutting)} turns of 60 each; {torch.get_num_threads()} threads).",
    ]


def main() -> None:
    """Measure what is asked for, print it, and write it where that is asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--count", type=int, default=10_000)
    parser.add_argument("--small", type=int, default=60_000)
    parser.add_argument("--memory-mb", type=int, default=1024)
    parser.add_argument("--only", choices=["decode", "start", "memory", "batches"])
    parser.add_argument("--write", action="store_true")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        parts: dict[str, Callable[[], list[str]]] = {
            "decode": lambda: decode(folder, asked.rounds, asked.count),
            "start": lambda: second_start(folder, asked.rounds, asked.small),
            "memory": lambda: memory(folder, asked.memory_mb),
            "batches": lambda: batches(asked.rounds),
        }
        blocks = ["\n".join(act()) for part, act in parts.items() if asked.only in (None, part)]
    text = "\n\n".join(blocks)
    print(text)
    if asked.write:
        before, _, rest = RESULTS.read_text().partition(START)
        RESULTS.write_text(f"{before}{START}\n{text}\n{END}{rest.partition(END)[2]}")


if __name__ == "__main__":
    main()
