"""`foveal predict --csv` by several workers in real processes: each picture once, in order, and never half a file."""

import csv
import os
import signal
import subprocess
import time
from pathlib import Path

import pytest
from cli_process import command
from few_digits import encoded
from launched import children_of, ended, open_files, torchrun
from numpy import ndarray

FILES = Path(__file__).parents[1] / "files"
MANY = 6_000  # pictures that take a worker of two a second or more


@pytest.fixture(scope="module")
def inbox(digits: tuple[ndarray, ndarray], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """600 digits in folders below each other, more than two batches, with damaged files and names that CSV must quote."""
    folder = tmp_path_factory.mktemp("pictures") / "inbox"
    for number, image in enumerate(digits[0]):
        path = folder / f"{number % 7}" / f"{number % 3}" / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(encoded(image)[: 60 if number % 50 == 0 else None])
    for name in (b'one, "two"\nthree.png', b"no utf-8: \xff.png", b"3 is a number.png"):
        (folder / os.fsdecode(name)).write_bytes(encoded(digits[0][0]))
    (folder / "notes.txt").write_text("no picture")
    return folder


@pytest.fixture(scope="module")
def alone(inbox: Path, trained) -> Path:
    """The CSV of one process."""
    said = ("predict", trained.folder, "inbox", FILES, "nothing.png", "--csv", "one.csv", "--threads", "1")
    done = command(*said, cwd=inbox.parent)
    assert "written: one.csv" in done.stdout
    return inbox.parent / "one.csv"


def test_one_process_writes_a_line_for_every_picture_in_the_order_of_their_paths(alone: Path, inbox: Path) -> None:
    found = sorted(path for path in inbox.rglob("*") if path.suffix == ".png")
    with alone.open(newline="") as file:
        rows = list(csv.DictReader(file))[: len(found)]
    names = [str(path.relative_to(inbox.parent)).encode(errors="backslashreplace").decode() for path in found]
    assert [row["source"] for row in rows] == names
    assert sum(bool(row["refused"]) for row in rows) == 12


@pytest.mark.parametrize("workers", [2, 4])
def test_several_workers_write_the_same_file_byte_for_byte(workers: int, alone: Path, trained) -> None:
    out = f"{workers}.csv"
    said = ("predict", trained.folder, "inbox", FILES, "nothing.png", "--csv", out)
    done = ended(torchrun(*said, cwd=alone.parent, workers=workers))
    assert done.returncode == 0, done.stderr
    assert (alone.parent / out).read_bytes() == alone.read_bytes()
    assert done.stdout.count("written: ") == 1, "said by the first worker alone"
    assert "Traceback" not in done.stderr


def test_several_workers_write_it_to_stdout_too(alone: Path, trained) -> None:
    said = ("predict", trained.folder, "inbox", FILES, "nothing.png", "--csv", "-")
    process = torchrun(*said, cwd=alone.parent, workers=2)
    assert ended(process).stdout.encode().splitlines() == alone.read_bytes().splitlines()


def test_no_picture_at_all_that_can_be_read_is_a_failure_with_a_file(trained, tmp_path: Path) -> None:
    done = ended(torchrun("predict", trained.folder, FILES / "text.png", "--csv", "a.csv", cwd=tmp_path, workers=2))
    assert done.returncode == 1
    assert "0 predictions, 1 refused" in done.stdout
    assert len((tmp_path / "a.csv").read_text().splitlines()) == 2


@pytest.fixture(scope="module")
def many(digits: tuple[ndarray, ndarray], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of many names for one digit."""
    folder = tmp_path_factory.mktemp("many") / "same"
    folder.mkdir()
    (folder / "0.png").write_bytes(encoded(digits[0][0]))
    for number in range(1, MANY):
        (folder / f"{number}.png").hardlink_to(folder / "0.png")
    return folder


def kill_one_at_work(process: subprocess.Popen[str], which: int) -> None:
    """SIGKILL to a worker that has begun to write down its answers."""
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        workers = children_of(process.pid)
        if len(workers) > which and any("(deleted)" in name for name in open_files(workers[which])):
            os.kill(workers[which], signal.SIGKILL)
            return
        time.sleep(0.01)
    raise AssertionError("no worker ever began")


@pytest.mark.parametrize("which", [0, 1])
def test_a_worker_that_dies_ends_all_with_a_sentence_and_leaves_no_file(
    which: int, many: Path, trained, tmp_path: Path
) -> None:
    (tmp_path / "a.csv").write_text("of before")
    process = torchrun("predict", trained.folder, many, "--csv", "a.csv", cwd=tmp_path, workers=2)
    kill_one_at_work(process, which)
    done = ended(process)
    assert done.returncode == 1
    assert f"error: worker {1 - which} of 2 " in done.stderr
    assert "another one has ended" in done.stderr or "lost another one" in done.stderr
    assert "written" not in done.stdout
    assert {path.name for path in tmp_path.iterdir()} == {"a.csv"}
    assert (tmp_path / "a.csv").read_text() == "of before"


def test_workers_that_are_started_again_after_one_died_predict_all_once(many: Path, trained, tmp_path: Path) -> None:
    said = ("predict", trained.folder, many, "--csv", "a.csv")
    process = torchrun(*said, cwd=tmp_path, workers=2, restarts=1)
    kill_one_at_work(process, 1)
    done = ended(process)
    assert done.returncode == 0, done.stderr
    with (tmp_path / "a.csv").open(newline="") as file:
        assert [row["source"] for row in csv.DictReader(file)] == sorted(str(path) for path in many.iterdir())


@pytest.mark.parametrize(
    ("said", "sentence"),
    [
        ((), "several workers write one CSV file"),
        (("--csv", "a.csv", "--json"), "several workers write one CSV file"),
        (("--csv", "a.csv", "-"), "standard input (-) reaches one of several workers at most"),
    ],
)
def test_what_several_workers_cannot_do_is_refused(said, sentence: str, trained, tmp_path: Path, monkeypatch) -> None:
    arguments = ("predict", trained.folder, FILES / "digit.png", *said)
    done = command(*arguments, cwd=tmp_path, expect=2, RANK="0", WORLD_SIZE="2")
    assert sentence in done.stderr
    assert not list(tmp_path.iterdir())
