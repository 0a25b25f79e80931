"""`foveal data check`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from foveal.cli.console import AsJson, print_json, say, table
from foveal.cli.train import Channels, DataName, Fit, GroupBy, Images, Settings, Size

if TYPE_CHECKING:
    from foveal.data.doctor.overview import Overview
    from foveal.workflows.check import Checked

MAX_CLASSES = 60  # rows on a terminal; the page and --json have all


def check(
    data: DataName = None,
    images: Images = None,
    size: Size = None,
    fit: Fit = None,
    channels: Channels = None,
    group_by: GroupBy = None,
    settings: Settings = None,
    out: Annotated[Path | None, typer.Option(help="The page to write (default: check-DATA.html).")] = None,
    as_json: AsJson = False,
) -> None:
    """Look DATA over before training: counts, faulty and odd files, copies, splits. Exit 1 when a result would be a lie."""
    from foveal.data.sources import data_name, require_source
    from foveal.recipes import resolve, without_none
    from foveal.settings import merge, parse_settings

    source = data or "mnist"
    require_source(source)
    options = {"source": source, "images": images, "size": size, "fit": fit, "channels": channels, "group_by": group_by}
    said = merge({"data": without_none(options)}, parse_settings(settings or []))
    config = resolve(said, data_name(source))
    from foveal.workflows.check import check as check_workflow  # torch, once the options are known to be right

    checked = check_workflow(config.data, out=out)
    if as_json:
        print_json(checked.as_dict())
    else:
        _show(checked)
    if not checked.is_trustworthy:
        raise typer.Exit(1)


def _show(checked: "Checked") -> None:
    numbers = checked.overview
    splits = list(numbers.splits)
    rows = [(name, *(f"{numbers.splits[split][name]:,}" for split in splits)) for name in numbers.classes]
    title = f"{numbers.data}: {numbers.images:,} images of {len(numbers.classes)} classes"
    table(title, ("class", *splits), rows[:MAX_CLASSES], right=splits)
    if len(rows) > MAX_CLASSES:
        say(f"and {len(rows) - MAX_CLASSES} more classes")
    say(*_in_words(numbers))
    for verdict in checked.verdicts:
        say("", f"{verdict.level}: {verdict.text}", *(f"    {each}" for each in verdict.examples))
    if not checked.verdicts:
        say("", "Nothing was found that stands in the way of training and testing on these images.")
    say("", f"written: {checked.page}")


def _in_words(numbers: "Overview") -> list[str]:
    sizes = numbers.sizes
    size = sizes.median if sizes.distinct == 1 else f"{sizes.smallest} to {sizes.largest} (median {sizes.median})"
    kinds = ", ".join(f"{name} {count:,}" for name, count in (*numbers.formats.items(), *numbers.modes.items()))
    light = ", ".join(f"{mean:.1f} ± {std:.1f}" for mean, std in zip(numbers.mean, numbers.std, strict=True))
    return [f"sizes: {size}", f"kinds: {kinds}", f"mean ± spread of the pixels (0 to 255): {light}"]
