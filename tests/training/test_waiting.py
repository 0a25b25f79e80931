"""How long workers wait for each other, in real processes whose clocks are turned down."""

import os
import subprocess
from pathlib import Path

from launched import ALONE, LAUNCHER

WAIT = """
import os, sys, time
from datetime import timedelta
import torch
from foveal.errors import WorkerError
from foveal.training import distributed

distributed.TIMEOUT = timedelta(seconds=3)
try:
    with distributed.joined_workers(torch.device("cpu"), distributed.TIMEOUT) as workers:
        with distributed.first_one_first(workers):
            if workers.place.is_first:
                time.sleep(6)
        print(f"worker {workers.place.rank} is through", flush=True)
        if workers.place.rank == 1:
            time.sleep(6 if sys.argv[1] == "late" else 0)
        print(workers.total(1.0), flush=True)
except WorkerError as error:
    print(f"error: {error}", flush=True)
"""


def said(how: str, folder: Path) -> str:
    """What two workers print; the first one is behind where data are decoded, and the second one afterwards if it is late."""
    (folder / "wait.py").write_text(WAIT)
    plain = {name: value for name, value in os.environ.items() if name not in ALONE}
    command = [*LAUNCHER, "--standalone", "--nproc-per-node=2", str(folder / "wait.py"), how]
    done = subprocess.run(command, env=plain, capture_output=True, text=True, timeout=120, check=False)
    return done.stdout


def test_workers_wait_longer_for_the_decoding_than_for_an_update(tmp_path: Path) -> None:
    text = said("in time", tmp_path)
    assert "worker 0 is through" in text
    assert "worker 1 is through" in text
    assert text.count("[2.0]") == 2


def test_a_worker_that_is_too_late_for_an_update_is_a_sentence(tmp_path: Path) -> None:
    assert "error: worker 0 of 2 lost another one (" in said("late", tmp_path)
