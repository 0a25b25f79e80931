"""How long one update of the default network takes under each way for OpenMP's threads to wait, idle and beside others.

Prints a Markdown table of medians: `python benchmarks/openmp.py [--rounds 3]`. The settings take turns, so that a drift
of the machine is shared by all. Source of the choice in src/foveal/__init__.py.
"""

import argparse
import os
import statistics
import subprocess
import sys
import time

SETTINGS: dict[str, dict[str, str]] = {
    "1 thread": {"THREADS": "1", "GOMP_SPINCOUNT": "0"},
    "2 threads, no spin (PASSIVE)": {"THREADS": "2", "GOMP_SPINCOUNT": "0"},
    "2 threads, spin 1,000": {"THREADS": "2", "GOMP_SPINCOUNT": "1000"},
    "2 threads, spin 3,000 (foveal)": {"THREADS": "2", "GOMP_SPINCOUNT": "3000"},
    "2 threads, spin 10,000": {"THREADS": "2", "GOMP_SPINCOUNT": "10000"},
    "2 threads, spin for ever (ACTIVE)": {"THREADS": "2", "OMP_WAIT_POLICY": "ACTIVE"},
}
LIMIT = 60.0  # seconds for one measurement; a setting that needs longer is given up on and said so


def measure_here(updates: int) -> float:
    """Milliseconds of one update of the default network at batch 100, the median of `updates`."""
    import foveal  # noqa: F401, I001 -- before torch
    import torch

    from foveal.config import ArchSpec
    from foveal.models.catalog import build_model
    from foveal.training.fit import TrainState, make_update
    from foveal.training.optim import make_loss, make_optimizer

    torch.set_num_threads(int(os.environ["THREADS"]))
    generator = torch.Generator().manual_seed(0)
    spec = ArchSpec(name="compact", input_shape=(1, 28, 28), mean=(33.3,), std=(78.6,), border=4)
    model = build_model(spec, 10)
    state = TrainState(model.train(), make_optimizer(model.parameters(), "adamw"))
    pixels = torch.randint(0, 256, (100, 1, 28, 28), dtype=torch.uint8, generator=generator)
    labels, loss = torch.arange(100) % 10, make_loss("cross_entropy", label_smoothing=0.1)
    times = []
    for _ in range(updates):
        begin = time.perf_counter()
        make_update(state, pixels, labels, loss=loss, learning_rate=1e-6)
        times.append(time.perf_counter() - begin)
    return 1000 * statistics.median(times[updates // 5 :])


def measure(setting: dict[str, str], busy: int) -> float | None:
    """One measurement in a process of its own, beside `busy` processes that only count; None past the limit."""
    rivals = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(busy)]
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("OMP_", "GOMP_"))} | setting
    try:
        command = [sys.executable, __file__, "--here", "200" if not busy else "60"]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True, timeout=LIMIT)
        return float(done.stdout)
    except subprocess.TimeoutExpired:
        return None
    finally:
        for rival in rivals:
            rival.kill()
            rival.wait()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3, help="measurements of each setting")
    parser.add_argument("--here", type=int, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.here:
        print(measure_here(arguments.here))
        return
    found: dict[tuple[str, int], list[float | None]] = {}
    for _ in range(arguments.rounds):
        for busy in (0, 1):
            for name, setting in SETTINGS.items():
                found.setdefault((name, busy), []).append(measure(setting, busy))
    print(
        f"| how the threads wait (n = {arguments.rounds} each, {os.cpu_count()} cores) | idle | one core busy elsewhere |"
    )
    print("|---|---|---|")
    for name in SETTINGS:
        print(f"| {name} | {show(found[name, 0])} | {show(found[name, 1])} |")


def show(values: list[float | None]) -> str:
    """Median and range in milliseconds."""
    known = [value for value in values if value is not None]
    if not known:
        return f"over {LIMIT:.0f} s for 60 updates"
    lost = f", {len(values) - len(known)} given up" if len(known) < len(values) else ""
    return f"{statistics.median(known):.1f} ms ({min(known):.1f} to {max(known):.1f}{lost})"


if __name__ == "__main__":
    main()
