"""Pictures in one folder a class, perhaps below train, val and test.

The class of a picture is the whole path of its folder below the root (or below its split), never a position in a listing.
"""

from collections.abc import Iterable

from foveal.data.images import EXTENSIONS, Files, ImageSet, Parts, image_set, with_training_classes
from foveal.data.split_names import SPLIT_NAMES
from foveal.data.tree import Tree
from foveal.errors import DataError

PARTS = ("train", "validation", "test")


def scan_class_folders(tree: Tree, *, for_testing: bool = False) -> Parts:
    """The image sets of a tree of class folders. Raises DataError when a class has no image, or splits disagree."""
    folders = top_folders(tree)
    if any(_is_split(folder) and _has_folders(tree, folder) for folder in folders):
        return _scan_splits(tree, _split_folders(tree, folders, for_testing))
    return {"all": _scan_classes(tree, "")}


def is_picture(name: str) -> bool:
    """Whether a file's name ends as a picture's does."""
    return name.lower().endswith(EXTENSIONS)


def top_folders(tree: Tree) -> list[str]:
    """The folders directly below the root."""
    names = {name.partition("/")[0] for name in (*tree.files, *(f"{folder}/" for folder in tree.empty)) if "/" in name}
    return sorted(names)


def top_files(tree: Tree) -> list[str]:
    """The files directly in the root."""
    return [name for name in tree.files if "/" not in name]


def _is_split(folder: str) -> bool:
    return folder.lower() in SPLIT_NAMES


def _has_folders(tree: Tree, folder: str) -> bool:
    start = len(folder) + 1
    return any(
        name.startswith(f"{folder}/") and "/" in name[start:]
        for name in (*tree.files, *(f"{empty}/" for empty in tree.empty))
    )


def _split_folders(tree: Tree, folders: list[str], for_testing: bool) -> dict[str, str]:
    """The folder of each split. Raises DataError when what lies side by side are not splits, each once, with train."""
    splits: dict[str, str] = {}
    for folder in folders:
        if not _is_split(folder):
            raise DataError(
                f"{tree.origin} has the folder {folder!r} beside splits such as {next(filter(_is_split, folders))!r}. "
                "A folder holds train, val and test, or classes, not both. Move or remove it."
            )
        part = SPLIT_NAMES[folder.lower()]
        if part in splits:
            raise DataError(
                f"{tree.origin} has two folders of {part} images, {splits[part]!r} and {folder!r}. Keep one of them."
            )
        splits[part] = folder
    if "train" not in splits and not for_testing:
        raise DataError(
            f"{tree.origin} has {', '.join(splits)} images but no folder 'train'. Add it, or name one of them alone."
        )
    return splits


def _scan_splits(tree: Tree, splits: dict[str, str]) -> Parts:
    parts = {part: _scan_classes(tree, splits[part]) for part in PARTS if part in splits}
    return with_training_classes(parts, "Rename or remove that folder.") if "train" in parts else parts


def _scan_classes(tree: Tree, below: str) -> ImageSet:
    """Every picture below a folder of the tree, its class the path of its folder."""
    prefix = f"{below}/" if below else ""
    by_class: dict[str, list[str]] = {}
    folders: set[str] = set()
    for name in tree.files:
        folder, slash, _ = name[len(prefix) :].rpartition("/")
        if name.startswith(prefix) and slash:
            folders.add(folder)
            if is_picture(name):
                by_class.setdefault(folder, []).append(name)
    if not by_class:
        raise DataError(
            f"{tree.path(below) if below else tree.origin} has no folder with images in it: {_what_is_there(tree, prefix)}. "
            f"foveal reads one sub-folder a class with files that end in {', '.join(EXTENSIONS)}, and what else "
            "docs/data.md lists. Name the folder above the class folders."
        )
    _require_text(by_class)
    _require_pictures(tree, prefix, folders, by_class)
    names = tuple(name for folder in sorted(by_class) for name in by_class[folder])
    labels = [folder for folder in sorted(by_class) for _ in by_class[folder]]
    origin = tree.path(below) if below else str(tree.origin)
    return image_set(Files(tree, names), labels, tuple(sorted(by_class)), origin)


def _require_text(classes: Iterable[str]) -> None:
    for name in classes:
        if name.encode(errors="replace") != name.encode(errors="surrogateescape"):
            raise DataError(f"the name of the class folder {name!r} is not UTF-8, so no file can hold it. Rename it.")


def _require_pictures(tree: Tree, prefix: str, folders: set[str], by_class: dict[str, list[str]]) -> None:
    """Raise DataError for a folder that should be a class, having no folder in it, and has no picture."""
    empty = {folder[len(prefix) :] for folder in tree.empty if folder.startswith(prefix)}
    holders = {folder.rpartition("/")[0] for folder in (*folders, *empty)}
    lacking = sorted(folder for folder in (folders | empty) - set(by_class) - holders if folder)
    if lacking:
        raise DataError(
            f"the class folder {tree.path(prefix + lacking[0])} has no image. Put images into it, or remove it."
        )


def _what_is_there(tree: Tree, prefix: str) -> str:
    inner = [name[len(prefix) :] for name in tree.files if name.startswith(prefix)]
    folders = {name.partition("/")[0] for name in inner if "/" in name} | {
        folder[len(prefix) :].partition("/")[0] for folder in tree.empty if folder.startswith(prefix)
    }
    files = [name for name in inner if "/" not in name]
    return f"{len(folders)} sub-folders and {len(files)} files, {sum(map(is_picture, files))} of them images"
