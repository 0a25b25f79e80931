"""Folders of IDX files, matched by name: `X-images-idx3-ubyte` with `X-labels-idx1-ubyte`."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace

from foveal.data.images import Parts, image_set, with_training_classes
from foveal.data.readers.idx import as_images
from foveal.data.readers.idx_unpacked import unpack_idx
from foveal.data.split_names import SPLIT_NAMES
from foveal.data.tree import Tree
from foveal.errors import DataError

LOOKS_LIKE_IDX = re.compile(r"idx\d|ubyte", re.IGNORECASE)


def is_idx(tree: Tree) -> bool:
    """Whether IDX files lie directly in this tree."""
    return any(LOOKS_LIKE_IDX.search(name) for name in tree.files if "/" not in name)


def scan_idx(
    tree: Tree,
    names: Sequence[str] | None = None,
    class_names: tuple[str, ...] | None = None,
    sha256: Mapping[str, str] | None = None,
    *,
    for_testing: bool = False,
) -> Parts:
    """The image sets of the IDX files in a tree, or of those in `names`, which may be checked by `sha256` when unpacked.

    Classes are called by the numbers that the labels hold unless `class_names` are given. Raises DataError.
    """
    sums = sha256 or {}
    files = names or [name for name in tree.files if "/" not in name and LOOKS_LIKE_IDX.search(name)]
    arrays = {name: unpack_idx(tree.read(name), tree.path(name), sums.get(name)) for name in files}
    images = {name: found for name, found in arrays.items() if found[0].ndim > 1}
    labels = {_stem(name): array for name, (array, _) in arrays.items() if array.ndim == 1}
    parts: Parts = {}
    for name, (array, ids) in images.items():
        path, part = tree.path(name), _part_of(tree.path(name), name, len(images))
        if part in parts:
            raise DataError(
                f"{tree.origin} holds more than one set of {part} images ({parts[part].origin} and {path}). "
                "Put each data set into a folder of its own."
            )
        if _stem(name) not in labels:
            raise DataError(f"{path} has no labels file beside it. Add {_labels_name(name)}.")
        numbers = labels[_stem(name)].tolist()
        known = class_names or tuple(map(str, sorted(set(numbers))))
        called = [class_names[number] if class_names else str(number) for number in numbers]
        parts[part] = replace(image_set(as_images(array, path), called, known, path), content_ids=ids)
    if not parts:
        raise DataError(f"{tree.origin} has labels but no images. Add the file of images, whose name has idx3 in it.")
    return _with_one_list_of_classes(parts, for_testing)


def _labels_name(name: str) -> str:
    return re.sub(r"idx\d", "idx1", name.replace("images", "labels"))


def _stem(name: str) -> str:
    return re.sub(r"images|labels|idx\d|ubyte|[-._]", "", name.lower().removesuffix(".gz"))


def _part_of(path: str, name: str, count: int) -> str:
    for word in re.split(r"[-._\s/]", name.lower()):
        if word in SPLIT_NAMES:
            return SPLIT_NAMES[word]
    if count == 1:
        return "all"
    raise DataError(f"{path} does not say by its name whether it is train or test. Rename it: train-..., test-...")


def _with_one_list_of_classes(parts: Parts, for_testing: bool) -> Parts:
    """The same parts, all with the classes of the training images; DataError names a class that only others have."""
    if "train" not in parts and "all" not in parts and not for_testing:
        raise DataError(f"there are {', '.join(parts)} images but no training images. Add them.")
    return with_training_classes(parts, "Remove those images, or add some to the training images.")
