"""`foveal train` and `foveal reproduce`."""

import shlex
from pathlib import Path
from typing import Annotated, Any

import typer

from foveal.cli.asked import config_asked, data_options
from foveal.cli.console import AsJson, Threads, print_json, say, table

DataName = Annotated[
    str | None,
    typer.Argument(help="A known name (foveal data list), a folder, an archive, a table or arrays. Default: mnist."),
]
Images = Annotated[str | None, typer.Option(help="The folder or archive of the files that a table names.")]
GroupBy = Annotated[
    str | None,
    typer.Option(help="A column, or a pattern in file names: images that it gives the same value stay in one split."),
]
Channels = Annotated[int | None, typer.Option(help="1 for grey, 3 for colour (default: as the images are).")]
Model = Annotated[
    str | None, typer.Option(help="A name (foveal model list), layers.toml, or path.py:Class. Default: compact.")
]
From = Annotated[
    Path | None, typer.Option("--from", help="Begin with the weights of this run or Classifier, on these data.")
]
Preset = Annotated[str | None, typer.Option(help="fast, balanced (default) or best.")]
AsPublished = Annotated[
    bool, typer.Option("--as-published", help="Train a tutorial network exactly as its document does.")
]
Epochs = Annotated[float | None, typer.Option(help="Passes over the training images (default: the preset's).")]
Budget = Annotated[
    str | None, typer.Option(help="Train for this long in all, as 60s, 10m or 1h, instead of for a number of epochs.")
]
Size = Annotated[int | None, typer.Option(help="Bring images to SIZE x SIZE pixels.")]
Fit = Annotated[str | None, typer.Option(help="How: pad (default), stretch or crop.")]
Seed = Annotated[int | None, typer.Option(help="Seed of everything random (default 0).")]
Device = Annotated[str | None, typer.Option(help="auto (default), cpu or cuda.")]
CheckpointEvery = Annotated[
    int | None, typer.Option(help="Updates between checkpoints (default: ends of epochs, at most 20).", min=1)
]
Log = Annotated[
    str | None,
    typer.Option(help="Who is told of the training too: tensorboard, mlflow, wandb, several with commas, or none."),
]
Settings = Annotated[
    list[str] | None, typer.Option("--set", help="Any setting, as training.batch_size=64; may be repeated.")
]
ConfigFile = Annotated[Path | None, typer.Option(help="Start from the config.toml of a run.")]
Out = Annotated[Path | None, typer.Option(help="The folder to write; must not exist yet.")]
FEW = 10  # reasons of files that were left out, on a terminal
DryRun = Annotated[bool, typer.Option("--dry-run", help="Say what would be done, and do not train.")]


