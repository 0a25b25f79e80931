"""Many trainings in one process: the memory of all is that of one."""

import subprocess
import sys
from pathlib import Path

import pytest

CODE = """
import resource, shutil, sys
import foveal, numpy as np
from pathlib import Path

images = np.random.default_rng(0).integers(0, 255, (120, 28, 28), dtype=np.uint8)
labels = np.arange(120) % 3

def resident():
    return int(Path("/proc/self/statm").read_text().split()[1])

def train(count):
    for number in range(count):
        run = foveal.train((images, labels), epochs=1.0, threads=1, out=f"run-{number}")
        shutil.rmtree(run.folder)

train(int(sys.argv[1]))
before = resident()
train(int(sys.argv[2]))
print(resident() / before)
"""


@pytest.mark.slow
def test_two_hundred_trainings_take_hardly_more_memory_than_ten(tmp_path: Path) -> None:
    command = [sys.executable, "-c", CODE, "10", "190"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=3000)
    assert done.returncode == 0, done.stderr
    assert float(done.stdout) < 1.05
