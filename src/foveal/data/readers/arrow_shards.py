"""The Parquet and Arrow files of a tree, opened anew for each reading, and the encoded images in their rows.

Nothing that pyarrow raises for a damaged file leaves as anything but a DataError. What columns mean is not known here.
"""

import json
from bisect import bisect_right
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import accumulate
from threading import Lock
from typing import Any

from foveal.data.readers.file_names import FileNames
from foveal.data.readers.table_columns import as_text
from foveal.data.tree import Stamp, Tree
from foveal.errors import DataError

GROUPS_KEPT = 2  # threads that read in order meet at the end of one group and the beginning of the next


@contextmanager
def told_as_damage(path: str) -> Iterator[None]:
    """Turn what pyarrow raises for a file into a DataError."""
    try:
        import pyarrow
    except ImportError as error:
        raise DataError(
            f'reading {path} needs pyarrow, which is not installed. Install it with: pip install "foveal[parquet]"'
        ) from error
    try:
        yield
    except (pyarrow.ArrowException, OSError, ValueError, KeyError, IndexError) as error:
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise DataError(f"{path} cannot be read: {reason}. It is damaged or has changed; fetch it again.") from error


@dataclass(frozen=True, eq=False)
class Shard:
    """One Parquet or Arrow file, opened anew for each reading, so that many of them do not run out of handles."""

    tree: Tree
    name: str
    unpack: Callable[[str], bytes]

    @property
    def path(self) -> str:
        """How messages call it."""
        return self.tree.path(self.name)

    @cached_property
    def schema(self) -> Any:
        """The names and types of the columns, with what their writer noted."""
        opened = self._open()
        return opened.schema_arrow if self._is_parquet else opened.schema

    def note(self, column: str) -> dict[str, Any]:
        """What the library `datasets` noted of a column: its "_type", and the "names" of classes."""
        value: Any = json.loads((self.schema.metadata or {}).get(b"huggingface", b"{}"))
        for key in ("info", "features", column):
            value = value.get(key) if isinstance(value, dict) else None
        return value if isinstance(value, dict) else {}

    @cached_property
    def starts(self) -> list[int]:
        """The row that each row group begins with, and at the end the number of rows."""
        opened = self._open()
        if not self._is_parquet:
            return [0, opened.num_rows]
        return [0, *accumulate(group.num_rows for group in _row_groups(opened))]

    @property
    def largest_group(self) -> int:
        """The bytes that the largest row group unpacks to; 0 where rows are read from the mapped file."""
        sizes = (group.total_byte_size for group in _row_groups(self._open())) if self._is_parquet else ()
        return max(sizes, default=0)

    def column(self, name: str, child: str | None = None, group: int | None = None) -> Any:
        """A column, or one child of its structs, of all rows or of one row group."""
        from pyarrow import compute

        table = self._open()
        if self._is_parquet:
            wanted = [f"{name}.{child}" if child else name]
            table = table.read(wanted) if group is None else table.read_row_group(group, wanted)
        found = table.column(name)
        found.validate(full=True)  # a damaged offset would read any memory
        return found if child is None else compute.struct_field(found, child)

    def sizes(self, name: str, child: str | None) -> list[int | None]:
        """The bytes of each row's image, None where it has none; those of the file where it would have to be unpacked."""
        from pyarrow import compute

        if self._is_parquet:
            batches = self._open().iter_batches(1, columns=[f"{name}.{child}" if child else name])
            row = next((batch[0][0].as_py() for batch in batches), None)
            if (row.get(child) if isinstance(row, dict) else row) is not None:  # then the others have one, too
                return [self.tree.files[self.name].size] * self.starts[-1]
        groups = range(len(self.starts) - 1)
        lengths = (compute.binary_length(self.column(name, child, group)) for group in groups)
        return [size for each in lengths for size in each.to_pylist()]

    @property
    def _is_parquet(self) -> bool:
        return self.name.lower().endswith(".parquet")

    def _open(self) -> Any:
        import pyarrow as pa
        from pyarrow import ipc, parquet

        path = self.tree.origin / self.name
        source = str(path) if path.is_file() else pa.BufferReader(self.unpack(self.name))
        if self._is_parquet:
            # Page by page; both are needed, else a column is first read as a whole.
            return parquet.ParquetFile(source, buffer_size=1 << 16, pre_buffer=False)
        stream = pa.memory_map(source) if isinstance(source, str) else source
        is_file = stream.read(6) == b"ARROW1"
        stream.seek(0)
        return (ipc.open_file(stream) if is_file else ipc.open_stream(stream)).read_all()


def _row_groups(opened: Any) -> list[Any]:
    # Not by RowGroupMetaData.column(), which ends the process when a file is damaged (pyarrow 26).
    return [opened.metadata.row_group(i) for i in range(opened.num_row_groups)]


def has_child(kind: Any, name: str) -> bool:
    """Whether an Arrow type is that of structs with a child of this name."""
    from pyarrow import types

    return bool(types.is_struct(kind) and kind.get_field_index(name) >= 0)


class EncodedImages:
    """The encoded images of many files by name, for any number of threads; `files` are their stamps."""

    def __init__(self, tree: Tree) -> None:
        self.files: dict[str, Stamp] = {}
        self._tree, self._beside = tree, FileNames(tree)
        self._places: dict[str, tuple[Shard, str, str | None, int]] = {}
        self._group = lru_cache(maxsize=GROUPS_KEPT)(Shard.column)
        self._lock = Lock()

    def add(self, shard: Shard, column: str) -> list[str]:
        """The name of each image in a column. Raises DataError for a row without an image, and without a file beside."""
        kind = shard.schema.field(column).type
        child = "bytes" if has_child(kind, "bytes") else None
        sizes = shard.sizes(column, child)
        has_paths = has_child(kind, "path")
        paths = [*map(as_text, shard.column(column, "path").to_pylist())] if has_paths else [""] * len(sizes)
        called = [path.replace("\\", "/").rpartition("/")[2] for path in paths]
        if len(set(called)) < len(called) or not all(name and name.isprintable() for name in called):
            called = [f"row {row}" for row in range(len(sizes))]
        names = [f"{shard.name}/{name}" for name in called]
        for row, size in enumerate(sizes):
            if size is None:
                names[row] = self._file_beside(f"{shard.path} row {row}", paths[row])
                self.files[names[row]] = self._tree.files[names[row]]
            else:
                self.files[names[row]] = Stamp(size, self._tree.files[shard.name].modified_ns)
                self._places[names[row]] = shard, column, child, row
        return names

    def _file_beside(self, where: str, path: str) -> str:
        found = self._beside.find(path)
        if len(found) != 1:
            raise DataError(
                f"{where} has no image in it, and its path {path!r} is that of {len(found)} files in {self._tree.origin}. "
                "Put the files beside it, or write it again with the images in it."
            )
        return found[0]

    def read(self, name: str) -> bytes:
        """The encoded image of this name. Raises DataError when it is not there any more, or damaged."""
        if name not in self._places:
            return self._tree.read(name)
        shard, column, child, row = self._places[name]
        group = bisect_right(shard.starts, row) - 1
        with told_as_damage(shard.path), self._lock:
            content = self._group(shard, column, child, group)[row - shard.starts[group]].as_py()
        if content is None:
            raise DataError(f"{shard.path} row {row} has no image in it. Remove the row.")
        return bytes(content)
