"""`foveal evaluate` and `foveal predict`."""

import csv
import io
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from foveal.cli.console import AsJson, Own, Threads, own_class, print_json, say, table
from foveal.errors import ConfigError

if TYPE_CHECKING:
    from foveal.prediction import Prediction, Refused

STANDARD_INPUT = "-"


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


def predict(
    run: Annotated[Path, typer.Argument(help="A run or Classifier folder.")],
    pictures: Annotated[list[str], typer.Argument(help="Files, folders, globs; - reads one picture from stdin.")],
    top: Annotated[int, typer.Option(help="How many labels to give for each picture.", min=1)] = 3,
    invert: Annotated[bool, typer.Option("--invert", help="Turn light and dark round first.")] = False,
    csv_file: Annotated[Path | None, typer.Option("--csv", help="Write a CSV file; - is stdout.")] = None,
    model: Own = None,
    threads: Threads = None,
    as_json: AsJson = False,
) -> None:
    """Say what is in PICTURES. One that cannot be read does not stop the rest."""
    from foveal.classifier import load
    from foveal.prediction import Refused
    from foveal.prediction import predict as predict_all

    if as_json and str(csv_file) == STANDARD_INPUT:
        raise ConfigError("--json and --csv - both want stdout. Give --csv a file, or leave one of them out.")
    classifier = load(run, own_class(model))
    if threads:
        from foveal.device import set_threads

        set_threads(threads)
    sources = [sys.stdin.buffer.read() if name == STANDARD_INPUT else name for name in pictures]
    answers = list(predict_all(classifier, sources, top=top, invert=invert))
    predictions = [answer for answer in answers if not isinstance(answer, Refused)]
    if csv_file is not None:
        _write_csv(answers, csv_file)
    if as_json:
        print_json(_as_dict(answers))
    elif csv_file is None:
        _show(answers)
    elif str(csv_file) != STANDARD_INPUT:
        say(f"written: {csv_file} ({len(predictions)} predictions, {len(answers) - len(predictions)} refused)")
    if not predictions:
        raise typer.Exit(1)


def _as_dict(answers: Sequence["Prediction | Refused"]) -> dict[str, Any]:
    from foveal.prediction import Refused

    refused = [{"source": each.source, "reason": each.reason} for each in answers if isinstance(each, Refused)]
    predictions = [
        {
            "source": each.source,
            "label": each.label,
            "probability": each.probability,
            "top": [{"label": label, "probability": probability} for label, probability in each.top],
            "warnings": list(each.warnings),
        }
        for each in answers
        if not isinstance(each, Refused)
    ]
    return {"predictions": predictions, "refused": refused}


def _show(answers: Sequence["Prediction | Refused"]) -> None:
    from foveal.prediction import Refused

    rows = [
        (each.source, each.label, f"{each.probability:.1%}", _others(each))
        for each in answers
        if not isinstance(each, Refused)
    ]
    if rows:
        table("", ("picture", "label", "probability", "or"), rows, right=("probability",))
    for each in answers:
        texts, kind = ((each.reason,), "refused") if isinstance(each, Refused) else (each.warnings, "warning")
        for text in texts:
            sys.stderr.write(f"{kind}: {each.source}: {text}\n")


def _others(answer: "Prediction") -> str:
    return ", ".join(f"{label} {probability:.1%}" for label, probability in answer.top[1:])


def _write_csv(answers: Sequence["Prediction | Refused"], path: Path) -> None:
    from foveal.prediction import Refused
    from foveal.storage import write_atomic

    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(("source", "label", "probability", "top", "warnings", "refused"))
    for answer in answers:
        if isinstance(answer, Refused):
            writer.writerow((answer.source, "", "", "", "", answer.reason))
        else:
            top = " ".join(f"{label}:{probability:.6f}" for label, probability in answer.top)
            row = (answer.source, answer.label, f"{answer.probability:.6f}", top, "; ".join(answer.warnings), "")
            writer.writerow(row)
    if str(path) == STANDARD_INPUT:
        sys.stdout.write(text.getvalue())
    else:
        write_atomic(path, text.getvalue().encode(errors="backslashreplace"))
