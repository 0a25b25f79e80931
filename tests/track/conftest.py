"""A training that is killed and resumed, as the trackers see it."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from numpy import ndarray

import foveal


class Stopped(BaseException):
    """A training that ends without a word, in the way of SIGKILL."""


@pytest.fixture
def killed_and_resumed(
    digits: tuple[ndarray, ndarray], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., "foveal.Run"]:
    """A training with a Record every 2 updates and a checkpoint every 5, its end at update 8, and its continuation."""
    from foveal.workflows import train as workflow

    real = workflow.start_fit
    monkeypatch.setattr(workflow, "draw_training", lambda *_: None)

    def until_8(*arguments: Any, **named: Any) -> Any:
        for record in real(*arguments, **named):
            yield record
            if record.update == 8:
                raise Stopped

    def train(log: Sequence[str], resumed_log: Sequence[str] | None = None) -> "foveal.Run":
        few = (digits[0][:300], digits[1][:300])
        training = {"batch_size": 40, "report_every": 2, "checkpoint_every": 5, "validate_every": 0.5}
        monkeypatch.setattr(workflow, "start_fit", until_8)
        with pytest.raises(Stopped):
            foveal.train(few, epochs=2, threads=1, out=tmp_path / "run", settings={"training": training}, log=log)
        monkeypatch.setattr(workflow, "start_fit", real)
        return foveal.resume(tmp_path / "run", few, log=resumed_log)

    return train


@pytest.fixture
def series_of() -> Callable[["foveal.Run", str], list[tuple[int, float]]]:
    """What a run's history has under a name: (update, value), where it was measured."""

    def series(run: "foveal.Run", name: str) -> list[tuple[int, float]]:
        return [(each["update"], each[name]) for each in run.history if each[name] is not None]

    return series
