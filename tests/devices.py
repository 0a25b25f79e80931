"""The devices that tests are run on: the CPU, and a GPU where there is one."""

import pytest
import torch

NO_GPU = pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU here")
DEVICES = [pytest.param("cpu", id="cpu"), pytest.param("cuda", id="cuda", marks=NO_GPU)]


def device_of(name: str) -> torch.device:
    """The device of this name, as foveal chooses it."""
    from foveal.device import choose_device

    return choose_device("cuda" if name == "cuda" else "cpu")