def train(
    data: DataName = None,
    model: Model = None,
    start: From = None,
    preset: Preset = None,
    as_published: AsPublished = False,
    epochs: Epochs = None,
    budget: Budget = None,
    images: Images = None,
    size: Size = None,
    fit: Fit = None,
    channels: Channels = None,
    group_by: GroupBy = None,
    seed: Seed = None,
    threads: Threads = None,
    device: Device = None,
    checkpoint_every: CheckpointEvery = None,
    log: Log = None,
    settings: Settings = None,
    config: ConfigFile = None,
    out: Out = None,
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    """Train a network on DATA and write a run folder with its Classifier and pictures."""
    from foveal.data.sources import data_name
    from foveal.settings import seconds_of

    options: dict[str, Any] = {
        "data": data_options(data, size=size, fit=fit, channels=channels, images=images, group_by=group_by),
        "model": {"name": model, "start": absolute(start)},
        "training": {
            "epochs": epochs,
            "budget": seconds_of(budget) if budget else None,
            "checkpoint_every": checkpoint_every,
        },
        "preset": preset,
        "as_published": as_published or None,
        "seed": seed,
        "threads": threads,
        "device": device,
        "track": {"to": trackers(log)},
    }
    resolved = config_asked(options, settings, config)
    if dry_run:
        _dry_run(resolved, as_json)
    else:
        _train(resolved, out, data_name(resolved.data.source), as_json)


def absolute(path: Path | None) -> str | None:
    """A path that means the same from any folder."""
    return None if path is None else str(path.resolve())


def trackers(log: str | None) -> list[str] | None:
    """The names that --log gives, none of them for `none`; None where it was not said."""
    if log is None:
        return None
    return [name.strip() for name in log.split(",") if name.strip() not in ("", "none")]


def _train(config: Any, out: Path | None, name: str, as_json: bool) -> None:
    from foveal.launch import place

    here = place()
    if here.workers > 1 or (here.launch and out is not None):
        from foveal.cli.workers import train_together

        run = train_together(config, out, name, here)
    else:
        run = _train_alone(config, out, name)
    if run is None:  # another worker says it
        return
    if as_json:
        print_json(run.summary)
    else:
        say_result(run.summary, run.folder)


def _train_alone(config: Any, out: Path | None, name: str) -> Any:
    from foveal.run import removed_if_empty, start_run

    run = start_run(config, out, name)  # the folder and its config are there before torch is loaded
    with removed_if_empty(run):
        from foveal.workflows.train import train as train_workflow

        return train_workflow(config, run)


def say_result(summary: dict[str, Any], folder: Path) -> None:
    """What a training came to, and the next command."""
    validation = summary["val_accuracy"]
    chosen = (
        f"{validation:.2%} of the validation images right (chosen at update {summary['chosen_update']:,})"
        if validation is not None
        else "no images were held out for validation; the last weights were kept"
    )
    say(
        f"{summary['model']} on {summary['data']}: {summary['parameters']:,} parameters, {summary['epochs']:.2g} epochs, "
        f"{summary['updates']:,} updates in {summary['train_seconds']:.1f} s ({summary['images_per_second']:,.0f} images/s)",
        chosen,
        f"written: {folder} (Classifier in {folder / 'classifier'}, pictures in {folder / 'report'})",
        f"next: foveal evaluate {shlex.quote(str(folder))}    or: foveal predict {shlex.quote(str(folder))} PICTURE...",
    )


def _dry_run(config: Any, as_json: bool) -> None:
    from foveal.cli.model import show_ledger
    from foveal.workflows.describe import dry_run as describe_training

    plan = describe_training(config)
    if as_json:
        print_json(plan)
        return
    rows = [(name, f"{count:,}") for name, count in plan["images"].items()]
    table(f"{plan['data']}: {len(plan['classes'])} classes", ("split", "images"), rows, right=("images",))
    show_ledger(plan["model"], plan["ledger"])
    say(
        *(f"left out: {reason}" for reason in plan["refused"][:FEW]),
        *([f"left out: {len(plan['refused']) - FEW:,} more files"] if len(plan["refused"]) > FEW else []),
        *(f"note: {note}" for note in plan["notes"]),
        f"{plan['updates']:,} updates of {plan['batch_size']} images: {plan['epochs']:.2f} epochs",
        f"estimated {plan['estimated_seconds']:.0f} s of training on {plan['threads']} threads "
        f"({1000 * plan['seconds_per_update']:.1f} ms an update, measured now)",
    )


def reproduce(
    epochs: Epochs = None, seed: Seed = 0, threads: Threads = None, out: Out = None, as_json: AsJson = False
) -> None:
    """Train the seven tutorial networks as published and test each once on the real test images."""
    from foveal.cli.console import progress_line
    from foveal.workflows.reproduce import reproduce as reproduce_workflow
    from foveal.workflows.reproduce import reproduce_folder

    folder = reproduce_folder(out)
    rows = []
    try:
        for row in reproduce_workflow(folder, epochs=epochs, seed=seed or 0, threads=threads):
            rows.append(row)
            progress_line(f"{row.model}: {row.accuracy:.2%} after {row.epochs:.3g} epochs")
    finally:
        if not any(folder.folder.iterdir()):  # what Ctrl-C left behind is a whole run
            folder.discard()
    if as_json:
        from dataclasses import asdict

        print_json({"run": str(folder.folder), "rows": [asdict(row) for row in rows]})
        return
    table(
        "The seven networks as published, on the real test images",
        ("document", "network", "published", "ours", "95 % interval", "epochs", "s/epoch", "measured wrongly there"),
        [
            (
                row.document,
                row.model,
                row.published,
                f"{row.accuracy:.2%}",
                f"{row.interval[0]:.2%} to {row.interval[1]:.2%}",
                f"{row.epochs:.3g}",
                f"{row.seconds_per_epoch:.1f}",
                row.flaw,
            )
            for row in rows
        ],
        right=("ours", "epochs", "s/epoch"),
    )
    opened = max((row.test_opened for row in rows), default=0)
    say(f"the test split of this data set has been opened {opened} times on this machine", f"written: {folder.folder}")
