"""`foveal train --from` in real processes."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
from cli_process import command, write_idx
from numpy import ndarray

SAID = ("--epochs", "1", "--threads", "1", "--json")


def test_more_classes_are_learnt_from_where_the_run_was(
    trained: Any, digits: tuple[ndarray, ndarray], tmp_path: Path
) -> None:
    images, labels = digits
    more = write_idx(
        tmp_path / "more",
        "train",
        np.concatenate([images[:400], 255 - images[:40]]),
        np.append(labels[:400], np.full(40, 10, np.uint8)),
    )
    done = command("train", more, "--from", trained.folder, "--out", "run", *SAID, cwd=tmp_path)
    notes = " ".join(done.stderr.split())
    assert "starts from " in notes
    assert "the last layer keeps the rows of 10 classes and has new ones for 10" in notes
    config = (tmp_path / "run" / "config.toml").read_text()
    assert f'start = "{trained.folder / "classifier"}"' in config
    assert json.loads(done.stdout)["model"] == "compact"
    answer = json.loads(command("evaluate", "run", "--json", cwd=tmp_path).stdout)
    assert list(answer["per_class"]) == [str(number) for number in range(11)]


def test_a_continued_run_is_proven_like_any_other(trained: Any, tmp_path: Path) -> None:
    shutil.copytree(trained.folder, tmp_path / "known")
    command("train", trained.data, "--from", "known/classifier", "--out", "run", *SAID, cwd=tmp_path)
    done = command("resume", "run", "--verify", cwd=tmp_path)
    assert "its weights are bit-identical" in done.stdout


def test_another_network_is_a_wrong_usage_that_is_told_at_once(trained: Any, tmp_path: Path) -> None:
    done = command("train", trained.data, "--from", trained.folder, "--model", "lenet5", cwd=tmp_path, expect=2)
    assert "is of the network compact, and lenet5 was asked for" in done.stderr
    done = command("train", trained.data, "--from", "nosuch", cwd=tmp_path, expect=1)
    assert "there is no folder" in done.stderr
    assert list(tmp_path.iterdir()) == []
