"""The command table and the one try/except. Exit codes: 0 done, 1 our error, 2 usage, 130 interrupted."""

import sys
from typing import Annotated

import typer

import foveal  # noqa: F401 -- sets the OpenMP policy before any command imports torch
from foveal.cli.console import say_error, show_notes
from foveal.cli.data import app as data_app
from foveal.cli.evaluate import evaluate
from foveal.cli.model import app as model_app
from foveal.cli.predict import predict
from foveal.cli.rate import rate
from foveal.cli.resume import resume
from foveal.cli.runs import app as runs_app
from foveal.cli.train import reproduce, train
from foveal.cli.tune import tune
from foveal.errors import ConfigError, FovealError, is_out_of_memory
from foveal.launch import place

TOGETHER = ("train", "resume", "predict")  # the commands that several workers share
app = typer.Typer(
    name="foveal",
    help="Train, check and ship small convolutional image classifiers on the machine you already have.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command()(train)
app.command()(resume)
app.command()(rate)
app.command()(tune)
app.command()(evaluate)
app.command()(predict)
app.command()(reproduce)
app.add_typer(runs_app, name="runs")
app.add_typer(model_app, name="model")
app.add_typer(data_app, name="data")


@app.callback(invoke_without_command=True)
def root(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Print the version and leave.")] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error; works at any place.")] = False,
) -> None:
    if version:
        from foveal.classifier import foveal_version

        typer.echo(f"foveal {foveal_version()}")
        raise typer.Exit
    if place().workers > 1 and context.invoked_subcommand not in (None, *TOGETHER):
        raise ConfigError(
            f"foveal {context.invoked_subcommand} is for one process, and torchrun started {place().workers}, each of which "
            f"would do all of it. Start it without torchrun (or unset RANK and WORLD_SIZE); {', '.join(TOGETHER)} divide theirs."
        )


def main() -> int:
    """Run the command line and return its exit code."""
    arguments = [argument for argument in sys.argv[1:] if argument != "--debug"]
    is_debugging = len(arguments) < len(sys.argv) - 1
    show_notes()
    try:
        app(arguments, prog_name="foveal")
    except FovealError as error:
        if is_debugging:
            raise
        say_error(str(error))
        return error.exit_code
    except OSError as error:
        if is_debugging:
            raise
        say_error(f"the system refused: {error}. Check the path, its permissions and the space on the disk.")
        return 1
    except (MemoryError, RuntimeError) as error:
        if is_debugging or not is_out_of_memory(error):
            raise
        say_error(
            f"memory ran out: {str(error).splitlines()[0] if str(error) else 'the system gave no more'}. End other programs."
        )
        return 1
    except KeyboardInterrupt:
        return 130
    return 0
