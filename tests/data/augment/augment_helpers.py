"""What the tests of foveal.data.augment share: batches of noise and of real pictures, and Pillow's view of them."""

from collections.abc import Callable, Sequence

import numpy as np
import torch
from data_helpers import FILES, noise
from numpy import ndarray
from PIL import Image
from torch import Generator, Tensor


def seeded(seed: int = 0) -> Generator:
    return torch.Generator().manual_seed(seed)


def batch(count: int = 50, channels: int = 1, height: int = 6, width: int = 7) -> Tensor:
    """Noise, channels last in memory as all batches of foveal are."""
    return torch.from_numpy(noise(count, height, width, channels)).permute(0, 3, 1, 2)


def plain(value: int, count: int = 1000, channels: int = 1, height: int = 2, width: int = 3) -> Tensor:
    """Images of one value."""
    return torch.full((count, height, width, channels), value, dtype=torch.uint8).permute(0, 3, 1, 2)


def photos(count: int = 6, height: int = 20, width: int = 28) -> Tensor:
    """Cut-outs of a real photo in colour, with edges and smooth places."""
    with Image.open(FILES / "photo.jpg") as photo:
        picture = photo.convert("RGB").resize((3 * width, 2 * height))
    pieces = [
        np.asarray(picture.crop((x, y, x + width, y + height))) for y in (0, height) for x in range(0, 3 * width, width)
    ]
    return torch.from_numpy(np.stack(pieces)[:count]).permute(0, 3, 1, 2)


def greys(count: int = 6) -> Tensor:
    """The photos in grey."""
    pictures = [np.asarray(picture.convert("L"))[:, :, None] for picture in as_pictures(photos(count))]
    return torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2)


def as_pictures(pixels: Tensor) -> list[Image.Image]:
    images = pixels.permute(0, 2, 3, 1).numpy()
    return [Image.fromarray(image[:, :, 0] if image.shape[2] == 1 else image) for image in images]


def by_pillow(pixels: Tensor, change: Callable[..., Image.Image], *amounts: Sequence[float]) -> ndarray:
    """(N, C, H, W) of each picture changed by Pillow, with its own amounts."""
    changed = [np.asarray(change(*one)) for one in zip(as_pictures(pixels), *amounts, strict=True)]
    return np.stack([image[None] if image.ndim == 2 else image.transpose(2, 0, 1) for image in changed])


def largest_gap(ours: Tensor, theirs: ndarray) -> int:
    """By how many levels two batches differ where they differ most."""
    assert ours.shape == theirs.shape
    return int(np.abs(ours.numpy().astype(int) - theirs.astype(int)).max())
