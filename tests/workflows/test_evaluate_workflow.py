"""Evaluating from Python: on which images, with what numbers, and how openings of the test split are counted."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from cli_process import write_idx
from data_helpers import write_picture
from numpy import ndarray
from PIL import Image

import foveal
from foveal.evaluation.test_log import count_openings
from foveal.storage import read_json

Digits = tuple[ndarray, ndarray]


@pytest.fixture
def run(trained_run: "foveal.Run", tmp_path: Path) -> "foveal.Run":
    """A copy of the trained run: an evaluation writes into it."""
    return type(trained_run)(Path(shutil.copytree(trained_run.folder, tmp_path / "run")))


def test_the_test_images_of_a_run_are_those_it_was_not_trained_on(run, digits: Digits):
    report = foveal.evaluate(run, digits)
    assert report.scores.n == len(run.splits["splits"]["test"]["ids"]) == 60
    assert set(report.evaluation.ids) == set(run.splits["splits"]["test"]["ids"])
    learnt = {image for name in ("train", "validation", "calibration") for image in run.splits["splits"][name]["ids"]}
    assert not learnt & set(report.evaluation.ids)


def test_accuracy_and_confusion_agree_with_the_answers_one_by_one(run, digits: Digits):
    report = foveal.evaluate(run, digits)
    predicted = report.evaluation.logits.argmax(axis=1)
    right = int((predicted == report.evaluation.labels).sum())
    assert report.scores.accuracy == right / 60 > 0.7
    assert report.scores.accuracy_interval == foveal.wilson_interval(right, 60)
    assert np.array(report.scores.confusion).sum() == 60
    assert (run.report / "mistakes.png").is_file()
    assert (run.report / "confusion.png").is_file()


def test_every_evaluation_opens_the_test_split_of_the_data_once(run, digits: Digits):
    fingerprint = run.splits["fingerprint"]
    assert count_openings(fingerprint) == 0
    assert [foveal.evaluate(run, digits).test_opened for _ in range(2)] == [1, 2]
    assert count_openings(fingerprint) == 2


def test_a_run_on_arrays_asks_for_them_again(run):
    with pytest.raises(foveal.DataError, match="trained on arrays, which it does not keep"):
        foveal.evaluate(run)


def test_images_seen_in_training_are_refused_by_number_unless_allowed(run, digits: Digits):
    images, labels = digits
    seen = (images[:50], labels[:50])
    with pytest.raises(foveal.DataError, match=r"of the 50 images are among those .* all #0.*--allow-overlap"):
        foveal.evaluate(run, seen)
    report = foveal.evaluate(run, seen, allow_overlap=True)
    assert report.scores.n == 50
    assert "of the 50 images are among those that the run was trained on: all #0" in report.notes[0]


def test_test_images_that_are_copies_of_learnt_ones_in_another_format_are_told_of(digits: Digits, tmp_path):
    for number in range(60):
        part = tmp_path / "data" / ("test" if number >= 40 else "train") / "ab"[number % 2]
        write_picture(part / f"{number}.png", digits[0][number])
    write_picture(tmp_path / "data/test/a/copy.bmp", digits[0][0])  # other bytes: training cannot tell
    run = foveal.train(tmp_path / "data", epochs=0.5, threads=1, out=tmp_path / "run")
    report = foveal.evaluate(run)
    (note,) = report.notes
    assert note.startswith("1 of the 21 images are among those that the run was trained on: ")
    assert str(tmp_path / "data/test/a/copy.bmp") in note
    assert "`foveal data check` lists all copies" in note
    assert read_json(run.folder / "evaluation.json")["notes"] == [note]
    (tmp_path / "data/test/a/copy.bmp").unlink()
    run = foveal.train(tmp_path / "data", epochs=0.5, threads=1, out=tmp_path / "clean")
    assert foveal.evaluate(run).notes == ()


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        (
            {"training": {"epochs": 3}},
            "'training.epochs' is no setting of that: what a network sees of an image was settled",
        ),
        ({"data": {"label_column": "kind", "size": 8}}, "'data.size' is no setting of that"),
        ({"data": {"label_colum": "kind"}}, "Did you mean 'data.label_column'"),
        ({"data": "kind"}, "'data' is no setting of that"),
        ({"data": {"label_column": 3}}, "the setting data.label_column cannot be 3"),
    ],
)
def test_settings_that_say_nothing_of_how_other_data_are_read_are_refused_unopened(
    run, digits: Digits, settings, sentence
):
    with pytest.raises(foveal.ConfigError, match=sentence):
        foveal.evaluate(run, digits, settings=settings)
    assert count_openings(run.splits["fingerprint"]) == 0


@pytest.mark.parametrize("how", [{"images": "folder"}, {"settings": {"data": {"label_column": "kind"}}}])
def test_how_other_data_are_read_is_refused_where_none_are_named(run, how):
    with pytest.raises(foveal.ConfigError, match="say how other data are read, and no other data are named"):
        foveal.evaluate(run, **how)


def test_a_class_unknown_to_the_classifier_is_refused_by_name(run, tmp_path):
    for name in ("3", "cat"):
        (tmp_path / "strange" / name).mkdir(parents=True)
        Image.new("L", (28, 28), 90 + len(name)).save(tmp_path / "strange" / name / "one.png")
    with pytest.raises(foveal.DataError, match="the class 'cat', which the Classifier does not know"):
        foveal.evaluate(run, tmp_path / "strange")


def test_classes_are_matched_by_name_whatever_their_order_or_number(run, digits: Digits):
    images, labels = digits
    test = set(run.splits["splits"]["test"]["ids"])
    whole = foveal.evaluate(run, digits)
    position = {image: number for number, image in enumerate(whole.evaluation.ids)}
    unseen = [n for n, image in enumerate(_ids(images)) if image in test and labels[n] in (7, 8)]
    report = foveal.evaluate(run, (images[unseen], labels[unseen]))
    for image, logits, label in zip(
        report.evaluation.ids, report.evaluation.logits, report.evaluation.labels, strict=True
    ):
        np.testing.assert_allclose(logits, whole.evaluation.logits[position[image]], rtol=1e-3, atol=1e-4)
        assert label == whole.evaluation.labels[position[image]]


def _ids(images: ndarray) -> tuple[str, ...]:
    from foveal.data.index import facts_of
    from foveal.data.sources import open_data

    return facts_of(open_data((images, np.arange(len(images)) % 2)).base).ids


def test_a_classifier_folder_copied_alone_is_evaluated_on_the_data_named(trained_run, digits: Digits, tmp_path):
    alone = Path(shutil.copytree(trained_run.classifier, tmp_path / "elsewhere"))
    others = (255 - digits[0], digits[1])
    report = foveal.evaluate(alone, others)
    assert report.scores.n == 600  # data without splits are tested on as a whole
    with pytest.raises(foveal.DataError, match=r"was trained on .* itself.*run folder"):
        foveal.evaluate(alone, digits)
    assert report.run == str(alone)
    assert {path.name for path in alone.iterdir()} == {"classifier.json", "weights.safetensors"}
    with pytest.raises(foveal.ArtifactError, match="does not know its test images"):
        foveal.evaluate(alone)


def test_a_run_without_test_images_says_how_to_hold_some_out(digits: Digits, tmp_path):
    data = write_idx(tmp_path / "all", "digits", digits[0][:200], digits[1][:200])
    settings = {"data": {"test": 0}}
    run = foveal.train(data, epochs=1.0, threads=1, out=tmp_path / "run", settings=settings)
    with pytest.raises(foveal.DataError, match=r"has no test images in this run.*data\.test"):
        foveal.evaluate(run)


def test_data_that_changed_since_the_training_are_refused(digits: Digits, tmp_path):
    images, labels = digits
    data = write_idx(tmp_path / "all", "digits", images[:200], labels[:200])
    run = foveal.train(data, epochs=1.0, threads=1, out=tmp_path / "run")
    write_idx(data, "digits", images[1:201], labels[1:201])
    with pytest.raises(foveal.DataError, match=r"changed since this run was trained.*1 gone \(image \w{16}\); 1 new"):
        foveal.evaluate(run)


def test_a_run_is_evaluated_from_any_folder(digits: Digits, tmp_path, monkeypatch):
    write_idx(tmp_path / "digits", "all", digits[0][:200], digits[1][:200])
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path)
    run = foveal.train("digits", epochs=1.0, threads=1)
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert foveal.evaluate(tmp_path / run.folder).scores.n == 20
