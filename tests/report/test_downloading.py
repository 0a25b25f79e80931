"""How a download is shown: a bar on a terminal, and few lines anywhere else."""

import os
import pty
import subprocess
import sys

import pytest

from foveal.report.downloading import download_progress

SHOW = """
from foveal.report.downloading import download_progress
with download_progress() as show:
    for done in range(51):
        show("some.zip", done * 10**6, 100 * 10**6)
    show("other.zip", 7, 7)
"""


def test_without_a_terminal_a_file_gets_a_line_when_it_begins_and_one_when_it_is_whole(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with download_progress() as show:
        for megabytes in range(562):
            show("gzip.zip", megabytes * 10**6, 561_000_000)
        show("other.zip", 2_500_000, 10_000_000)
    found = capsys.readouterr()
    assert found.out == ""
    assert found.err.splitlines() == [
        "gzip.zip: 0.0 of 561.0 MB",
        "gzip.zip: 561.0 of 561.0 MB",
        "other.zip: 2.5 of 10.0 MB",
    ]


def test_on_a_terminal_there_is_a_bar_for_each_file_and_nothing_on_stdout() -> None:
    ours, theirs = pty.openpty()
    environment = {**os.environ, "TERM": "xterm-256color", "COLUMNS": "120"}
    process = subprocess.Popen([sys.executable, "-c", SHOW], stderr=theirs, stdout=subprocess.PIPE, env=environment)
    os.close(theirs)
    seen = b""
    while chunk := read(ours):
        seen += chunk
    assert process.communicate()[0] == b""
    assert process.returncode == 0
    assert b"some.zip" in seen
    assert b"50.0/100.0 MB" in seen
    assert b"other.zip" in seen


def read(terminal: int) -> bytes:
    """What a terminal shows next, nothing when its process has ended."""
    try:
        return os.read(terminal, 4096)
    except OSError:
        return b""
