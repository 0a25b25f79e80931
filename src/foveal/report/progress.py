"""Progress bars of a training and of counting through images: on a terminal, and nowhere else."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from foveal.launch import place
from foveal.training.fit import Record


@contextmanager
def progress_bar(updates: int, epochs: float, batch_size: int) -> Iterator[Callable[[Record], None]]:
    """A function to call with each Record: epoch, loss, accuracy, images a second and the time left, on stderr."""
    console = Console(file=sys.stderr)
    if not console.is_terminal or not place().is_first:
        yield lambda record: None
        return
    columns = (
        TextColumn("epoch {task.fields[epoch]:.2f}/{task.fields[epochs]:.3g}"),
        BarColumn(bar_width=10),
        TextColumn("loss {task.fields[loss]:.3f} accuracy {task.fields[accuracy]:.1%}{task.fields[val]}"),
        TextColumn("{task.fields[speed]:,.0f} images/s"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task(
            "", total=updates, epoch=0.0, epochs=epochs, loss=float("nan"), accuracy=0.0, val="", speed=0.0
        )
        validation = ""

        def show(record: Record) -> None:
            nonlocal validation
            if record.val_accuracy is not None:
                validation = f" (val {record.val_accuracy:.2%})"
            progress.update(
                task,
                completed=record.update,
                epoch=record.epoch,
                loss=record.loss,
                accuracy=record.accuracy,
                val=validation,
                speed=record.update * batch_size / record.seconds,
            )

        yield show


@contextmanager
def counting_bar(what: str) -> Iterator[Callable[[int, int], None]]:
    """A function to call with how many of how many are done; a bar on stderr once the first call comes."""
    console = Console(file=sys.stderr)
    if not console.is_terminal:
        yield lambda done, total: None
        return
    columns = (TextColumn("{task.description}"), BarColumn(bar_width=10), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task(what, total=None, visible=False)
        yield lambda done, total: progress.update(task, completed=done, total=total, visible=True)
