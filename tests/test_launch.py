"""What torchrun says of a process, and what it tells it."""

import os
import signal

import pytest

from foveal.errors import WorkerError
from foveal.launch import Place, told_to_stop


def test_to_be_told_to_stop_is_a_sentence_for_one_of_several_workers() -> None:
    before = signal.getsignal(signal.SIGTERM)
    with (
        pytest.raises(WorkerError, match=r"worker 1 of 2 was told to stop .*another one has ended"),
        told_to_stop(Place(1, 2)),
    ):
        os.kill(os.getpid(), signal.SIGTERM)
    assert signal.getsignal(signal.SIGTERM) is before


def test_a_process_that_is_alone_is_stopped_as_ever() -> None:
    before = signal.getsignal(signal.SIGTERM)
    with told_to_stop(Place()):
        assert signal.getsignal(signal.SIGTERM) is before
