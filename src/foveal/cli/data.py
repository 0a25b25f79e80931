"""`foveal data list`, `foveal data show` and `foveal data fetch`."""

from pathlib import Path
from typing import Annotated

import typer

from foveal.cli.console import AsJson, print_json, say, table

app = typer.Typer(help="The data: which are known, and what they look like.", no_args_is_help=True)


@app.command("list")
def list_data(as_json: AsJson = False) -> None:
    """List the data sets that are known by name, and where they are on this machine."""
    from foveal.data.known import DATASETS, found_at

    rows = [(name, known.title, str(found_at(name) or ""), known.licence) for name, known in DATASETS.items()]
    if as_json:
        keys = ("name", "title", "folder", "licence")
        print_json({"data": [dict(zip(keys, row, strict=True)) for row in rows]})
        return
    shown = [(name, title, folder or "not here yet: foveal data fetch " + name, by) for name, title, folder, by in rows]
    table("Known data", ("name", "what", "where", "licence"), shown)
    say("Data of your own is a path: foveal train path/to/folder")


@app.command()
def fetch(
    name: Annotated[str, typer.Argument(help="A known name (foveal data list).")], as_json: AsJson = False
) -> None:
    """Make sure that a known data set is on this machine."""
    from foveal.data.known import locate

    folder = locate(name)
    if as_json:
        print_json({"name": name, "folder": str(folder)})
    else:
        say(f"{name} is in {folder}")


@app.command()
def show(
    data: Annotated[str, typer.Argument(help="A known name or a folder of images.")] = "mnist",
    out: Annotated[Path | None, typer.Option(help="The picture to write (default: samples-DATA.png).")] = None,
    count: Annotated[int, typer.Option(help="How many images to draw.", min=1, max=400)] = 40,
    seed: Annotated[int, typer.Option(help="Which ones.")] = 0,
    as_json: AsJson = False,
) -> None:
    """Draw training images with their labels, and count the images of each class."""
    from foveal.workflows.samples import draw_samples

    found = draw_samples(data, out, count, seed)
    if as_json:
        print_json(found)
        return
    rows = [(name, f"{number:,}") for name, number in found["classes"].items()]
    table(
        f"{data}: {found['images']:,} {found['part']} of {found['size']}", ("class", "images"), rows, right=("images",)
    )
    say(*(f"note: {note}" for note in found["notes"]), f"written: {found['picture']}")
