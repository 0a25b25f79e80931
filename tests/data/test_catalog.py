"""The table of known data against what is known of it elsewhere: counts of classes, mapping files, forms of sums."""

import re
import string

import pytest

from foveal.data.catalog import DATASETS, KnownData, KnownFile
from foveal.data.fetch.checksums import KINDS

DIGEST_LENGTH = {"sha256": 64, "md5": 32}
# The counts are those that the authors give: the EMNIST paper's table II, the pages of CIFAR, KMNIST and SVHN.
CLASSES = {
    "mnist": 10,
    "fashion-mnist": 10,
    "kmnist": 10,
    "emnist": 47,
    "emnist-balanced": 47,
    "emnist-byclass": 62,
    "emnist-bymerge": 47,
    "emnist-letters": 26,
    "emnist-digits": 10,
    "emnist-mnist": 10,
    "cifar10": 10,
    "cifar100": 100,
    "svhn": 10,
}
EVERY_FILE = [(name, file) for name, known in DATASETS.items() for file in known.files]


def test_every_data_set_has_as_many_classes_as_its_authors_say_and_no_class_twice() -> None:
    assert {name: len(set(known.classes)) for name, known in DATASETS.items()} == CLASSES
    assert {name: len(known.classes) for name, known in DATASETS.items()} == CLASSES


@pytest.mark.parametrize(("name", "file"), EVERY_FILE, ids=[f"{name} {file.name}" for name, file in EVERY_FILE])
def test_every_file_has_a_size_and_a_checksum_of_a_kind_that_can_be_computed(name: str, file: KnownFile) -> None:
    assert file.size is not None
    assert file.checksum is not None
    kind, _, digest = file.checksum.partition(":")
    assert kind in KINDS
    assert re.fullmatch(rf"[0-9a-f]{{{DIGEST_LENGTH[kind.removeprefix('content-')]}}}", digest)


@pytest.mark.parametrize("known", DATASETS.values(), ids=list(DATASETS))
def test_every_part_is_among_the_files_or_in_the_one_archive(known: KnownData) -> None:
    names = {file.name for file in known.files}
    wanted = [name for part in known.parts.values() for name in part]
    assert set(known.parts) == {"train", "test"}
    assert len(set(wanted)) == len(wanted)
    assert set(wanted) == names or (len(names) == 1 and names.pop().endswith((".zip", ".tar.gz")))


@pytest.mark.parametrize("known", DATASETS.values(), ids=list(DATASETS))
def test_every_mirror_is_a_folder_on_the_web_and_nothing_is_left_blank(known: KnownData) -> None:
    assert len(known.mirrors) >= 2
    assert all(re.fullmatch(r"https?://[^ ]+[^/ ]", mirror) for mirror in known.mirrors)
    assert all((known.title, known.licence, known.citation))


def test_the_letters_of_emnist_go_by_their_ascii_codes_as_in_its_mapping_files() -> None:
    merged = set("cijklmopsuvwxyz")
    codes = sorted(map(ord, set(string.digits + string.ascii_letters) - merged))
    for name in ("emnist", "emnist-balanced", "emnist-bymerge"):
        classes = DATASETS[name].classes
        assert [ord(letters[0]) for letters in classes] == codes
        assert {letters for letters in classes if len(letters) > 1} == {f"{c.upper()}/{c}" for c in merged}
    # Lines of emnist-balanced-mapping.txt: 12 is 67 (C, merged), 36 is 97 (a), 38 is 100 (d), 46 is 116 (t).
    assert [DATASETS["emnist"].classes[label] for label in (9, 10, 12, 36, 38, 46)] == ["9", "A", "C/c", "a", "d", "t"]
    assert [ord(letter) for letter in DATASETS["emnist-byclass"].classes] == sorted(codes + [ord(c) for c in merged])


def test_the_letters_alone_are_labelled_from_1_to_26_with_both_cases_together() -> None:
    known = DATASETS["emnist-letters"]
    mapping = {f"{chr(65 + i)}/{chr(97 + i)}": i + 1 for i in range(26)}  # emnist-letters-mapping.txt: 1 65 97 ...
    assert dict(zip(known.classes, known.labels, strict=True)) == mapping


def test_the_digit_0_has_the_label_10_in_svhn() -> None:
    known = DATASETS["svhn"]
    assert dict(zip(known.classes, known.labels, strict=True)) == {str(label % 10): label for label in range(1, 11)}


def test_emnist_alone_is_transposed_and_without_a_split_it_is_the_balanced_one() -> None:
    assert {name for name, known in DATASETS.items() if known.is_transposed} == {
        name for name in DATASETS if name.startswith("emnist")
    }
    assert DATASETS["emnist"].parts == DATASETS["emnist-balanced"].parts
    assert DATASETS["emnist"].title.endswith("the same as emnist-balanced")


def test_the_size_of_a_data_set_is_that_of_its_files_and_unknown_when_one_is() -> None:
    assert DATASETS["svhn"].size == 182_040_794 + 64_275_384
    files = (KnownFile("a", 7, None), KnownFile("b", None, None))
    assert KnownData("t", ("a", "b"), "t", files, (), {}, "CC0", "nobody").size is None


def test_the_sums_for_the_reader_of_idx_files_are_those_of_content_alone() -> None:
    assert len(DATASETS["mnist"].sha256) == len(DATASETS["fashion-mnist"].sha256) == 4
    assert DATASETS["kmnist"].sha256 == DATASETS["cifar10"].sha256 == {}
