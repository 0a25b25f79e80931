"""TensorBoard: the event file in a run's folder `tensorboard`, for `tensorboard --logdir runs`."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from foveal.track.metrics import metrics_of
from foveal.training.fit import Record

FOLDER = "tensorboard"


@contextmanager
def log_to_tensorboard(
    folder: Path, settings: Mapping[str, Any], earlier: Sequence[Record]
) -> Iterator[Callable[[Record], None]]:
    """A function that adds a Record to a new event file, which first gets the records there are.

    The file before it is emptied: it may lack what a killed process had not flushed, or have what was trained after the
    checkpoint. `purge_step` says so to a TensorBoard that has read it already, and that would wait for a removed file.
    """
    from torch.utils.tensorboard import SummaryWriter

    place = folder / FOLDER
    for old in place.glob("events.out.tfevents.*"):
        old.write_bytes(b"")
    writer = SummaryWriter(str(place), purge_step=0)
    begun = time.time() - (earlier[-1].seconds if earlier else 0.0)  # TensorBoard's clock is that of the training

    def log(record: Record) -> None:
        for name, value in metrics_of(record).items():
            writer.add_scalar(name, value, record.update, walltime=begun + record.seconds)

    for record in earlier:
        log(record)
    try:
        yield log
    finally:
        writer.close()
