"""What two pictures are compared by when they need not be the same pixel by pixel: a perceptual hash and a tiny copy."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import prod

import numpy as np
from jaxtyping import Float32, Int64, UInt8, UInt64
from numpy import ndarray
from PIL import Image, ImageOps

from foveal.data.mapped import Images, in_order

# Sixteen pixels a side keep what a picture shows and lose what another encoder or a slight crop changes: of 1,000
# CIFAR-10 pictures cropped by 3 %, 95 % correlate with their originals by 0.92 and more; with 32 a side it is 69 %.
SIDE = 16
BLOCKS = 4  # blocks a side; a watermark covers one or two of the sixteen
MARKED_BLOCKS = 2
FLAT = 2.0  # grey levels of spread: below that, there is noise to correlate and nothing else
AT_ONCE = 4096


@dataclass(frozen=True)
class Sketches:
    """Of each image the 64 bits of its hash, those of its mirror image, and its pixels at 16x16."""

    hashes: UInt64[ndarray, " N"]
    mirrored: UInt64[ndarray, " N"]
    tiny: UInt8[ndarray, "N H W C"]

    def __len__(self) -> int:
        return len(self.hashes)

    def take(self, indices: Int64[ndarray, " M"]) -> "Sketches":
        """The sketches of these images only."""
        return Sketches(self.hashes[indices], self.mirrored[indices], self.tiny[indices])

    def mirror(self) -> "Sketches":
        """The sketches of the mirror images."""
        return Sketches(self.mirrored, self.hashes, self.tiny[:, :, ::-1])

    @property
    def is_flat(self) -> ndarray:
        """Whether an image shows nothing that could be compared, (N,) of bool."""
        return np.concatenate(
            [_flat(self.tiny[start : start + AT_ONCE]) for start in range(0, max(1, len(self)), AT_ONCE)]
        )


def sketch(parts: Sequence[Images], show: Callable[[int, int], None] | None = None) -> Sketches:
    """The sketches of images in several parts, one part after another; `show` is told how many of how many are done.

    The hash is imagehash's difference hash: one bit for each pair of neighbours in a 9x8 version, which of them is
    lighter. Unlike the DCT hash, which changes as a whole, it finds pictures again under a watermark (1,000 of 1,000
    CIFAR-10 pictures within 10 bits, against 590).
    """
    from imagehash import dhash

    n, channels = sum(map(len, parts)), parts[0].shape[1]
    bits, tiny = np.empty((2, n, 8, 8), dtype=bool), np.empty((n, SIDE, SIDE, channels), dtype=np.uint8)
    i = 0
    for pixels in parts:
        for batch in in_order(pixels, AT_ONCE):
            for each in batch.permute(0, 2, 3, 1).contiguous().numpy():
                image = Image.fromarray(each[..., 0] if channels == 1 else each)
                bits[:, i] = dhash(image).hash, dhash(ImageOps.mirror(image)).hash
                tiny[i] = np.asarray(image.resize((SIDE, SIDE), Image.Resampling.BOX)).reshape(SIDE, SIDE, channels)
                i += 1
            if show is not None:
                show(i, n)
    hashes, mirrored = np.packbits(bits.reshape(2, n, 64), axis=2).view(np.uint64)[..., 0]
    return Sketches(hashes, mirrored, tiny)


def unit(tiny: UInt8[ndarray, "N H W C"]) -> Float32[ndarray, "N D"]:
    """Tiny pictures as vectors of length 1, each channel with mean 0: their products are correlations.

    The channels' own means are taken out, or two pictures of anything before a blue sky would be alike.
    """
    vectors = tiny.astype(np.float32)
    vectors -= vectors.mean(axis=(1, 2), keepdims=True)
    vectors = vectors.reshape(len(tiny), prod(tiny.shape[1:]))
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.asarray(vectors / np.maximum(lengths, 1e-6), dtype=np.float32)


def correlation(a: UInt8[ndarray, "P H W C"], b: UInt8[ndarray, "P H W C"]) -> Float32[ndarray, " P"]:
    """How alike the two pictures of each pair are: 1 is the same picture, whatever its light and contrast."""
    return np.asarray(np.einsum("pd,pd->p", unit(a), unit(b)), dtype=np.float32)


def correlation_beside_marks(a: UInt8[ndarray, "P H W C"], b: UInt8[ndarray, "P H W C"]) -> Float32[ndarray, " P"]:
    """The same where the pictures differ least: without the two of sixteen blocks in which they differ most."""
    first, second = _blocks(a), _blocks(b)  # (P, 16, pixels of a block, C)
    difference = ((_standard(first) - _standard(second)) ** 2).sum(axis=(2, 3))
    kept = np.argsort(difference, axis=1)[:, : BLOCKS**2 - MARKED_BLOCKS, None, None]
    inner = [_standard(np.take_along_axis(each, kept, axis=1)) for each in (first, second)]
    return np.asarray((inner[0] * inner[1]).mean(axis=(1, 2, 3)), dtype=np.float32)


def _blocks(tiny: UInt8[ndarray, "P H W C"]) -> Float32[ndarray, "P B S C"]:
    size, channels = SIDE // BLOCKS, tiny.shape[3]
    split = tiny.reshape(len(tiny), BLOCKS, size, BLOCKS, size, channels).swapaxes(2, 3)
    return split.reshape(len(tiny), BLOCKS**2, size * size, channels).astype(np.float32)


def _standard(blocks: Float32[ndarray, "P B S C"]) -> Float32[ndarray, "P B S C"]:
    """The same, each channel with mean 0 over all blocks of a picture, and deviation 1 together; flat ones stay small."""
    centred = blocks - blocks.mean(axis=(1, 2), keepdims=True)
    deviations = np.sqrt((centred**2).mean(axis=(1, 2, 3), keepdims=True))
    return np.asarray(centred / np.maximum(deviations, FLAT / 2), dtype=np.float32)


def _flat(tiny: UInt8[ndarray, "N H W C"]) -> ndarray:
    return np.asarray(
        tiny.reshape(len(tiny), SIDE * SIDE, tiny.shape[3]).astype(np.float32).std(axis=1).max(axis=1, initial=0) < FLAT
    )
