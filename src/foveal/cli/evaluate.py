"""`foveal evaluate`."""

from pathlib import Path
from typing import Annotated

import typer

from foveal.cli.console import AsJson, Own, Threads, own_class, print_json, say, table


def evaluate(
    run: Annotated[Path | None, typer.Argument(help="A run or Classifier folder (default: the newest run).")] = None,
    data: Annotated[str | None, typer.Argument(help="Other data than the run's own.")] = None,
    images: Annotated[
        str | None, typer.Option(help="The folder or archive of the files that DATA, a table, names.")
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", help="How DATA, a table, is read, as data.label_column=species; may be repeated."),
    ] = None,
    allow_overlap: Annotated[
        bool, typer.Option("--allow-overlap", help="Accept images that the run was trained on.")
    ] = False,
    model: Own = None,
    threads: Threads = None,
    as_json: AsJson = False,
) -> None:
    """Test a run on images that it has never seen. Opens the test split, and counts it."""
    from foveal.settings import parse_settings
    from foveal.workflows.evaluate import evaluate as evaluate_workflow

    report = evaluate_workflow(
        run,
        data,
        images=images,
        settings=parse_settings(settings or []),
        own=own_class(model),
        allow_overlap=allow_overlap,
        threads=threads,
    )
    if as_json:
        print_json(report.as_dict())
        return
    scores = report.scores
    rows = [
        (name, f"{each.precision:.3f}", f"{each.recall:.3f}", f"{each.f1:.3f}", str(each.support))
        for name, each in scores.per_class.items()
    ]
    columns = ("class", "precision", "recall", "F1", "images")
    table(f"{report.run} on the test images of {report.data}", columns, rows, right=columns[1:])
    low, high = scores.accuracy_interval
    say(
        f"accuracy {scores.accuracy:.2%} of {scores.n:,} images (95 % interval {low:.2%} to {high:.2%}), loss {scores.loss:.4f}",
        f"test split opened: {_times(report.test_opened)} on this machine",
        *(f"left out: {reason}" for reason in report.refused[:10]),
        *(f"note: {note}" for note in report.notes),
    )
    if report.pictures is not None:
        say(f"written: {report.pictures / 'confusion.png'}, {report.pictures / 'mistakes.png'}")


def _times(count: int) -> str:
    return "for the first time" if count == 1 else f"{count} times"
