"""What MLflow's own client finds, in a database and without a server."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tracked_records import SETTINGS, points, records

from foveal.run import Run
from foveal.track.mlflow_run import log_to_mlflow

mlflow = pytest.importorskip("mlflow", reason='mlflow is not installed: pip install "foveal[track]"')


@pytest.fixture
def client(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A client of a database of this test's own."""
    monkeypatch.setenv("MLFLOW_DISABLE_TELEMETRY", "true")
    monkeypatch.delenv("MLFLOW_EXPERIMENT_NAME", raising=False)
    uri = f"sqlite:///{tmp_path}/mlflow.db"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    mlflow.set_tracking_uri(uri)
    yield mlflow.MlflowClient()
    mlflow.set_tracking_uri(None)


def only_run(client: Any, experiment: str = "foveal") -> Any:
    (found,) = client.search_runs([client.get_experiment_by_name(experiment).experiment_id])
    return found


def series(client: Any, name: str) -> list[tuple[int, float]]:
    history = client.get_metric_history(only_run(client).info.run_id, name)
    return [(point.step, point.value) for point in history]


def test_a_killed_and_resumed_training_is_one_run_and_one_series(
    client: Any, killed_and_resumed: Callable[..., Run], series_of: Any
) -> None:
    run = killed_and_resumed(["mlflow"])
    found = only_run(client)
    assert (found.info.run_name, found.info.status) == ("run", "FINISHED")
    for name in ("loss", "accuracy", "val_loss", "val_accuracy", "learning_rate", "epoch"):
        assert series(client, name) == series_of(run, name)
    assert found.data.params["training.batch_size"] == "40"
    assert found.data.params["model.name"] == "compact"


def test_points_that_mlflow_has_are_not_sent_again_and_points_that_it_lacks_are(client: Any, tmp_path: Path) -> None:
    killed = log_to_mlflow(tmp_path, SETTINGS, [])
    log = killed.__enter__()
    for record in records(1, 2, 3):
        log(record)
    killed.__exit__(SystemExit, SystemExit(), None)
    assert only_run(client).info.status == "KILLED"
    with log_to_mlflow(tmp_path, SETTINGS, records(1, 2)) as log:
        for record in records(3, 4):
            log(record)
    assert series(client, "loss") == points("loss", 1, 2, 3, 4)

    unsent = log_to_mlflow(tmp_path, SETTINGS, records(1, 2, 3, 4))
    unsent.__enter__()(records(5)[0])  # it waits to be sent when the process is killed
    with log_to_mlflow(tmp_path, SETTINGS, records(1, 2, 3, 4, 5)):
        pass
    assert series(client, "loss") == points("loss", 1, 2, 3, 4, 5)


def test_records_are_sent_while_the_training_goes_on(
    client: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("foveal.track.mlflow_run.EVERY_SECONDS", -1.0)
    with log_to_mlflow(tmp_path, SETTINGS, []) as log:
        for count, record in enumerate(records(1, 2, 3), start=1):
            log(record)
            assert len(series(client, "loss")) == count


def test_more_points_than_a_batch_holds_are_all_sent(client: Any, tmp_path: Path) -> None:
    updates = range(1, 301)
    with log_to_mlflow(tmp_path, SETTINGS, records(*updates)):
        pass
    assert series(client, "loss") == points("loss", *updates)


def test_a_run_that_mlflow_does_not_know_any_more_is_begun_anew(
    client: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", "mine")
    (tmp_path / "track.json").write_text('{"mlflow": "of another server"}')
    with log_to_mlflow(tmp_path, SETTINGS, records(1, 2)):
        pass
    assert only_run(client, "mine").data.metrics["loss"] == 0.5
