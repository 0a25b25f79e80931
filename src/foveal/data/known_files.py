"""The files of a known data set, read: each kind through its reader, whatever archive they are in."""

from dataclasses import replace

import numpy as np

from foveal.data.catalog import KnownData
from foveal.data.images import ImageSet, Parts, image_set
from foveal.data.known import DATASETS, locate
from foveal.data.readers.archives import is_archive, open_archive
from foveal.data.readers.cifar import scan_cifar
from foveal.data.readers.idx_files import scan_idx
from foveal.data.readers.svhn import scan_svhn
from foveal.data.tree import Tree, open_folder
from foveal.errors import DataError


def scan_known(name: str) -> Parts:
    """The image sets of a known name, fetched first where they are not on this machine. Raises DataError."""
    known, folder = DATASETS[name], locate(name)
    path = folder / known.files[0].name
    tree = open_archive(path) if len(known.files) == 1 and is_archive(path) else open_folder(folder)
    parts = _read(tree, known)
    return {part: _as_the_table_says(images, known) for part, images in parts.items()}


def _read(tree: Tree, known: KnownData) -> Parts:
    wanted = [name for names in known.parts.values() for name in names]
    missing = sorted(set(wanted) - set(tree.files))
    if missing:
        raise DataError(f"{tree.origin} lacks {missing[0]}, which belongs to it. Remove it, and fetch it again.")
    if known.layout == "svhn":
        return scan_svhn(tree)
    if known.layout in ("cifar10", "cifar100"):
        return scan_cifar(tree)
    return scan_idx(tree, wanted, sha256=known.sha256)


def _as_the_table_says(images: ImageSet, known: KnownData) -> ImageSet:
    """The images with the names of their classes, and upright. Readers call IDX classes by their numbers."""
    if known.layout == "idx":
        numbers = known.labels or tuple(range(len(known.classes)))
        called = {str(number): name for number, name in zip(numbers, known.classes, strict=True)}
        strangers = sorted(set(images.classes) - set(called))
        if strangers:
            raise DataError(
                f"{images.origin} has the label {strangers[0]}, which this data set has not. Fetch it again."
            )
        names = [called[images.classes[label]] for label in images.labels.tolist()]
        images = replace(image_set(images.images, names, known.classes, images.origin), content_ids=images.content_ids)
    if known.is_transposed and isinstance(images.images, np.ndarray):
        upright = np.ascontiguousarray(images.images.transpose(0, 2, 1, 3))
        images = replace(images, images=upright, content_ids=None)
    return images
