"""Data sets that are known by name, read from small files of the names and forms that the real ones have."""

import gzip
from collections.abc import Callable, Mapping
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from data_helpers import noise, pixels_in
from few_digits import idx, planes, tarred, written, zipped
from numpy import ndarray
from scipy.io import savemat

from foveal.data.catalog import DATASETS, KnownFile
from foveal.data.images import ImageSet
from foveal.data.known_files import scan_known
from foveal.data.sources import open_data
from foveal.errors import DataError

GREY, COLOUR = noise(12, 28, 28), noise(12, 32, 32, 3)
Place = Callable[..., Path]


@pytest.fixture
def place(own_data_folder: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    """A function that gives the folder of a data set, whose table then has no checksums and no other places."""

    def folder(name: str) -> Path:
        known = DATASETS[name]
        files = tuple(KnownFile(file.name, None, None) for file in known.files)
        monkeypatch.setitem(DATASETS, name, replace(known, files=files, places=()))
        return own_data_folder / known.subfolder

    return folder


def classes_of(images: ImageSet) -> list[str]:
    return [images.classes[label] for label in images.labels.tolist()]


def emnist(split: str, train: list[int], test: list[int]) -> dict[str, bytes]:
    """What gzip.zip holds of one split: images whose rows are columns."""
    files = {}
    for part, labels, images in (("train", train, GREY[:6]), ("test", test, GREY[6:])):
        stem = f"gzip/emnist-{split}-{part}"
        files[f"{stem}-images-idx3-ubyte.gz"] = gzip.compress(idx(images[: len(labels)].transpose(0, 2, 1)))
        files[f"{stem}-labels-idx1-ubyte.gz"] = gzip.compress(idx(np.array(labels, np.uint8)))
    return files


EMNIST = {
    "emnist": ("balanced", {0: "0", 10: "A", 12: "C/c", 36: "a", 46: "t"}),
    "emnist-balanced": ("balanced", {0: "0", 10: "A", 12: "C/c", 36: "a", 46: "t"}),
    "emnist-byclass": ("byclass", {9: "9", 10: "A", 35: "Z", 36: "a", 61: "z"}),
    "emnist-bymerge": ("bymerge", {9: "9", 35: "Z/z", 36: "a", 38: "d", 46: "t"}),
    "emnist-letters": ("letters", {1: "A/a", 2: "B/b", 25: "Y/y", 26: "Z/z"}),
    "emnist-digits": ("digits", {0: "0", 5: "5", 9: "9"}),
    "emnist-mnist": ("mnist", {0: "0", 5: "5", 9: "9"}),
}


@pytest.mark.parametrize(("name", "split", "called"), [(name, *row) for name, row in EMNIST.items()], ids=list(EMNIST))
def test_emnist_is_read_upright_from_its_one_zip_with_the_names_of_its_labels(
    name: str, split: str, called: dict[int, str], place: Place
) -> None:
    labels = list(called)
    others = emnist("else", [0], [0])
    zipped(place(name) / "gzip.zip", {**emnist(split, labels, labels[::-1]), **others, "gzip/readme.txt": b"x"})
    parts = scan_known(name)
    assert list(parts) == ["train", "test"]
    assert classes_of(parts["train"]) == list(called.values())
    assert classes_of(parts["test"]) == list(called.values())[::-1]
    assert parts["train"].classes == parts["test"].classes == DATASETS[name].classes
    for images, pixels in zip(parts.values(), (GREY[:6], GREY[6:]), strict=True):
        np.testing.assert_array_equal(pixels_in(images)[..., 0], pixels[: len(labels)])


def test_a_label_that_emnist_has_not_is_refused(place: Place) -> None:
    zipped(place("emnist-letters") / "gzip.zip", emnist("letters", [1, 27], [1]))
    with pytest.raises(
        DataError, match=r"gzip\.zip/.*has the label 27, which this data set has not\. Fetch it again\."
    ):
        scan_known("emnist-letters")


def idx_files(train: list[int], test: list[int]) -> dict[str, bytes]:
    files = {}
    for stem, labels, images in (("train", train, GREY[:6]), ("t10k", test, GREY[6:])):
        files[f"{stem}-images-idx3-ubyte.gz"] = gzip.compress(idx(images))
        files[f"{stem}-labels-idx1-ubyte.gz"] = gzip.compress(idx(np.array(labels, np.uint8)))
    return files


@pytest.mark.parametrize("name", ["mnist", "fashion-mnist", "kmnist"])
def test_idx_files_are_read_as_they_are_with_the_names_of_their_labels(name: str, place: Place) -> None:
    train, test = [9, 0, 3, 3, 5, 1], [0, 9, 5, 3, 1, 1]
    written(place(name), idx_files(train, test))
    parts = scan_known(name)
    classes = DATASETS[name].classes
    assert [classes_of(part) for part in parts.values()] == [[classes[i] for i in labels] for labels in (train, test)]
    assert parts["train"].classes == parts["test"].classes == classes
    np.testing.assert_array_equal(pixels_in(parts["train"])[..., 0], GREY[:6])
    np.testing.assert_array_equal(pixels_in(parts["test"])[..., 0], GREY[6:])


def test_a_label_that_kmnist_has_not_is_refused(place: Place) -> None:
    written(place("kmnist"), idx_files([0, 1, 2, 3, 4, 10], [0] * 6))
    with pytest.raises(DataError, match=r"train-images-idx3-ubyte\.gz has the label 10, which this data set has not"):
        scan_known("kmnist")


def cifar10(labels: list[int]) -> dict[str, bytes]:
    """What cifar-10-binary.tar.gz holds: two images in each of its files."""
    records = [bytes([label]) + pixels.tobytes() for label, pixels in zip(labels, planes(COLOUR), strict=True)]
    names = [*(f"data_batch_{number}.bin" for number in range(1, 6)), "test_batch.bin"]
    files = {name: b"".join(records[2 * i : 2 * i + 2]) for i, name in enumerate(names)}
    files["batches.meta.txt"] = "\n".join((*DATASETS["cifar10"].classes, "", "")).encode()
    return {f"cifar-10-batches-bin/{name}": content for name, content in files.items()}


def cifar100(labels: list[int]) -> dict[str, bytes]:
    """What cifar-100-binary.tar.gz holds: a coarse label, a fine one, and the pixels."""
    records = [bytes([19, label]) + pixels.tobytes() for label, pixels in zip(labels, planes(COLOUR), strict=True)]
    files = {
        "train.bin": b"".join(records[:10]),
        "test.bin": b"".join(records[10:]),
        "fine_label_names.txt": "\n".join(DATASETS["cifar100"].classes).encode(),
        "coarse_label_names.txt": b"aquatic_mammals\n",
    }
    return {f"cifar-100-binary/{name}": content for name, content in files.items()}


CIFAR: dict[str, tuple[str, Callable[[list[int]], Mapping[str, bytes]], list[int]]] = {
    "cifar10": ("cifar-10-binary.tar.gz", cifar10, [9, 0, 3, 3, 5, 1, 2, 4, 6, 7, 8, 0]),
    "cifar100": ("cifar-100-binary.tar.gz", cifar100, [99, 0, 3, 3, 50, 1, 22, 41, 63, 7, 98, 0]),
}


@pytest.mark.parametrize(
    ("name", "archive", "files", "labels"), [(name, *row) for name, row in CIFAR.items()], ids=list(CIFAR)
)
def test_cifar_is_read_from_its_tar_with_the_names_of_its_labels(
    name: str, archive: str, files: Callable[[list[int]], dict[str, bytes]], labels: list[int], place: Place
) -> None:
    tarred(place(name) / archive, files(labels))
    parts = scan_known(name)
    classes = DATASETS[name].classes
    assert classes_of(parts["train"]) + classes_of(parts["test"]) == [classes[label] for label in labels]
    assert parts["train"].classes == parts["test"].classes == classes
    np.testing.assert_array_equal(np.concatenate([pixels_in(part) for part in parts.values()]), COLOUR)


def test_a_label_that_cifar_has_not_is_refused(place: Place) -> None:
    tarred(place("cifar10") / "cifar-10-binary.tar.gz", cifar10([10] * 12))
    with pytest.raises(DataError, match=r"data_batch_1\.bin is 10; those of CIFAR-10 are 0 to 9\. Fetch it again"):
        scan_known("cifar10")


def matlab(images: ndarray, labels: list[int]) -> bytes:
    content = BytesIO()
    savemat(content, {"X": images.transpose(1, 2, 3, 0), "y": np.array(labels, np.uint8)[:, None]}, do_compression=True)
    return content.getvalue()


def test_svhn_is_read_from_its_two_files_and_10_is_the_digit_0(place: Place) -> None:
    train, test = [10, 1, 2, 9, 5, 5, 3, 4, 6, 7], [9, 10]
    files = {"train_32x32.mat": matlab(COLOUR[:10], train), "test_32x32.mat": matlab(COLOUR[10:], test)}
    written(place("svhn"), {**files, "extra_32x32.mat": b"not read where there are others to train on"})
    parts = scan_known("svhn")
    assert classes_of(parts["train"]) == ["0", "1", "2", "9", "5", "5", "3", "4", "6", "7"]
    assert classes_of(parts["test"]) == ["9", "0"]
    assert parts["train"].classes == parts["test"].classes == DATASETS["svhn"].classes == tuple("0123456789")
    np.testing.assert_array_equal(np.concatenate([pixels_in(part) for part in parts.values()]), COLOUR)


def test_a_label_that_svhn_has_not_is_refused(place: Place) -> None:
    files = {"train_32x32.mat": matlab(COLOUR[:2], [1, 11]), "test_32x32.mat": matlab(COLOUR[2:4], [1, 2])}
    written(place("svhn"), files)
    with pytest.raises(DataError, match=r"train_32x32\.mat has the label 11; those of SVHN are 1 to 10"):
        scan_known("svhn")


LACKING: dict[str, tuple[str, Mapping[str, bytes], str]] = {
    "emnist-letters": ("gzip.zip", emnist("letters", [1], [1]), "gzip/emnist-letters-test-images-idx3-ubyte.gz"),
    "emnist-digits": ("gzip.zip", emnist("digits", [1], [1]), "gzip/emnist-digits-train-labels-idx1-ubyte.gz"),
    "cifar10": ("cifar-10-binary.tar.gz", cifar10([0] * 12), "cifar-10-batches-bin/data_batch_3.bin"),
    "cifar100": ("cifar-100-binary.tar.gz", cifar100([0] * 12), "cifar-100-binary/test.bin"),
}


@pytest.mark.parametrize(
    ("name", "archive", "files", "lost"), [(name, *row) for name, row in LACKING.items()], ids=list(LACKING)
)
def test_an_archive_that_lacks_a_file_is_refused_by_the_name_of_the_file(
    name: str, archive: str, files: Mapping[str, bytes], lost: str, place: Place
) -> None:
    pack = zipped if archive.endswith(".zip") else tarred
    pack(place(name) / archive, {each: content for each, content in files.items() if each != lost})
    with pytest.raises(DataError) as error:
        scan_known(name)
    sentence = f"{place(name) / archive} lacks {lost}, which belongs to it. Remove it, and fetch it again."
    assert str(error.value) == sentence


def test_another_data_set_in_the_place_of_a_known_one_is_refused(place: Place) -> None:
    zipped(place("emnist-letters") / "gzip.zip", emnist("digits", [1], [1]))
    with pytest.raises(DataError, match=r"lacks gzip/emnist-letters-test-images-idx3-ubyte\.gz, which belongs to it"):
        scan_known("emnist-letters")


def test_a_known_name_is_opened_as_data_of_that_name(place: Place) -> None:
    zipped(place("emnist-letters") / "gzip.zip", emnist("letters", [1, 26, 2], [2]))
    data = open_data("emnist-letters")
    assert (data.name, len(data), len(data.classes)) == ("emnist-letters", 4, 26)
