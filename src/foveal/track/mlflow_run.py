"""MLflow: one run of it for each run of foveal, where MLFLOW_TRACKING_URI says (MLflow's default is `mlflow.db` here)."""

import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from foveal.track.metrics import keep_id, known_id, metrics_of
from foveal.training.fit import Record

EVERY_SECONDS = 2.0  # records are sent in batches: a write took 9 ms (SQLite, two cores), more over a network
MAX_METRICS = 1000  # in a batch, by MLflow's REST interface
EXPERIMENT = "foveal"  # unless MLFLOW_EXPERIMENT_NAME names another


@contextmanager
def log_to_mlflow(
    folder: Path, settings: Mapping[str, Any], earlier: Sequence[Record]
) -> Iterator[Callable[[Record], None]]:
    """A function that sends a Record to MLflow, after those of the records there are that it has not got.

    Updates that MLflow has are not sent again: it keeps every point, and a resumed training makes the same ones.
    """
    from mlflow import MlflowClient

    client = MlflowClient()
    run_id = _find_run(client, folder) or _begin_run(client, folder, settings)
    client.update_run(run_id, status="RUNNING")
    sent = {point.step for point in client.get_metric_history(run_id, "loss")}
    waiting, last = [record for record in earlier if record.update not in sent], time.monotonic()

    def log(record: Record) -> None:
        nonlocal last
        if record.update not in sent:
            waiting.append(record)
        if time.monotonic() - last > EVERY_SECONDS:
            _send(client, run_id, waiting)
            waiting.clear()
            last = time.monotonic()

    status = "KILLED"
    try:
        yield log
        status = "FINISHED"
    finally:
        _send(client, run_id, waiting)
        client.set_terminated(run_id, status)


def _find_run(client: Any, folder: Path) -> str | None:
    from mlflow.exceptions import MlflowException

    identity = known_id(folder, "mlflow")
    try:
        return identity and str(client.get_run(identity).info.run_id)
    except MlflowException:  # on another server, or deleted there
        return None


def _begin_run(client: Any, folder: Path, settings: Mapping[str, Any]) -> str:
    from mlflow.entities import Param

    name = os.environ.get("MLFLOW_EXPERIMENT_NAME", EXPERIMENT)
    experiment = client.get_experiment_by_name(name)
    experiment_id = experiment.experiment_id if experiment is not None else client.create_experiment(name)
    run_id = str(client.create_run(experiment_id, run_name=folder.name).info.run_id)
    client.log_batch(run_id, params=[Param(key, str(value)) for key, value in settings.items() if value is not None])
    keep_id(folder, "mlflow", run_id)
    return run_id


def _send(client: Any, run_id: str, records: Sequence[Record]) -> None:
    from mlflow.entities import Metric

    now = int(time.time() * 1000)
    points = [
        Metric(name, float(value), now, record.update)
        for record in records
        for name, value in metrics_of(record).items()
    ]
    for start in range(0, len(points), MAX_METRICS):
        client.log_batch(run_id, metrics=points[start : start + MAX_METRICS])
