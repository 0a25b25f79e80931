"""The pictures of a tree, found by what people's tables call them: without folders and endings, in any case."""

import unicodedata
from collections.abc import Sequence
from urllib.parse import unquote

from foveal.data.images import EXTENSIONS
from foveal.data.tree import Tree

SAMPLE = 200  # cells of each column that are looked up to find the one that names files
MAX_SKIPPED = 32  # folders above the images that names in a table may begin with


class FileNames:
    """The pictures of a tree, to be found by what a table calls them."""

    def __init__(self, tree: Tree) -> None:
        self.tree = tree
        self._origins = {f"{origin.as_posix().rstrip('/')}/" for origin in (tree.origin, tree.origin.resolve())}
        folded = ((name, _folded(name)) for name in tree.files)
        self._pictures = [(name, path.split("/")) for name, path in folded if path.endswith(EXTENSIONS)]
        self._by_tail: dict[int, tuple[dict[str, list[str]], dict[str, list[str]]]] = {}

    def find(self, cell: str, skipped: int = 0) -> list[str]:
        """The file that a cell means without its first `skipped` folders: none, one, or two when it is open which.

        The very name is taken first, then one that differs in case, then (for a cell without an ending) one with any
        ending; and a name below the root before one further down, when the cell gives the end of its path only.
        """
        if skipped == 0 and cell in self.tree.files:
            return [cell]
        parts = self.split(cell)[skipped:]
        path = "/".join(parts)
        if not parts or path in self.tree.files:
            return [path] if parts else []
        whole, stems = self._tails(len(parts))
        key = _folded(path)
        found = whole.get(key) or ([] if key.endswith(EXTENSIONS) else stems.get(key, []))
        return [name for name in found if name.count("/") + 1 == len(parts)] or found

    def split(self, cell: str) -> list[str]:
        """A path as its folders and its name, relative to the tree; begins with ".." when it leaves it."""
        path = cell.replace("\\", "/")
        path = next((path.removeprefix(origin) for origin in self._origins if path.startswith(origin)), path)
        parts: list[str] = []
        for part in path.split("/"):
            if part == ".." and parts and parts[-1] != "..":
                parts.pop()
            elif part not in ("", "."):
                parts.append(part)
        return parts

    def skipped(self, cells: Sequence[str]) -> int:
        """How many folders to leave out of all cells, which share them, for the first of them to be found."""
        sample = cells[:: len(cells) // SAMPLE + 1]
        if any(self.find(cell) for cell in sample):
            return 0
        folders = [self.split(cell)[:-1] for cell in cells]
        low, high = min(folders), max(folders)  # what these two begin with, all do
        depths = (d for d in range(1, min(len(low), MAX_SKIPPED) + 1) if low[:d] == high[:d])
        return next((depth for depth in depths if any(self.find(cell, depth) for cell in sample)), 0)

    def share(self, cells: Sequence[str]) -> float:
        """The share of a sample of cells that name a file."""
        sample, skipped = cells[:: len(cells) // SAMPLE + 1], self.skipped(cells)
        return sum(bool(self.find(cell, skipped)) for cell in sample) / len(sample)

    def _tails(self, count: int) -> tuple[dict[str, list[str]], dict[str, list[str]]]:
        """At most two pictures for each end of a path of `count` parts, with its ending and without."""
        if count not in self._by_tail:
            whole: dict[str, list[str]] = {}
            stems: dict[str, list[str]] = {}
            for name, parts in sorted(self._pictures, key=lambda picture: len(picture[1]) != count):
                if len(parts) >= count:
                    tail = "/".join(parts[-count:])
                    for known, key in ((whole, tail), (stems, tail.rpartition(".")[0])):
                        if len(same := known.setdefault(key, [])) < 2:
                            same.append(name)
            self._by_tail[count] = whole, stems
        return self._by_tail[count]


def _folded(path: str) -> str:
    """A path as it is compared: in small letters, composed (NFC), and without %20 and the like."""
    path = unquote(path) if "%" in path else path
    return path.casefold() if path.isascii() else unicodedata.normalize("NFC", path.casefold())
