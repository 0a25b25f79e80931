"""What the doctor says of classes: too few images, missing ones, imbalance, names, and flips that would merge them."""

import pytest
from data_helpers import FILES
from planted_faults import findings, levels, scenes, verdicts, write_scenes

from foveal.data.doctor.check import judge


@pytest.mark.parametrize(
    ("readable", "expected"),
    [(0, {"too-few-readable": "error"}), (1, {"too-few-readable": "error"}), (2, {"few-images": "warning"}),
     (9, {"few-images": "warning"}), (10, {})],
)  # fmt: skip
def test_a_class_needs_two_readable_images_and_should_have_ten(tmp_path, readable, expected):
    write_scenes(tmp_path, {"": 12})
    for number in range(readable, 12):
        (tmp_path / f"dog/{number:03}.png").write_bytes((FILES / "text.png").read_bytes())
    said = levels(verdicts(tmp_path))
    assert said.pop("unreadable") == "warning"
    assert said == expected


def test_a_class_that_the_test_images_lack_is_named(tmp_path):
    write_scenes(tmp_path, {"train": 12, "test": 12}, ("cat", "dog", "fox"))
    for path in (tmp_path / "test/fox").iterdir():
        path.unlink()
    (tmp_path / "test/fox").rmdir()
    said = verdicts(tmp_path)
    assert levels(said) == {"class-missing-in-split": "warning"}
    assert "the test images have none of the class 'fox'" in said["class-missing-in-split"].text


@pytest.mark.parametrize(("small", "expected"), [(20, {}), (16, {"imbalance": "warning"})])
def test_three_times_as_many_is_an_imbalance(tmp_path, small, expected):
    write_scenes(tmp_path, {"": 48})
    for number in range(small, 48):
        (tmp_path / f"dog/{number:03}.png").unlink()
    said = verdicts(tmp_path)
    assert levels(said) == expected
    if expected:
        text = said["imbalance"].text
        assert "3.0 times fewer" in text
        assert "right in 75.0%" in text  # 48 of 64
        assert "--set training.balance=true" in text


@pytest.mark.parametrize(
    ("classes", "is_alike"),
    [
        (("cat", "Cat"), True),
        (("cat", "cats "), True),
        (("fire truck", "fire_truck"), True),
        (("a", "A"), False),  # letters in either case are classes of their own
        (("gas", "ga"), False),
        (("cat", "car"), False),
        (("1", "11"), False),
    ],
)
def test_class_names_that_differ_in_nothing_are_told(classes, is_alike):
    labels = [name for name in classes for _ in range(12)]
    said = verdicts((scenes(24, side=32), labels), side=32)
    assert levels(said) == ({"alike-names": "warning"} if is_alike else {})


def test_flips_and_turns_that_would_merge_digits_are_told():
    labels = ["2", "5", "6", "9"] * 12
    said = judge(findings((scenes(48, side=32), labels), side=32))
    assert [(each.what, each.level) for each in said] == [("merging-augmentation", "note")] * 2
    assert "2 and 5" in said[0].text
    assert "6 and 9" in said[1].text
