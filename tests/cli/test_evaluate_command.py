"""`foveal evaluate`: the JSON contract, the count of openings, other data, and what it refuses."""

import json
import shutil
from pathlib import Path

import numpy as np
import own_networks
import pytest
from cli_process import command, write_idx
from numpy import ndarray
from PIL import Image

Digits = tuple[ndarray, ndarray]


@pytest.fixture
def run(trained, tmp_path: Path) -> Path:
    """A copy of the trained run as the only one under runs/."""
    return Path(shutil.copytree(trained.folder, tmp_path / "runs" / "few-digits-compact-1"))


def test_evaluate_follows_the_json_contract_and_counts_each_opening_of_the_test_split(run, tmp_path):
    report = json.loads(command("evaluate", "--json", cwd=tmp_path).stdout)  # the newest run
    assert report["n"] == 100
    assert isinstance(report["accuracy"], float)
    assert isinstance(report["loss"], float)
    low, high = report["accuracy_interval"]
    assert low < report["accuracy"] < high
    assert list(report["per_class"]) == list("0123456789")
    assert set(report["per_class"]["3"]) == {"precision", "recall", "f1", "support"}
    confusion = np.array(report["confusion"])
    assert confusion.shape == (10, 10)
    assert confusion.sum() == 100
    assert np.trace(confusion) == round(report["accuracy"] * 100)
    assert confusion.sum(axis=1).tolist() == [report["per_class"][name]["support"] for name in "0123456789"]
    assert type(report["test_opened"]) is int
    assert report["test_opened"] == 1

    again = command("evaluate", run, "--threads", "1", cwd=tmp_path).stdout
    assert "test split opened: 2 times" in again
    assert f"accuracy {report['accuracy']:.2%} of 100 images" in again
    for name in ("confusion", "mistakes"):
        with Image.open(run / "report" / f"{name}.png") as picture:
            assert picture.format == "PNG"
            picture.load()


def test_evaluate_tests_on_all_of_other_data_that_have_no_splits(run, tmp_path, digits: Digits):
    images, labels = digits
    data = write_idx(tmp_path / "unseen", "more", images[400:460], labels[400:460])
    report = json.loads(command("evaluate", run, data, "--json", cwd=tmp_path).stdout)
    assert (report["n"], report["data"], report["test_opened"]) == (60, "unseen", 1)


def write_table(path: Path, header: str, digits: Digits, numbers: range, more: str) -> None:
    """A table of digits as pictures beside it, three columns a row: the file, its class, and `more`."""
    rows = [header]
    for number in numbers:
        Image.fromarray(digits[0][number]).save(path.with_name(f"{number}.png"))
        rows.append(f"{number}.png,{'odd' if digits[1][number] % 2 else 'even'},{more}")
    path.write_text("\n".join(rows), encoding="utf-8")


def test_a_table_with_other_columns_than_the_one_trained_on_is_read_as_told(tmp_path, digits: Digits):
    write_table(tmp_path / "ours.csv", "file,species,fold", digits, range(120), "train")
    said = ("--set", "data.label_column=species", "--set", "data.split_column=fold", "--epochs", "2", "--threads", "1")
    command("train", "ours.csv", *said, "--out", "run", cwd=tmp_path)
    write_table(tmp_path / "theirs.csv", "file,kind,note", digits, range(200, 230), "x")
    done = command("evaluate", "run", "theirs.csv", cwd=tmp_path, expect=1)
    assert "theirs.csv has no column 'species', which data.label_column names" in done.stderr
    told = ("--set", "data.label_column=kind", "--set", "data.split_column=")  # there are no splits in it
    report = json.loads(command("evaluate", "run", "theirs.csv", *told, "--json", cwd=tmp_path).stdout)
    assert (report["n"], report["test_opened"]) == (30, 1)
    odd = int((digits[1][200:230] % 2).sum())
    assert {name: each["support"] for name, each in report["per_class"].items()} == {"even": 30 - odd, "odd": odd}


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("seen", "--set", "training.epochs=3"), "'training.epochs' is no setting of that: what a network sees"),
        (("--set", "data.label_column=kind"), "no other data are named. Name them: foveal evaluate RUN DATA"),
    ],
)
def test_settings_that_say_nothing_of_how_other_data_are_read_are_refused(run, tmp_path, arguments, sentence):
    done = command("evaluate", run, *arguments, cwd=tmp_path, expect=2)
    assert sentence in done.stderr


def test_images_that_the_run_was_trained_on_are_refused_by_name_unless_overlap_is_allowed(
    run, tmp_path, digits: Digits
):
    images, labels = digits
    data = write_idx(tmp_path / "seen", "some", images[295:340], labels[295:340])  # 295 to 299 were training images
    done = command("evaluate", run, data, "--json", cwd=tmp_path, expect=1)
    assert done.stdout == ""
    assert "5 of the 45 images are among those that the run was trained on" in done.stderr
    assert "some-images-idx3-ubyte.gz #0" in done.stderr
    assert "--allow-overlap" in done.stderr
    report = json.loads(command("evaluate", run, data, "--allow-overlap", "--json", cwd=tmp_path).stdout)
    assert report["n"] == 45
    assert report["test_opened"] == 1  # what was refused was not opened
    (note,) = report["notes"]
    assert note.startswith("5 of the 45 images are among those that the run was trained on")
    assert f"note: {note}\n" in command("evaluate", run, data, "--allow-overlap", cwd=tmp_path).stdout


def test_a_classifier_copied_alone_is_evaluated_on_named_data(trained, tmp_path):
    shutil.copytree(trained.folder / "classifier", tmp_path / "alone")
    report = json.loads(command("evaluate", "alone", trained.data, "--json", cwd=tmp_path).stdout)
    assert report["n"] == 100
    assert {path.name for path in (tmp_path / "alone").iterdir()} == {"classifier.json", "weights.safetensors"}


def test_a_network_of_ones_own_trains_and_its_code_is_asked_for_again(trained, tmp_path):
    shutil.copy(own_networks.__file__, tmp_path / "net.py")
    said = ("--model", "net.py:TwoLayers", "--epochs", "2", "--threads", "1", "--out", "run", "--json")
    answer = json.loads(command("train", trained.data, *said, cwd=tmp_path).stdout)
    assert (answer["model"], answer["parameters"]) == ("net.py:TwoLayers", 104 + 5770)

    digit = Path(__file__).parents[1] / "files" / "digit.png"
    done = command("predict", "run", digit, cwd=tmp_path, expect=1)
    assert "code of your own" in done.stderr
    assert "--model path/to/file.py:MyNet" in done.stderr
    report = json.loads(command("evaluate", "run", "--model", "net.py:TwoLayers", "--json", cwd=tmp_path).stdout)
    assert report["n"] == 100
