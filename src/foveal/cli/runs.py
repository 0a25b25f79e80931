"""`foveal runs`, `foveal runs compare` and `foveal runs delete`."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from foveal.cli.console import AsJson, print_json, say, table
from foveal.errors import ConfigError

if TYPE_CHECKING:
    from foveal.workflows.compare_runs import Comparison
    from foveal.workflows.runs import RunFacts


class ListUnlessSaid(TyperGroup):
    """`foveal runs [FOLDER...]` is `foveal runs list [FOLDER...]`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Put `list` before arguments that begin with no command."""
        is_said = bool(args) and (args[0] in self.commands or args[0] in ctx.help_option_names)
        return super().parse_args(ctx, args if is_said else ["list", *args])


app = typer.Typer(help="The runs there are: list, compare, delete.", cls=ListUnlessSaid)
Folders = Annotated[list[Path] | None, typer.Argument(help="Folders that hold runs, or runs (default: ./runs).")]


@app.command("list")
def list_runs(folders: Folders = None, as_json: AsJson = False) -> None:
    """List the runs there are, how far each has come and what it is worth."""
    from foveal.workflows.runs import list_runs as list_workflow

    runs = list_workflow(folders or [])
    if as_json:
        print_json({"runs": [each.as_dict() for each in runs]})
        return
    if not runs:
        say(f"no runs in {', '.join(map(str, folders or [Path('runs')]))}", "train one: foveal train")
        return
    columns = ("run", "data", "model", "state", "validation", "test (95 % interval)", "seconds", "started (UTC)", "MB")
    table("", columns, [_row(each) for each in runs], right=("validation", "seconds", "MB"))
    say("compare: foveal runs compare RUN RUN", "remove: foveal runs delete RUN")


def _row(run: "RunFacts") -> tuple[str, ...]:
    return (
        str(run.folder),
        run.data or "",
        run.model or "",
        _state(run),
        "" if run.val_accuracy is None else f"{run.val_accuracy:.2%}",
        _test(run),
        "" if run.train_seconds is None else f"{run.train_seconds:,.1f}",
        (run.started or "").replace("T", " ")[:16],
        f"{run.bytes / 1e6:,.1f}",
    )


def _state(run: "RunFacts") -> str:
    progress = f"update {run.update:,}" + (f" of {run.updates:,}" if run.updates else "")
    return {
        "finished": "finished",
        "stopped": f"stopped at {progress}",
        "training": f"training now, {(run.process or '').partition(' since ')[0]}, {progress}",
        "killed": f"killed at {progress}",
        "begun": "no record yet: killed, or just starting",
        "damaged": f"damaged: {run.reason}",
    }[run.state]


def _test(run: "RunFacts") -> str:
    if run.tested is None:
        return ""
    low, high = run.tested.interval
    return f"{run.tested.accuracy:.2%} ({low:.2%} to {high:.2%})"


@app.command()
def compare(
    runs: Annotated[list[Path], typer.Argument(metavar="RUN RUN...", help="Two or more run folders.")],
    as_json: AsJson = False,
) -> None:
    """Show the settings in which runs differ, side by side, and what each came to."""
    from foveal.workflows.compare_runs import compare_runs

    comparison = compare_runs(runs)
    if as_json:
        print_json(comparison.as_dict())
    else:
        _show(comparison)


def _show(comparison: "Comparison") -> None:
    names = [str(each.folder) for each in comparison.runs]
    rows = [
        (key, *("" if value is None else _text(value) for value in row)) for key, row in comparison.settings.items()
    ]
    if rows:
        table("settings that differ", ("setting", *names), rows)
    else:
        say("all settings are the same")
    columns = ("", *names)
    results = [("state", _state), ("validation", lambda run: _row(run)[4]), ("test (95 % interval)", _test)]
    results += [("seconds", lambda run: _row(run)[6]), ("MB", lambda run: _row(run)[8])]
    table("results", columns, [(title, *(told(each) for each in comparison.runs)) for title, told in results])
    say(*(pair.sentence for pair in comparison.pairs))


def _text(value: Any) -> str:
    return "true" if value is True else "false" if value is False else str(value)


@app.command()
def delete(
    runs: Annotated[list[Path], typer.Argument(metavar="RUN...", help="Run folders.")],
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    as_json: AsJson = False,
) -> None:
    """Remove run folders for good. A run that is being trained is refused, and so is all that is no run."""
    from foveal.workflows.delete_runs import delete_runs, find_doomed

    doomed = find_doomed(runs)
    if not yes:
        _ask([f"{each.folder} ({each.bytes / 1e6:,.1f} MB)" for each in doomed])
    delete_runs(doomed)
    if as_json:
        print_json(
            {"deleted": [str(each.folder) for each in doomed], "freed_bytes": sum(each.bytes for each in doomed)}
        )
    else:
        say(*(f"deleted: {each.folder} ({each.bytes / 1e6:,.1f} MB)" for each in doomed))


def _ask(names: list[str]) -> None:
    """Let the user say no. Raises ConfigError where there is nobody to ask."""
    if not sys.stdin.isatty():
        raise ConfigError(f"nobody can be asked whether to delete {', '.join(names)}. Say --yes. Nothing was deleted.")
    if not typer.confirm(f"Delete {', '.join(names)} for good?", err=True):
        sys.stderr.write("nothing was deleted\n")
        raise typer.Exit(1)
