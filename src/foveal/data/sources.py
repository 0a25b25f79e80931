"""One way in for every kind of data: a known name, a path, or arrays in memory."""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from foveal.data.groups import with_groups
from foveal.data.images import ImageSet, Parts, image_set, in_class_order, with_training_classes
from foveal.data.in_memory import names_of, pixels_of
from foveal.data.known import DATASETS
from foveal.data.known_files import scan_known
from foveal.data.scan import Columns, scan
from foveal.errors import DataError, closest

Arrays = tuple[Any, Any]
Source = str | Path | Arrays | Mapping[str, Arrays]
Purpose = Literal["training", "testing", "checking"]
ARRAYS = "arrays"  # how a config names data that came as arrays


@dataclass(frozen=True)
class Data:
    """Labelled images with the parts they came in: "train" (and "validation", "test"), or "all" of them together."""

    name: str
    parts: Parts

    @property
    def classes(self) -> tuple[str, ...]:
        """The names that labels index."""
        return self.base.classes

    @property
    def base(self) -> ImageSet:
        """The part that is learnt from, and that missing splits are carved out of."""
        return next(self.parts[part] for part in ("train", "all", "validation", "test") if part in self.parts)

    def __len__(self) -> int:
        return sum(len(part) for part in self.parts.values())


def data_name(source: Source | Any) -> str:
    """How runs on this data are called, without reading it."""
    if not isinstance(source, str | Path):
        return ARRAYS
    if str(source) in DATASETS:
        return str(source)
    path = Path(source).resolve()
    return path.name if os.path.isdir(path) else re.sub(r"(\.tar)?\.\w+$", "", path.name)  # noqa: PTH112 -- never raises


def require_source(source: str | Path) -> None:
    """Raise DataError, with the closest known names, unless this is a known name or a path that is there."""
    # os.path, as Path.exists raises for names that are too long or hold a zero byte.
    if str(source) not in DATASETS and not os.path.exists(source):  # noqa: PTH110
        raise DataError(
            f"there is no data set, folder or file called {str(source)!r}. {closest(str(source), DATASETS)} "
            "Data of your own is a path: foveal train path/to/folder"
        )


def open_data(
    source: Source | Any,
    columns: Columns | None = None,
    *,
    group_by: str | None = None,
    purpose: Purpose = "training",
) -> Data:
    """The images of a known name, a path of any kind, `(images, labels)` or `{"train": (images, labels), "test": ...}`.

    Nothing is decoded yet. `group_by` is a pattern in file names, or a column of a table, that tells which images belong
    together. Data for testing need no training images and may be of one class; data for checking may be of one class, and
    files that a table names may be missing. Raises DataError for unknown names (with the closest known ones), data without
    images or with one class, and labels of another number.
    """
    for_testing = purpose == "testing"
    if isinstance(source, str | Path):
        columns = replace(columns or Columns(), group=group_by, allow_missing=purpose == "checking")
        data = Data(data_name(source), _parts_on_disk(source, columns, for_testing))
    else:
        data = Data(ARRAYS, _parts_of_arrays(source, for_testing))
    if not for_testing and data.parts.keys().isdisjoint(("train", "all")):
        raise DataError(
            f"{data.name}: there are {' and '.join(data.parts)} images but no training images. Add them, or test a run on "
            f"these: foveal evaluate RUN {source}"
        )
    if group_by is not None:
        data = replace(data, parts=_grouped(data, group_by))
    if len(data.classes) < 2 and purpose == "training":
        raise DataError(
            f"{data.name} has one class only ({data.classes[0]!r}); telling classes apart needs two or more. "
            "Name the folder above the class folders."
        )
    return data


def _grouped(data: Data, group_by: str) -> Parts:
    return {part: with_groups(each, group_by, is_expected=each is data.base) for part, each in data.parts.items()}


def _parts_on_disk(source: str | Path, columns: Columns, for_testing: bool) -> Parts:
    if str(source) in DATASETS:
        return scan_known(str(source))
    require_source(source)
    return scan(Path(source), columns, for_testing=for_testing)


def _parts_of_arrays(source: Any, for_testing: bool) -> Parts:
    pairs = source if isinstance(source, Mapping) else {"all": source}
    allowed = {"train", "validation", "test", "all"}
    for part, pair in pairs.items():
        if part not in allowed or not isinstance(pair, tuple | list) or len(pair) != 2:
            raise DataError(
                f"data in memory is (images, labels), or a dict of such pairs; got {type(pair).__name__} for {part!r}. "
                f"{'Give the labels too.' if part in allowed else closest(str(part), sorted(allowed))}"
            )
    if "train" not in pairs and set(pairs) != {"all"} and not (for_testing and pairs):
        raise DataError(f"the arrays have the parts {', '.join(pairs) or 'none'}, but no 'train'. Give that one too.")
    if len(pairs) > 1 and "all" in pairs:
        raise DataError("the arrays have the part 'all' beside 'train'. Leave it out, or give it alone.")
    named = {part: (pixels_of(images), names_of(labels)) for part, (images, labels) in pairs.items()}
    parts = {
        part: image_set(pixels, names, in_class_order(set(names)), part) for part, (pixels, names) in named.items()
    }
    return with_training_classes(parts, "Remove those images, or add some to the training images.")
