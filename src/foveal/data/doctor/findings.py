"""What was found in a data set, and what is said of it: values only. How it is found is in check.py."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
from jaxtyping import Int64
from numpy import ndarray

from foveal.data.doctor.duplicates import Numbers, families
from foveal.data.doctor.gathered import Gathered
from foveal.data.doctor.kinds import Kind
from foveal.data.doctor.near_duplicates import NearPairs
from foveal.data.doctor.suspicious import Suspicion

Level = Literal["error", "warning", "note"]
LEVELS: tuple[Level, ...] = ("error", "warning", "note")
FEW_EXAMPLES = 5


@dataclass(frozen=True)
class Verdict:
    """One judgement: an error would make a result a lie, a warning costs accuracy or trust, a note is good to know.

    `what` is a short key for programs ("copies-across-splits"); `text` says how many, why it matters and what to do.
    """

    level: Level
    what: str
    text: str
    examples: tuple[str, ...] = ()


@dataclass(frozen=True)
class Unreadable:
    """A file that cannot be decoded, in which part and class it is, and the reason; `is_missing` says that there is none."""

    path: str
    split: str
    label: str
    reason: str
    is_missing: bool


@dataclass(frozen=True)
class Findings:
    """The images of a data set, and what was found among them. Groups and pairs hold numbers of `images`."""

    images: Gathered
    kinds: tuple[Kind, ...]
    unreadable: tuple[Unreadable, ...]
    suspicious: tuple[Suspicion, ...]
    copies: tuple[Numbers, ...]
    near: NearPairs

    @cached_property
    def near_families(self) -> list[Numbers]:
        """The near copies in groups, from the pairs."""
        return families(self.near.pairs, len(self.images))

    @property
    def counts(self) -> Mapping[str, Int64[ndarray, " K"]]:
        """How many images each class has in each part, those that cannot be read too."""
        parts = self.images.data.parts
        k = len(self.images.classes)
        return {name: np.bincount(parts[name].labels, minlength=k) for name in self.images.parts}

    @property
    def base(self) -> str:
        """The part that is learnt from."""
        return self.images.parts[0]

    def is_across(self, group: Numbers) -> bool:
        """Whether a group has images in several splits."""
        return len(np.unique(self.images.part[group])) > 1

    def has_several_labels(self, group: Numbers) -> bool:
        """Whether the images of a group are of several classes."""
        return len(np.unique(self.images.labels[group])) > 1

    def worst_first(self, groups: Sequence[Numbers]) -> list[Numbers]:
        """Groups in the order of what they cost: across splits, then of several labels, then large ones."""
        return sorted(
            groups, key=lambda each: (not self.is_across(each), not self.has_several_labels(each), -len(each))
        )

    def describe(self, group: Numbers) -> str:
        """A group in one line: the names of its first images."""
        shown = [self.images.short_name(i) for i in group[:2].tolist()] + (["..."] if len(group) > 2 else [])
        return " = ".join(shown)


def few(names: Sequence[str]) -> str:
    """Some names in a sentence: the first ones, and how many more there are."""
    more = len(names) - FEW_EXAMPLES
    return ", ".join(names[:FEW_EXAMPLES]) + (f" and {more:,} more" if more > 0 else "")


def counted(number: int, what: str) -> str:
    """A number with its noun.

    >>> counted(1, "image"), counted(1200, "image")
    ('1 image', '1,200 images')
    """
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def most_common(values: Sequence[str]) -> dict[str, int]:
    """How often each value occurs, the most frequent first; empty ones are left out."""
    return dict(Counter(value for value in values if value).most_common())
