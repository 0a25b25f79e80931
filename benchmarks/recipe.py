"""What a setting gains: trains variants of a recipe with the same seeds in turn, and compares them on validation images.

    python benchmarks/recipe.py mnist --seeds 3 "" "training.epochs=1.5" "augment.shift=2 training.batch_size=200"

Each variant is a list of --set pairs; "" is the recipe as it is. 5,000 + 5,000 training images are held out and both are
scored, so that 10,000 images judge. The test images stay closed: nothing may be chosen on them.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

HELD_OUT = ("data.validation=5000", "data.calibration=5000")


def train_once(data: str, variant: str, seed: int, held_out: tuple[str, ...], folder: Path) -> tuple[float, float]:
    """The accuracy on validation and calibration images together, and the training seconds, of one run."""
    out = folder / f"{abs(hash(variant))}-{seed}"
    settings = [part for pair in (*held_out, *variant.split()) for part in ("--set", pair)]
    command = [
        sys.executable,
        "-m",
        "foveal",
        "train",
        data,
        "--seed",
        str(seed),
        "--out",
        str(out),
        "--json",
        *settings,
    ]
    done = subprocess.run(command, capture_output=True, text=True, env=os.environ)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)} failed: {done.stderr.strip()}")
    return accuracy_of(out, data), json.loads(done.stdout)["train_seconds"]


def accuracy_of(run: Path, data: str) -> float:
    """The share of the held-out training images that the run's Classifier gets right."""
    import foveal
    from foveal.data.index import facts_of
    from foveal.data.mapped import numpy_batches
    from foveal.data.pixels import decode_now
    from foveal.data.sources import open_data
    from foveal.data.splits import restore

    classifier = foveal.load(run)
    opened = open_data(data)
    ids = {part: facts_of(images).ids for part, images in opened.parts.items()}
    splits = restore(opened, ids, json.loads((run / "splits.json").read_text()))
    right = total = 0
    for images in (splits.validation, splits.calibration):
        pixels = decode_now(images, classifier.card.preprocess)
        answers = [classifier.logits(batch).argmax(axis=1) for batch in numpy_batches(pixels.pixels)]
        right += sum(int((a == b).sum()) for a, b in zip(answers, pixels.labels.split(500), strict=True))
        total += len(pixels)
    return right / total


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data")
    parser.add_argument("variants", nargs="+", help="--set pairs with spaces between them; '' for the recipe as it is")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--share", type=float, help="hold out this share twice instead of 5,000 + 5,000 images")
    arguments = parser.parse_args()
    held_out = HELD_OUT
    if arguments.share:
        held_out = (f"data.validation={arguments.share}", f"data.calibration={arguments.share}")
    print(f"| {arguments.data}: settings | held-out accuracy, mean of n = {arguments.seeds} (each) | seconds, median |")
    print("|---|---|---|")
    found: dict[str, list[tuple[float, float]]] = {variant: [] for variant in arguments.variants}
    with tempfile.TemporaryDirectory() as folder:
        for seed in range(arguments.seeds):
            for variant in arguments.variants:
                found[variant].append(train_once(arguments.data, variant, seed, held_out, Path(folder)))
    for variant, results in found.items():
        scores = [100 * accuracy for accuracy, _ in results]
        each = ", ".join(f"{value:.2f}" for value in scores)
        seconds = statistics.median(seconds for _, seconds in results)
        print(f"| {variant or 'as it is'} | {statistics.mean(scores):.3f} % ({each}) | {seconds:.1f} |", flush=True)


if __name__ == "__main__":
    main()
