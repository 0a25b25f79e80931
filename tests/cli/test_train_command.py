"""`foveal train` as a person runs it: its JSON, the folder it leaves, what it says, and that it can be repeated."""

import hashlib
import json
import tomllib
from pathlib import Path

import pytest
from cli_process import command, no_half_written, write_discs
from PIL import Image

import foveal

CONTRACT = {
    "run": str,
    "classifier": str,
    "model": str,
    "data": str,
    "epochs": float,
    "updates": int,
    "seed": int,
    "parameters": int,
    "train_seconds": float,
    "images_per_second": float,
    "val_accuracy": float,
}


def weights_of(run: Path) -> str:
    return hashlib.sha256((run / "classifier" / "weights.safetensors").read_bytes()).hexdigest()


def test_train_prints_exactly_one_json_object_with_the_keys_and_types_of_the_contract(trained):
    assert trained.stdout.count("\n") == 1
    assert {key: type(trained.answer[key]) for key in CONTRACT} == CONTRACT
    assert trained.answer["run"] == str(trained.folder)
    assert trained.answer["classifier"] == str(trained.folder / "classifier")
    assert (trained.answer["model"], trained.answer["data"], trained.answer["seed"]) == ("compact", "few-digits", 7)
    assert trained.answer["epochs"] == 4.0


def test_train_draws_no_progress_bar_where_nobody_watches(trained):
    assert trained.stderr == "" or all(line.startswith(("note: ", "      ")) for line in trained.stderr.splitlines())


def test_a_run_folder_holds_every_file_of_the_design_and_nothing_half_written(trained):
    expected = {"config.toml", "environment.json", "splits.json", "history.jsonl", "classifier", "report"}
    assert expected <= {path.name for path in trained.folder.iterdir()}
    assert {path.name for path in (trained.folder / "classifier").iterdir()} == {
        "classifier.json",
        "weights.safetensors",
    }
    assert no_half_written(trained.folder)
    environment = json.loads((trained.folder / "environment.json").read_text())
    assert environment["threads"] == 1
    assert environment["packages"]["torch"]


def test_config_toml_says_all_that_was_done(trained):
    config = tomllib.loads((trained.folder / "config.toml").read_text())
    assert config["data"]["source"] == str(trained.data)
    assert config["data"]["size"] == 28
    assert config["training"]["epochs"] == 4.0
    assert {"batch_size", "learning_rate", "schedule", "optimizer"} <= set(config["training"])
    assert config["training"]["batch_size"] == 24  # a tenth of the 243 images
    assert (config["seed"], config["threads"], config["preset"]) == (7, 1, "balanced")


def test_splits_json_says_which_image_was_in_which_split_and_none_is_in_two(trained):
    splits = json.loads((trained.folder / "splits.json").read_text())["splits"]
    assert {name: len(columns["ids"]) for name, columns in splits.items()} == {
        "train": 243,
        "validation": 30,
        "calibration": 27,
        "test": 100,
    }
    every = [image for columns in splits.values() for image in columns["ids"]]
    assert len(every) == len(set(every))


def test_history_has_a_record_every_few_updates_up_to_the_last(trained):
    records = [json.loads(line) for line in (trained.folder / "history.jsonl").read_text().splitlines()]
    updates = [record["update"] for record in records]
    assert updates == sorted(set(updates))
    assert updates[-1] == trained.answer["updates"]
    assert len(records) >= 4
    best = max(record["val_accuracy"] for record in records if record["val_accuracy"] is not None)
    assert best == trained.answer["val_accuracy"]
    assert records[-1]["loss"] < records[0]["loss"]


@pytest.mark.parametrize("name", ["curves", "predictions", "filters", "feature_maps"])
def test_every_picture_of_a_training_is_a_whole_png(trained, name):
    with Image.open(trained.folder / "report" / f"{name}.png") as picture:
        assert picture.format == "PNG"
        picture.load()
        assert len(picture.convert("L").getcolors()) > 10  # not a blank page


def test_the_same_seed_gives_the_same_weights_in_another_process(trained, tmp_path):
    command(*trained.command, "--out", tmp_path / "again", cwd=tmp_path)
    assert weights_of(tmp_path / "again") == weights_of(trained.folder)


def test_the_config_of_a_run_gives_its_weights_again_in_another_process(trained, tmp_path):
    said = ("train", "--config", trained.folder / "config.toml", "--out", tmp_path / "again", "--json")
    answer = json.loads(command(*said, cwd=tmp_path).stdout)
    assert weights_of(tmp_path / "again") == weights_of(trained.folder)
    assert answer["seed"] == 7
    assert (tmp_path / "again" / "config.toml").read_text() == (trained.folder / "config.toml").read_text()


