"""The real command line in fresh processes, and small data sets of real digits on disk for it."""

import gzip
import os
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
from numpy import ndarray
from PIL import Image


def command(
    *arguments: object, cwd: Path, stdin: bytes = b"", expect: int | None = 0, **environment: str
) -> subprocess.CompletedProcess[str]:
    """What `foveal` answers in a process of its own; its exit code must be `expect`, unless that is None."""
    done = subprocess.run(
        [sys.executable, "-m", "foveal", *map(str, arguments)],
        cwd=cwd,
        input=stdin,
        capture_output=True,
        env={**os.environ, **environment},
        timeout=240,
        check=False,
    )
    answer = subprocess.CompletedProcess(done.args, done.returncode, done.stdout.decode(), done.stderr.decode())
    assert expect is None or answer.returncode == expect, f"exit {answer.returncode}\n{answer.stdout}\n{answer.stderr}"
    return answer


def python(code: str, *, cwd: Path, expect: int | None = 0, **environment: str) -> subprocess.CompletedProcess[str]:
    """What a fresh Python prints that runs `code`; a variable given as "" is taken out of its environment."""
    kept = {name: value for name, value in {**os.environ, **environment}.items() if environment.get(name) != ""}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=cwd, capture_output=True, text=True, env=kept, timeout=240, check=False
    )
    assert expect is None or done.returncode == expect, f"exit {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done


def write_idx(folder: Path, stem: str, images: ndarray, labels: ndarray) -> Path:
    """`stem-images-idx3-ubyte.gz` and `stem-labels-idx1-ubyte` in the folder, as Y. LeCun's page specifies them."""
    folder.mkdir(parents=True, exist_ok=True)
    with gzip.open(folder / f"{stem}-images-idx3-ubyte.gz", "wb") as file:
        file.write(struct.pack(">HBB3I", 0, 8, 3, *images.shape) + images.tobytes())
    (folder / f"{stem}-labels-idx1-ubyte").write_bytes(struct.pack(">HBBI", 0, 8, 1, len(labels)) + labels.tobytes())
    return folder


def write_discs(folder: Path, per_class: int = 16, sides: tuple[int, ...] = (20, 24, 30)) -> Path:
    """A folder of colour pictures of several sizes, one sub-folder a class: discs in red, green or blue on noise."""
    generator = np.random.default_rng(0)
    for channel, name in enumerate(("red", "green", "blue")):
        (folder / name).mkdir(parents=True)
        for number in range(per_class):
            side = sides[number % len(sides)]
            pixels = generator.integers(0, 60, (side, side + number % 2, 3), dtype=np.uint8)
            rows, columns = np.ogrid[:side, : side + number % 2]
            disc = (rows - side / 2) ** 2 + (columns - side / 2) ** 2 < (side / 3) ** 2
            pixels[disc, channel] = 230
            Image.fromarray(pixels).save(folder / name / f"{number:02}.png")
    return folder


def no_half_written(folder: Path) -> bool:
    """Whether no temporary file or folder was left behind below `folder`."""
    return not [path for path in folder.rglob("*") if path.name.startswith(".")]
