"""Memory that runs out in other commands than train is one sentence too."""

from pathlib import Path

import own_networks
from cli_process import command


def test_an_evaluation_without_memory_is_one_sentence(digits_folder: Path, tmp_path: Path) -> None:
    network = f"{own_networks.__file__}:GreedyWhenAsked"
    said = ("--model", network, "--epochs", "1", "--threads", "1", "--out", "run")
    command("train", digits_folder, *said, cwd=tmp_path)
    done = command("evaluate", "run", "--model", network, cwd=tmp_path, expect=1, GREEDY="1")
    assert "error: memory ran out: " in done.stderr
    assert "End other programs." in done.stderr
    assert "Traceback" not in done.stderr
