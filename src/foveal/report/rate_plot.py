"""The loss by learning rate, as a PNG file."""

from pathlib import Path

from matplotlib.figure import Figure

from foveal.report.plots import BLUE, ORANGE, RED, save_figure
from foveal.training.rates import RateTest


def draw_rates(test: RateTest, path: Path, *, title: str) -> None:
    """Each loss, their smoothed course, and the rates that they point at."""
    figure = Figure(figsize=(8, 4.5), layout="constrained")
    axes = figure.subplots()
    axes.plot(test.rates, test.losses, color=BLUE, linewidth=0.8, alpha=0.5, label="loss of each batch")
    axes.plot(test.rates, test.smoothed, color=BLUE, linewidth=1.8, label="smoothed")
    marks = (
        (test.steepest, "falls fastest", ORANGE, "-"),
        (test.lowest, "lowest", ORANGE, ":"),
        (test.diverges, "diverges", RED, "--"),
    )
    for rate, what, colour, line in marks:
        if rate is not None:
            axes.axvline(rate, color=colour, linestyle=line, linewidth=1.2, label=f"{what}: {rate:.2g}")
    axes.set(xscale="log", xlabel="learning rate", ylabel="loss", title=title)
    axes.xaxis.set_major_formatter(lambda rate, _: f"{rate:g}")  # not as powers of ten, which are formulas
    axes.xaxis.set_minor_formatter(lambda *_: "")
    low, first = min(test.smoothed), max(test.smoothed[: len(test.smoothed) // 4 + 1])
    axes.set_ylim(low - 0.1 * (first - low + 0.1), first + 0.5 * (first - low + 0.1))  # what has run away is cut off
    axes.grid(alpha=0.3)
    axes.legend(fontsize=8)
    save_figure(figure, path)
