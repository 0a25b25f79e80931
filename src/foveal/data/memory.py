"""How much memory this process may take: the machine's, or what its container was given where that is less.

A container sees the memory of the whole machine; its own limit stands in the files of its control group (Linux, cgroups(7)).
"""

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path, PurePosixPath


def usable_memory(root: Path = Path("/")) -> int:
    """The bytes of memory that there are for this process; `root` is where /proc and /sys are."""
    return min([os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"), *_limits(root)])


def _limits(root: Path) -> Iterator[int]:
    """The limits of the control groups that this process is in, and of all above them, which hold for it too."""
    with suppress(OSError):  # no Linux
        for line in (root / "proc/self/cgroup").read_text(encoding="utf-8", errors="surrogateescape").splitlines():
            _, controllers, group = line.split(":", 2)
            if controllers == "":
                yield from _limits_along(root / "sys/fs/cgroup", group, "memory.max")
            elif "memory" in controllers.split(","):  # version 1
                yield from _limits_along(root / "sys/fs/cgroup/memory", group, "memory.limit_in_bytes")


def _limits_along(mount: Path, group: str, name: str) -> Iterator[int]:
    path = PurePosixPath(group.lstrip("/"))
    for folder in (
        path,
        *path.parents,
    ):  # in a container the group may be named as the machine names it, and not be there
        with suppress(OSError):
            text = (mount / folder / name).read_text(encoding="utf-8").strip()
            if text.isdecimal():  # not "max"
                yield int(text)
