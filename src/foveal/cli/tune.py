"""`foveal tune`."""

import shlex
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from foveal.cli.asked import config_asked
from foveal.cli.console import AsJson, Threads, print_json, progress_line, say, table
from foveal.cli.train import (
    Channels,
    ConfigFile,
    DataName,
    Device,
    Epochs,
    Fit,
    From,
    GroupBy,
    Images,
    Model,
    Preset,
    Seed,
    Settings,
    Size,
    absolute,
)

if TYPE_CHECKING:
    from foveal.workflows.tune import Tuned
    from foveal.workflows.tune_study import Trial

DEFAULT_TRIALS = 20
SHOWN = 15  # trials on a terminal; trials.csv and --json have all
Trials = Annotated[
    int | None, typer.Option(help=f"Trials in all (default {DEFAULT_TRIALS}; with --budget, no limit).", min=1)
]
Workers = Annotated[int, typer.Option(help="Processes that train at once; the threads are divided among them.", min=1)]
TimeBudget = Annotated[str | None, typer.Option(help="Stop after this time, as 60s, 10m or 1h.")]
Resume = Annotated[Path | None, typer.Option(help="Go on with the tuning in this folder.")]
OutFolder = Annotated[Path | None, typer.Option(help="The folder to write; must not exist yet.")]


def tune(
    data: DataName = None,
    model: Model = None,
    start: From = None,
    preset: Preset = None,
    epochs: Epochs = None,
    images: Images = None,
    size: Size = None,
    fit: Fit = None,
    channels: Channels = None,
    group_by: GroupBy = None,
    seed: Seed = None,
    threads: Threads = None,
    device: Device = None,
    settings: Settings = None,
    config: ConfigFile = None,
    trials: Trials = None,
    workers: Workers = 1,
    budget: TimeBudget = None,
    resume: Resume = None,
    out: OutFolder = None,
    as_json: AsJson = False,
) -> None:
    """Try other settings on DATA, compare them by validation accuracy, and write the best as a config.toml."""
    from foveal.errors import ConfigError
    from foveal.settings import seconds_of

    options: dict[str, Any] = {
        "data": {
            "source": data,
            "size": size,
            "fit": fit,
            "channels": channels,
            "images": images,
            "group_by": group_by,
        },
        "model": {"name": model, "start": absolute(start)},
        "training": {"epochs": epochs},
        "preset": preset,
        "seed": seed,
        "device": device,
    }
    seconds = seconds_of(budget) if budget else None
    if resume is not None and (_is_said(options) or settings or config or out):
        raise ConfigError("--resume goes on with what was begun: it takes --trials, --workers, --budget and --threads.")
    folder = resume if resume is not None else _begin(options, settings, config, out, threads)
    from foveal.workflows.tune import tune as make_trials
    from foveal.workflows.tune import write_result

    limit = trials if trials is not None or seconds is not None else DEFAULT_TRIALS
    begin = time.perf_counter()
    try:
        for trial in make_trials(folder, trials=limit, workers=workers, seconds=seconds, threads=threads):
            progress_line(f"{_sentence(trial)} ({time.perf_counter() - begin:.0f} s)")
    except KeyboardInterrupt:
        progress_line(f"stopped; to go on: foveal tune --resume {folder}")
        raise
    tuned = write_result(folder)
    if as_json:
        print_json(tuned.as_dict())
    else:
        _show(tuned)


def _is_said(options: dict[str, Any]) -> bool:
    from foveal.recipes import without_none

    return without_none(options) != {}


def _begin(
    options: dict[str, Any], settings: list[str] | None, config: Path | None, out: Path | None, threads: int | None
) -> Path:
    from foveal.data.sources import data_name
    from foveal.settings import flat, parse_settings

    resolved = config_asked(options, settings, config)
    fixed = set(flat(parse_settings(settings or [])))
    from foveal.workflows.tune import begin_tuning

    return begin_tuning(resolved, fixed, out, data_name(resolved.data.source))


def _sentence(trial: "Trial") -> str:
    settings = ", ".join(f"{name.rpartition('.')[2]} {_text(value)}" for name, value in trial.settings.items())
    result = "no validation" if trial.accuracy is None else f"{trial.accuracy:.2%}"
    return f"trial {trial.number}: {result}{f' ({trial.reason})' if trial.reason else ''} with {settings}"


def _text(value: Any) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def _show(tuned: "Tuned") -> None:
    names = list(dict.fromkeys(name for trial in tuned.trials for name in trial.settings))
    ranked = sorted(tuned.trials, key=lambda trial: (trial.state != "complete", -(trial.accuracy or 0.0), trial.number))
    rows = [
        (
            str(trial.number),
            "" if trial.accuracy is None else f"{trial.accuracy:.2%}",
            trial.reason or trial.state,
            *(_text(trial.settings.get(name, "")) for name in names),
            "" if trial.seconds is None else f"{trial.seconds:.1f}",
        )
        for trial in ranked[:SHOWN]
    ]
    columns = ("trial", "validation", "ended", *(name.rpartition(".")[2] for name in names), "seconds")
    table(f"{tuned.model} on {tuned.data}: {len(tuned.trials)} trials", columns, rows, right=("trial", "seconds"))
    say(f"written: {tuned.folder} (all trials in {tuned.folder / 'trials.csv'})")
    if tuned.best is None:
        say(f"no trial was trained to its end; go on: foveal tune --resume {shlex.quote(str(tuned.folder))}")
        return
    say(
        f"the best, trial {tuned.best.number}, was chosen by its validation accuracy, which is therefore too good to be a score",
        f"next: foveal train --config {shlex.quote(str(tuned.config))}",
    )
