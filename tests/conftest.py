"""What the tests share: 600 real digits, and one small training run on them."""

import gzip
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from numpy import ndarray

import foveal  # before any test imports torch; its rooms are imported when used, after jaxtyping's hook is in place

MNIST = Path(foveal.__file__).parent / "data" / "bundled" / "mnist"


@pytest.fixture(autouse=True)
def own_data_folder(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Each test keeps its own log of opened test splits, far from the user's."""
    folder = tmp_path_factory.mktemp("foveal-data")
    monkeypatch.setenv("FOVEAL_DATA", str(folder))
    return folder


@pytest.fixture(scope="session")
def digits() -> tuple[ndarray, ndarray]:
    """The first 600 training images of MNIST, uint8 (600, 28, 28), and their labels."""
    with gzip.open(MNIST / "train-images-idx3-ubyte.gz") as file:
        images = np.frombuffer(file.read(16 + 600 * 784), dtype=np.uint8, offset=16).reshape(600, 28, 28)
    with gzip.open(MNIST / "train-labels-idx1-ubyte.gz") as file:
        labels = np.frombuffer(file.read(8 + 600), dtype=np.uint8, offset=8)
    return images, labels


@pytest.fixture(scope="session")
def trained_run(digits: tuple[ndarray, ndarray], tmp_path_factory: pytest.TempPathFactory) -> Iterator["foveal.Run"]:
    """A finished run of the default network; copy it before changing it."""
    folder = tmp_path_factory.mktemp("runs")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FOVEAL_DATA", str(folder / "data"))
        yield foveal.train(digits, epochs=6.0, out=folder / "digits-compact-1")


@pytest.fixture(scope="session")
def classifier(trained_run: "foveal.Run") -> "foveal.Classifier":
    """The Classifier of that run."""
    return foveal.load(trained_run.classifier)
