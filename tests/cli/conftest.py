"""One small data set of real digits on disk, and one run on it that a real process trained."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from cli_process import command, write_idx
from numpy import ndarray


@dataclass(frozen=True)
class Trained:
    """A finished run with what its process printed. Copy the folder before evaluating it: that writes into it."""

    folder: Path
    data: Path
    stdout: str
    stderr: str
    command: tuple[str, ...]  # all but --out

    @property
    def answer(self) -> dict[str, Any]:
        """The JSON object on stdout."""
        answer: dict[str, Any] = json.loads(self.stdout)
        return answer


@pytest.fixture(scope="session")
def digits_folder(digits: tuple[ndarray, ndarray], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """300 training and 100 test images of MNIST as IDX files."""
    images, labels = digits
    folder = tmp_path_factory.mktemp("idx") / "few-digits"
    write_idx(folder, "train", images[:300], labels[:300])
    return write_idx(folder, "t10k", images[300:400], labels[300:400])


@pytest.fixture(scope="session")
def trained(digits_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Trained:
    """`foveal train` of a real process, four epochs on the 300 digits."""
    folder = tmp_path_factory.mktemp("trained")
    asked = ("train", str(digits_folder), "--epochs", "4", "--seed", "7", "--threads", "1", "--json")
    done = command(*asked, "--out", folder / "run", cwd=folder, FOVEAL_DATA=str(folder / "data"))
    return Trained(folder / "run", digits_folder, done.stdout, done.stderr, asked)
