"""Trainings of a second or less on the digits of the root conftest, each in a run folder of its own."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from numpy import ndarray

import foveal


@pytest.fixture
def quick(digits: tuple[ndarray, ndarray], tmp_path: Path) -> Callable[..., "foveal.Run"]:
    """`foveal.train` for one epoch on 300 digits, on one thread, into `tmp_path/run`; any argument can be overruled."""

    def train(data: Any = None, **arguments: Any) -> "foveal.Run":
        few = (digits[0][:300], digits[1][:300])
        settings = {"epochs": 1.0, "threads": 1, "out": tmp_path / "run", **arguments}
        return foveal.train(few if data is None else data, **settings)

    return train
