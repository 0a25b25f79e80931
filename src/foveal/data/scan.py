"""Folders as people keep them: IDX files side by side, or pictures in one folder a class, perhaps below train/val/test.

The class of a picture is the path of its folder below the root (or below its split), never a position in a listing.
"""

import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from foveal.data.idx import as_images, read_idx
from foveal.data.images import EXTENSIONS, ImageSet, image_set
from foveal.errors import DataError

SPLIT_NAMES = {
    "train": "train",
    "training": "train",
    "val": "validation",
    "valid": "validation",
    "validation": "validation",
    "test": "test",
    "testing": "test",
    "t10k": "test",
}
LOOKS_LIKE_IDX = re.compile(r"idx\d|ubyte", re.IGNORECASE)

Parts = dict[str, ImageSet]


def scan(root: Path, *, for_testing: bool = False) -> Parts:
    """The image sets of a folder by part: "train", "validation" and "test", or "all" where it does not divide them.

    Raises DataError when the folder is missing, holds no images, or holds a class without any.
    """
    if not os.path.exists(root):  # noqa: PTH110 - Path.exists raises where a folder above may not be entered
        raise DataError(f"there is no folder {root}. Check the path; known data sets are listed by: foveal data list")
    if not root.is_dir():
        raise DataError(
            f"{root} is a file; foveal reads a folder of IDX files or a folder with one sub-folder a class. "
            "Unpack it and name the folder."
        )
    folders, files = _children(root)
    if any(LOOKS_LIKE_IDX.search(file.name) for file in files):
        return scan_idx(root, files, for_testing=for_testing)
    if len(folders) == 1 and not _pictures(files) and not _is_split(folders[0]) and not _holds_pictures(folders[0]):
        return scan(folders[0], for_testing=for_testing)  # an archive unpacked into a folder of its own
    if any(_is_split(folder) and _children(folder)[0] for folder in folders):
        return _scan_splits(_split_folders(root, folders, for_testing))
    return {"all": _scan_classes(root, None)}


def _is_split(folder: Path) -> bool:
    return folder.name.lower() in SPLIT_NAMES


def _holds_pictures(folder: Path) -> bool:
    return bool(_pictures(_children(folder)[1]))


def _split_folders(root: Path, folders: list[Path], for_testing: bool) -> dict[str, Path]:
    """The folder of each split. Raises DataError when what lies side by side are not splits, each once, with train."""
    splits: dict[str, Path] = {}
    for folder in folders:
        if not _is_split(folder):
            raise DataError(
                f"{root} has the folder {folder.name!r} beside splits such as {next(filter(_is_split, folders)).name!r}. "
                "A folder holds train, val and test, or classes, not both. Move or remove it."
            )
        part = SPLIT_NAMES[folder.name.lower()]
        if part in splits:
            raise DataError(
                f"{root} has two folders of {part} images, {splits[part].name!r} and {folder.name!r}. Keep one of them."
            )
        splits[part] = folder
    if "train" not in splits and not for_testing:
        raise DataError(
            f"{root} has {', '.join(splits)} images but no folder 'train'. Add it, or name one of them alone."
        )
    return splits


def _children(folder: Path) -> tuple[list[Path], list[Path]]:
    try:
        seen = sorted(path for path in folder.iterdir() if not path.name.startswith((".", "__MACOSX")))
    except OSError as error:
        raise DataError(f"cannot list the folder {folder}: {error.strerror}. Make it readable.") from error
    return [path for path in seen if path.is_dir()], [path for path in seen if path.is_file()]


def _pictures(files: Iterable[Path]) -> list[Path]:
    return [file for file in files if file.suffix.lower() in EXTENSIONS]


def _scan_splits(splits: dict[str, Path]) -> Parts:
    classes = _scan_classes(splits["train"], None).classes if "train" in splits else None
    parts = {part: _scan_classes(folder, classes if part != "train" else None) for part, folder in splits.items()}
    return {part: parts[part] for part in ("train", "validation", "test") if part in parts}


