"""How near a training ends to the budget of time that it was given: `train_seconds` / budget, a new process each.

python benchmarks/budget.py --seeds 5 20s 60s
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from foveal.settings import seconds_of


def train(data: str, budget: str, seed: int, folder: Path) -> tuple[float, int, int]:
    """The training seconds, the updates, and how often the length was changed on the way."""
    out = folder / f"{budget}-{seed}"
    command = [sys.executable, "-m", "foveal", "train", data, "--budget", budget, "--seed", str(seed), "--json"]
    done = subprocess.run([*command, "--out", str(out)], capture_output=True, text=True)
    if done.returncode:
        sys.exit(done.stderr)
    from foveal.run import Run

    summary = json.loads(done.stdout)
    return summary["train_seconds"], summary["updates"], len(Run(out).config.training.turns) - 1


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("budgets", nargs="+", help="as for --budget: 20s, 1m")
    parser.add_argument("--data", default="mnist")
    parser.add_argument("--seeds", type=int, default=5)
    options = parser.parse_args()
    print("| budget | n | used / budget, median (min to max) | updates | changes of length |\n|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        for budget in options.budgets:
            found = [train(options.data, budget, seed, Path(folder)) for seed in range(options.seeds)]
            shares = [seconds / seconds_of(budget) for seconds, _, _ in found]
            updates, turns = [each[1] for each in found], [each[2] for each in found]
            spread = f"{statistics.median(shares):.3f} ({min(shares):.3f} to {max(shares):.3f})"
            print(
                f"| {budget} | {len(found)} | {spread} | {min(updates)} to {max(updates)} | {min(turns)} to {max(turns)} |"
            )


if __name__ == "__main__":
    main()
