"""`foveal runs compare`: the settings in which runs differ, side by side, and what each came to.

Two scores on the same images are compared by their intervals and no further: whether one network is better than another
takes a test that pairs the answers image by image.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import combinations
from pathlib import Path
from typing import Any

from foveal.errors import ArtifactError, ConfigError
from foveal.run import Run, open_run
from foveal.settings import flat
from foveal.workflows.runs import RunFacts, Tested, facts_of_run

UNSET = None  # a setting that has no value in a run


@dataclass(frozen=True)
class Pair:
    """Two runs that were both tested. `intervals_overlap` is None where it was not on the same images."""

    runs: tuple[str, str]
    same_test_images: bool
    intervals_overlap: bool | None

    @property
    def sentence(self) -> str:
        """What the two scores say about each other, and no more."""
        one, other = self.runs
        if not self.same_test_images:
            return f"{one} and {other} were not tested on the same images: their scores say nothing about each other"
        if self.intervals_overlap:
            return f"{one} and {other} were tested on the same images, and their intervals overlap"
        return f"{one} and {other} were tested on the same images, and their intervals do not overlap"


@dataclass(frozen=True)
class Comparison:
    """Runs side by side: `settings` has, for each key in which they differ, the value in each run, in their order."""

    runs: tuple[RunFacts, ...]
    settings: Mapping[str, tuple[Any, ...]]
    pairs: tuple[Pair, ...]

    def as_dict(self) -> dict[str, Any]:
        """The same for JSON."""
        return {
            "runs": [each.as_dict() for each in self.runs],
            "settings": {key: list(values) for key, values in self.settings.items()},
            "pairs": [asdict(pair) for pair in self.pairs],
        }


def compare_runs(paths: Sequence[Path]) -> Comparison:
    """Two or more runs side by side. Raises ConfigError for fewer, ArtifactError for what is no run or is damaged."""
    if len(paths) < 2:
        raise ConfigError(f"one run ({paths[0] if paths else 'none'}) cannot be compared. Name two or more.")
    runs = [open_run(path) for path in paths]
    facts = tuple(facts_of_run(run) for run in runs)
    for each in facts:
        if each.reason is not None:
            raise ArtifactError(f"the run {each.folder} cannot be compared: {each.reason}")
    return Comparison(facts, differing([settings_of(run) for run in runs]), _pairs(runs, facts))


def settings_of(run: Run) -> dict[str, Any]:
    """The settings of a run by their whole names, as `--set` takes them."""
    return flat(run.config.model_dump(mode="json"))


def differing(settings: Sequence[Mapping[str, Any]]) -> dict[str, tuple[Any, ...]]:
    """The keys whose values are not all the same, with the value in each."""
    keys = dict.fromkeys(key for each in settings for key in each)
    rows = {key: tuple(each.get(key, UNSET) for each in settings) for key in keys}
    return {key: values for key, values in rows.items() if any(value != values[0] for value in values)}


def _pairs(runs: Sequence[Run], facts: Sequence[RunFacts]) -> tuple[Pair, ...]:
    tested = [
        (str(run.folder), each.tested, _test_ids(run))
        for run, each in zip(runs, facts, strict=True)
        if each.tested is not None
    ]
    return tuple(_pair(one, other) for one, other in combinations(tested, 2))


def _pair(one: tuple[str, Tested, list[str]], other: tuple[str, Tested, list[str]]) -> Pair:
    (name, score, images), (other_name, other_score, other_images) = one, other
    # Images that could not be read are not counted in n.
    is_same = images == other_images and score.n == other_score.n
    overlap = score.interval[0] <= other_score.interval[1] and other_score.interval[0] <= score.interval[1]
    return Pair((name, other_name), is_same, overlap if is_same else None)


def _test_ids(run: Run) -> list[str]:
    """The contents of a run's test images: with another seed, the same data may have others."""
    return sorted(run.splits["splits"]["test"]["ids"])
