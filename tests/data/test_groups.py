"""Images that belong together: found in names, joined through third ones, and never divided by a split."""

import re
from pathlib import Path

import networkx
import numpy as np
import pytest
from data_helpers import files_set, noise
from hypothesis import given
from hypothesis import strategies as st

from foveal.data.carve import carve
from foveal.data.groups import components, with_groups
from foveal.data.sources import Data, open_data
from foveal.data.splits import SPLITS, split
from foveal.errors import DataError

NAMES = ("a/person1_01.png", "a/person1_02.png", "b/person2_01.png", "b/stranger.png")


@pytest.mark.parametrize(
    ("pattern", "groups"),
    [
        (r"person(\d+)", ["1", "1", "2", "alone: b/stranger.png"]),
        (r"person\d+", ["person1", "person1", "person2", "alone: b/stranger.png"]),
        (r"^[ab]", ["a", "a", "b", "b"]),
        (r"(x)?p|s", ["p", "p", "p", "s"]),
    ],
)
def test_a_pattern_gives_the_group_of_each_name(pattern: str, groups: list[str], tmp_path: Path) -> None:
    assert with_groups(files_set(tmp_path, *NAMES), pattern).groups == tuple(groups)


@pytest.mark.parametrize(
    ("pattern", "sentence"),
    [
        ("person(", r"data.group_by='person(' is neither a column nor a pattern: .* Write a regular expression"),
        (
            "dog",
            r"'dog' (data.group_by) is no column, and as a pattern it is in none of the names of files, for example 'a/person1",
        ),
    ],
)
def test_a_pattern_that_cannot_be_meant_is_refused(pattern: str, sentence: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=re.escape(sentence).replace(re.escape(".*"), ".*")):
        with_groups(files_set(tmp_path, *NAMES), pattern)


def test_images_in_memory_have_no_names_to_group_by() -> None:
    with pytest.raises(DataError, match=r"all is an array: its images have no names in which the group 'p' could be"):
        open_data((noise(4, 3, 3), [0, 1, 0, 1]), group_by="p")


@given(st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6), st.integers(0, 9)), min_size=1, max_size=30))
def test_components_are_those_of_the_graph_of_equal_keys(rows: list[tuple[int, int, int]]) -> None:
    keys = list(zip(*rows, strict=True))
    found = components(*keys)
    graph = networkx.Graph()
    graph.add_nodes_from(range(len(rows)))
    graph.add_edges_from((i, j) for key in keys for i in range(len(rows)) for j in range(i) if key[i] == key[j])
    expected = {frozenset(each) for each in networkx.connected_components(graph)}
    assert {frozenset(np.flatnonzero(found == number).tolist()) for number in set(found.tolist())} == expected


@given(
    sizes=st.lists(st.integers(1, 12), min_size=4, max_size=25),
    share=st.floats(0.05, 0.5),
    seed=st.integers(0, 1000),
    num_classes=st.integers(1, 4),
)
def test_carving_never_divides_a_group_and_leaves_each_class_an_image(
    sizes: list[int], share: float, seed: int, num_classes: int
) -> None:
    groups = np.repeat(np.arange(len(sizes)), sizes)
    labels = np.random.default_rng(seed).integers(0, num_classes, len(groups))
    taken = carve(labels, groups, np.arange(len(groups)), int(share * len(groups)), seed)
    inside = np.isin(np.arange(len(groups)), taken)
    for group in range(len(sizes)):
        assert len(set(inside[groups == group].tolist())) == 1
    assert set(labels[~inside].tolist()) == set(labels.tolist())


def test_groups_that_fit_are_shared_out_by_class_as_single_images_would_be() -> None:
    labels = np.repeat([0, 1], [600, 300])
    groups = np.arange(900) // 6  # 100 groups of the first class, 50 of the second
    taken = carve(labels, groups, np.arange(900), 90, 0)
    assert np.bincount(labels[taken]).tolist() == [60, 30]


def test_where_every_group_is_too_large_one_is_better_than_none() -> None:
    labels, groups = np.tile([0, 1], 50), np.repeat([0, 1, 2, 3, 4], 20)
    taken = carve(labels, groups, np.arange(100), 5, 0)
    assert len(taken) == 20
    assert len(set(groups[taken])) == 1


def test_photos_of_one_person_are_in_one_split(tmp_path: Path) -> None:
    images = noise(300, 4, 4, 1)
    names = [f"{'ab'[i % 2]}/p{i // 10:02d}_{i}.png" for i in range(300)]
    data = Data("people", {"all": files_set(tmp_path, *names, labels=[name[0] for name in names])})
    grouped = Data("people", {"all": with_groups(data.base, r"p(\d+)_")})
    splits = split(grouped, {"all": tuple(f"{i:016x}" for i in range(len(images)))}, seed=3)
    people = {part: {name[3:5] for name in splits.sets[part].names} for part in SPLITS}
    assert sum(map(len, people.values())) == 30
    assert [len(splits.sets[part]) for part in ("test", "validation", "calibration")] == [30, 30, 20]
