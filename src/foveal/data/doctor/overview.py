"""A data set in numbers: how many images of what, of which sizes and kinds, how light they are."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from jaxtyping import Int64
from numpy import ndarray

from foveal.data.doctor.findings import Findings, most_common
from foveal.data.looks import channel_statistics
from foveal.data.splits import fingerprint

COMMON_SIZES = 5


@dataclass(frozen=True)
class Sizes:
    """Sizes before any resizing, as height x width: by area, and the most frequent ones with how many have them."""

    smallest: str
    median: str
    largest: str
    distinct: int
    common: Mapping[str, int]


@dataclass(frozen=True)
class Overview:
    """The numbers of a data set. Counts of images and classes include the files that cannot be read, the rest does not.

    `mean` and `std` are per channel, in pixels 0-255, of what is learnt from, at the size that it is trained on.
    """

    data: str
    fingerprint: str
    images: int
    classes: Mapping[str, int]
    splits: Mapping[str, Mapping[str, int]]
    sizes: Sizes
    formats: Mapping[str, int]
    modes: Mapping[str, int]
    mean: tuple[float, ...]
    std: tuple[float, ...]

    def as_dict(self) -> dict[str, Any]:
        """The same as plain values."""
        return asdict(self)


def overview(findings: Findings) -> Overview:
    """The numbers of the data set that was looked over."""
    images = findings.images
    splits = {
        name: dict(zip(images.classes, numbers.tolist(), strict=True)) for name, numbers in findings.counts.items()
    }
    mean, std = channel_statistics(images.pixels[findings.base].pixels)
    return Overview(
        data=images.data.name,
        fingerprint=fingerprint(images.data, {name: facts.ids for name, facts in images.facts.items()}),
        images=len(images.data),
        classes={name: sum(counts[name] for counts in splits.values()) for name in images.classes},
        splits=splits,
        sizes=_sizes(images.headers[:, :2]),
        formats=most_common([kind.format for kind in findings.kinds]),
        modes=most_common([kind.colours for kind in findings.kinds]),
        mean=mean,
        std=std,
    )


def _sizes(sizes: Int64[ndarray, "N 2"]) -> Sizes:
    distinct, counts = np.unique(sizes, axis=0, return_counts=True)
    areas = distinct.prod(axis=1)
    common = np.argsort(-counts, kind="stable")[:COMMON_SIZES]
    return Sizes(
        smallest=_text(distinct[areas.argmin()]),
        median=_text(np.median(sizes, axis=0)),
        largest=_text(distinct[areas.argmax()]),
        distinct=len(distinct),
        common={_text(distinct[i]): int(counts[i]) for i in common},
    )


def _text(size: ndarray) -> str:
    return f"{size[0]:.0f}x{size[1]:.0f}"
