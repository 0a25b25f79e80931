"""Splits: disjoint, in proportion, seeded, blind to copies, and found again from what was saved."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from data_helpers import (
    ids_of,
    mnist_digits,
    noise,
    paths_of,
    pixels_in,
    write_class_folders,
    write_picture,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from foveal.data import splits as splits_module
from foveal.data.carve import carve
from foveal.data.index import facts_of
from foveal.data.sources import Data, open_data
from foveal.data.splits import Splits, fingerprint
from foveal.errors import DataError

SPLIT_NAMES = ("train", "validation", "calibration", "test")
UNEVEN = np.repeat([0, 1, 2, 3], [310, 57, 120, 13])


def split(data: Data, **settings: Any) -> Splits:
    return splits_module.split(data, ids_of(data), **settings)


def restore(data: Data, kept: dict[str, Any]) -> Splits:
    return splits_module.restore(data, ids_of(data), kept)


def arrays(labels: Any = UNEVEN, seed: int = 0) -> Data:
    return open_data((noise(len(labels), 4, 4, seed=seed), labels))


def sizes(splits: Splits) -> dict[str, int]:
    return {name: len(splits.sets[name]) for name in SPLIT_NAMES}


def all_ids(splits: Splits) -> list[str]:
    return sorted(image_id for name in SPLIT_NAMES for image_id in splits.ids[name])


def saved(splits: Splits) -> dict[str, Any]:
    """What splits.json gives back."""
    return json.loads(json.dumps(splits.as_dict()))


def test_mnist_gets_2500_for_validation_2500_for_calibration_and_keeps_its_test(
    mnist: Data, mnist_splits: Splits
) -> None:
    assert sizes(mnist_splits) == {"train": 55_000, "validation": 2500, "calibration": 2500, "test": 10_000}
    np.testing.assert_array_equal(pixels_in(mnist_splits.test), mnist.parts["test"].images)


def test_the_splits_of_mnist_are_disjoint_and_lose_nothing(mnist: Data, mnist_splits: Splits) -> None:
    carved = [mnist_splits.sets[name].numbers for name in ("train", "validation", "calibration")]
    np.testing.assert_array_equal(np.sort(np.concatenate(carved)), np.arange(60_000))
    ids = [set(mnist_splits.ids[name]) for name in SPLIT_NAMES]
    assert len(set.union(*ids)) == sum(len(members) for members in ids)


def test_each_digit_keeps_its_share_of_mnist_to_within_one_image(mnist: Data, mnist_splits: Splits) -> None:
    per_class = np.bincount(mnist.base.labels)
    for name in ("validation", "calibration"):
        found = np.bincount(mnist_splits.sets[name].labels)
        assert np.abs(found - per_class * 2500 / 60_000).max() < 1 + 1e-9, name


def test_images_labels_and_ids_stay_together(mnist: Data, mnist_splits: Splits) -> None:
    validation = mnist_splits.validation
    np.testing.assert_array_equal(pixels_in(validation), mnist.base.images[validation.numbers])
    np.testing.assert_array_equal(validation.labels, mnist.base.labels[validation.numbers])
    assert facts_of(validation.take(np.arange(5))).ids == mnist_splits.ids["validation"][:5]


@pytest.mark.parametrize("fraction", [0.1, 0.25, 0.5])
def test_each_class_keeps_its_share_in_the_test_split_to_within_one_image(fraction: float) -> None:
    data = arrays()
    splits = split(data, test=fraction)
    assert len(splits.test) == round(fraction * 500)
    wanted = np.bincount(UNEVEN) * fraction
    assert np.abs(np.bincount(splits.test.labels, minlength=4) - wanted).max() <= 1


@settings(max_examples=60, deadline=None)
@given(
    counts=st.lists(st.integers(1, 40), min_size=2, max_size=6),
    fraction=st.floats(0.02, 0.9),
    seed=st.integers(0, 2**63 - 1),
)
def test_carving_takes_each_class_in_its_share_and_never_the_whole_of_one(
    counts: list[int], fraction: float, seed: int
) -> None:
    labels = np.repeat(np.arange(len(counts)), counts)
    count = int(fraction * len(labels))
    ids = np.array([f"image {i}" for i in range(len(labels))])
    taken = carve(labels, ids, np.arange(len(labels)), count, seed)
    found = np.bincount(labels[taken], minlength=len(counts))
    assert len(np.unique(taken)) == len(taken) <= count
    assert (found < counts).all()
    assert np.abs(found - np.array(counts) * count / len(labels)).max() <= 1 + 1e-9


@pytest.mark.parametrize(
    ("counts", "count", "expected"),
    [
        ([310, 57, 120, 13], 50, [31, 6, 12, 1]),  # 31, 5.7, 12, 1.3: the seat that is left goes to .7
        ([30, 30, 40], 5, [2, 1, 2]),  # 1.5, 1.5, 2: to the first of two that are equally near
        ([80, 1], 49, [48, 0]),  # 48.4, .6: the seat would take the only image of the second class
        ([1, 1, 1], 1, [0, 0, 0]),
    ],
)
def test_seats_that_are_left_go_to_the_largest_remainders(counts: list[int], count: int, expected: list[int]) -> None:
    labels = np.repeat(np.arange(len(counts)), counts)
    ids = np.array([str(i) for i in range(len(labels))])
    taken = carve(labels, ids, np.arange(len(labels)), count, 0)
    assert np.bincount(labels[taken], minlength=len(counts)).tolist() == expected


def test_only_free_images_are_carved_out() -> None:
    free = np.arange(100, 400)
    ids = np.array([str(i) for i in range(500)])
    taken = carve(UNEVEN, ids, free, 60, 0)
    assert len(taken) == 60
    assert set(taken) <= set(free)


def test_by_default_a_tenth_goes_to_each_split_that_is_missing() -> None:
    assert sizes(split(arrays())) == {"train": 365, "validation": 45, "calibration": 40, "test": 50}


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"validation": 0.2, "test": 0.0}, ("validation", 100)),
        ({"validation": 30.0}, ("validation", 30)),
        ({"validation": 1.0}, ("validation", 1)),
        ({"calibration": 0.0}, ("calibration", 0)),
        ({"test": 0.3}, ("test", 150)),
        ({"test": 0.0}, ("test", 0)),
    ],
)
def test_sizes_below_one_are_shares_and_others_are_counts(settings: Any, expected: tuple[str, int]) -> None:
    name, size = expected
    assert len(split(arrays(), **settings).sets[name]) == size


@pytest.mark.parametrize("given_part", ["validation", "test"])
def test_a_split_that_the_data_bring_is_kept_whole(given_part: str) -> None:
    own = noise(7, 4, 4, seed=1)
    data = open_data({"train": (noise(500, 4, 4), UNEVEN), given_part: (own, UNEVEN[:7])})
    splits = split(data)
    np.testing.assert_array_equal(pixels_in(splits.sets[given_part])[..., 0], own)
    assert sum(sizes(splits).values()) == 507
    assert sizes(splits)["validation" if given_part == "test" else "test"] == 50


def test_the_same_seed_gives_the_same_splits_and_another_seed_others() -> None:
    assert split(arrays(), seed=3).ids == split(arrays(), seed=3).ids
    seen = {split(arrays(), seed=seed).ids["test"] for seed in range(5)}
    assert len(seen) == 5


def test_copies_of_an_image_stay_in_one_split() -> None:
    images = np.concatenate([noise(60, 4, 4)] * 3)
    labels = np.tile(np.arange(60) % 3, 3)
    for seed in range(5):
        splits = split(open_data((images, labels)), test=0.2, seed=seed)
        ids = [set(splits.ids[name]) for name in SPLIT_NAMES]
        assert len(set.union(*ids)) == sum(map(len, ids)) == 60
        assert all(np.bincount(splits.sets[name].labels, minlength=3).min() > 0 for name in SPLIT_NAMES)


def test_copies_with_other_labels_stay_in_one_split_too() -> None:
    images = np.concatenate([noise(60, 4, 4), noise(60, 4, 4)[:30]])
    labels = np.concatenate([np.arange(60) % 3, (np.arange(30) + 1) % 3])
    for seed in range(5):
        splits = split(open_data((images, labels)), test=0.2, seed=seed)
        ids = [set(splits.ids[name]) for name in SPLIT_NAMES]
        assert len(set.union(*ids)) == sum(map(len, ids)) == 60
        assert sum(sizes(splits).values()) == 90


@pytest.mark.parametrize("count", [1, 2, 3])
def test_a_tiny_class_keeps_a_training_image(count: int) -> None:
    labels = np.repeat([0, 1], [80, count])
    splits = split(open_data((noise(80 + count, 4, 4), labels)), test=0.4, validation=0.4, calibration=0.4)
    assert np.bincount(splits.train.labels, minlength=2).min() >= 1
    assert sum(sizes(splits).values()) == 80 + count


def test_a_class_whose_images_are_all_copies_stays_in_training() -> None:
    images = np.concatenate([noise(40, 4, 4), np.zeros((10, 4, 4), np.uint8)])
    splits = split(open_data((images, np.repeat([0, 1], [40, 10]))), test=0.4)
    assert np.bincount(splits.train.labels)[1] == 10


def test_a_copy_that_is_the_only_image_of_another_class_stays_in_training() -> None:
    images = noise(30, 4, 4)
    data = open_data((np.concatenate([images, images[:1]]), np.repeat([0, 1], [30, 1])))
    for seed in range(5):
        assert np.bincount(split(data, test=0.6, seed=seed).train.labels).tolist()[1] == 1


def test_a_class_without_training_images_is_named(tmp_path: Path) -> None:
    data = open_data({"train": (noise(4, 3, 3), [0, 1, 0, 1])})
    emptied = Data(data.name, {"train": data.base.take(np.array([0, 2]))})
    with pytest.raises(
        DataError, match=r"the class '1' has no training image once the other splits are filled. Add images"
    ):
        split(emptied)


@pytest.mark.parametrize("size", [450.0, 1000.0])
def test_more_images_than_there_are_cannot_be_held_out(size: float) -> None:
    with pytest.raises(DataError, match=rf"{size:g} images cannot be held out of 450 training images. Hold out fewer"):
        split(arrays(), validation=size)


def contents(splits: Splits) -> dict[str, dict[str, list[bytes]]]:
    """The bytes of the files in each split by class, whatever their order and their paths."""
    found: dict[str, dict[str, list[bytes]]] = {}
    for name in SPLIT_NAMES:
        images = splits.sets[name]
        for path, label in zip(paths_of(images), images.labels, strict=True):
            found.setdefault(name, {}).setdefault(images.classes[label], []).append(path.read_bytes())
    return {name: {label: sorted(files) for label, files in of.items()} for name, of in found.items()}


def test_saved_splits_are_found_again_in_the_same_data() -> None:
    before = split(arrays(), seed=5)
    after = restore(arrays(), saved(before))
    assert after.ids == before.ids
    assert after.fingerprint == before.fingerprint
    for name in SPLIT_NAMES:
        np.testing.assert_array_equal(pixels_in(after.sets[name]), pixels_in(before.sets[name]))
        np.testing.assert_array_equal(after.sets[name].labels, before.sets[name].labels)


def test_saved_splits_of_mnist_are_found_again(mnist: Data, mnist_splits: Splits) -> None:
    after = restore(mnist, saved(mnist_splits))
    assert after.ids == mnist_splits.ids
    np.testing.assert_array_equal(after.validation.numbers, mnist_splits.validation.numbers)


@pytest.mark.parametrize("with_test", [False, True])
def test_saved_splits_are_found_again_by_content_in_another_folder_under_other_names(
    with_test: bool, tmp_path: Path
) -> None:
    before_root, after_root = tmp_path / "before", tmp_path / "elsewhere" / "after"
    write_class_folders(before_root / ("train" if with_test else ""), {"cats": 15, "dogs": 12})
    if with_test:
        write_class_folders(before_root / "test", {"cats": 3, "dogs": 3}, first=40)
    for number, path in enumerate(sorted(before_root.rglob("*.png"))):
        target = after_root / path.relative_to(before_root).with_name(f"{100 - number:03d}.png")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(path.read_bytes())
    before = split(open_data(before_root), seed=1)
    after = restore(open_data(after_root), saved(before))
    assert contents(after) == contents(before)
    assert {name: set(ids) for name, ids in after.ids.items()} == {name: set(ids) for name, ids in before.ids.items()}
    assert all(after_root in path.parents for path in paths_of(after.train))


def test_copies_come_back_into_the_split_they_were_in() -> None:
    images, labels = np.concatenate([noise(40, 4, 4)] * 2), np.tile(np.arange(40) % 2, 2)
    before = split(open_data((images, labels)))
    order = np.random.default_rng(0).permutation(80)
    after = restore(open_data((images[order], labels[order])), saved(before))
    assert all(sorted(after.ids[name]) == sorted(before.ids[name]) for name in SPLIT_NAMES)


def test_a_copy_of_a_given_test_image_among_the_training_images_is_left_where_it_was() -> None:
    images, labels = noise(60, 4, 4), np.arange(60) % 2
    data = open_data({"train": (images, labels), "test": (images[:10], labels[:10])})
    before = split(data)
    after = restore(data, saved(before))
    assert after.ids == before.ids
    assert sum(sizes(after).values()) == 70


def test_the_fingerprint_does_not_depend_on_the_order_of_the_images() -> None:
    order = np.random.default_rng(0).permutation(500)
    images = noise(500, 4, 4)
    one = split(open_data((images, UNEVEN)))
    other = split(open_data((images[order], UNEVEN[order])))
    assert one.fingerprint == other.fingerprint
    assert all_ids(one) == all_ids(other)


def test_the_fingerprint_depends_on_pixels_labels_parts_and_copies() -> None:
    images, labels = noise(20, 4, 4), np.arange(20) % 2
    edited, relabelled = images.copy(), labels.copy()
    edited[3, 2, 1] ^= 1
    relabelled[3] ^= 1
    variants = [
        open_data((images, labels)),
        open_data((edited, labels)),
        open_data((images, relabelled)),
        open_data({"train": (images, labels)}),
        open_data({"train": (images[:15], labels[:15]), "test": (images[15:], labels[15:])}),
        open_data((images[:19], labels[:19])),
        open_data((np.concatenate([images, images[:1]]), np.append(labels, labels[0]))),
        open_data((images, labels + 1)),
    ]
    prints = {fingerprint(data, ids_of(data)) for data in variants}
    assert len(prints) == len(variants)


def test_data_that_changed_are_refused_with_the_numbers_of_what_went_and_what_came(tmp_path: Path) -> None:
    write_class_folders(tmp_path, {"cats": 12, "dogs": 12})
    before = saved(split(open_data(tmp_path)))
    (tmp_path / "cats/000.png").unlink()
    write_picture(tmp_path / "dogs/012.png", mnist_digits()[100])
    write_picture(tmp_path / "dogs/new.png", mnist_digits()[101])
    with pytest.raises(
        DataError,
        match=r"the data changed since this run was trained \(fingerprint \w{16} then, \w{16} now\): "
        r"1 gone \(cats/000.png\); 1 new \(dogs/new.png\); 1 edited \(dogs/012.png\). Train again, or bring back the data",
    ):
        restore(open_data(tmp_path), before)


def test_a_change_of_labels_alone_is_not_called_a_change_of_images() -> None:
    images, labels = noise(40, 4, 4), np.arange(40) % 2
    before = saved(split(open_data((images, labels))))
    labels[0] ^= 1
    with pytest.raises(
        DataError, match=r"the data changed since this run was trained .*: 1 relabelled \(image \w{16}\)\. Train again"
    ):
        restore(open_data((images, labels)), before)


def test_class_folders_whose_names_are_not_text_are_refused_before_anything_is_trained(tmp_path: Path) -> None:
    root = write_class_folders(tmp_path, {"cats": 3, "dogs\udcff": 3})
    with pytest.raises(DataError, match=r"the name of the class folder .*dogs.* is not UTF-8.*Rename it"):
        open_data(root)


@given(st.integers(0, 2**16), st.sets(st.integers(0, 119)), st.data())
@settings(max_examples=25, deadline=None)
def test_images_that_were_in_a_split_stay_in_it_and_only_new_ones_are_carved(
    seed: int, met: set[int], data: st.DataObject
) -> None:
    images = arrays(np.repeat([0, 1, 2], 40))
    ids = ids_of(images)["all"]
    earlier = {ids[i]: data.draw(st.sampled_from(SPLIT_NAMES)) for i in sorted(met) if i % 40 > 3}
    found = split(images, seed=seed, earlier=earlier)
    for name in SPLIT_NAMES:
        assert {i for i, place in earlier.items() if place == name} <= set(found.ids[name])
    assert all_ids(found) == sorted(ids)
    for name, size in (("test", 12), ("validation", 11), ("calibration", 10)):
        held = sum(place == name for place in earlier.values())
        assert len(found.sets[name]) <= max(size + 1, held)


def test_what_belongs_together_goes_where_one_of_it_was_and_training_wins() -> None:
    images = arrays(np.repeat([0, 1], 20))
    ids = ids_of(images)["all"]
    earlier = {ids[0]: "test", ids[1]: "train", ids[5]: "test", ids[25]: "validation"}
    pairs = [i // 2 for i in range(40)]  # 0 and 1 are copies of each other, 4 and 5, 24 and 25
    found = split(images, earlier=earlier, pixel_ids=pairs)
    assert {ids[0], ids[1]} <= set(found.ids["train"])
    assert {ids[4], ids[5]} <= set(found.ids["test"])
    assert {ids[24], ids[25]} <= set(found.ids["validation"])


def test_without_anything_known_the_splits_are_as_ever() -> None:
    assert split(arrays(), seed=3, earlier={"of no image here": "test"}).ids == split(arrays(), seed=3).ids
