"""`foveal tune`."""

import shlex
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from foveal.cli.asked import config_asked, data_options
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
REASON = 30  # letters of why a trial ended early, on a terminal
Try = Annotated[
    list[str] | None,
    typer.Option(
        "--try", help="Values to choose from, as augment.rotate=[0,10,20], besides the usual ones; may be repeated."
    ),
]
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
    tried: Try = None,
    trials: Trials = None,
    workers: Workers = 1,
    budget: TimeBudget = None,
    resume: Resume = None,
    out: OutFolder = None,
    as_json: AsJson = False,
) -> None:
    """Try other settings on DATA, compare them by validation accuracy, and write the best as a config.toml."""
    from foveal.errors import ConfigError
    from foveal.recipes import without_none
    from foveal.settings import seconds_of

    options: dict[str, Any] = {
        "data": data_options(data, size=size, fit=fit, channels=channels, images=images, group_by=group_by),
        "model": {"name": model, "start": absolute(start)},
        "training": {"epochs": epochs},
        "preset": preset,
        "seed": seed,
        "device": device,
    }
    seconds = seconds_of(budget) if budget else None
    if resume is not None and (without_none(options) or settings or config or tried or out):
        raise ConfigError("--resume goes on with what was begun: it takes --trials, --workers, --budget and --threads.")
    folder = resume if resume is not None else _begin(options, settings, config, tried, out)
    limit = trials if trials is not None or seconds is not None else DEFAULT_TRIALS
    tuned = _make_trials(folder, limit, workers, seconds, threads)
    if as_json:
        print_json(tuned.as_dict())
    else:
        _show(tuned)


def _begin(
    options: dict[str, Any],
    settings: list[str] | None,
    config: Path | None,
    tried: list[str] | None,
    out: Path | None,
) -> Path:
    from foveal.data.sources import data_name
    from foveal.settings import flat, parse_settings

    resolved = config_asked(options, settings, config)
    fixed = set(flat(parse_settings(settings or [])))
    wanted = parse_settings(tried or [], "--try")
    from foveal.workflows.tune import begin_tuning  # torch, once the options are known to be right

    return begin_tuning(resolved, fixed, out, data_name(resolved.data.source), wanted)


def _make_trials(folder: Path, limit: int | None, workers: int, seconds: float | None, threads: int | None) -> "Tuned":
    from foveal.errors import FovealError
    from foveal.workflows.tune import tune as make_trials
    from foveal.workflows.tune import write_result

    begin, is_begun = time.perf_counter(), False
    try:
        for trial in make_trials(folder, trials=limit, workers=workers, seconds=seconds, threads=threads):
            is_begun = True
            progress_line(f"{_sentence(trial)} ({time.perf_counter() - begin:.0f} s)")
    except (KeyboardInterrupt, FovealError) as reason:
        if is_begun or isinstance(reason, KeyboardInterrupt):
            progress_line(f"stopped; to go on: foveal tune --resume {shlex.quote(str(folder))}")
        raise
    return write_result(folder)


def _sentence(trial: "Trial") -> str:
    settings = ", ".join(f"{name.rpartition('.')[2]} {_text(value)}" for name, value in trial.settings.items())
    result = "no validation" if trial.accuracy is None else f"{trial.accuracy:.2%}"
    return f"trial {trial.number}: {result}{f' ({_reason(trial)})' if trial.reason else ''} with {settings}"


def _reason(trial: "Trial") -> str:
    """Why it ended early, or how it ended, in few words; trials.csv has all of them."""
    text = trial.reason or trial.state
    return text if len(text) <= REASON else f"{text[:REASON].rsplit(' ', 1)[0]} ..."


def _text(value: Any) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def _show(tuned: "Tuned") -> None:
    names = list(dict.fromkeys(name for trial in tuned.trials for name in trial.settings))
    ranked = sorted(tuned.trials, key=lambda trial: (trial.state != "complete", -(trial.accuracy or 0.0), trial.number))
    rows = [
        (
            str(trial.number),
            "" if trial.accuracy is None else f"{trial.accuracy:.2%}",
            _reason(trial),
            *(_text(trial.settings.get(name, "")) for name in names),
            "" if trial.seconds is None else f"{trial.seconds:.1f}",
        )
        for trial in ranked[:SHOWN]
    ]
    columns = ("trial", "validation", "ended", *(name.rpartition(".")[2] for name in names), "seconds")
    table(f"{tuned.model} on {tuned.data}: {len(tuned.trials)} trials", columns, rows, right=("trial", "seconds"))
    say(f"written: {tuned.folder} (all trials in {tuned.folder / 'trials.csv'})")
    again = f"foveal tune --resume {shlex.quote(str(tuned.folder))}"
    if tuned.best is None or tuned.best.accuracy is None:
        say(f"no trial was trained to its end; go on: {again}")
        return
    say(
        f"the best, trial {tuned.best.number}, was chosen by its validation accuracy, which is therefore too good to be a score",
        *(
            [f"with the recipe's own settings (trial {tuned.recipe.number}): {tuned.recipe.accuracy:.2%}"]
            if tuned.recipe is not None and tuned.recipe.accuracy is not None and tuned.recipe != tuned.best
            else []
        ),
        f"next: foveal train --config {shlex.quote(str(tuned.config))}    or, for more trials: {again} --trials N",
    )
