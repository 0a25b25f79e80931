"""`foveal model list` and `foveal model summary`."""

from typing import Annotated, Any

import typer

from foveal.cli.console import AsJson, print_json, say, table

app = typer.Typer(help="The networks: which there are, and what each layer does.", no_args_is_help=True)


@app.command("list")
def list_models(as_json: AsJson = False) -> None:
    """List the networks that come with foveal."""
    from foveal.models.catalog import ARCHITECTURES
    from foveal.workflows.describe import summarise_model

    rows = []
    for name, architecture in ARCHITECTURES.items():
        found = summarise_model(name, architecture.input_shape, 10)
        rows.append((name, architecture.origin, found.input_shape, found.parameters, found.multiply_adds))
    if as_json:
        keys = ("name", "origin", "input_shape", "parameters", "multiply_adds")
        print_json({"models": [dict(zip(keys, row, strict=True)) for row in rows]})
        return
    table(
        "Networks, for 10 classes",
        ("name", "from", "input", "parameters", "multiply-adds"),
        [(name, origin, _by(shape), f"{count:,}", f"{work:,}") for name, origin, shape, count, work in rows],
        right=("parameters", "multiply-adds"),
    )


@app.command()
def summary(
    name: Annotated[str, typer.Argument(help="A name, layers.toml, or path.py:Class.")] = "compact",
    input_shape: Annotated[
        str | None, typer.Option("--input", help="channels x height x width, 1x28x28 for example.")
    ] = None,
    classes: Annotated[int, typer.Option(help="How many classes.", min=2)] = 10,
    mermaid: Annotated[bool, typer.Option("--mermaid", help="Print a Mermaid diagram.")] = False,
    as_json: AsJson = False,
) -> None:
    """Print the ledger of a network: every layer's output size by formula, parameters, work, receptive field."""
    from foveal.workflows.describe import parse_shape, summarise_model

    found = summarise_model(name, parse_shape(input_shape) if input_shape else None, classes)
    if as_json:
        print_json({"name": name, **found.as_dict()})
    elif mermaid:
        say(found.mermaid())
    else:
        show_ledger(name, found.as_dict())


def show_ledger(name: str, ledger: dict[str, Any]) -> None:
    """The ledger as a table, totals below."""
    rows = [
        (
            row["name"],
            row["kind"],
            _window(row),
            row["formula"],
            _by(row["output_shape"]),
            f"{row['parameters']:,}",
            f"{row['multiply_adds']:,}",
            "-" if row["receptive_field"] is None else str(row["receptive_field"]),
        )
        for row in ledger["layers"]
    ]
    table(
        f"{name} on {_by(ledger['input_shape'])}",
        ("layer", "kind", "window", "output size by formula", "output", "parameters", "multiply-adds", "sees"),
        rows,
        right=("parameters", "multiply-adds", "sees"),
    )
    say(
        f"total: {ledger['parameters']:,} parameters, {ledger['multiply_adds']:,} multiply-adds an image",
        "window: kernel size / stride / padding; sees: receptive field, in pixels of the image",
    )


def _window(row: dict[str, Any]) -> str:
    if row["kernel_size"] is None:
        return ""
    return " / ".join(
        _by(v) if isinstance(v, list) else str(v) for v in (row["kernel_size"], row["stride"], row["padding"])
    )


def _by(shape: Any) -> str:
    return "x".join(str(size) for size in shape)
