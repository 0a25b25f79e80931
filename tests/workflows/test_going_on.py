"""A training that goes on with data that were moved or edited: the run folder tells the truth of what was learnt from."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import foveal
from foveal.run import Run

Quick = Callable[..., Run]


@pytest.fixture(autouse=True)
def no_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("foveal.workflows.train.draw_training", lambda *_: None)


class Stopped(BaseException):
    """A training that ends without a word, in the way of SIGKILL."""


@pytest.fixture
def stop_at(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Let the next training end without a word at the first Record from this update on."""
    from foveal.workflows import train as workflow

    real = workflow.start_fit

    def arm(update: int) -> None:
        def records(*arguments: Any, **named: Any) -> Any:
            for record in real(*arguments, **named):
                if record.update >= update:
                    monkeypatch.setattr(workflow, "start_fit", real)
                    raise Stopped
                yield record

        monkeypatch.setattr(workflow, "start_fit", records)

    return arm


@pytest.fixture
def folder(digits: Any, tmp_path: Path) -> Path:
    """300 digits as files, a folder for each class."""
    for number, (pixels, label) in enumerate(zip(digits[0][:300], digits[1][:300], strict=True)):
        path = tmp_path / "digits" / str(label) / f"{number:03}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(path)
    return tmp_path / "digits"


@pytest.fixture
def stopped(folder: Path, quick: Quick, stop_at: Callable[[int], None], tmp_path: Path) -> Run:
    """A training of four epochs on the folder, stopped in its third."""
    stop_at(25)
    with pytest.raises(Stopped):
        quick(str(folder), epochs=4.0, out=tmp_path / "run")
    return Run(tmp_path / "run")


def weights_of(run: Run) -> tuple[str, str]:
    return foveal.load(run.folder).card.weights_sha256, run.summary["last_weights_sha256"]


def split_of(run: Run) -> dict[str, str]:
    """The split of each image, by its name."""
    return {name: part for part, columns in run.splits["splits"].items() for name in columns["names"]}


# Moved


def test_data_that_were_moved_are_the_same_data(folder: Path, stopped: Run, quick: Quick, tmp_path: Path) -> None:
    whole = quick(str(folder), epochs=4.0, out=tmp_path / "whole")
    folder.rename(tmp_path / "elsewhere")
    with pytest.raises(foveal.DataError, match="there is no data set, folder or file called"):
        foveal.resume(stopped)
    resumed = foveal.resume(stopped, tmp_path / "elsewhere")
    assert weights_of(resumed) == weights_of(whole)
    assert resumed.config.data.source == str(tmp_path / "elsewhere")
    assert "not as it was begun" not in (resumed.folder / "notes.txt").read_text()
    assert foveal.evaluate(resumed).scores == foveal.evaluate(whole, tmp_path / "elsewhere").scores


def test_other_data_in_another_place_are_not(folder: Path, stopped: Run, tmp_path: Path) -> None:
    shutil.copytree(folder, tmp_path / "other")
    next((tmp_path / "other" / "3").iterdir()).unlink()
    with pytest.raises(
        foveal.ArtifactError, match="the images, their labels, their order or their splits are not those"
    ):
        foveal.resume(stopped, tmp_path / "other")


def test_files_whose_order_is_another_are_not_the_same_training(folder: Path, stopped: Run) -> None:
    first = min((folder / "0").iterdir())
    first.rename(folder / "0" / "999.png")  # the same images, and so the same fingerprint
    with pytest.raises(
        foveal.ArtifactError, match="the images, their labels, their order or their splits are not those"
    ):
        foveal.resume(stopped)


# Edited


def edit(folder: Path, run: Run) -> dict[str, str]:
    """One image of each split is changed, one of each is removed, forty are new; the first of the changed by split."""
    by_split: dict[str, list[str]] = {}
    for name, part in sorted(split_of(run).items()):
        by_split.setdefault(part, []).append(name)
    for names in by_split.values():
        with Image.open(folder / names[0]) as picture:
            pixels = 255 - np.asarray(picture)
        Image.fromarray(pixels).save(folder / names[0])
        (folder / names[1]).unlink()
    generator = np.random.default_rng(0)
    for number in range(40):
        pixels = generator.integers(0, 255, (28, 28), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / str(number % 10) / f"new-{number}.png")
    return {names[0]: part for part, names in by_split.items()}


