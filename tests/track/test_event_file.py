"""TensorBoard's own reader finds in the event file what the history says, once."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tracked_records import SETTINGS, points, records

from foveal.run import Run
from foveal.track.event_file import log_to_tensorboard

NAMES = ("loss", "accuracy", "learning_rate", "val_loss", "val_accuracy", "epoch", "seconds")
pytest.importorskip("tensorboard", reason='tensorboard is not installed: pip install "foveal[track]"')


def read(folder: Path) -> Any:
    """TensorBoard's reader, which has read all there is."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    reader = EventAccumulator(str(folder / "tensorboard"))
    reader.Reload()
    return reader


def series(reader: Any, name: str) -> list[tuple[int, Any]]:
    return [(event.step, pytest.approx(event.value, rel=1e-6)) for event in reader.Scalars(name)]


def test_a_killed_and_resumed_training_is_one_series(killed_and_resumed: Callable[..., Run], series_of: Any) -> None:
    run = killed_and_resumed(["tensorboard"])
    reader = read(run.folder)
    assert sorted(reader.Tags()["scalars"]) == sorted(NAMES)
    for name in NAMES:
        assert series_of(run, name) == series(reader, name)
    sizes = [path.stat().st_size for path in sorted((run.folder / "tensorboard").iterdir())]
    assert sizes[0] == 0 < sizes[1]  # for readers that know nothing of purging


def test_a_training_that_is_first_logged_when_resumed_is_there_as_a_whole(
    killed_and_resumed: Callable[..., Run], series_of: Any
) -> None:
    run = killed_and_resumed([], ["tensorboard"])
    assert run.config.track.to == ("tensorboard",)
    assert series_of(run, "loss") == series(read(run.folder), "loss")


def test_what_a_killed_process_had_logged_after_its_checkpoint_is_replaced(tmp_path: Path) -> None:
    killed = log_to_tensorboard(tmp_path, SETTINGS, [])
    log = killed.__enter__()
    for record in records(1, 2, 3, 4):
        log(record)
    killed.__exit__(None, None, None)
    watching = read(tmp_path)  # a TensorBoard that was open all the time
    assert points("loss", 1, 2, 3, 4) == series(watching, "loss")
    with log_to_tensorboard(tmp_path, SETTINGS, records(1, 2)) as log:
        for record in records(5, 6):
            log(record)
    watching.Reload()
    for reader in (watching, read(tmp_path)):
        assert points("loss", 1, 2, 5, 6) == series(reader, "loss")
        assert points("val_loss", 2, 6) == series(reader, "val_loss")


def test_the_clock_of_the_events_is_that_of_the_training(tmp_path: Path) -> None:
    with log_to_tensorboard(tmp_path, SETTINGS, records(10, 20)) as log:
        log(records(30)[0])
    times = [event.wall_time for event in read(tmp_path).Scalars("loss")]
    assert [later - times[0] for later in times] == pytest.approx([0, 20, 40], abs=1e-3)
