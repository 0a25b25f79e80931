"""Whether the data are those of the last training on them, and what was edited in between."""

from foveal.data.changes import what_changed
from foveal.data.sources import ARRAYS
from foveal.errors import FovealError
from foveal.run import CONFIG, ENVIRONMENT, Run
from foveal.storage import read_json
from foveal.workflows.prepare import Prepared

SAME = ("source", "images", "image_column", "label_column", "split_column")  # settings: with others they are other data


def changes_since_last(run: Run, prepared: Prepared) -> list[str]:
    """A note that names the last run beside this one on the same source, if the data were edited since; else nothing."""
    source = prepared.config.data.source
    if source == ARRAYS:  # which may be anything
        return []
    others = [path.parent for path in run.folder.parent.glob(f"*/{CONFIG}") if path.parent != run.folder]
    for folder in sorted(others, key=lambda each: -each.stat().st_mtime_ns):
        other = Run(folder)
        try:
            if any(getattr(other.config.data, name) != getattr(prepared.config.data, name) for name in SAME):
                continue
            if read_json(folder / ENVIRONMENT)["fingerprint"] == prepared.splits.fingerprint:
                return []
            changes = what_changed(prepared.splits.pieces, other.splits)
        except (FovealError, KeyError, TypeError):  # a run of an older foveal, or one that is just being written
            continue
        return [f"the data changed since {folder}: {'; '.join(changes)}. Its scores and this run's are of other data"]
    return []
