"""What is slow enough to be read once: MNIST with its splits. And a folder that file modes can close."""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from data_helpers import ids_of

from foveal.data.sources import Data, open_data
from foveal.data.splits import Splits, split


@pytest.fixture(scope="session")
def mnist() -> Data:
    """The MNIST that comes with the package."""
    return open_data("mnist")


@pytest.fixture(scope="session")
def mnist_splits(mnist: Data) -> Splits:
    """Its splits with nothing set."""
    return split(mnist, ids_of(mnist))


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A temporary folder that every user may enter; pytest's own tmp_path is closed to all but its maker."""
    folder = Path(tempfile.mkdtemp(prefix="foveal-test-"))
    folder.chmod(0o755)
    yield folder
    for path in [folder, *folder.rglob("*")]:
        if path.is_dir():
            path.chmod(0o755)
    shutil.rmtree(folder)
