"""`foveal data list`, `fetch`, `show` and `cache`."""

import time
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from foveal.cli.check import check
from foveal.cli.console import AsJson, print_json, say, table
from foveal.cli.train import Channels, DataName, Fit, Images, Settings, Size

app = typer.Typer(help="The data: which are known, and what they look like.", no_args_is_help=True)
app.command()(check)


@app.command("list")
def list_data(as_json: AsJson = False) -> None:
    """List the data sets that are known by name: what they are, their size, where they are, whose they are."""
    from foveal.data.known import DATASETS, found_at

    folders = {name: found_at(name) for name in DATASETS}
    if as_json:
        rows = [{"name": name, "folder": str(folders[name] or ""), **asdict(DATASETS[name])} for name in DATASETS]
        print_json({"data": [row | {"places": [str(place) for place in row["places"]]} for row in rows]})
        return
    shown = [
        (name, known.title, _megabytes(known.size), str(folders[name] or "not here yet"), known.licence)
        for name, known in DATASETS.items()
    ]
    table("Known data", ("name", "what", "MB to fetch", "where", "licence"), shown, right=("MB to fetch",))
    say("Get one: foveal data fetch NAME", "Data of your own is a path: foveal train path/to/folder")


def _megabytes(size: int | None) -> str:
    return "unknown" if size is None else f"{size / 1e6:,.0f}"


@app.command()
def fetch(
    names: Annotated[list[str], typer.Argument(help="Known names (foveal data list).")], as_json: AsJson = False
) -> None:
    """Make sure that known data sets are on this machine, whole and right; what was cut off goes on."""
    from foveal.data.known import fetch as fetch_one
    from foveal.report.downloading import download_progress

    found = []
    for name in dict.fromkeys(names):
        with download_progress() as show_progress:
            folder = str(fetch_one(name, show=show_progress))
        found.append({"name": name, "folder": folder})
        if not as_json:
            say(f"{name} is in {folder}")
    if as_json:
        print_json({"data": found})


@app.command()
def show(
    data: DataName = None,
    images: Images = None,
    size: Size = None,
    fit: Fit = None,
    channels: Channels = None,
    as_seen: Annotated[
        bool, typer.Option("--as-seen", help="Beside each image, what the network sees of it: size, fit, channels.")
    ] = False,
    augmented: Annotated[bool, typer.Option("--augmented", help="What training may make of each image.")] = False,
    settings: Settings = None,
    out: Annotated[Path | None, typer.Option(help="The picture to write (default: samples-DATA.png).")] = None,
    count: Annotated[int, typer.Option(help="How many images to draw.", min=1, max=400)] = 40,
    seed: Annotated[int, typer.Option(help="Which ones.")] = 0,
    as_json: AsJson = False,
) -> None:
    """Draw training images with their labels, and count the images of each class."""
    from foveal.data.sources import data_name
    from foveal.recipes import resolve, without_none
    from foveal.settings import merge, parse_settings
    from foveal.workflows.samples import View, draw_samples

    source = data or "mnist"
    options = {"data": {"source": source, "images": images, "size": size, "fit": fit, "channels": channels}}
    config = resolve(merge(without_none(options), parse_settings(settings or [])), data_name(source))
    view: View = "augmented" if augmented else "as_seen" if as_seen else "as_they_are"
    found = draw_samples(config, out, count=count, seed=seed, view=view)
    if as_json:
        print_json(found)
        return
    rows = [(name, f"{number:,}") for name, number in found["classes"].items()]
    table(
        f"{found['data']}: {found['images']:,} {found['part']} of {found['size']}",
        ("class", "images"),
        rows,
        right=("images",),
    )
    say(*(f"note: {note}" for note in found["notes"]), f"written: {found['picture']}")


@app.command()
def cache(
    clear: Annotated[
        bool, typer.Option("--clear", help="Remove what is cached; it is decoded again when needed.")
    ] = False,
    keys: Annotated[list[str] | None, typer.Argument(help="Only these entries.")] = None,
    as_json: AsJson = False,
) -> None:
    """List the decoded images that are kept on this machine, or remove them."""
    from foveal.data.cache import cache_folder, clear_entries, list_entries, require_keys

    require_keys(keys or [])
    entries = [entry for entry in list_entries() if not keys or entry.key in keys]
    freed = clear_entries(keys or None) if clear else 0
    if as_json:
        print_json(
            {"folder": str(cache_folder()), "entries": [asdict(entry) for entry in entries], "freed_bytes": freed}
        )
        return
    rows = [
        (entry.key, entry.data, f"{entry.images:,}", entry.size, f"{entry.bytes / 1e6:,.1f}", _date(entry.used))
        for entry in entries
    ]
    columns = ("key", "data", "images", "size", "MB", "last used")
    table(f"decoded images in {cache_folder()}", columns, rows, right=("images", "MB"))
    say(f"removed: {freed / 1e6:,.1f} MB" if clear else "Remove them: foveal data cache --clear [KEY...]")


def _date(seconds: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(seconds))
