"""Every file under examples/ runs as it stands, in a process of its own and in an empty folder."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from cli_process import command, write_idx
from numpy import ndarray

EXAMPLES = Path(__file__).parents[1] / "examples"
FASTER = {"train_mnist.py": ["--epochs", "0.02"]}
SAYS = {
    "train_mnist.py": "of 10,000 test images",
    "own_images.py": "new.png: triangle",
    "own_network.py": "classes: 0, 1, 2",
    "calibrated_predictions.py": "mean confidence",
}
SCRIPTS = sorted(path.name for path in EXAMPLES.glob("*.py"))
NETWORKS = sorted(path.name for path in EXAMPLES.glob("*.toml"))


def test_no_example_is_left_out():
    assert set(SCRIPTS) == set(SAYS)
    assert {path.name for path in EXAMPLES.iterdir() if path.is_file()} == {*SCRIPTS, *NETWORKS}


@pytest.mark.parametrize("name", SCRIPTS)
def test_an_example_runs_and_says_what_it_found(name, tmp_path):
    done = subprocess.run(
        [sys.executable, EXAMPLES / name, *FASTER.get(name, [])],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS", "2")},
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert SAYS[name] in done.stdout
    assert "Traceback" not in done.stderr
    assert "Warning" not in done.stderr


@pytest.mark.parametrize("name", NETWORKS)
def test_an_example_of_a_network_as_a_list_of_layers_trains(name, digits: tuple[ndarray, ndarray], tmp_path):
    data = write_idx(tmp_path / "digits", "all", digits[0][:300], digits[1][:300])
    said = ("--model", EXAMPLES / name, "--epochs", "2", "--threads", "1", "--json")
    answer = json.loads(command("train", data, *said, cwd=tmp_path).stdout)
    # conv 5x5 1-16, conv 3x3 16-32, batch norm of 32, linear of 32 maps of 4x4: 28 -> 14 -> 12 -> 4
    assert answer["parameters"] == (25 + 1) * 16 + (9 * 16 + 1) * 32 + 2 * 32 + (32 * 16 + 1) * 10


@pytest.mark.parametrize("name", SCRIPTS)
def test_an_example_says_what_it_shows_and_how_to_run_it(name):
    text = (EXAMPLES / name).read_text(encoding="utf-8")
    assert text.startswith('"""')
    assert f"python examples/{name}" in text
