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
    """One worker among all, and among those on its machine, as torchrun started it."""

    rank: int = 0
    workers: int = 1
    local_rank: int = 0
    local_workers: int = 1
    may_restart: bool = False  # whether torchrun starts all of them again when one has died
    launch: str = ""  # what torchrun calls all starts together; empty where it has no name for them

    @property
    def is_first(self) -> bool:
        """Whether this is the worker that writes."""
        return self.rank == 0

    @property
    def machines(self) -> int:
        """On how many machines the workers are, if there are as many on each."""
        return -(-self.workers // self.local_workers)

    @property
    def launcher(self) -> str:
        """The command that starts as many workers once more, empty for a process that is alone."""
        if self.workers == 1:
            return ""
        if self.machines == 1:
            return f"torchrun --standalone --nproc-per-node {self.workers} -m "
        return (
            f"torchrun --nnodes {self.machines} --nproc-per-node {self.local_workers} --rdzv-backend c10d --rdzv-endpoint "
            "FIRST:29500 -m "
        )


def place() -> Place:
    """This process among the workers that torchrun started; alone when it did not. Raises ConfigError."""
    names = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE", "TORCHELASTIC_MAX_RESTARTS")
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
    launch = os.environ.get("TORCHELASTIC_RUN_ID", "none")
    return Place(rank, workers, local, locals_, restarts > 0, launch if launch != "none" else "")


def environment_without_launch() -> dict[str, str]:
    """The environment for another launch: this one's without what torchrun said to this process."""
    said = ("RANK", "WORLD_SIZE", "LOCAL_", "GROUP_", "ROLE_", "MASTER_", "TORCHELASTIC_")
    return {name: value for name, value in os.environ.items() if not name.startswith(said)}


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
