"""The data doctor on folders and arrays with planted faults: each is found, by name and level, and nothing else is."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from data_helpers import FILES, mnist_digits
from PIL import Image
from planted_faults import copy, findings, gathered, levels, scenes, verdicts, write_faulty, write_scenes

from foveal.data.doctor.check import judge, look_over
from foveal.data.doctor.findings import Findings
from foveal.data.doctor.overview import overview


def names(found: Findings, groups: list[np.ndarray]) -> list[set[str]]:
    return [{found.images.short_name(i) for i in group.tolist()} for group in groups]


@pytest.fixture(scope="module")
def faulty(tmp_path_factory: pytest.TempPathFactory) -> Findings:
    """What is found in the folder with every fault."""
    return findings(write_faulty(tmp_path_factory.mktemp("faulty") / "pets"))


def test_nothing_is_said_of_data_without_a_fault(tmp_path):
    assert verdicts(write_scenes(tmp_path, {"train": 30, "test": 12})) == {}
    assert verdicts(write_scenes(tmp_path / "undivided", {"": 20})) == {}


def test_every_planted_fault_is_said_and_nothing_else(faulty):
    assert {each.what: each.level for each in judge(faulty)} == {
        "copies-across-splits": "error",
        "labels-disagree": "error",
        "unreadable": "warning",
        "suspicious-blank": "warning",
        "exact-duplicates": "note",
        "suspicious-plain": "note",
        "suspicious-size": "note",
        "suspicious-format": "note",
        "suspicious-ending": "note",
        "suspicious-name": "note",
    }


def test_every_planted_fault_is_found_by_name(faulty):
    assert names(faulty, list(faulty.copies)) == [
        {"train/cat/000.png", "train/cat/060.bmp"},
        {"train/cat/003.png", "train/dog/060.png"},
        {"train/dog/005.png", "test/dog/030.png"},
    ]
    assert names(faulty, faulty.near_families) == [{"train/cat/007.png", "test/cat/030.jpg"}]
    assert [(Path(each.path).name, each.split, each.label) for each in faulty.unreadable] == [
        ("062.jpg", "train", "cat")
    ]
    assert "truncated" in faulty.unreadable[0].reason
    assert {(faulty.images.short_name(each.image), each.kind) for each in faulty.suspicious} == {
        ("train/cat/060.bmp", "format"),
        ("test/cat/030.jpg", "format"),
        ("train/cat/061.png", "blank"),
        ("train/cat/063.jpg", "ending"),
        ("train/dog/061.png", "size"),
        ("train/dog/no-image.png", "name"),
        ("train/dog/no-image.png", "plain"),
    }


def test_the_numbers_of_the_verdicts_are_those_that_were_planted(faulty):
    said = {each.what: each.text for each in judge(faulty)}
    assert (
        "2 of the 62 test images (3.2%) are copies of train images: 1 pixel by pixel, 1 nearly so"
        in said["copies-across-splits"]
    )
    assert "2 images (1.1%) in 1 group of exact copies" in said["labels-disagree"]
    assert "1 file of 189 cannot be read" in said["unreadable"]


def test_no_file_is_read_again_where_no_two_images_are_alike(tmp_path):
    images = gathered(write_scenes(tmp_path / "pets", {"train": 12, "test": 6}))
    shutil.rmtree(tmp_path / "pets")
    found = look_over(images.data, images.facts, images.pixels)
    assert overview(found).formats == {"PNG": 36}
    assert overview(found).modes == {"colour": 36}


@pytest.mark.parametrize(("copies", "level"), [(0, None), (1, "warning"), (2, "error")])
def test_copies_across_splits_are_an_error_from_one_percent_of_the_split_on(copies, level):
    pictures = scenes(260, side=32)
    test = np.concatenate([pictures[60:], pictures[2 - copies : 2]])[-200:]
    data = {"train": (pictures[:60], [0, 1] * 30), "test": (test, [0, 1] * 100)}
    assert levels(verdicts(data, side=32)) == ({} if level is None else {"copies-across-splits": level})


def test_of_three_splits_each_is_told_what_it_shares_with_those_before_it():
    pictures = scenes(90, side=32)
    data = {
        "train": (pictures[:40], [0, 1] * 20),
        "validation": (np.concatenate([pictures[40:59], pictures[:1]]), [0, 1] * 10),
        "test": (np.concatenate([pictures[60:79], pictures[41:42]]), [0, 1] * 10),
    }
    said = [each.text for each in judge(findings(data, side=32)) if each.what == "copies-across-splits"]
    assert [text.split(":")[0] for text in said] == [
        "1 of the 20 validation images (5.0%) are copies of train images",
        "1 of the 20 test images (5.0%) are copies of train or validation images",
    ]


@pytest.mark.parametrize(("total", "level"), [(160, "error"), (240, "warning")])
def test_copies_with_two_labels_are_an_error_from_one_percent_of_the_images_on(total, level):
    pictures = scenes(total, side=32)
    pictures = np.concatenate([pictures[:-1], pictures[:1]])
    assert levels(verdicts((pictures, [0, 1] * (total // 2)), side=32)) == {"labels-disagree": level}


def test_near_copies_with_two_labels_are_a_warning_unless_they_are_mirror_images(tmp_path):
    write_scenes(tmp_path, {"": 20})
    copy(tmp_path, "cat/001.png", "dog/near.jpg", quality=80)
    assert levels(verdicts(tmp_path)) == {"near-labels-disagree": "warning", "near-duplicates": "warning"}
    Image.fromarray(scenes(40)[1][:, ::-1]).save(tmp_path / "dog/near.jpg", quality=80)  # an arrow to the other side
    assert verdicts(tmp_path) == {}
    (tmp_path / "dog/near.jpg").rename(tmp_path / "cat/near.jpg")
    assert levels(verdicts(tmp_path)) == {"near-duplicates": "warning"}


def test_near_copies_are_a_note_where_they_are_less_than_a_hundredth(tmp_path):
    write_scenes(tmp_path, {"": 110})
    copy(tmp_path, "cat/001.png", "cat/near.jpg", quality=80)
    assert levels(verdicts(tmp_path)) == {"near-duplicates": "note", "suspicious-format": "note"}


def test_of_digits_it_is_said_that_near_copies_cannot_be_told():
    said = verdicts((mnist_digits(600), [0, 1] * 300), side=28, channels=1)
    assert levels(said) == {"near-duplicates-unclear": "note"}
    assert "--group-by" in said["near-duplicates-unclear"].text


@pytest.mark.parametrize(("group_by", "expected"), [(None, {}), (r"p(\d+)_", {"groups-across-splits": "error"})])
def test_a_person_in_two_splits_is_an_error_where_persons_are_named(tmp_path, group_by, expected):
    write_scenes(tmp_path, {"train": 12, "test": 12})
    for number, path in enumerate(sorted(tmp_path.rglob("*.png"))):
        is_test = "test" in path.parts
        person = number % 4 + (3 if is_test else 0)  # 0 to 3 in train, 3 to 6 in test
        path.rename(path.with_name(f"p{person}_{path.name}"))
    said = verdicts(tmp_path, group_by=group_by)
    assert levels(said) == expected
    if group_by:
        assert said["groups-across-splits"].examples == ("3",)


def test_groups_that_stay_on_one_side_are_a_note(tmp_path):
    write_scenes(tmp_path, {"train": 12, "test": 12})
    said = verdicts(tmp_path, group_by=r"((train|test)/\w+)/0")  # one group for each class and split
    assert levels(said) == {"groups": "note"}
    assert said["groups"].text.startswith("4 groups of images belong together")


def test_images_without_a_group_are_alone_on_both_sides(tmp_path):
    write_scenes(tmp_path, {"train": 12, "test": 12})
    for split in ("train", "test"):
        (tmp_path / split / "cat/000.png").rename(tmp_path / split / f"cat/{split}-person7.png")
    assert levels(verdicts(tmp_path, group_by=r"person(\d)")) == {"groups-across-splits": "error"}
    (tmp_path / "test/cat/test-person7.png").rename(tmp_path / "test/cat/test-person8.png")
    assert levels(verdicts(tmp_path, group_by=r"person(\d)")) == {"groups": "note"}


def test_files_that_cannot_be_read_are_told_with_their_share_of_a_class(tmp_path):
    write_scenes(tmp_path, {"": 24})
    (tmp_path / "dog/000.png").write_bytes((FILES / "empty.png").read_bytes())
    assert "left out. Fetch" in verdicts(tmp_path)["unreadable"].text  # 4 %
    (tmp_path / "dog/001.png").write_bytes((FILES / "truncated.jpg").read_bytes())
    said = verdicts(tmp_path)["unreadable"]
    assert said.text.startswith("2 files of 48 cannot be read and will be left out: 8% of 'dog'.")
    assert "is empty (0 bytes)" in said.examples[0]


@pytest.mark.parametrize("is_table", [False, True], ids=["folders", "table"])
def test_data_of_one_class_are_looked_over_all_the_same_and_that_is_an_error(tmp_path, is_table):
    write_scenes(tmp_path, {"": 20}, ("cat",))
    if is_table:
        rows = [f"cat/{number:03}.png,cat\n" for number in range(20)]
        (tmp_path / "metadata.csv").write_text("".join(["file,label\n", *rows]), encoding="utf-8")
    said = verdicts(tmp_path)
    assert levels(said) == {"one-class": "error"}
    assert said["one-class"].text.startswith("all images are of one class, 'cat': telling classes apart needs two")


def test_files_that_a_table_names_and_that_are_not_there_are_an_error_of_its_own(tmp_path):
    write_scenes(tmp_path, {"": 24})
    (tmp_path / "dog/000.png").write_bytes(b"")
    rows = [f"{name}/{number:03}.png,{name}\n" for name in ("cat", "dog") for number in range(26)]
    (tmp_path / "metadata.csv").write_text("".join(["file,label\n", *rows]), encoding="utf-8")
    found = findings(tmp_path)
    assert [(Path(each.path).name, each.label, each.is_missing) for each in found.unreadable] == [
        ("024.png", "cat", True),
        ("025.png", "cat", True),
        ("000.png", "dog", False),
        ("024.png", "dog", True),
        ("025.png", "dog", True),
    ]
    said = {each.what: each for each in judge(found)}
    assert levels(said) == {"missing-files": "error", "unreadable": "warning"}
    assert said["missing-files"].text.startswith("4 files of 52 that the table names are not there: training refuses")
    assert "metadata.csv line 26 names it" in said["missing-files"].examples[0]
    assert said["unreadable"].text.startswith("1 file of 52 cannot be read and will be left out.")


def test_errors_come_before_warnings_and_warnings_before_notes(faulty):
    order = [("error", "warning", "note").index(each.level) for each in judge(faulty)]
    assert order == sorted(order)


def test_the_overview_counts_by_class_and_split_and_measures_the_training_pixels(faulty):
    numbers = overview(faulty)
    assert numbers.splits == {"train": {"cat": 64, "dog": 63}, "test": {"cat": 31, "dog": 31}}
    assert numbers.classes == {"cat": 95, "dog": 94}
    assert numbers.images == 189
    assert (numbers.sizes.median, numbers.sizes.smallest, numbers.sizes.largest) == ("64x64", "64x64", "300x400")
    assert numbers.sizes.common == {"64x64": 187, "300x400": 1}
    assert numbers.formats == {"PNG": 186, "BMP": 1, "JPEG": 1}
    assert numbers.modes == {"colour": 188}
    pixels = faulty.images.pixels["train"].pixels[:].permute(0, 2, 3, 1).numpy().reshape(-1, 3)
    np.testing.assert_allclose(numbers.mean, pixels.mean(axis=0), rtol=1e-5)
    np.testing.assert_allclose(numbers.std, pixels.std(axis=0), rtol=1e-5)