def test_another_seed_gives_other_weights_and_set_overrules_the_config_of_a_run(trained, tmp_path):
    said = ("train", "--config", trained.folder / "config.toml", "--set", "seed=8", "--set", "augment.shift=0")
    text = command(*said, "--out", tmp_path / "other", cwd=tmp_path).stdout
    assert weights_of(tmp_path / "other") != weights_of(trained.folder)
    config = tomllib.loads((tmp_path / "other" / "config.toml").read_text())
    assert (config["seed"], config["augment"]["shift"]) == (8, 0)
    assert "next: foveal evaluate" in text  # it ends with what was written and the next command
    assert f"written: {tmp_path / 'other'}" in text


def test_epochs_overrule_the_config_of_a_run_and_a_dry_run_prints_the_plan_for_people(trained, tmp_path):
    said = ("train", "--config", trained.folder / "config.toml", "--epochs", "1", "--dry-run")
    text = command(*said, cwd=tmp_path).stdout
    assert "few-digits: 10 classes" in text
    assert "floor((28 + 2*2 - 5)/2) + 1 = 14" in text
    assert "11 updates of 24 images: 1.00 epochs" in text
    assert list(tmp_path.iterdir()) == []


def test_a_folder_of_colour_pictures_of_several_sizes_trains_and_says_how_they_were_sized(tmp_path):
    data = write_discs(tmp_path / "discs")
    done = command("train", "discs", "--epochs", "6", "--threads", "1", "--json", cwd=tmp_path)
    answer = json.loads(done.stdout)
    assert answer["run"] == "runs/discs-compact-1"
    assert "padded to shape and scaled to 24x24" in " ".join(done.stderr.split())
    card = json.loads((tmp_path / answer["classifier"] / "classifier.json").read_text())
    assert card["preprocess"] == {"channels": 3, "height": 24, "width": 24, "fit": "pad"}
    assert card["classes"] == ["blue", "green", "red"]
    found = foveal.predict(foveal.load(tmp_path / answer["classifier"]), [data / "red" / "00.png"])
    assert next(found).label == "red"


def test_train_never_opens_the_test_split(trained):
    assert not (trained.folder.parent / "data").exists()  # FOVEAL_DATA of that process, where openings are logged
    assert not (trained.folder / "evaluation.json").exists()


def test_dry_run_says_what_would_be_done_and_writes_nothing(digits_folder, tmp_path):
    done = command("train", digits_folder, "--model", "lenet5", "--dry-run", "--json", "--threads", "1", cwd=tmp_path)
    plan = json.loads(done.stdout)
    assert plan["images"] == {"train": 243, "validation": 30, "calibration": 27, "test": 100}
    assert plan["updates"] == 800  # the floor of the preset: 243 images would make 22
    assert plan["ledger"]["parameters"] == 61_706
    assert plan["estimated_seconds"] > 0
    assert list(tmp_path.iterdir()) == []


def test_the_rgb_network_as_published_pads_and_repeats_grey_digits_and_says_so(digits_folder, tmp_path):
    said = ("--model", "twoconv-rgb", "--as-published", "--epochs", "1", "--threads", "1", "--json", "--out", "rgb")
    done = command("train", digits_folder, *said, cwd=tmp_path)
    note = " ".join(done.stderr.split())
    assert "images of 28x28 are padded by 2 on each side and grey is repeated to 3 channels" in note
    config = tomllib.loads((tmp_path / "rgb" / "config.toml").read_text())
    assert config["training"]["optimizer"] == "sgd"
    assert config["training"]["batch_size"] == 32
    assert config["data"]["validation"] == config["data"]["calibration"] == 0
    answer = json.loads(done.stdout)
    assert answer["val_accuracy"] is None  # as published, nothing is held out
    assert answer["updates"] == 10  # all 300 images
    card = json.loads((tmp_path / "rgb" / "classifier" / "classifier.json").read_text())
    assert card["arch"]["border"] == -2
    assert card["arch"]["mean"] == [127.5] * 3


def test_a_batch_larger_than_the_data_is_refused_with_both_numbers_and_leaves_no_run(digits_folder, tmp_path):
    said = ("--set", "training.batch_size=500", "--out", "run")
    done = command("train", digits_folder, *said, cwd=tmp_path, expect=2)
    assert "a batch of 500 is larger than the 243 training images" in done.stderr
    assert not (tmp_path / "run").exists()
