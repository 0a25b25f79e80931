"""What a path holds, told by the names of its files, and the reader that knows it."""

import os
import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from foveal.data.images import Parts
from foveal.data.readers.archives import is_archive, open_archive
from foveal.data.readers.arrow import is_arrow, scan_arrow
from foveal.data.readers.cifar import is_cifar, scan_cifar
from foveal.data.readers.class_folders import is_picture, scan_class_folders, top_files, top_folders
from foveal.data.readers.idx_files import is_idx, scan_idx
from foveal.data.readers.numpy_files import is_numpy, scan_numpy
from foveal.data.readers.svhn import is_svhn, scan_svhn
from foveal.data.readers.tables import is_table, scan_table
from foveal.data.split_names import SPLIT_NAMES
from foveal.data.tree import Stamp, Tree, open_folder, reader
from foveal.errors import DataError

# Of a table that says more than the folders do: metadata.csv, HAM10000_metadata.csv, labels.csv.
TELLING_NAME = re.compile(r"(.*[_\W])?(metadata|labels)", re.IGNORECASE)
ARRAYS = (".npy", ".npz", ".parquet", ".arrow", ".mat")


@dataclass(frozen=True)
class Columns:
    """What the columns of a table are called, where they cannot be guessed; where the files are that it names, and whether
    some of them may be missing."""

    images: Path | None = None
    image: str | None = None
    label: str | None = None
    split: str | None = None
    group: str | None = None
    allow_missing: bool = False


def scan(path: Path, columns: Columns | None = None, *, for_testing: bool = False) -> Parts:
    """The image sets of a folder, an archive, a table or a file of arrays: by "train", "validation" and "test", or "all".

    Raises DataError when nothing is there, or nothing that foveal reads.
    """
    columns = columns or Columns()
    if not os.path.exists(path):  # noqa: PTH110 - Path.exists raises where a folder above may not be entered
        raise DataError(f"there is no folder {path}. Check the path; known data sets are listed by: foveal data list")
    if path.is_dir():
        return scan_tree(open_tree(path), columns, for_testing=for_testing)
    if is_table(path.name):
        images = open_tree(columns.images or path.parent)
        return _scan_table(_single_file(path).read(path.name), str(path), images, columns, for_testing)
    tree = _single_file(path)
    if is_numpy(tree.files) or is_arrow(tree.files) or is_svhn(tree.files):  # before archives: an .npz is a zip too
        return scan_tree(tree, columns, for_testing=for_testing)
    if is_archive(path):
        return scan_tree(open_tree(path), columns, for_testing=for_testing)
    raise DataError(
        f"{path} is a file that foveal does not read as data. It reads folders of images, archives (.zip, .tar, .tar.gz), "
        "tables (.csv, .tsv, .jsonl), .npz, .npy, .parquet and .mat; for IDX and CIFAR files name their folder."
    )


def open_tree(path: Path) -> Tree:
    """The files of a folder or an archive. Raises DataError."""
    if not os.path.exists(path):  # noqa: PTH110 - Path.exists raises where a folder above may not be entered
        raise DataError(f"there is no folder or archive {path}. Check the path of the images (--images).")
    return open_archive(path) if path.is_file() else open_folder(path)


def scan_tree(tree: Tree, columns: Columns, *, for_testing: bool = False) -> Parts:
    """The image sets of a folder or an archive, whatever kind its files are of. Raises DataError.

    A table comes first where it says more of the pictures than their folders do; then pictures in class folders, unless
    arrays outnumber them; then arrays, and at last a table whose images are nowhere, for it says which those are.
    """
    table = _table_of(tree)
    if table is not None and (columns.images or any(map(is_picture, tree.files))):
        return _scan_tree_table(tree, table, columns, for_testing)
    if table is None and columns.images is not None and _wrapped(tree) is None:
        raise DataError(
            f"{tree.origin} has no table, so that --images {columns.images} names nothing. Leave it out, or name the table."
        )
    if not _has_class_folders(tree):
        parts = _scan_arrays(tree, columns, for_testing)
        if parts is not None:
            return parts
    if table is not None:
        return _scan_tree_table(tree, table, columns, for_testing)
    inner = _wrapped(tree)
    if inner is not None:
        return scan_tree(inner, columns, for_testing=for_testing)
    _require_class_folders(tree)
    return scan_class_folders(tree, for_testing=for_testing)


