"""`foveal rate`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from foveal.cli.asked import config_asked, data_options
from foveal.cli.console import AsJson, Threads, print_json, say
from foveal.cli.train import (
    AsPublished,
    Channels,
    ConfigFile,
    DataName,
    Device,
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
    from foveal.workflows.rate import FoundRate

Lowest = Annotated[float, typer.Option(help="The rate of the first update.")]
Highest = Annotated[float, typer.Option(help="The rate of the last update.")]
Updates = Annotated[int, typer.Option(help="Updates in which the rate climbs.", min=30, max=100_000)]
Picture = Annotated[Path | None, typer.Option(help="The picture to write (default: rate-DATA-MODEL.png).")]


def rate(
    data: DataName = None,
    model: Model = None,
    start: From = None,
    preset: Preset = None,
    as_published: AsPublished = False,
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
    lowest: Lowest = 1e-6,
    highest: Highest = 10.0,
    updates: Updates = 200,
    out: Picture = None,
    as_json: AsJson = False,
) -> None:
    """Find a learning rate for DATA: train shortly while the rate climbs, and see where the loss falls and where it explodes."""
    options: dict[str, Any] = {
        "data": data_options(data, size=size, fit=fit, channels=channels, images=images, group_by=group_by),
        "model": {"name": model, "start": absolute(start)},
        "preset": preset,
        "as_published": as_published or None,
        "seed": seed,
        "threads": threads,
        "device": device,
    }
    resolved = config_asked(options, settings, config)
    from foveal.workflows.rate import find_rate  # torch, once the options are known to be right

    found = find_rate(resolved, lowest=lowest, highest=highest, updates=updates, out=out)
    if as_json:
        print_json(found.as_dict())
    else:
        _show(found)


def _show(found: "FoundRate") -> None:
    test = found.test
    say(
        f"{found.model} on {found.data}: {found.optimizer}, batches of {found.batch_size}, {len(test.rates)} updates in "
        f"{found.seconds:.1f} s",
        *(f"note: {note}" for note in found.notes),
    )
    if test.steepest is None or test.lowest is None:
        say(
            f"the loss did not fall between {test.rates[0]:.2g} and {test.rates[-1]:.2g}: there is no rate to suggest. Try "
            "others (--lowest, --highest), or more updates (--updates)."
        )
    else:
        end = f", and diverges from {test.diverges:.2g} on" if test.diverges is not None else "; it does not diverge"
        say(f"the loss falls fastest at {test.steepest:.2g}, is lowest at {test.lowest:.2g}{end}")
    say(f"written: {found.picture}")
    if found.learning_rate is not None:
        why = (
            "to hold it constant" if found.learning_rate == test.steepest else "as the highest of a schedule that falls"
        )
        say(
            f"next: the same options for foveal train, and --set training.learning_rate={found.learning_rate:.2g}, {why}"
        )
