"""What `foveal.train` and its neighbours are from Python: the workflows with every setting as an argument."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from foveal.config import DataConfig, Fit, Preset
from foveal.data.sources import ARRAYS, Source, data_name
from foveal.recipes import resolve, without_none
from foveal.run import Run, open_run, removed_if_empty, start_run
from foveal.settings import merge
from foveal.workflows import check as check_workflow
from foveal.workflows import evaluate as evaluate_workflow
from foveal.workflows import reproduce as reproduce_workflow
from foveal.workflows import resume as resume_workflow
from foveal.workflows.start_settings import start_settings
from foveal.workflows.train import train as train_workflow


def train(
    data: Source = "mnist",
    *,
    model: Any = None,
    start: str | Path | Run | None = None,
    preset: Preset = "balanced",
    epochs: float | None = None,
    budget: float | None = None,
    as_published: bool = False,
    images: str | Path | None = None,
    size: int | None = None,
    fit: Fit | None = None,
    channels: Literal[1, 3] | None = None,
    group_by: str | None = None,
    seed: int = 0,
    threads: int | None = None,
    device: Literal["auto", "cpu", "cuda"] = "auto",
    log: Sequence[str] | None = None,
    out: str | Path | None = None,
    settings: Mapping[str, Any] | None = None,
) -> Run:
    """Train a network on images and return the finished Run; its Classifier is in `run.classifier`.

    `data` is a known name, a path (a folder, an archive, a table of files in `images`, arrays), `(images, labels)` as
    arrays, or a dict of such pairs ("train", "validation", "test"). Images to which `group_by` (a column, or a pattern in
    file names) gives the same value stay in one split. `model` is a name of the catalog, a layers.toml, "path.py:MyNet", or
    an nn.Module (class or instance); without one it is `compact`, or that of `start`, a run or Classifier whose weights the
    training begins with. `log` names who is told of the training: "tensorboard", "mlflow", "wandb".
    `budget` is the time to train for in seconds, from the reading of the data to the Classifier, in place of `epochs`.
    `settings` are nested and win over everything: {"training": {"learning_rate": 0.02}}.
    """
    name = model if isinstance(model, str | None) else _class_name(model)
    said: dict[str, Any] = {
        "data": {"source": str(data) if isinstance(data, str | Path) else ARRAYS},
        "preset": preset,
        "as_published": as_published,
        "seed": seed,
        "device": device,
    }
    files = str(images) if images is not None else None
    optional = {
        "model": {"name": name, "start": _classifier_of(start)},
        "data": {"size": size, "fit": fit, "channels": channels, "images": files, "group_by": group_by},
        "training": {"epochs": epochs, "budget": budget},
        "threads": threads,
        "track": {"to": list(log) if log is not None else None},
    }
    asked = merge(said, without_none(optional), settings or {})
    config = resolve(asked, data_name(data), start_settings(asked))
    run = start_run(config, Path(out) if out is not None else None, data_name(data))
    with removed_if_empty(run):
        return train_workflow(
            config,
            run,
            None if isinstance(data, str | Path) else data,
            None if isinstance(model, str | None) else model,
        )


def resume(
    run: str | Path | Run,
    data: Source | None = None,
    *,
    model: Any = None,
    allow_difference: bool = False,
    log: Sequence[str] | None = None,
) -> Run:
    """Finish a training that was stopped anywhere; the weights are bit for bit those of one that never was.

    `data` and `model` are needed where the training was given arrays or a network made in Python; as a path, `data` is where
    the data lie now. Raises ArtifactError when something that decides the weights is not as it was, unless
    `allow_difference`. `log` names other trackers than so far.
    """
    folder = run.folder if isinstance(run, Run) else Path(run)
    return resume_workflow.resume(open_run(folder), data, model, allow_difference=allow_difference, log=log)


def _classifier_of(start: str | Path | Run | None) -> str | None:
    """The path that means the same from any folder, of a run or a Classifier."""
    folder = start.folder if isinstance(start, Run) else start
    return None if folder is None else str(Path(folder).resolve())


def _class_name(model: Any) -> str:
    return f"python:{model.__name__ if isinstance(model, type) else type(model).__name__}"


def evaluate(
    run: str | Path | Run | None = None,
    data: Source | None = None,
    *,
    images: str | Path | None = None,
    settings: Mapping[str, Any] | None = None,
    model: Any = None,
    allow_overlap: bool = False,
    threads: int | None = None,
) -> evaluate_workflow.Report:
    """Test a run (default: the newest) or a Classifier folder; opens the test split, which is counted.

    `data` are other data than the run's own; `images` and `settings` ({"data": {"label_column": "species"}}) say how they
    are read where that differs from the training's.
    """
    target = run.folder if isinstance(run, Run) else None if run is None else Path(run)
    files = str(images) if images is not None else None
    return evaluate_workflow.evaluate(
        target, data, images=files, settings=settings, own=model, allow_overlap=allow_overlap, threads=threads
    )


def check_data(
    data: Source = "mnist",
    *,
    images: str | Path | None = None,
    group_by: str | None = None,
    out: str | Path | None = None,
) -> check_workflow.Checked:
    """Look data over before training on them: damaged, odd and duplicate images, leaks between splits; with a page.

    `data`, `images` and `group_by` are those of `train`; no model is run, so that no test split is opened.
    """
    name = str(data) if isinstance(data, str | Path) else ARRAYS
    wanted = DataConfig(source=name, images=str(images) if images is not None else None, group_by=group_by)
    return check_workflow.check(
        wanted, None if isinstance(data, str | Path) else data, out=Path(out) if out is not None else None
    )


def reproduce(
    *, epochs: float | None = None, seed: int = 0, threads: int | None = None, out: str | Path | None = None
) -> Iterator[reproduce_workflow.Row]:
    """Train the seven tutorial networks as published and test each: one row a network, as it is done."""
    folder = reproduce_workflow.reproduce_folder(Path(out) if out is not None else None)
    return reproduce_workflow.reproduce(folder, epochs=epochs, seed=seed, threads=threads)
