"""From a Config's data settings to decoded, divided images: opened, identified, decoded once, split, checked for leaks."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from foveal.config import Config, DataConfig, Preprocess
from foveal.data.images import ImageSet
from foveal.data.index import Facts, facts_of
from foveal.data.looks import choose_preprocess, measure_sizes
from foveal.data.pixels import Pixels, default_memory, drop_equal_channels, load_pixels, part_of
from foveal.data.scan import Columns
from foveal.data.sources import Data, Purpose, Source, open_data
from foveal.data.splits import Splits, base_part, split
from foveal.report.progress import counting_bar
from foveal.workflows.cheap_checks import notes_on_splits
from foveal.workflows.leaks import without_leaks
from foveal.workflows.start_known import known_splits, notes_on_learnt


@dataclass(frozen=True)
class Loaded:
    """Divided and decoded images; the test images of the data's own test part are not decoded. `notes` are for the user,
    `refused` the reasons of the files that were left out."""

    data: Data
    splits: Splits
    earlier: Mapping[str, str]  # the split of each image that a Classifier which is continued has met, by content id
    train: Pixels
    validation: Pixels
    calibration: Pixels
    preprocess: Preprocess
    sides: list[int]  # the longer side of each image before any resizing
    notes: tuple[str, ...]
    refused: tuple[str, ...]


def open_config(wanted: DataConfig, source: Source | None = None, *, purpose: Purpose = "training") -> Data:
    """The data that a config names, or `source` read with the config's settings; groups matter only where data are divided."""
    columns = Columns(
        images=Path(wanted.images) if wanted.images else None,
        image=wanted.image_column,
        label=wanted.label_column,
        split=wanted.split_column,
    )
    return open_data(
        wanted.source if source is None else source,
        columns,
        group_by=None if purpose == "testing" else wanted.group_by,
        purpose=purpose,
    )


def load(config: Config, source: Source | None = None, *, earlier: Mapping[str, str] | None = None) -> Loaded:
    """All that is trained with, in memory (or mapped, where it is too large). Raises DataError.

    `earlier` says, by content id, in which split images stay; left out, it is where a Classifier that is continued had them.
    """
    wanted = config.data
    data = open_config(wanted, source)
    facts = {part: facts_of(images) for part, images in data.parts.items()}
    base, part = data.base, base_part(data)
    sizes = measure_sizes(base, facts[part])
    preprocess, note = choose_preprocess(sizes, wanted.size, wanted.fit, wanted.channels)
    pixels = decode(base, preprocess, facts[part])
    if wanted.channels is None:
        pixels, preprocess = drop_equal_channels(pixels, preprocess)
    earlier, known_notes = known_splits(config.model.start) if earlier is None else (dict(earlier), [])
    if config.model.start is not None and preprocess.channels == 1 and not sizes.is_grey:
        known_notes.append(
            "these images are in colour, and are read in grey, as the Classifier was trained to take them"
        )
    splits = split(
        data,
        {name: each.ids for name, each in facts.items()},
        validation=wanted.validation,
        calibration=wanted.calibration,
        test=wanted.test,
        seed=config.seed,
        pixel_ids=_pixel_ids(pixels, len(base)),
        earlier=earlier,
    )
    splits, leak_notes = without_leaks(splits, wanted.leaks)
    max_bytes = wanted.memory_mb << 20 if wanted.memory_mb else default_memory()
    parts = {
        name: part_of(pixels, base, images, max_bytes=max_bytes)
        if images.images is base.images
        else decode(images, preprocess, facts[name])
        for name, images in splits.sets.items()
        if name != "test"
    }
    given = [name for name in parts if splits.sets[name].images is not base.images]
    leak_notes += notes_on_learnt(splits, earlier, wanted.leaks)
    notes = [*([note] if note else []), *known_notes, *leak_notes, *notes_on_splits(splits)]
    return Loaded(
        data,
        splits,
        earlier,
        train=parts["train"],
        validation=parts["validation"],
        calibration=parts["calibration"],
        preprocess=preprocess,
        sides=sizes.sides,
        notes=tuple(notes),
        refused=(*pixels.refused, *(reason for name in given for reason in parts[name].refused)),
    )


def decode(images: ImageSet, preprocess: Preprocess, facts: Facts, *, allow_none: bool = False) -> Pixels:
    """`load_pixels` with a progress bar."""
    with counting_bar("decoding") as show:
        return load_pixels(images, preprocess, facts, allow_none=allow_none, show=show)


def _pixel_ids(pixels: Pixels, n: int) -> list[str]:
    """The pixel id of each of n images; of those that could not be read, one of its own."""
    ids = [f"unreadable {i}" for i in range(n)]
    for i, pixel_id in zip(pixels.kept.tolist(), pixels.ids, strict=True):
        ids[i] = pixel_id
    return ids
