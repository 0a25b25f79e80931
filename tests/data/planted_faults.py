"""Pictures that are all different, and folders of them in which each fault was planted by hand."""

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from data_helpers import FILES
from numpy import ndarray
from PIL import Image, ImageDraw

from foveal.config import Preprocess
from foveal.data.doctor.check import judge, look_over
from foveal.data.doctor.findings import Findings, Verdict
from foveal.data.doctor.gathered import Gathered
from foveal.data.index import facts_of
from foveal.data.pixels import decode_now
from foveal.data.sources import Data, Source, open_data

SIDE = 64


@cache
def scenes(count: int, seed: int = 0, side: int = SIDE) -> ndarray:
    """Pictures that vary as photos do, slowly and in colour, with fine detail: uint8 (count, side, side, 3)."""
    generator = np.random.default_rng(seed)
    coarse = generator.integers(0, 256, (count, 7, 7, 3), dtype=np.uint8)
    smooth = [np.asarray(Image.fromarray(each).resize((side, side), Image.Resampling.BICUBIC)) for each in coarse]
    detail = generator.normal(0, 6, (count, side, side, 3))
    return np.clip(np.stack(smooth) + detail, 0, 255).astype(np.uint8)


def write_scenes(root: Path, splits: dict[str, int], classes: tuple[str, ...] = ("cat", "dog")) -> Path:
    """Folders `root/split/class` with so many different PNG files each; the split "" is no folder."""
    pictures = iter(scenes(sum(splits.values()) * len(classes)))
    for split, count in splits.items():
        for name in classes:
            (root / split / name).mkdir(parents=True)
            for number in range(count):
                Image.fromarray(next(pictures)).save(root / split / name / f"{number:03}.png")
    return root


def copy(root: Path, source: str, *targets: str, **how: object) -> None:
    """The picture `source` saved again under other names below `root`, in the formats that they end in."""
    for target in targets:
        with Image.open(root / source) as image:
            image.convert("RGB").save(root / target, **how)


def placeholder(path: Path) -> None:
    """A picture that says that there is none: grey words and a frame on a lighter ground."""
    image = Image.new("RGB", (SIDE, SIDE), (225, 225, 225))
    draw = ImageDraw.Draw(image)
    draw.rectangle((20, 6, 44, 22), outline=(120, 120, 120))
    draw.text((6, 30), "no image", fill=(120, 120, 120))
    image.save(path)


def write_faulty(root: Path) -> Path:
    """Sixty cats and sixty dogs to learn from, thirty of each to test on, with every fault that one folder can have."""
    write_scenes(root, {"train": 60, "test": 30})
    copy(root, "train/cat/000.png", "train/cat/060.bmp")  # the same pixels in two files of a split
    copy(root, "train/dog/005.png", "test/dog/030.png", compress_level=1)  # ... of two splits
    copy(root, "train/cat/003.png", "train/dog/060.png")  # ... of two classes
    copy(root, "train/cat/007.png", "test/cat/030.jpg", quality=80)  # nearly the same in two splits
    Image.new("RGB", (SIDE, SIDE), "white").save(root / "train/cat/061.png")
    placeholder(root / "train/dog/no-image.png")
    (root / "train/cat/062.jpg").write_bytes((FILES / "truncated.jpg").read_bytes())
    Image.fromarray(scenes(1, seed=8)[0]).save(root / "train/cat/063.jpg", format="PNG")
    Image.fromarray(scenes(1, seed=9)[0]).resize((400, 300)).save(root / "train/dog/061.png")
    return root


def gathered(source: Source, side: int = SIDE, channels: int = 3, group_by: str | None = None) -> Gathered:
    """All images of a data set, decoded into memory at one size."""
    data: Data = open_data(source, group_by=group_by, purpose="checking")
    preprocess = Preprocess(channels=channels, height=side, width=side)
    facts = {name: facts_of(part) for name, part in data.parts.items()}
    return Gathered(data, facts, {name: decode_now(part, preprocess) for name, part in data.parts.items()})


def findings(source: Source, side: int = SIDE, channels: int = 3, group_by: str | None = None) -> Findings:
    """All that is found in a data set."""
    images = gathered(source, side, channels, group_by)
    return look_over(images.data, images.facts, images.pixels)


def verdicts(source: Source, **how: Any) -> dict[str, Verdict]:
    """What is said of a data set, by its keys, none of which occurs twice here."""
    said = judge(findings(source, **how))
    assert len({each.what for each in said}) == len(said)
    return {each.what: each for each in said}


def levels(said: dict[str, Verdict]) -> dict[str, str]:
    """How bad each of them is, by its key."""
    return {what: verdict.level for what, verdict in said.items()}
