"""Large gzip files of IDX images: unpacked once, mapped from the cache after that, compared with their checksum every time."""

import gzip
import hashlib
import struct
from pathlib import Path

import numpy as np
import pytest
from numpy import ndarray

from foveal.data.cache import PIXELS, cache_folder, list_entries
from foveal.data.images import array_ids, image_set
from foveal.data.index import facts_of
from foveal.data.readers import idx_unpacked
from foveal.data.readers.idx_unpacked import unpack_idx
from foveal.data.sources import open_data
from foveal.errors import DataError

N, HEIGHT, WIDTH = 50, 5, 7


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FOVEAL_DATA", str(tmp_path / "data"))
    monkeypatch.setattr(idx_unpacked, "LARGE", 100)


@pytest.fixture(scope="module")
def images() -> ndarray:
    return np.random.default_rng(0).integers(0, 256, (N, HEIGHT, WIDTH), dtype=np.uint8)


def idx(array: ndarray) -> bytes:
    return struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape) + array.tobytes()


def is_mapped(array: ndarray) -> bool:
    return isinstance(array, np.memmap)


def test_the_second_time_they_are_mapped_from_the_cache(images: ndarray) -> None:
    content = gzip.compress(idx(images))
    first, first_ids = unpack_idx(content, "train-images-idx3-ubyte.gz")
    second, second_ids = unpack_idx(content, "elsewhere.gz")

    assert not is_mapped(first)
    assert is_mapped(second)
    assert first.shape == second.shape == (N, HEIGHT, WIDTH, 1)
    assert first.tobytes() == second.tobytes() == images.tobytes()
    expected = tuple(hashlib.blake2b(image.tobytes(), digest_size=8).hexdigest() for image in images)
    assert first_ids == second_ids == expected
    assert [(entry.data, entry.images) for entry in list_entries()] == [("train-images-idx3-ubyte.gz", N)]


def test_other_bytes_are_another_entry(images: ndarray) -> None:
    unpack_idx(gzip.compress(idx(images)), "a")
    other = images.copy()
    other[3, 2, 1] ^= 1
    found, _ = unpack_idx(gzip.compress(idx(other)), "b")
    assert found.tobytes() == other.tobytes()
    assert len(list_entries()) == 2


def test_what_is_damaged_in_the_cache_is_unpacked_again(images: ndarray) -> None:
    content, right = gzip.compress(idx(images)), hashlib.sha256(idx(images)).hexdigest()
    unpack_idx(content, "a", right)
    file = next(cache_folder().glob(f"*/{PIXELS}"))
    damaged = bytearray(file.read_bytes())
    damaged[100] ^= 1
    file.write_bytes(damaged)

    found, _ = unpack_idx(content, "a", right)
    assert found.tobytes() == images.tobytes()
    again, _ = unpack_idx(content, "a", right)
    assert is_mapped(again)
    assert again.tobytes() == images.tobytes()


def test_a_wrong_checksum_is_refused_and_nothing_is_kept(images: ndarray) -> None:
    with pytest.raises(DataError, match="not the file it should be"):
        unpack_idx(gzip.compress(idx(images)), "a", "0" * 64)
    assert list_entries() == []


def test_without_a_cache_it_works_too(images: ndarray, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("in the way of the folder")
    monkeypatch.setenv("FOVEAL_DATA", str(tmp_path / "file"))
    content = gzip.compress(idx(images))
    for _ in range(2):
        found, ids = unpack_idx(content, "a")
        assert found.tobytes() == images.tobytes()
        assert ids is not None
        assert len(ids) == N


@pytest.mark.parametrize("kind", ["small", "raw", "colour", "labels"])
def test_all_others_are_read_as_ever(kind: str, images: ndarray) -> None:
    array = {"colour": np.stack([images] * 3, axis=3), "labels": images.reshape(-1)}.get(kind, images)
    content = idx(array) if kind == "raw" else gzip.compress(idx(array[:1] if kind == "small" else array))
    assert kind != "small" or len(content) < 100
    found, ids = unpack_idx(content, "a")
    assert ids is None
    assert found.tobytes() == (array[:1] if kind == "small" else array).tobytes()
    assert list_entries() == []


def test_a_data_set_is_the_same_from_the_cache(images: ndarray, tmp_path: Path) -> None:
    labels = np.arange(N, dtype=np.uint8) % 10
    (tmp_path / "train-images-idx3-ubyte.gz").write_bytes(gzip.compress(idx(images)))
    (tmp_path / "train-labels-idx1-ubyte.gz").write_bytes(gzip.compress(idx(labels)))
    first, second = (open_data(tmp_path).parts["train"] for _ in range(2))
    some = np.array([7, 3, 40])
    expected = array_ids(images[..., None], some)
    for each in (first, second):
        assert np.array_equal(each.images[each.numbers], images[..., None])
        assert facts_of(each.take(some)).ids == expected
    assert facts_of(image_set(images[..., None], ["a"] * N, ("a",), "an array")).ids == facts_of(second).ids