def _scan_arrays(tree: Tree, columns: Columns, for_testing: bool) -> Parts | None:
    """The image sets of files of arrays, or of encoded images; None where there are none of them."""
    if is_idx(tree):
        return scan_idx(tree, for_testing=for_testing)
    for is_kind, read in ((is_cifar, scan_cifar), (is_svhn, scan_svhn)):
        if is_kind(tree.files):
            return read(tree)
    if is_numpy([name for name in tree.files if not is_picture(name)]):
        return scan_numpy(tree)
    if is_arrow(tree.files):
        group = columns.group
        return scan_arrow(
            tree, image_column=columns.image, label_column=columns.label, group_column=group, for_testing=for_testing
        )
    return None


def _has_class_folders(tree: Tree) -> bool:
    """Whether pictures lie in two folders or more, and arrays beside them (embeddings.npy) are not more than they are."""
    folders = _folders_of_pictures(tree)
    arrays = sum(name.lower().endswith(ARRAYS) for name in tree.files)
    return len(folders.keys() - {""}) > 1 and not _are_splits(folders) and folders.total() - folders[""] >= arrays


def _folders_of_pictures(tree: Tree) -> Counter[str]:
    """How many pictures lie in each folder, "" being the root."""
    return Counter(name.rpartition("/")[0] for name in tree.files if is_picture(name))


def _are_splits(folders: Iterable[str]) -> bool:
    return all(folder.lower() in ("", *SPLIT_NAMES) for folder in folders)


def _wrapped(tree: Tree) -> Tree | None:
    """The one folder at the top that holds everything, as an archive unpacked into a folder of its own has it."""
    folders = top_folders(tree)
    if len(folders) != 1 or any(map(is_picture, top_files(tree))) or folders[0].lower() in SPLIT_NAMES:
        return None
    inner = below(tree, folders[0])
    return inner if _table_of(inner) is not None or not any(map(is_picture, top_files(inner))) else None


def _require_class_folders(tree: Tree) -> None:
    """Raise DataError where only a table can say the classes: for pictures right in splits, or in one folder beside tables."""
    folders = _folders_of_pictures(tree)
    tables = [name for name in top_files(tree) if is_table(name)]
    if (folders.keys() - {""} and _are_splits(folders)) or (len(folders) == 1 and tables):
        likely = next((name for name in tables if "train" in name.lower()), tables[0] if tables else None)
        raise DataError(
            f"{tree.origin} has its images right in {' and '.join(folder or 'it' for folder in sorted(folders))}, so that no "
            "folder says their classes. Put them into one folder a class, or name the table that says them"
            f"{'' if likely is None else f', perhaps {tree.path(likely)}'}."
        )


def below(tree: Tree, folder: str) -> Tree:
    """A folder of a tree, as a tree."""
    prefix = f"{folder}/"
    read = tree.read
    return Tree(
        tree.origin / folder,
        {name.removeprefix(prefix): stamp for name, stamp in tree.files.items() if name.startswith(prefix)},
        lambda name: read(prefix + name),
        tuple(each.removeprefix(prefix) for each in tree.empty if each.startswith(prefix)),
    )


def _table_of(tree: Tree) -> str | None:
    """The table at the top that describes the pictures: metadata.csv or labels.csv, else the only one where no folders do.

    Folders do not where all pictures lie in one of them (train.csv and train/), or in none.
    """
    tables = [name for name in top_files(tree) if is_table(name)]
    named = [name for name in tables if TELLING_NAME.fullmatch(name.rpartition(".")[0])]
    if len(named) == 1:
        return named[0]
    return tables[0] if len(tables) == 1 and len(_folders_of_pictures(tree)) < 2 else None


def _scan_tree_table(tree: Tree, table: str, columns: Columns, for_testing: bool) -> Parts:
    images = open_tree(columns.images) if columns.images else tree
    return _scan_table(tree.read(table), tree.path(table), images, columns, for_testing)


def _scan_table(content: bytes, origin: str, images: Tree, columns: Columns, for_testing: bool) -> Parts:
    return scan_table(
        content,
        origin,
        images,
        image_column=columns.image,
        label_column=columns.label,
        split_column=columns.split,
        group_column=columns.group,
        allow_missing=columns.allow_missing,
        for_testing=for_testing,
    )


def _single_file(path: Path) -> Tree:
    stat = path.stat()
    return Tree(path.parent, {path.name: Stamp(stat.st_size, stat.st_mtime_ns)}, reader(path.parent))