def test_edited_data_are_refused_unless_allowed_and_then_the_run_says_what_it_was_trained_on(
    folder: Path, stopped: Run
) -> None:
    before, was_in, environment = stopped.splits, split_of(stopped), stopped.folder / "environment.json"
    begun = json.loads(environment.read_text())
    edited = edit(folder, stopped)
    with pytest.raises(
        foveal.ArtifactError, match="the images, their labels, their order or their splits are not those"
    ):
        foveal.resume(stopped)
    assert stopped.splits == before
    run = foveal.resume(stopped, allow_difference=True)
    now = split_of(run)
    files = {str(path.relative_to(folder)) for path in folder.rglob("*.png")}
    assert set(now) == files
    assert {name: now[name] for name in files if name in was_in} == {
        name: was_in[name] for name in files if name in was_in
    }
    assert {name: now[name] for name in edited} == edited
    assert {now[name] for name in files if "new" in name} == {"train", "validation", "calibration", "test"}
    learnt = {i for part, columns in before["splits"].items() if part != "test" for i in columns["ids"]}
    assert learnt <= {i for part, ids in run.splits["earlier"].items() if part != "test" for i in ids}
    assert not learnt & set(run.splits["splits"]["test"]["ids"])
    assert set(before["pixel_ids"]) < set(run.splits["pixel_ids"])
    after = json.loads(environment.read_text())
    assert after["fingerprint"] == run.splits["fingerprint"] != before["fingerprint"]
    assert after["earlier"] == [begun]
    assert after["started"] == begun["started"]
    notes = (run.folder / "notes.txt").read_text()
    assert "the data since update 22: 4 gone (" in notes
    assert "40 new (" in notes
    assert "4 edited (" in notes


def test_what_is_told_of_validation_and_test_is_of_the_data_there_are(folder: Path, stopped: Run) -> None:
    edit(folder, stopped)
    run = foveal.resume(stopped, allow_difference=True)
    classifier = foveal.load(run.folder)
    assert classifier.card.provenance["fingerprint"] == run.splits["fingerprint"]
    columns = run.splits["splits"]["validation"]
    images = np.stack([np.asarray(Image.open(folder / name))[..., None] for name in columns["names"]])
    right = classifier.logits(images).argmax(axis=1) == np.array(columns["labels"])
    assert run.summary["val_accuracy"] == pytest.approx(right.mean())
    report = foveal.evaluate(run)
    assert len(report.evaluation.labels) == len(run.splits["splits"]["test"]["ids"])


def test_a_run_on_edited_data_that_is_stopped_again_goes_on_bit_for_bit(
    folder: Path, stopped: Run, stop_at: Callable[[int], None], tmp_path: Path
) -> None:
    edit(folder, stopped)
    shutil.copytree(stopped.folder, tmp_path / "again")
    whole = foveal.resume(stopped, allow_difference=True)
    stop_at(35)
    with pytest.raises(Stopped):
        foveal.resume(tmp_path / "again", allow_difference=True)
    resumed = foveal.resume(tmp_path / "again")
    assert weights_of(resumed) == weights_of(whole)
    assert resumed.splits["splits"] == whole.splits["splits"]


def test_other_threads_are_told_in_the_environment_and_change_no_split(
    folder: Path, stopped: Run, tmp_path: Path
) -> None:
    config = stopped.folder / "config.toml"
    config.write_text(config.read_text().replace("threads = 1", "threads = 2"))
    splits = stopped.splits
    with pytest.raises(foveal.ArtifactError, match="threads: 1 then, 2 now"):
        foveal.resume(stopped)
    run = foveal.resume(stopped, allow_difference=True)
    environment = json.loads((run.folder / "environment.json").read_text())
    assert environment["threads"] == 2
    assert [each["threads"] for each in environment["earlier"]] == [1]
    assert run.splits["splits"] == splits["splits"]


def test_a_run_that_cannot_say_what_it_learnt_goes_on_all_the_same(folder: Path, stopped: Run) -> None:
    edit(folder, stopped)
    (stopped.folder / "splits.json").write_text("{")
    run = foveal.resume(stopped, allow_difference=True)
    assert set(split_of(run)) == {str(path.relative_to(folder)) for path in folder.rglob("*.png")}
