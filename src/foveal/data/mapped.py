"""Images that are sliced by number: a tensor in memory, or rows of one that is mapped from a file and never wholly read."""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from jaxtyping import Int64, UInt8
from numpy import ndarray
from torch import Tensor

from foveal.data.augment.layout import take


@dataclass(frozen=True)
class Mapped:
    """Some rows of a tensor (N, C, H, W) that lies in a file: what is indexed is read, and forgotten again."""

    base: UInt8[Tensor, "N C H W"]
    rows: Int64[Tensor, " M"]

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: "slice | Int64[Tensor, ' B']") -> UInt8[Tensor, "B C H W"]:
        return take(self.base, self.rows[index])

    @property
    def shape(self) -> torch.Size:
        """(M, C, H, W)."""
        return torch.Size((len(self.rows), *self.base.shape[1:]))


Images = UInt8[Tensor, "_ C H W"] | Mapped  # "_" as the sets that meet in one function have different N


def cut(images: Images, numbers: Int64[Tensor, " B"], *, is_pinned: bool = False) -> UInt8[Tensor, "B C H W"]:
    """The images of these numbers, as one batch; `is_pinned` as in `take`."""
    base, rows = (images.base, images.rows[numbers]) if isinstance(images, Mapped) else (images, numbers)
    return take(base, rows, is_pinned=is_pinned)


def in_order(images: Images, batch_size: int) -> Iterator[UInt8[Tensor, "B C H W"]]:
    """The images in batches, first to last, never more than one batch in memory."""
    for start in range(0, len(images), batch_size):
        yield images[start : start + batch_size]


def numpy_batches(images: Images, batch_size: int = 500) -> Iterator[UInt8[ndarray, "B H W C"]]:
    """The images in order, as NumPy arrays (B, H, W, C), for a LogitsFn."""
    for batch in in_order(images, batch_size):
        yield batch.permute(0, 2, 3, 1).contiguous().numpy()
