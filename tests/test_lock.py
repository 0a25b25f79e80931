"""One training at a time in a run folder."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from foveal.errors import ArtifactError
from foveal.lock import locked

HOLD = """
import sys, time
from pathlib import Path
from foveal.lock import locked
with locked(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


def holder(folder: Path) -> subprocess.Popen[str]:
    """Another process that holds the lock."""
    process = subprocess.Popen([sys.executable, "-c", HOLD, str(folder)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    return process


def test_a_second_process_is_refused_at_once_with_the_name_of_the_first(tmp_path: Path) -> None:
    process = holder(tmp_path)
    try:
        with (
            pytest.raises(
                ArtifactError, match=rf"in use by process {process.pid} on .* since 20.*Wait until it is done"
            ),
            locked(tmp_path),
        ):
            pass
    finally:
        process.kill()
        process.wait()


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_lock_of_a_process_that_is_gone_is_no_obstacle(number: signal.Signals, tmp_path: Path) -> None:
    process = holder(tmp_path)
    process.send_signal(number)
    process.wait()
    assert (tmp_path / "lock.json").exists()
    with locked(tmp_path):
        assert json.loads((tmp_path / "lock.json").read_text())["process"] == os.getpid()
    assert not (tmp_path / "lock.json").exists()


def test_a_holder_that_has_not_said_its_name_is_another_process(tmp_path: Path) -> None:
    process = holder(tmp_path)
    (tmp_path / "lock.json").write_text("[]")
    try:
        with pytest.raises(ArtifactError, match="in use by another process"), locked(tmp_path):
            pass
    finally:
        process.kill()
        process.wait()


def test_the_lock_is_free_again_after_an_error(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), locked(tmp_path):
        _ = 1 / 0
    with locked(tmp_path):
        pass
