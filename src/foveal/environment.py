"""What a result depends on besides its settings: versions and machine. Nothing heavy is imported."""

import os
import platform
import sys
import time
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any


def environment() -> dict[str, Any]:
    """The versions, the machine and the command of this process, for `environment.json`."""
    packages = {}
    for name in ("foveal", "torch", "numpy", "pillow", "safetensors"):
        try:
            packages[name] = version(name)
        except PackageNotFoundError:
            packages[name] = "not installed as a package"
    return {
        "started": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "command": " ".join(sys.argv),
        "python": platform.python_version(),
        "system": platform.platform(),
        "processor": _processor(),
        "cores": os.cpu_count(),
        "openmp": {name: os.environ.get(name) for name in ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT", "OMP_NUM_THREADS")},
        "packages": packages,
    }


def processor_flags() -> frozenset[str]:
    """What this processor can do, by the names that Linux gives; empty elsewhere."""
    return frozenset(_of_processor("flags").split())


def _processor() -> str:
    return _of_processor("model name") or platform.processor() or platform.machine()


def _of_processor(key: str) -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(errors="replace").splitlines()
        return next(line.partition(":")[2].strip() for line in lines if line.startswith(key))
    except (OSError, StopIteration):
        return ""
