# ruff: noqa: I001 -- foveal goes before torch
"""What growing comes to by arithmetic: what 8 GPUs exchange in an update, what a checkpoint takes, what ImageNet-sized data take.

Prints Markdown: `python benchmarks/growth.py [--write]`, half a minute. Nothing is timed: parameters and multiply-adds are those
of networks that are built, checkpoints are written and weighed, and all else follows from the numbers below.
`--write` puts the tables into docs/scale.md.
"""

import argparse
import tempfile
from pathlib import Path

import foveal  # noqa: F401
import torch

from foveal.config import ArchSpec
from foveal.models.catalog import build_model
from foveal.models.ledger import ledger
from foveal.training.checkpoint import Checkpoint, save_checkpoint, tensors_of
from foveal.training.feed import RESIDENT_SHARE
from foveal.training.fit import TrainState, make_update
from foveal.training.optim import make_loss, make_optimizer

PAGE = Path(__file__).parents[1] / "docs" / "scale.md"
START, END = "<!-- growth:start -->", "<!-- growth:end -->"
SHAPE, CLASSES, GPUS = (3, 64, 64), 1000, 8
NETWORKS = ("compact", "resnet8", "resnet20", "resnet18", "wide_resnet16_4")
# Gigabytes a second one way: Ethernet by its name; PCI Express 4.0 with 16 lanes at 16 GT/s, 128b/130b coded; NVLink 4 of an
# H100 or H200, 900 GB/s both ways together (NVIDIA's data sheets).
LINKS = {"10 Gb/s Ethernet": 1.25, "100 Gb/s Ethernet": 12.5, "PCIe 4.0 x16": 31.5, "NVLink 4": 450.0}
# Training images and what their files take: ILSVRC 2012, Russakovsky et al. 2015, table 2, and ILSVRC2012_img_train.tar.
IMAGES, FILE_BYTES = 1_281_167, 147_897_477_120
SIDES = (32, 64, 128, 224)


def ring_bytes(parameters: int, workers: int) -> float:
    """What each worker sends, and gets, in an all-reduce of 32-bit gradients round a ring: 2 (W - 1) / W of them.

    Source: Patarasuk and Yuan 2009, Bandwidth optimal all-reduce algorithms for clusters of workstations, section 3.
    """
    return 2 * (workers - 1) / workers * 4 * parameters


def checkpoint_bytes(state: TrainState) -> int:
    """The size of a checkpoint as a training writes it: weights, AdamW's two moments, and the weights chosen so far."""
    best = {f"best.{name}": tensor for name, tensor in state.model.state_dict().items()}
    with tempfile.TemporaryDirectory() as folder:
        save_checkpoint(Path(folder) / "checkpoint", Checkpoint(1, tensors_of(state) | best, {}))
        return sum(path.stat().st_size for path in Path(folder).rglob("*") if path.is_file())


def networks() -> list[str]:
    """A line for each network."""
    lines = [
        f"{SHAPE[0]}x{SHAPE[1]}x{SHAPE[2]} pixels, {CLASSES:,} classes, {GPUS} GPUs: what each sends in an update, how long that "
        "takes by the speed of the link alone, and what a checkpoint takes:",
        "",
        f"| network | parameters | multiply-adds an image | MB sent | {' | '.join(f'ms by {name}' for name in LINKS)} | "
        "checkpoint, MB |",
        "|---|---|---|---|" + "---|" * len(LINKS) + "---|",
    ]
    for name in NETWORKS:
        spec = ArchSpec(name=name, input_shape=SHAPE, mean=(127.0,) * 3, std=(64.0,) * 3)
        model = build_model(spec, CLASSES)
        found = ledger(model, SHAPE, CLASSES)
        state = TrainState(model.train(), make_optimizer(model.parameters(), "adamw"))
        images, labels = torch.zeros(2, *SHAPE, dtype=torch.uint8), torch.arange(2)
        make_update(state, images, labels, loss=make_loss("cross_entropy", label_smoothing=0), learning_rate=1e-3)
        sent = ring_bytes(found.parameters, GPUS)
        times = " | ".join(f"{sent / speed / 1e6:.2f}" for speed in LINKS.values())
        lines.append(
            f"| `{name}` | {found.parameters:,} | {found.multiply_adds / 1e6:,.0f} M | {sent / 1e6:,.1f} | {times} | "
            f"{checkpoint_bytes(state) / 1e6:,.1f} |"
        )
    return lines


def data() -> list[str]:
    """A line for each size of image."""
    lines = [
        f"ImageNet's {IMAGES:,} training images ({FILE_BYTES / 1e9:.0f} GB of JPEGs) decoded, three bytes a pixel:",
        "",
        f"| side | decoded, GB | memory that holds it (`data.memory_mb` by itself: a quarter) | free GPU memory that holds it | "
        f"share of each of {GPUS} workers, GB, if they were divided |",
        "|---|---|---|---|---|",
    ]
    for side in SIDES:
        size = IMAGES * 3 * side * side / 1e9
        lines.append(
            f"| {side} | {size:,.1f} | {4 * size:,.0f} GB | {size / RESIDENT_SHARE:,.0f} GB | {size / GPUS:,.1f} |"
        )
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true", help="write it into docs/scale.md")
    asked = parser.parse_args()
    text = "\n\n".join("\n".join(part) for part in (networks(), data()))
    print(text)
    if asked.write:
        before, _, rest = PAGE.read_text(encoding="utf-8").partition(START)
        PAGE.write_text(f"{before}{START}\n{text}\n{END}{rest.partition(END)[2]}", encoding="utf-8")


if __name__ == "__main__":
    main()
