"""How batches come to the device: images lie there from the start where they fit, and are sent one batch ahead where not.

On the CPU, and for images that are on the device already, everything here hands on what it is given.
"""

from collections.abc import Iterator
from typing import Generic, TypeVar

import torch
from jaxtyping import Int64, UInt8
from torch import Tensor

from foveal.data.mapped import Images, in_order
from foveal.data.pixels import Pixels
from foveal.device import free_memory

RESIDENT_SHARE = 0.5  # of the free memory of a GPU that images may take: the rest is for what lies between the layers
PORTION = 1024  # images that are moved at once
Key = TypeVar("Key")
Batch = UInt8[Tensor, "B C H W"]


def is_resident(needed: int, free: int | None) -> bool:
    """Whether images of `needed` bytes are to lie on a device with so many free bytes; `free` is None for the CPU.

    >>> is_resident(400, 1000), is_resident(600, 1000), is_resident(400, None)
    (True, False, False)
    """
    return free is not None and needed <= RESIDENT_SHARE * free


def on_device(images: Pixels, device: torch.device) -> tuple[Images, Int64[Tensor, " N"]]:
    """Images and labels for `fit` and `measure`: labels on the device, and the images too where they fit beside the rest."""
    pixels, labels = images.pixels, images.labels.to(device)
    if is_resident(pixels.shape.numel(), free_memory(device)):
        pixels = _moved(pixels, device)
    return pixels, labels


def _moved(pixels: Images, device: torch.device) -> UInt8[Tensor, "N C H W"]:
    """All images on the device, channels last, never more than a portion of them twice in memory."""
    n, channels, height, width = pixels.shape
    moved = torch.empty((n, height, width, channels), dtype=torch.uint8, device=device).permute(0, 3, 1, 2)
    for number, portion in enumerate(in_order(pixels, PORTION)):
        moved[number * PORTION : number * PORTION + len(portion)].copy_(portion)
    return moved


class Lane:
    """A way to a device beside the one that its work takes: a stream of its own, from memory that is never paged out.

    Source: CUDA C++ Best Practices Guide, section 10.1.2, asynchronous and overlapping transfers with computation.
    """

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self.is_pinned = device.type == "cuda"
        self._streams = torch.get_device_module(device)  # torch.cuda; torch.cpu has the same names, which do nothing
        self._stream = self._streams.Stream()

    def send(self, batch: Batch) -> Batch:
        """Begin to copy a batch and return at once; the copy must not be used before it has `arrived`."""
        ready = batch.pin_memory() if self.is_pinned and not batch.is_pinned() else batch
        with self._streams.stream(self._stream):
            return ready.to(self.device, non_blocking=True)

    def arrived(self, sent: Batch) -> Batch:
        """The same once the device's own work may use it: that waits for the copy, this process does not."""
        work = self._streams.current_stream()
        work.wait_stream(self._stream)
        if self.is_pinned:
            sent.record_stream(work)  # or its memory would be given to the next batch while it is worked on
        return sent


class Feed(Generic[Key]):
    """Batches with a key each, on the device; with a lane the next one is on its way while one is worked on.

    `ahead` is called once the device has been given its work, so that this process cuts the next batch meanwhile.
    """

    def __init__(self, batches: Iterator[tuple[Key, Batch]], lane: Lane | None) -> None:
        self._batches, self._lane = batches, lane
        self._next: tuple[Key, Batch] | None = None

    def __iter__(self) -> Iterator[tuple[Key, Batch]]:
        return self

    def __next__(self) -> tuple[Key, Batch]:
        if self._lane is None:
            return next(self._batches)
        self.ahead()
        if self._next is None:
            raise StopIteration
        (key, sent), self._next = self._next, None
        return key, self._lane.arrived(sent)

    def ahead(self) -> None:
        """Send the next batch, if there is a lane, and none is on its way."""
        if self._lane is None or self._next is not None:
            return
        for key, batch in self._batches:
            self._next = key, self._lane.send(batch)
            return


def lane_for(images: Images, device: torch.device) -> Lane | None:
    """The lane to the device for images that are not there, None where they are."""
    is_there = isinstance(images, Tensor) and images.device == device
    return None if is_there or device.type == "cpu" else Lane(device)
