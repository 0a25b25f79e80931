"""An epoch of one network in foveal and in its peers, in turn on one machine: prints every ratio.

    python benchmarks/peers.py --install --sides lightning skorch keras-tensorflow keras-jax keras-torch fastai
    python benchmarks/peers.py --rounds 3 --write

Peers are installed into environments of their own below --environments. fastai needs torchvision, and that the full torch
build (5.9 GB): it has an environment for itself. Each measurement is a process; the first of its epochs warms up (compilers,
caches) and is told apart. All run with OMP_WAIT_POLICY=PASSIVE and as many threads as there are cores.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from published import MNIST, stamp
from results_page import write_between

SIDES = Path(__file__).with_name("peer_sides.py")
TORCH = "torch==2.13.0"
LOCAL = {"lightning": ["lightning"], "skorch": ["skorch"], "keras-torch": ["keras"]}
LOCAL |= {"keras-tensorflow": ["keras", "tensorflow-cpu"], "keras-jax": ["keras", "jax"]}
OURS = ("foveal", "bare NCHW", "bare channels_last", "published")
PEERS = (*LOCAL, "fastai")


def python_of(side: str, environments: Path) -> Path:
    """The interpreter that a side runs in."""
    if side in OURS:
        return Path(sys.executable)
    return environments / ("fastai" if side == "fastai" else "peers") / "bin/python"


def install(sides: list[str], environments: Path) -> None:
    """Install what these sides need, with the CPU build of torch except for fastai."""
    plain = {"peers": [TORCH, "pillow", *sorted({name for side in sides for name in LOCAL.get(side, [])})]}
    wanted = plain if set(sides) & set(LOCAL) else {}
    if "fastai" in sides:
        wanted = wanted | {"fastai": [TORCH, "torchvision==0.28.0", "fastai", "pillow"]}
    for name, packages in wanted.items():
        folder = environments / name
        if not folder.exists():
            subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
        # The full build of torch is not the one that a local index may offer first.
        full = {"PIP_FIND_LINKS": "", "PIP_CONFIG_FILE": os.devnull} if name == "fastai" else {}
        command = [str(folder / "bin/python"), "-m", "pip", "install", "-q", *packages]
        subprocess.run(command, check=True, env=os.environ | full)


def measure(side: str, data: Path, epochs: int, environments: Path) -> list[float]:
    """The seconds of each epoch of one side, in a process of its own."""
    backend = {"KERAS_BACKEND": side.removeprefix("keras-")} if side.startswith("keras-") else {}
    env = os.environ | {"OMP_WAIT_POLICY": "PASSIVE", "TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": ""} | backend
    command = [str(python_of(side, environments)), str(SIDES), side, str(data), str(epochs)]
    done = subprocess.run(command, capture_output=True, text=True, env=env)
    if done.returncode:
        sys.exit(f"{side} failed:\n{done.stderr[-2000:]}\nIs it installed? --install --sides {side}")
    return [float(each) for each in json.loads(done.stdout.splitlines()[-1])["epochs"]]


def table(found: dict[str, list[list[float]]], images: int) -> str:
    """All sides, the fastest first, by the median of the epochs after the first."""
    medians = {side: statistics.median(s for epochs in runs for s in epochs[1:]) for side, runs in found.items()}
    ours = medians["foveal"]
    lines = [
        f"Machine: {stamp()['machine']}. {images:,} images an epoch, batches of 64, n = {len(found['foveal'])} processes a side.",
        "",
        "| side | seconds an epoch, median (min - max) | side / foveal | first epoch, median |",
        "|---|---|---|---|",
    ]
    for side in sorted(found, key=lambda each: medians[each]):
        later = [seconds for epochs in found[side] for seconds in epochs[1:]]
        first = statistics.median(epochs[0] for epochs in found[side])
        spread = f"{medians[side]:.2f} ({min(later):.2f} - {max(later):.2f})"
        lines.append(f"| {side} | {spread} | {medians[side] / ours:.2f} | {first:.2f} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sides", nargs="*", choices=(*OURS, *PEERS), default=[*OURS, *PEERS])
    parser.add_argument("--install", action="store_true", help="install the peers among the sides, and measure nothing")
    parser.add_argument("--environments", type=Path, default=Path(tempfile.gettempdir()) / "foveal-peers")
    parser.add_argument("--images", type=int, default=20_000)
    parser.add_argument("--epochs", type=int, default=2, help="in each process; the first warms up")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--write", action="store_true", help="put the table into docs/results.md")
    options = parser.parse_args()
    if options.install:
        install([side for side in options.sides if side in PEERS], options.environments)
        return
    sides = ["foveal", *(side for side in options.sides if side != "foveal")]
    found: dict[str, list[list[float]]] = {side: [] for side in sides}
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder) / "images.npz"
        mnist = MNIST("train", options.images)
        np.savez(data, images=mnist.data.numpy(), labels=mnist.targets.numpy())
        for number in range(options.rounds):
            for side in sides:
                found[side].append(measure(side, data, options.epochs, options.environments))
                print(f"round {number + 1}: {side}: {found[side][-1]}", file=sys.stderr, flush=True)
    print(text := table(found, options.images))
    if options.write:
        write_between("peers", text)


if __name__ == "__main__":
    main()
