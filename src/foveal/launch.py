"""Which worker this process is, as torchrun says it in the environment. No torch here."""

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from foveal.errors import ConfigError, WorkerError


@dataclass(frozen=True)
class Place:
    """One worker among all, and among those on its machine; how often torchrun has started it again."""

    rank: int = 0
    workers: int = 1
    local_rank: int = 0
    local_workers: int = 1
    restarts: int = 0
    launch: str = ""  # what torchrun calls this launch; empty where it did not start this process

    @property
    def is_first(self) -> bool:
        """Whether this is the worker that writes."""
        return self.rank == 0


def place() -> Place:
    """This process among the workers that torchrun started; alone when it did not. Raises ConfigError."""
    names = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE", "TORCHELASTIC_RESTART_COUNT")
    if not {"RANK", "WORLD_SIZE"} <= os.environ.keys():
        return Place()
    try:
        rank, workers, local, locals_, restarts = (
            int(os.environ.get(name, default)) for name, default in zip(names, "01010", strict=True)
        )
    except ValueError as error:
        said = {name: os.environ.get(name) for name in names}
        raise ConfigError(
            f"the environment does not say which worker this is: {said}. Start workers with torchrun, or unset RANK and "
            "WORLD_SIZE."
        ) from error
    return Place(rank, workers, local, locals_, restarts, os.environ.get("TORCHELASTIC_RUN_ID", ""))


@contextmanager
def told_to_stop(here: Place) -> Iterator[None]:
    """Within it, SIGTERM, which torchrun sends to the others when a worker has died, is a WorkerError."""

    def stop(*_: Any) -> None:
        raise WorkerError(
            f"worker {here.rank} of {here.workers} was told to stop (SIGTERM): another one has ended, or torchrun was stopped. "
            "Nothing was written. What torchrun says of it is below; start it again."
        )

    if here.workers == 1 or threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
