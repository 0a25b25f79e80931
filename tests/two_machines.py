"""Two machines in one: network namespaces with names and addresses of their own, joined by a cable (Linux, as root)."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from data_helpers import skip_unless
from launched import ALONE, LAUNCHER

NAMES, ADDRESSES = ("first", "second"), ("10.77.0.1", "10.77.0.2")
# Its own name is 127.0.1.1 to each machine, as Debian's installer writes it: the trap that gloo falls into.
HOSTS = "127.0.0.1 localhost\n127.0.1.1 {own}\n{address} {other}\n"
INSIDE = (
    'mount --bind "$0" /etc/hosts && mount --bind /dev/null /etc/resolv.conf && hostname "$1" && shift && exec "$@"'
)


@dataclass(frozen=True)
class Machine:
    """One of the two."""

    namespace: str
    name: str
    hosts: Path

    def start(self, *command: object, cwd: Path, **environment: str) -> subprocess.Popen[str]:
        """A process on this machine; both see the same files."""
        inside = ["unshare", "--uts", "--mount", "sh", "-c", INSIDE, str(self.hosts), self.name]
        plain = {name: value for name, value in os.environ.items() if name not in ALONE}
        return subprocess.Popen(
            ["ip", "netns", "exec", self.namespace, *inside, *map(str, command)],
            cwd=cwd,
            env={**plain, "OMP_NUM_THREADS": "1", **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def torchrun(self, *said: object, cwd: Path, launch: str, workers: int = 1, restarts: int = 0):
        """`torchrun --nnodes 2 ... -m foveal SAID` on this machine, as docs/scale.md has it."""
        launcher = [*LAUNCHER, "--nnodes=2", f"--nproc-per-node={workers}", f"--max-restarts={restarts}"]
        meeting = ["--rdzv-backend=c10d", f"--rdzv-endpoint={NAMES[0]}:29500", f"--rdzv-id={launch}"]
        return self.start(*launcher, *meeting, "-m", "foveal", *said, cwd=cwd)


def ip(*said: str) -> None:
    subprocess.run(["ip", *said], check=True, capture_output=True, text=True, timeout=60)


@contextmanager
def two_machines(folder: Path) -> Iterator[tuple[Machine, Machine]]:
    """Both, and nothing of them is left. Skips the test where the system does not allow it."""
    skip_unless(shutil.which("ip") is not None, "the Debian package iproute2 is not installed")
    spaces = [f"foveal-{os.getpid()}-{name}" for name in NAMES]
    try:
        try:
            for space in spaces:
                ip("netns", "add", space)
            cable = [f"fv{os.getpid() % 10**8}{end}" for end in "ab"]
            ip(
                "link",
                "add",
                cable[0],
                "netns",
                spaces[0],
                "type",
                "veth",
                "peer",
                "name",
                cable[1],
                "netns",
                spaces[1],
            )
            subprocess.run(
                ["unshare", "--uts", "--mount", "true"], check=True, capture_output=True, text=True, timeout=60
            )
        except subprocess.CalledProcessError as error:
            pytest.skip(f"network namespaces are not allowed here: {error.stderr.strip()}")
        machines = []
        for number, space in enumerate(spaces):
            hosts = folder / f"hosts-{NAMES[number]}"
            other = {"address": ADDRESSES[1 - number], "other": NAMES[1 - number]}
            hosts.write_text(HOSTS.format(own=NAMES[number], **other), encoding="utf-8")
            ip("-n", space, "address", "add", f"{ADDRESSES[number]}/24", "dev", cable[number])
            for link in ("lo", cable[number]):
                ip("-n", space, "link", "set", link, "up")
            machines.append(Machine(space, NAMES[number], hosts))
        yield machines[0], machines[1]
    finally:
        for space in spaces:
            subprocess.run(["ip", "netns", "delete", space], check=False, capture_output=True, timeout=60)
