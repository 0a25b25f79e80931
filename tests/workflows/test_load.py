"""From data settings to divided, decoded images: mapped or in memory, grey or colour, in groups, from the cache."""

import hashlib
import json
import shutil

import numpy as np
import pytest
import torch
from cli_process import write_discs
from data_helpers import mnist_digits, write_picture
from PIL import Image

import foveal
from foveal.data.cache import list_entries
from foveal.data.mapped import Mapped
from foveal.recipes import resolve
from foveal.workflows.load import load


def loaded(source, **data):
    return load(resolve({"data": {"source": str(source), **data}}, "some"))


def weights_of(run):
    return hashlib.sha256((run.classifier / "weights.safetensors").read_bytes()).hexdigest()


@pytest.fixture(scope="session")
def large_discs(tmp_path_factory):
    """1.5 MB of pixels: more than one megabyte of memory holds."""
    return write_discs(tmp_path_factory.mktemp("large") / "discs", per_class=42, sides=(64,))


def test_images_beyond_the_memory_allowed_stay_in_the_file_and_give_the_same_weights(large_discs, tmp_path):
    assert isinstance(loaded(large_discs, memory_mb=1).train.pixels, Mapped)
    assert isinstance(loaded(large_discs).train.pixels, torch.Tensor)
    runs = [
        foveal.train(
            large_discs, epochs=1.0, threads=1, out=tmp_path / name, settings={"data": {"memory_mb": megabytes}}
        )
        for name, megabytes in (("mapped", 1), ("held", 100))
    ]
    assert weights_of(runs[0]) == weights_of(runs[1])
    cards = [json.loads((run.classifier / "classifier.json").read_text()) for run in runs]
    assert cards[0]["arch"] == cards[1]["arch"]
    assert cards[0]["familiar"] == cards[1]["familiar"]
    scores = [foveal.evaluate(run).scores for run in runs]
    assert scores[0].accuracy == scores[1].accuracy


def test_another_seed_divides_the_same_decoded_images(large_discs):
    first = loaded(large_discs)
    second = load(resolve({"data": {"source": str(large_discs)}, "seed": 1}, "some"))
    assert set(first.train.ids) != set(second.train.ids)
    assert len(list_entries()) == 1


def test_a_run_from_the_cache_gives_the_weights_of_the_run_that_filled_it(large_discs, tmp_path):
    runs = [foveal.train(large_discs, epochs=1.0, threads=1, out=tmp_path / name) for name in "ab"]
    assert weights_of(runs[0]) == weights_of(runs[1])


@pytest.mark.parametrize(("channels", "found"), [(None, 1), (1, 1), (3, 3)])
def test_grey_pictures_saved_in_colour_are_grey_unless_colour_is_forced(channels, found, tmp_path):
    for number in range(24):
        Image.fromarray(mnist_digits()[number]).convert("RGB").save(
            _made(tmp_path / "ab"[number % 2]) / f"{number}.png"
        )
    images = loaded(tmp_path, channels=channels)
    assert (images.preprocess.channels, images.train.pixels.shape[1]) == (found, found)


def _made(folder):
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def test_colour_is_turned_into_grey_where_that_is_forced(large_discs):
    images = loaded(large_discs, channels=1)
    name = images.splits.train.name(0)
    with Image.open(name) as picture:
        expected = np.asarray(picture.convert("RGB").resize((64, 64)).convert("L")).astype(int)
        size = picture.size
    if size == (64, 64):
        assert np.abs(images.train.pixels[0, 0].numpy() - expected).max() <= 1


def test_the_same_picture_as_png_and_as_bmp_is_one_picture_to_the_splits(tmp_path):
    for number in range(60):
        for ending in ("png", "bmp"):
            write_picture(tmp_path / "ab"[number % 2] / f"{number:02}.{ending}", mnist_digits()[number])
    for seed in range(3):
        splits = load(resolve({"data": {"source": str(tmp_path)}, "seed": seed}, "some")).splits
        stems = [{name.rpartition(".")[0] for name in images.names} for images in splits.sets.values()]
        assert sum(map(len, stems)) == len(set.union(*stems)) == 60


