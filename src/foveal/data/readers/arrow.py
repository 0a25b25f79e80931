"""Images kept encoded in tables of Arrow: Parquet files, and folders as the Hugging Face library `datasets` saves them.

Only pyarrow reads them. Labels are read at once; images one row group at a time, or straight from a mapped file.
"""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

from foveal.data.images import Files, Parts, in_class_order
from foveal.data.readers.arrow_shards import EncodedImages, Shard, has_child, told_as_damage
from foveal.data.readers.table_columns import as_text, image_rank, is_label
from foveal.data.readers.tables import divide, require_single_labels
from foveal.data.split_names import SPLIT_NAMES
from foveal.data.tree import Tree
from foveal.errors import DataError

MAX_GROUP_BYTES = 1 << 30  # in one row group; to read it takes up to three times as much memory
NUMBERED = re.compile(r"(.*)-\d{5}-of-(\d{5})(-[0-9a-f]+)?\.\w+")


def is_arrow(names: Iterable[str]) -> bool:
    """Whether there are Parquet or Arrow files among these."""
    return bool(_arrow_files(names))


def _arrow_files(names: Iterable[str]) -> list[str]:
    # `datasets` keeps what it computed beside its data, as cache-*.arrow.
    kept = (name for name in names if not name.rpartition("/")[2].startswith("cache-"))
    return [name for name in kept if name.lower().endswith((".parquet", ".arrow"))]


def scan_arrow(
    tree: Tree,
    *,
    image_column: str | None = None,
    label_column: str | None = None,
    group_column: str | None = None,
    for_testing: bool = False,
) -> Parts:
    """The images of all Parquet or Arrow files in a tree, by the parts that their names or folders say, or "all".

    An image is called by the name that its row has for it, else by the row's number, from 0. Classes stay in the order
    that the files declare. A `group_column` that a file lacks gives no groups. Raises DataError when pyarrow is not
    installed, a file is damaged or missing, a label is not one class, and when it is open which columns are meant.
    """
    rows = Rows(EncodedImages(tree), image_column, label_column, group_column)
    unpack = lru_cache(maxsize=1)(tree.read)  # in an archive each file is unpacked whole, then read group by group
    for name, part in _parts_by_name(tree).items():
        rows.add(Shard(tree, name, unpack), part)
    if not rows.names:
        raise DataError(f"the Parquet or Arrow files of {tree.origin} have no rows. Fetch them again.")
    return divide(
        Files(Tree(tree.origin, dict(sorted(rows.images.files.items())), rows.images.read), tuple(rows.names)),
        rows.labels,
        rows.parts,
        origin=str(tree.origin),
        order=rows.in_order,
        groups=rows.groups if len(rows.groups) == len(rows.names) else None,
        for_testing=for_testing,
    )


@dataclass
class Rows:
    """What the rows of all files say, and the columns that were chosen; `classes` are those that the files declare."""

    images: EncodedImages
    image_column: str | None
    label_column: str | None
    group_column: str | None
    names: list[str] = field(default_factory=list)
    labels: list[str] = field(default_factory=list)
    groups: list[str] = field(default_factory=list)
    parts: list[str] = field(default_factory=list)
    classes: dict[str, None] = field(default_factory=dict)

    def add(self, shard: Shard, part: str) -> None:
        """Append the rows of one file. Raises DataError."""
        with told_as_damage(shard.path):
            image = _image_column(shard, self.image_column)
            _require_modest_groups(shard)
            names = self.images.add(shard, image)
            labels, classes = _labels(shard, _label_column(shard, image, self.label_column))
            if len(names) != len(labels):
                raise ValueError(f"it has {len(names)} images but {len(labels)} labels")
            if self.group_column is not None and self.group_column in shard.schema.names:
                self.groups += map(as_text, shard.column(self.group_column).to_pylist())
        self.names += names
        self.labels += labels
        self.parts += [part] * len(labels)
        self.classes |= dict.fromkeys(classes)

    def in_order(self, known: set[str]) -> tuple[str, ...]:
        """Classes as the files declare them, then all others."""
        return (*(each for each in self.classes if each in known), *in_class_order(known - self.classes.keys()))


