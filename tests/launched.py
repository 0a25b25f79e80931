"""The real command line in several processes, under PyTorch's own launcher."""

import os
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

LAUNCHER = (sys.executable, "-m", "torch.distributed.run")
ALONE = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE")  # a test's own environment must not say it is a worker


def torchrun(*said: object, cwd: Path, workers: int, restarts: int = 0, dashes: bool = False) -> subprocess.Popen[str]:
    """`torchrun --standalone ... -m foveal SAID`, started, with one thread for each worker; `dashes` come before foveal."""
    launcher = [*LAUNCHER, "--standalone", f"--nproc-per-node={workers}", f"--max-restarts={restarts}"]
    environment = {**{name: value for name, value in os.environ.items() if name not in ALONE}, "OMP_NUM_THREADS": "1"}
    command = [*launcher, "-m", *(["--"] if dashes else []), "foveal", *map(str, said)]
    return subprocess.Popen(
        command, cwd=cwd, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def ended(process: subprocess.Popen[str]) -> subprocess.CompletedProcess[str]:
    """What the processes said in all, once they are done."""
    stdout, stderr = process.communicate(timeout=240)
    return subprocess.CompletedProcess(process.args, process.returncode, stdout, stderr)


def children_of(process: int) -> list[int]:
    """The processes that this one has started (Linux)."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):  # it has ended meanwhile
            number, _, rest = path.read_text().partition(" (")
            if int(rest.rpartition(") ")[2].split()[1]) == process:
                found.append(int(number))
    return sorted(found)


def open_files(process: int) -> list[str]:
    """What a process has open: paths, of files without a name with " (deleted)" behind (Linux)."""
    found = []
    for path in Path(f"/proc/{process}/fd").glob("*"):
        with suppress(OSError):
            found.append(os.readlink(path))  # noqa: PTH115 -- it need not be a path
    return found
