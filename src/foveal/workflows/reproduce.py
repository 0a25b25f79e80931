"""`foveal reproduce`: the seven tutorial networks trained as published, and tested as they should have been."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from foveal.data.sources import data_name
from foveal.recipes import resolve
from foveal.run import Run, create_run, removed_if_empty, start_run
from foveal.storage import write_atomic, write_json
from foveal.workflows.evaluate import evaluate
from foveal.workflows.train import train


@dataclass(frozen=True)
class Published:
    """What a document says of its network, and what is wrong with how it was measured."""

    document: str
    figure: str
    flaw: str


PUBLISHED: dict[str, Published] = {
    "conv5-fc1000": Published(
        "000", "89.43 %", "tested on the training set, with dropout on (loops over `train`, never calls eval())"
    ),
    "oneconv": Published("001 TensorFlow", "none", "validates on the test set after every epoch"),
    "twoconv-fc128": Published("001 Keras", "none", "validates on the test set after every epoch"),
    "twoconv-rgb": Published(
        "001 PyTorch", "none", "tests with dropout on (never calls eval()); epochs and batch unsaid"
    ),
    "lenet-dropout2d": Published(
        "002",
        "curves (~99.06 % in its course)",
        "watches the test set while it trains, as its course does; its text adds up batch means",
    ),
    "threeconv-fc625": Published(
        "003", "curves, no test", "measures on the training batches only; builds a ReLU and a dropout it never calls"
    ),
    "twoconv-same": Published("004", "99.01 % (9901/10000), loss .0288", "gives one run's figure without an interval"),
}


@dataclass(frozen=True)
class Row:
    """One line of the table."""

    model: str
    document: str
    published: str
    accuracy: float
    interval: tuple[float, float]
    loss: float
    n: int
    test_opened: int
    epochs: float
    seconds_per_epoch: float
    flaw: str
    run: str


def reproduce(
    folder: Run, *, epochs: float | None = None, seed: int = 0, threads: int | None = None, data: str = "mnist"
) -> Iterator[Row]:
    """Train each network as its document does (for `epochs`, when given), test it once, and yield its row.

    Each training is a run of its own inside `folder`; the table is saved there after every row.
    """
    rows: list[Row] = []
    for name, published in PUBLISHED.items():
        said = {
            "data": {"source": data},
            "model": {"name": name},
            "training": {} if epochs is None else {"epochs": epochs},
            "as_published": True,
            "seed": seed,
            **({} if threads is None else {"threads": threads}),
        }
        config = resolve(said, data_name(data))
        run = start_run(config, folder.folder / name, data)
        with removed_if_empty(run):
            last = train(config, run).history[-1]
        report = evaluate(run.folder, threads=threads, command="reproduce")
        rows.append(
            Row(
                model=name,
                document=published.document,
                published=published.figure,
                accuracy=report.scores.accuracy,
                interval=report.scores.accuracy_interval,
                loss=report.scores.loss,
                n=report.scores.n,
                test_opened=report.test_opened,
                epochs=last["epoch"],
                seconds_per_epoch=last["seconds"] / last["epoch"],
                flaw=published.flaw,
                run=str(run.folder),
            )
        )
        write_json(folder.folder / "table.json", [asdict(row) for row in rows])
        write_atomic(folder.folder / "table.md", markdown(rows).encode())
        yield rows[-1]


def markdown(rows: list[Row]) -> str:
    """The table as Markdown."""
    lines = [
        "| document | network | published | ours, on the test set (95 % interval) | loss | epochs | s/epoch | "
        "what the document measured wrongly |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        low, high = row.interval
        lines.append(
            f"| {row.document} | `{row.model}` | {row.published} | {row.accuracy:.2%} ({low:.2%} to {high:.2%}), "
            f"n = {row.n:,} | {row.loss:.4f} | {row.epochs:.3g} | {row.seconds_per_epoch:.1f} | {row.flaw} |"
        )
    return "\n".join(lines) + "\n"


def reproduce_folder(out: Path | None) -> Run:
    """The folder that a reproduction writes into."""
    return create_run(out, "reproduce", "published")