def _require_modest_groups(shard: Shard) -> None:
    if shard.largest_group > MAX_GROUP_BYTES:
        raise DataError(
            f"{shard.path} has {shard.largest_group:,} bytes of images in one row group, and at most {MAX_GROUP_BYTES:,} "
            "are read at once. Write it again with fewer rows a group: row_group_size=1000."
        )


def _parts_by_name(tree: Tree) -> dict[str, str]:
    """The part of each file. Raises DataError when one is missing, or when they are no single data set."""
    files = _arrow_files(tree.files)
    numbered = Counter(match.groups()[:2] for match in map(NUMBERED.fullmatch, files) if match)
    for (start, total), count in numbered.items():
        if count != int(total):
            raise DataError(
                f"of {tree.path(start)}-*-of-{total} {count} files are there. Fetch all {int(total)} again."
            )
    parts = {name: _part_of(name) for name in files}
    first: dict[str, str] = {}
    for name, part in parts.items():
        other = first.setdefault(part, name)
        if "all" in first and len(first) > 1:
            other = next(iter(first.values()))
        if part != parts[other] or _place(name) != _place(other):
            raise DataError(
                f"{tree.origin} has {name!r} beside {other!r}, which do not look like one data set: files that are "
                "train, validation or test by name, all of a part in one folder. Name the folder or file of one."
            )
    return parts


def _place(name: str) -> tuple[str, str]:
    return name.rpartition("/")[0], name.rpartition(".")[2]


def _part_of(name: str) -> str:
    words = (word for piece in reversed(name.lower().split("/")) for word in re.split(r"[-._\s]", piece))
    return next((SPLIT_NAMES[word] for word in words if word in SPLIT_NAMES), "all")


def _image_column(shard: Shard, chosen: str | None) -> str:
    holders = [name for name in shard.schema.names if _holds_images(shard, name)]
    noted = [name for name in holders if shard.note(name).get("_type") == "Image"]
    pools = [[name for name in pool if image_rank(name) < 2] or pool for pool in (noted, holders)]
    return _the_one(shard, chosen, "image", [*pools, holders])


def _label_column(shard: Shard, image: str, chosen: str | None) -> str:
    others = [name for name in shard.schema.names if name != image and not _holds_images(shard, name)]
    noted = [name for name in others if shard.note(name).get("_type") == "ClassLabel"]
    named = [name for name in others if is_label(name)]
    return _the_one(shard, chosen, "label", [[name for name in noted if name in named], named, noted, others])


def _the_one(shard: Shard, chosen: str | None, what: str, pools: Sequence[list[str]]) -> str:
    """The column that was chosen, among the last pool, else the only one in the first pool that is not empty."""
    found = next((pool for pool in pools if pool), []) if chosen is None else [n for n in pools[-1] if n == chosen]
    if len(found) != 1:
        lead = f"{'more than one' if found else 'no'} column" if chosen is None else f"no column {chosen!r}"
        columns = ", ".join(f"{field.name!r} ({field.type})" for field in shard.schema)
        raise DataError(
            f"{shard.path} has {lead} that looks like {what}s, among {columns}. "
            f"Name the right one with --set data.{what}_column=NAME."
        )
    return found[0]


def _holds_images(shard: Shard, column: str) -> bool:
    """Whether a column is binary, or structs with binary "bytes"."""
    import pyarrow as pa

    kind = shard.schema.field(column).type
    return (kind.field("bytes").type if has_child(kind, "bytes") else kind) in (pa.binary(), pa.large_binary())


def _labels(shard: Shard, column: str) -> tuple[list[str], list[str]]:
    """The class of each row, and all classes that the file declares. Raises DataError for a row without one class."""
    values = shard.column(column).to_pylist()
    note = shard.note(column)
    classes = [as_text(name) for name in note.get("names") or []] if note.get("_type") == "ClassLabel" else []
    if classes:
        row = next((i for i, value in enumerate(values) if value not in range(len(classes))), None)
        if row is not None:
            raise DataError(
                f"{shard.path} row {row} has the label {values[row]!r}; its {len(classes)} classes are numbered from 0, and "
                "-1 says that it is not known. Remove such rows, or the file."
            )
    labels = [classes[value] if classes else as_text(value) for value in values]
    require_single_labels(labels, lambda row: f"{shard.path} row {row}")
    return labels, classes