def test_photos_of_one_person_stay_in_one_split_and_the_notes_say_how_many_there_are(tmp_path):
    for number in range(120):
        write_picture(tmp_path / "ab"[number % 2] / f"p{number // 10:02}_{number}.png", mnist_digits()[number])
    images = loaded(tmp_path, group_by=r"p(\d+)_")
    people = [{name[3:5] for name in part.names} for part in images.splits.sets.values()]
    assert sum(map(len, people)) == len(set.union(*people)) == 12
    assert any("groups of images that stay together, by split: train 9" in note for note in images.notes)


def test_a_classifier_trained_on_png_files_is_not_tested_on_the_same_digits_as_arrays(tmp_path):
    for number in range(120):
        write_picture(tmp_path / "data" / "ab"[number % 2] / f"{number}.png", mnist_digits()[number])
    run = foveal.train(tmp_path / "data", epochs=1.0, threads=1, out=tmp_path / "run")
    labels = np.array(["a", "b"])[np.arange(120) % 2]
    with pytest.raises(
        foveal.DataError, match=r"108 of the 120 images are among those that the run was trained on: .* #\d+"
    ):
        foveal.evaluate(run, (mnist_digits()[:120], labels))
    unseen = (255 - mnist_digits()[:120], labels)
    assert foveal.evaluate(run, unseen).scores.n == 120


@pytest.mark.parametrize("before", ["drop", "keep"])
@pytest.mark.parametrize("now", ["drop", "keep"])
def test_images_that_were_dropped_as_leaks_are_neither_new_nor_gone(before, now, tmp_path):
    data, runs = tmp_path / "data", tmp_path / "runs"
    for number in range(80):
        part = data / ("test" if number >= 60 else "train") / "ab"[number % 2]
        write_picture(part / f"{number:02}.png", mnist_digits()[number])
    for number in (60, 61, 62):  # test images among the training images
        shutil.copy(data / "test" / "ab"[number % 2] / f"{number}.png", data / "train" / "ab"[number % 2])
    train = {"epochs": 0.1, "threads": 1, "model": "oneconv"}
    first = foveal.train(data, out=runs / "first", settings={"data": {"leaks": before}}, **train)
    dropped = first.splits["dropped"]
    names = [name for columns in dropped.values() for name in columns["names"]]
    assert sorted(names) == (["train/a/60.png", "train/a/62.png", "train/b/61.png"] if before == "drop" else [])
    write_picture(data / "train/a/00.png", mnist_digits()[100])
    with pytest.raises(foveal.DataError, match=r"now\): 1 edited \(train/a/00\.png\)\. Train again"):
        foveal.evaluate(first)
    second = foveal.train(data, out=runs / "second", settings={"data": {"leaks": now}}, **train)
    notes = (second.folder / "notes.txt").read_text(encoding="utf-8")
    assert f"the data changed since {first.folder}: 1 edited (train/a/00.png). Its scores" in notes


def test_a_training_on_edited_data_says_what_changed_since_the_last_one(tmp_path):
    for number in range(60):
        write_picture(tmp_path / "data" / "ab"[number % 2] / f"{number:02}.png", mnist_digits()[number])
    train = {"epochs": 0.1, "threads": 1, "model": "oneconv"}
    foveal.train(tmp_path / "data", out=tmp_path / "runs" / "first", **train)
    same = foveal.train(tmp_path / "data", out=tmp_path / "runs" / "second", **train)
    assert not (same.folder / "notes.txt").exists()
    (tmp_path / "data" / "a" / "00.png").unlink()
    (tmp_path / "data" / "a" / "02.png").rename(tmp_path / "data" / "b" / "02.png")
    write_picture(tmp_path / "data" / "a" / "04.png", mnist_digits()[100])
    edited = foveal.train(tmp_path / "data", out=tmp_path / "runs" / "third", **train)
    assert (
        f"the data changed since {same.folder}: 1 gone (a/00.png); 1 edited (a/04.png); 1 renamed or moved (b/02.png)"
        in (edited.folder / "notes.txt").read_text()
    )