def _scan_classes(root: Path, known: tuple[str, ...] | None) -> ImageSet:
    """Every picture below `root`, its class the path of its folder; with `known`, no other class is accepted."""
    by_class: dict[str, list[Path]] = {}
    empty: list[Path] = []
    for folder in sorted(path for path in (root, *root.rglob("*")) if path.is_dir() and not _is_hidden(path, root)):
        inner, files = _children(folder)
        pictures = _pictures(files)
        if pictures and folder != root:
            by_class[folder.relative_to(root).as_posix()] = pictures
        elif not inner and folder != root:
            empty.append(folder)
    if not by_class:
        raise DataError(
            f"{root} has no folder with images in it: {_what_is_there(root)}. foveal reads one sub-folder a class with files "
            f"that end in {', '.join(EXTENSIONS)}, or IDX files. Name the folder above the class folders."
        )
    for name in by_class:
        if name.encode(errors="replace") != name.encode(errors="surrogateescape"):
            raise DataError(f"the name of the class folder {name!r} is not UTF-8, so no file can hold it. Rename it.")
    if empty:
        raise DataError(f"the class folder {empty[0]} has no image. Put images into it, or remove it.")
    classes = tuple(sorted(by_class)) if known is None else known
    strangers = sorted(set(by_class) - set(classes))
    if strangers:
        raise DataError(
            f"{root} has the class {strangers[0]!r}, which the training images do not have. "
            f"Their classes are: {', '.join(classes[:20])}. Rename or remove that folder."
        )
    paths = [path for name in sorted(by_class) for path in by_class[name]]
    labels = [name for name in sorted(by_class) for _ in by_class[name]]
    return image_set(paths, labels, classes, str(root))


def _is_hidden(path: Path, root: Path) -> bool:
    return any(part.startswith((".", "__MACOSX")) for part in path.relative_to(root).parts)


def _what_is_there(root: Path) -> str:
    folders, files = _children(root)
    return f"{len(folders)} sub-folders and {len(files)} files, {len(_pictures(files))} of them images"


def scan_idx(
    root: Path,
    files: list[Path],
    class_names: tuple[str, ...] | None = None,
    sha256: Mapping[str, str] | None = None,
    *,
    for_testing: bool = False,
) -> Parts:
    """The image sets of a folder of IDX files, matched by name: `X-images-idx3-ubyte` with `X-labels-idx1-ubyte`.

    Classes are called by the numbers that the labels hold unless `class_names` are given. Raises DataError.
    """
    sums = sha256 or {}
    arrays = {file: read_idx(file, sums.get(file.name)) for file in files if LOOKS_LIKE_IDX.search(file.name)}
    images = {file: array for file, array in arrays.items() if array.ndim > 1}
    labels = {_stem(file): array for file, array in arrays.items() if array.ndim == 1}
    parts: Parts = {}
    for file, array in images.items():
        part = _part_of(file, len(images))
        if part in parts:
            raise DataError(
                f"{root} holds more than one set of {part} images ({parts[part].origin} and {file}). "
                "Put each data set into a folder of its own."
            )
        if _stem(file) not in labels:
            raise DataError(f"{file} has no labels file beside it. Add {_labels_name(file)}.")
        names = [str(value) for value in labels[_stem(file)]]
        parts[part] = _idx_set(file, as_images(array, file), names, class_names)
    if not parts:
        raise DataError(f"{root} has labels but no images. Add the file of images, whose name has idx3 in it.")
    return _with_one_list_of_classes(parts, for_testing)


def _idx_set(file: Path, pixels: object, names: list[str], class_names: tuple[str, ...] | None) -> ImageSet:
    classes = tuple(sorted(set(names), key=int))
    images = image_set(pixels, names, classes, str(file))  # type: ignore[arg-type]
    if class_names is None:
        return images
    renamed = [class_names[int(name)] for name in names]
    return image_set(pixels, renamed, class_names, str(file))  # type: ignore[arg-type]


def _labels_name(file: Path) -> str:
    return re.sub(r"idx\d", "idx1", file.name.replace("images", "labels"))


def _stem(file: Path) -> str:
    name = file.name.lower().removesuffix(".gz")
    return re.sub(r"images|labels|idx\d|ubyte|[-._]", "", name)


def _part_of(file: Path, count: int) -> str:
    words = re.split(r"[-._\s]", file.name.lower())
    for word in words:
        if word in SPLIT_NAMES:
            return SPLIT_NAMES[word]
    if count == 1:
        return "all"
    raise DataError(f"{file} does not say by its name whether it is train or test. Rename it: train-..., test-...")


def _with_one_list_of_classes(parts: Parts, for_testing: bool) -> Parts:
    """The same parts, all with the classes of the training images; DataError names a class that only others have."""
    base = parts.get("train") or parts.get("all") or (next(iter(parts.values())) if for_testing else None)
    if base is None:
        raise DataError(f"there are {', '.join(parts)} images but no training images. Add them.")
    unified = {}
    for part, images in parts.items():
        names = [images.classes[label] for label in images.labels]
        strangers = set(names) - set(base.classes)
        if strangers:
            raise DataError(
                f"{images.origin} has the class {sorted(strangers)[0]!r}, which the training images do not have. "
                f"Their classes are: {', '.join(base.classes[:20])}."
            )
        unified[part] = image_set(images.images, names, base.classes, images.origin)
    return unified
