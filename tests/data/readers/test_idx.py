"""IDX files written here to the specification, whole and damaged, and the four of MNIST against their published sums."""

import gzip
import hashlib
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from data_helpers import BUNDLED_MNIST, as_an_ordinary_user, idx_bytes, noise
from hypothesis import given, settings
from hypothesis import strategies as st

from foveal.data.readers import idx
from foveal.data.readers.idx import as_images, read_idx
from foveal.errors import DataError

IMAGES = np.arange(2 * 3 * 4, dtype=np.uint8).reshape(2, 3, 4)
Packing = Callable[[bytes], bytes]

# shared/datasets/README.md gives the md5 of the uncompressed files.
MNIST = {
    "train-images-idx3-ubyte.gz": ((60_000, 28, 28), "6bbc9ace898e44ae57da46a324031adb"),
    "train-labels-idx1-ubyte.gz": ((60_000,), "a25bea736e30d166cdddb491f175f624"),
    "t10k-images-idx3-ubyte.gz": ((10_000, 28, 28), "2646ac647ad5339dbf082846283269ea"),
    "t10k-labels-idx1-ubyte.gz": ((10_000,), "27ae3e4e09519cfbb04c329615203637"),
}
# Images of each digit 0-9, as counted in the literature on MNIST.
TRAIN_COUNTS = [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]
TEST_COUNTS = [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]


def written(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["raw", "gz"])
@pytest.mark.parametrize("shape", [(7,), (2, 3, 4), (2, 3, 4, 3), (2, 3, 5, 4)], ids=str)
def test_an_idx_file_gives_back_the_array_it_was_written_from(
    shape: tuple[int, ...], pack: Packing, tmp_path: Path
) -> None:
    array = noise(*shape)
    found = read_idx(written(tmp_path / "file-ubyte", pack(idx_bytes(array))))
    assert found.dtype == np.uint8
    np.testing.assert_array_equal(found, array)


def test_gzip_is_told_by_the_content_and_not_by_the_name(tmp_path: Path) -> None:
    np.testing.assert_array_equal(read_idx(written(tmp_path / "a.gz", idx_bytes(IMAGES))), IMAGES)


def test_the_checksum_is_that_of_the_uncompressed_content(tmp_path: Path) -> None:
    path = written(tmp_path / "a.gz", gzip.compress(idx_bytes(IMAGES)))
    read_idx(path, hashlib.sha256(idx_bytes(IMAGES)).hexdigest())
    with pytest.raises(DataError, match=r"a\.gz is not the file it should be: .* expected 00ff.* fetch it again"):
        read_idx(path, "00ff")


DAMAGED = {
    "empty": (b"", "has 0 bytes, too few for an IDX file. Fetch it again"),
    "three bytes": (b"\0\0\x08", "has 3 bytes, too few for an IDX file"),
    "nothing behind the magic number": (b"\0\0\x08\x03", "is truncated: .* it has 4. Fetch it again"),
    "half a header": (b"\0\0\x08\x03\0\0\0\x02", "is truncated"),
    "one byte short": (
        idx_bytes(IMAGES)[:-1],
        r"is truncated: its header promises shape \(2, 3, 4\), which is 40 bytes in all, and it has 39",
    ),
    "one byte long": (idx_bytes(IMAGES) + b"!", "is too long: .* 40 bytes in all, and it has 41. Fetch it again"),
    "a header that promises the world": (b"\0\0\x08\x03" + b"\xff" * 12, "is truncated"),
    "a picture": (b"\x89PNG\r\n\x1a\n", "magic number 0x89504e47; an IDX file of bytes starts with .* name the right"),
    "little endian": (struct.pack("<I", 0x803) + b"\0" * 12, "starts with the magic number 0x03080000"),
    "signed bytes": (b"\0\0\x09\x01" + struct.pack(">I", 1) + b"\0", "magic number 0x00000901"),
    "floats": (b"\0\0\x0d\x01" + struct.pack(">If", 1, 1.0), "magic number 0x00000d01"),
    "two dimensions": (idx_bytes(IMAGES[0]), "magic number 0x00000802"),
    "gzip cut off": (gzip.compress(idx_bytes(noise(20, 9, 9)))[:-200], "is damaged: .* Fetch it again"),
    "gzip without its checksum": (gzip.compress(idx_bytes(IMAGES))[:-4], "is damaged"),
    "gzip with a wrong bit": (gzip.compress(idx_bytes(IMAGES))[:-6] + b"\0\0\0\0\0\0", "is damaged"),
    "gzip of nothing": (gzip.compress(b""), "has 0 bytes"),
    "gzip magic alone": (b"\x1f\x8b", "is damaged"),
}


