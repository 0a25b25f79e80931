"""All readable images of a data set in one row, whatever part they came in, so that one number means one image."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import PurePath

import numpy as np
from jaxtyping import Int64, UInt8
from numpy import ndarray

from foveal.data.images import Files
from foveal.data.index import Facts
from foveal.data.pixels import Pixels
from foveal.data.sources import Data

PARTS = ("train", "all", "validation", "test")  # in the order in which the images stand in the row


@dataclass(frozen=True)
class Gathered:
    """The parts of a data set with what is known of their files, and their decoded images, all brought to one size."""

    data: Data
    facts: Mapping[str, Facts]
    pixels: Mapping[str, Pixels]

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def classes(self) -> tuple[str, ...]:
        """The names that `labels` index."""
        return self.data.classes

    @cached_property
    def parts(self) -> tuple[str, ...]:
        """The names that `part` indexes."""
        return tuple(name for name in PARTS if name in self.data.parts)

    @cached_property
    def part(self) -> Int64[ndarray, " N"]:
        """Which of `parts` each image came in."""
        return np.repeat(np.arange(len(self.parts)), [len(self.pixels[name]) for name in self.parts])

    @cached_property
    def index(self) -> Int64[ndarray, " N"]:
        """The place of each image in its part, among those that cannot be read too."""
        return np.concatenate([self.pixels[name].kept for name in self.parts])

    @cached_property
    def labels(self) -> Int64[ndarray, " N"]:
        """The class of each image."""
        return np.concatenate([self.pixels[name].labels.numpy() for name in self.parts])

    @cached_property
    def pixel_ids(self) -> ndarray:
        """The id of each image's pixels at the size that they are trained on, (N,)."""
        return np.array([each for name in self.parts for each in self.pixels[name].ids])

    @cached_property
    def headers(self) -> Int64[ndarray, "N 3"]:
        """(height, width, is grey) of each image before any resizing."""
        return np.concatenate([self.facts[name].headers[self.pixels[name].kept] for name in self.parts])

    def content_id(self, image: int) -> str:
        """The id of an image's file, or of its pixels where it came in an array."""
        return self.facts[self.split(image)].ids[int(self.index[image])]

    def name(self, image: int) -> str:
        """How a report calls an image: its path, or its number in the file that it came from."""
        return self.data.parts[self.split(image)].name(int(self.index[image]))

    def short_name(self, image: int) -> str:
        """The same without the folder or the archive that all of them are in."""
        part, index = self.data.parts[self.split(image)], int(self.index[image])
        if isinstance(part.images, Files):
            return part.images.names[int(part.numbers[index])]
        return PurePath(part.name(index)).name

    def split(self, image: int) -> str:
        """The part that an image came in."""
        return self.parts[int(self.part[image])]

    def label(self, image: int) -> str:
        """The class name of an image."""
        return self.classes[int(self.labels[image])]

    def picture(self, image: int) -> UInt8[ndarray, "H W C"]:
        """The pixels of an image at the size that they are trained on."""
        row = image - int(np.searchsorted(self.part, self.part[image]))
        chosen = self.pixels[self.split(image)].pixels[row : row + 1]
        return chosen[0].permute(1, 2, 0).contiguous().numpy()
