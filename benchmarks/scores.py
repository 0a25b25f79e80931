"""What trainings come to on data other than the published loop's: each in a process of its own, each tested once.

    python benchmarks/scores.py fashion-mnist --seeds 5
    python benchmarks/scores.py ../shared/datasets/cifar10-jpeg.tar.gz --called "CIFAR-10 (JPEG)" --seeds 1 -- --model vgg6
    python benchmarks/scores.py --summary --write

What stands after `--` is handed to `foveal train`. Runs join benchmarks/results/scores.jsonl, so that long series can be
built up.
"""

import argparse
import json
import statistics
import sys
import tempfile
from collections import defaultdict
from pathlib import Path
from typing import Any

from published import ROOT, stamp, timed
from results_page import write_between

RESULTS = ROOT / "benchmarks/results/scores.jsonl"
HEAD = (
    "| data | given to `foveal train` | network | parameters | epochs | n (seeds) | median training seconds (min - max) "
    "| mean test accuracy | standard deviation, points |"
)
Line = dict[str, Any]


def measure(data: str, called: str, seed: int, given: list[str]) -> Line:
    """One training and its test."""
    with tempfile.TemporaryDirectory() as folder:
        run = f"{folder}/run"
        seconds, trained = timed("-m", "foveal", "train", data, "--seed", str(seed), "--out", run, "--json", *given)
        _, tested = timed("-m", "foveal", "evaluate", run, "--json")
        summary = json.loads((Path(folder) / "run/summary.json").read_text())
    kept = {key: trained.get(key, summary.get(key)) for key in ("model", "epochs", "parameters", "train_seconds")}
    scores = {key: tested[key] for key in ("accuracy", "n")}
    return {"data": called, "given": " ".join(given), "seed": seed, "seconds": seconds, **kept, **scores, **stamp()}


def table(lines: list[Line]) -> str:
    """One row for each data set and command, machine by machine."""
    groups: dict[tuple[str, str, str], list[Line]] = defaultdict(list)
    for line in lines:
        groups[line["machine"], line["data"], line["given"]].append(line)
    rows, machine = [], None
    for (where, data, given), runs in groups.items():
        if where != machine:
            machine = where
            rows += ["", f"Machine: {where}.", ""] if rows else [f"Machine: {where}.", ""]
            rows += [HEAD, "|---" * HEAD.count(" | ") + "|---|"]
        seconds = sorted(run["train_seconds"] for run in runs)
        scores = [100 * run["accuracy"] for run in runs]
        spread = f"{statistics.stdev(scores):.3f}" if len(scores) > 1 else "one run"
        cells = (
            data,
            f"`{given}`" if given else "nothing",
            f"`{runs[0]['model']}`",
            f"{runs[0]['parameters']:,}",
            f"{runs[0]['epochs']:.1f}",
            f"{len(runs)} ({len({run['seed'] for run in runs})})",
            f"{statistics.median(seconds):.0f} ({seconds[0]:.0f} - {seconds[-1]:.0f})",
            f"{statistics.mean(scores):.2f} %",
            spread,
        )
        rows.append(f"| {' | '.join(cells)} |")
    return "\n".join(rows)


def main() -> None:
    arguments = sys.argv[1:]
    cut = arguments.index("--") if "--" in arguments else len(arguments)
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", nargs="?")
    parser.add_argument("--called", help="what the table calls the data (default: as they are named)")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--seed", type=int, default=0, help="the first seed")
    parser.add_argument("--summary", action="store_true", help="measure nothing: print the table of the gathered file")
    parser.add_argument("--write", action="store_true", help="put the table between the markers of docs/results.md too")
    options = parser.parse_args(arguments[:cut])
    if not options.summary:
        if not options.data:
            parser.error("name the data, or say --summary")
        for seed in range(options.seed, options.seed + options.seeds):
            line = json.dumps(measure(options.data, options.called or options.data, seed, arguments[cut + 1 :]))
            print(line, flush=True)
            with RESULTS.open("a") as file:
                file.write(line + "\n")
    print(text := table([json.loads(line) for line in RESULTS.read_text().splitlines()]))
    if options.write:
        write_between("scores", text)


if __name__ == "__main__":
    main()