@pytest.mark.parametrize(("content", "sentence"), DAMAGED.values(), ids=list(DAMAGED))
def test_a_damaged_file_is_refused_with_its_reason(content: bytes, sentence: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=rf"file-ubyte.*{sentence}"):
        read_idx(written(tmp_path / "file-ubyte", content))


def test_a_missing_file_is_refused_by_its_path(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"cannot read .*nowhere: No such file or directory. Check the path"):
        read_idx(tmp_path / "nowhere")


def test_a_folder_in_the_place_of_a_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"cannot read .*: Is a directory. Check the path"):
        read_idx(tmp_path)


def test_a_file_that_may_not_be_read_is_refused(open_folder: Path) -> None:
    path = written(open_folder / "closed", idx_bytes(IMAGES))
    path.chmod(0)
    with as_an_ordinary_user(), pytest.raises(DataError, match=r"cannot read .*closed: Permission denied"):
        read_idx(path)


def test_a_gzip_bomb_is_refused_before_it_fills_the_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(idx, "MAX_BYTES", 1000)  # the limit is 8 GiB, too much for a test
    with pytest.raises(DataError, match=r"bomb unpacks to more than .* Check it"):
        read_idx(written(tmp_path / "bomb", gzip.compress(bytes(100_000))))


@pytest.mark.parametrize("shape", [(4, 0, 3), (4, 3, 0)], ids=str)
def test_images_without_pixels_are_refused(shape: tuple[int, ...], tmp_path: Path) -> None:
    path = written(tmp_path / "train-images-idx3-ubyte", idx_bytes(np.zeros(shape, np.uint8)))
    with pytest.raises(DataError):
        as_images(read_idx(path), str(path))


HEADERS = st.builds(
    lambda kind, sizes: b"\0\0" + bytes([kind, len(sizes)]) + struct.pack(f">{len(sizes)}I", *sizes),
    st.sampled_from([0x08, 0x09, 0x0D]),
    st.lists(st.integers(0, 4) | st.integers(0, 2**32 - 1), max_size=5),
)
FILES_OF_ANY_KIND = (
    st.binary(max_size=64)
    | st.builds(lambda head, body: head + body, HEADERS, st.binary(max_size=64))
    | st.binary(max_size=64).map(gzip.compress)
    | st.builds(lambda content, cut: gzip.compress(content)[:cut], st.binary(max_size=64), st.integers(2, 80))
    | st.binary(max_size=64).map(lambda content: b"\x1f\x8b\x08" + content)
)


@pytest.fixture(scope="module")
def any_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("idx") / "any"


@settings(max_examples=300, deadline=None)
@given(content=FILES_OF_ANY_KIND)
def test_bytes_of_any_kind_are_read_or_refused_and_nothing_else(content: bytes, any_file: Path) -> None:
    any_file.write_bytes(content)
    try:
        array = read_idx(any_file)
    except DataError:
        return
    unpacked = gzip.decompress(content) if content.startswith(b"\x1f\x8b") else content
    assert idx_bytes(array) == unpacked


@pytest.mark.parametrize("channels", [1, 3])
def test_images_come_with_their_channels_last_however_they_are_stored(channels: int) -> None:
    last = noise(5, 6, 7, channels)
    np.testing.assert_array_equal(as_images(last, "x"), last)
    np.testing.assert_array_equal(as_images(last.transpose(0, 3, 1, 2), "x"), last)


def test_grey_images_get_a_channel_of_their_own() -> None:
    np.testing.assert_array_equal(as_images(IMAGES, "x")[..., 0], IMAGES)


@pytest.mark.parametrize("shape", [(6,), (2, 4, 5, 6), (2, 4, 5, 4)], ids=str)
def test_an_array_that_is_not_images_is_refused_with_its_shape(shape: tuple[int, ...]) -> None:
    with pytest.raises(DataError, match=r"x has shape \(.*\), which is not that of images .* Name the images file"):
        as_images(np.zeros(shape, np.uint8), "x")


@pytest.mark.parametrize("name", MNIST)
def test_the_bundled_mnist_files_are_the_published_ones(name: str) -> None:
    shape, md5 = MNIST[name]
    array = read_idx(BUNDLED_MNIST / name)
    assert array.shape == shape
    assert hashlib.md5(idx_bytes(array)).hexdigest() == md5


def test_the_bundled_mnist_labels_have_the_known_counts_and_start_as_everyone_knows() -> None:
    train = read_idx(BUNDLED_MNIST / "train-labels-idx1-ubyte.gz")
    test = read_idx(BUNDLED_MNIST / "t10k-labels-idx1-ubyte.gz")
    assert train[:5].tolist() == [5, 0, 4, 1, 9]
    assert test[:5].tolist() == [7, 2, 1, 0, 4]
    assert np.bincount(train).tolist() == TRAIN_COUNTS
    assert np.bincount(test).tolist() == TEST_COUNTS
