"""`foveal predict`."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from foveal.cli.console import AsJson, Own, Threads, own_class, print_json, say, table
from foveal.errors import ConfigError
from foveal.launch import place, told_to_stop

if TYPE_CHECKING:
    from foveal.classifier import Classifier
    from foveal.prediction import Prediction, Refused

STANDARD_INPUT = "-"


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

    if as_json and str(csv_file) == STANDARD_INPUT:
        raise ConfigError("--json and --csv - both want stdout. Give --csv a file, or leave one of them out.")
    here = place()
    if here.workers > 1:
        _require_files(pictures, csv_file, as_json)
    with told_to_stop(here):
        classifier = load(run, own_class(model))
        if threads or here.workers > 1:
            from foveal.device import set_threads

            set_threads(threads)
        sources = [sys.stdin.buffer.read() if name == STANDARD_INPUT else name for name in pictures]
        if csv_file is None or as_json:
            are_any = _all_at_once(classifier, sources, csv_file, top, invert, as_json=as_json)
        else:
            are_any = _one_after_another(classifier, sources, csv_file, top, invert)
    if not are_any:
        raise typer.Exit(1)


def _require_files(pictures: list[str], csv_file: Path | None, as_json: bool) -> None:
    """Several workers read files and write one; raise ConfigError where anything else is asked of them."""
    if csv_file is None or as_json:
        raise ConfigError("several workers write one CSV file and print no JSON. Say --csv FILE, and leave --json out.")
    if STANDARD_INPUT in pictures:
        raise ConfigError("standard input (-) reaches one of several workers at most. Name files or folders.")


def _one_after_another(
    classifier: "Classifier", sources: list[str | bytes], csv_file: Path, top: int, invert: bool
) -> bool:
    """Write the CSV file, and hold no more of it than a batch; whether there is an answer in it, as far as this worker knows."""
    from foveal.workflows.predict_csv import predict_to_csv

    path = None if str(csv_file) == STANDARD_INPUT else csv_file
    written = predict_to_csv(classifier, sources, path, top=top, invert=invert)
    if written is None:  # another worker says it
        return True
    if path is not None:
        say(f"written: {path} ({written.predictions} predictions, {written.refused} refused)")
    return written.predictions > 0


def _all_at_once(
    classifier: "Classifier",
    sources: list[str | bytes],
    csv_file: Path | None,
    top: int,
    invert: bool,
    *,
    as_json: bool,
) -> bool:
    """Show all answers, or print them as JSON; whether there is one among them."""
    from foveal.prediction import Refused, predict

    answers = list(predict(classifier, sources, top=top, invert=invert))
    if csv_file is not None:
        from foveal.workflows.predict_csv import write_csv

        write_csv(csv_file, answers)
    if as_json:
        print_json(_as_dict(answers))
    else:
        _show(answers)
    return not all(isinstance(answer, Refused) for answer in answers)


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
