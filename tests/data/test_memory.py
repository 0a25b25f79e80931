"""The memory of a process: the machine's, unless the files of its control group say less."""

import os
from pathlib import Path

import pytest

from foveal.data.memory import usable_memory
from foveal.data.pixels import default_memory

MACHINE = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
V1, V2 = "sys/fs/cgroup/memory", "sys/fs/cgroup"
UNLIMITED = "9223372036854771712\n"  # as version 1 says it
GROUPS = "12:cpu,cpuacct:/docker/abc\n5:memory:/docker/abc\n1:name=systemd:/docker/abc\n0::/docker/abc\n"


@pytest.mark.parametrize(
    ("groups", "files", "expected"),
    [
        (None, {}, MACHINE),
        ("", {}, MACHINE),
        ("0::/\n", {f"{V2}/memory.max": "104857600\n"}, 104857600),
        ("0::/\n", {f"{V2}/memory.max": "max\n"}, MACHINE),
        ("0::/\n", {f"{V2}/memory.max": f"{MACHINE * 4}\n"}, MACHINE),
        ("0::/\n", {f"{V2}/memory.max": ""}, MACHINE),
        ("0::/a.slice/b:1.scope\n", {f"{V2}/a.slice/b:1.scope/memory.max": "2048\n"}, 2048),
        ("0::/a/b\n", {f"{V2}/a/b/memory.max": "max\n", f"{V2}/a/memory.max": "4096\n"}, 4096),
        ("0::/a/b\n", {f"{V2}/a/b/memory.max": "2048\n", f"{V2}/a/memory.max": "4096\n"}, 2048),
        ("0::/a/b\n", {f"{V2}/other/memory.max": "1\n"}, MACHINE),
        (GROUPS, {f"{V1}/docker/abc/memory.limit_in_bytes": "3000000\n"}, 3000000),
        (GROUPS, {f"{V1}/memory.limit_in_bytes": "3000000\n"}, 3000000),
        (GROUPS, {f"{V1}/memory.limit_in_bytes": UNLIMITED}, MACHINE),
        ("3:cpuset,memory:/\n", {f"{V1}/memory.limit_in_bytes": "3000000\n"}, 3000000),
    ],
    ids=[
        "no Linux",
        "no groups",
        "a container",
        "no limit",
        "a limit above the machine's memory",
        "an empty file",
        "a group below",
        "the limit of the group above",
        "the lower of two limits",
        "the limit of another group",
        "version 1",
        "version 1 in a container that sees only its own group",
        "version 1 without a limit",
        "version 1 with another controller beside it",
    ],
)
def test_the_least_of_the_machines_memory_and_of_all_limits_is_what_there_is(
    groups: str | None, files: dict[str, str], expected: int, tmp_path: Path
) -> None:
    for name, text in {**files, **({} if groups is None else {"proc/self/cgroup": groups})}.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text, encoding="utf-8")
    assert usable_memory(tmp_path) == expected


def test_a_quarter_of_the_memory_of_this_process_may_hold_images() -> None:
    assert 0 < usable_memory() <= MACHINE
    assert default_memory() == usable_memory() // 4


def test_the_workers_of_a_machine_share_what_one_process_would_hold(monkeypatch):
    for name, value in {"RANK": "9", "WORLD_SIZE": "16", "LOCAL_RANK": "1", "LOCAL_WORLD_SIZE": "8"}.items():
        monkeypatch.setenv(name, value)
    assert default_memory() == usable_memory() // 4 // 8
