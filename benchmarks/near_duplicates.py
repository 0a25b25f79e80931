# ruff: noqa: I001 -- foveal goes before torch
"""How many near copies are found after each change to a picture, and how many pairs are called copies that are none.

python benchmarks/near_duplicates.py [--photos cifar10-jpeg.tar.gz] [--copies 1000] [--among 10000]

Copies of some of the pictures are put among all of them, one kind of change at a time. Pairs of two classes are certainly
no copies; among pictures that have nothing to do with one another, nine in ten pairs of ten classes would be of two.
"""

import argparse
import io
from collections.abc import Callable

import foveal  # noqa: F401
import numpy as np
import torch
from numpy import ndarray
from PIL import Image, ImageDraw, ImageEnhance, ImageOps

from foveal.data.index import facts_of
from foveal.data.looks import choose_preprocess, measure_sizes
from foveal.data.doctor.near_duplicates import NearPairs, near_pairs
from foveal.data.pixels import load_pixels
from foveal.data.doctor.sketches import sketch
from foveal.data.sources import open_data

Change = Callable[[Image.Image], Image.Image]


def encoded(quality: int) -> Change:
    """A JPEG of this quality."""

    def change(image: Image.Image) -> Image.Image:
        content = io.BytesIO()
        image.save(content, "JPEG", quality=quality)
        return Image.open(content).convert("RGB")

    return change


def resized(share: float) -> Change:
    """A smaller version; it is brought back to size as every picture is."""
    return lambda image: image.resize(
        (round(image.width * share), round(image.height * share)), Image.Resampling.BILINEAR
    )


def lit(factor: float) -> Change:
    """A lighter or darker version."""
    return lambda image: ImageEnhance.Brightness(image).enhance(factor)


def cropped(share: float) -> Change:
    """Cut on every side, by a pixel at least."""
    return lambda image: ImageOps.crop(image, border=max(1, round(image.width * share / 2)))


def marked(image: Image.Image) -> Image.Image:
    """A white bar of 15 % of the width in the corner."""
    image, side = image.copy(), max(3, round(image.width * 0.15))
    corner = (image.width - side - 1, image.height - side // 2 - 1, image.width - 1, image.height - 1)
    ImageDraw.Draw(image).rectangle(corner, fill="white")
    return image


CHANGES: dict[str, Change] = {
    "JPEG, quality 90": encoded(90),
    "JPEG, quality 70": encoded(70),
    "JPEG, quality 50": encoded(50),
    "resized to 70 %": resized(0.7),
    "15 % lighter": lit(1.15),
    "15 % darker": lit(0.85),
    "cropped by 3 %": cropped(0.03),
    "small watermark": marked,
    "mirrored": ImageOps.mirror,
}


def pictures(source: str, count: int) -> tuple[ndarray, ndarray]:
    """Some images of a data set at the size of training, (N, H, W, C), drawn at random, with their labels."""
    images = open_data(source).base
    facts = facts_of(images)
    preprocess, _ = choose_preprocess(measure_sizes(images, facts), None, "pad")
    pixels = load_pixels(images, preprocess, facts)
    chosen = torch.from_numpy(np.random.default_rng(0).permutation(len(pixels))[:count])
    return pixels.pixels[chosen].permute(0, 2, 3, 1).contiguous().numpy(), pixels.labels[chosen].numpy()


def search(images: ndarray) -> NearPairs:
    """What is called a near copy among images."""
    return near_pairs(sketch([torch.from_numpy(images).permute(0, 3, 1, 2)]))


def changed(images: ndarray, change: Change) -> ndarray:
    """The images after a change, brought back to their size and channels."""
    height, width, channels = images.shape[1:]
    mode = "RGB" if channels == 3 else "L"
    found = [change(Image.fromarray(each.squeeze()).convert("RGB")) for each in images]
    resized_back = [each.resize((width, height), Image.Resampling.BILINEAR).convert(mode) for each in found]
    return np.stack([np.asarray(each).reshape(height, width, channels) for each in resized_back])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", help="an archive or a folder of photos (CIFAR-10), besides MNIST")
    parser.add_argument("--copies", type=int, default=1000, help="changed copies of each kind")
    parser.add_argument("--among", type=int, default=10_000, help="pictures that they are put among")
    arguments = parser.parse_args()
    sources = ["mnist", *([arguments.photos] if arguments.photos else [])]
    loaded = {source: pictures(source, arguments.among) for source in sources}
    print(
        "| data | images | pairs called near copies | of two classes | almost alike by nature |\n|---|---|---|---|---|"
    )
    for source, (images, labels) in loaded.items():
        near = search(images)
        torn = int((labels[near.pairs[:, 0]] != labels[near.pairs[:, 1]]).sum())
        print(f"| {source} | {len(images):,} | {len(near.pairs)} | {torn} | {near.crowded:.1%} |")
    print(f"\n| {arguments.copies:,} copies | {' | '.join(f'found in {source}' for source in sources)} |")
    print("|---" * (1 + len(sources)) + "|")
    for name, change in CHANGES.items():
        shares = []
        for images, _ in loaded.values():
            copies = changed(images[: arguments.copies], change)
            pairs = set(map(tuple, search(np.concatenate([images, copies])).pairs.tolist()))
            shares.append(sum((i, len(images) + i) in pairs for i in range(len(copies))) / len(copies))
        print(f"| {name} | {' | '.join(f'{share:.1%}' for share in shares)} |")


if __name__ == "__main__":
    main()
