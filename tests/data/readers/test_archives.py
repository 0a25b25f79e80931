"""Archives of every kind opened as a Tree: what counts as one, what is read, and what is left when it is closed."""

import bz2
import gzip
import os
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from archive_writers import CONTENT, PACK, contents, open_descriptors, tar_bytes, write_archive, written, zip_bytes
from data_helpers import BUNDLED_MNIST, FILES, as_an_ordinary_user, skip_unless

from foveal.data.readers.archives import is_archive, open_archive
from foveal.errors import DataError

SIGNS = Path("/work/shared/datasets/sign-language-digits.zip")
EVERY_KIND = pytest.mark.parametrize("ending", [".zip", *PACK])


@EVERY_KIND
def test_every_member_is_read_as_it_was_written_under_sorted_names(ending: str, tmp_path: Path) -> None:
    tree = open_archive(write_archive(tmp_path, ending, CONTENT))
    assert contents(tree) == CONTENT
    assert list(tree.files) == sorted(CONTENT)
    assert tree.path("readme.txt") == str(tmp_path / f"data{ending}" / "readme.txt")


@EVERY_KIND
def test_a_stamp_is_the_size_of_the_member_and_the_time_of_the_archive(ending: str, tmp_path: Path) -> None:
    path = write_archive(tmp_path, ending, CONTENT)
    os.utime(path, ns=(1, 1_234_567_890))
    stamps = open_archive(path).files
    assert {name: stamp.size for name, stamp in stamps.items()} == {name: len(data) for name, data in CONTENT.items()}
    assert {stamp.modified_ns for stamp in stamps.values()} == {1_234_567_890}


@pytest.mark.parametrize("ending", [".zip", ".tar", ".tar.xz"])
def test_threads_read_at_once_without_mixing_members_up(ending: str, tmp_path: Path) -> None:
    content = {f"{number}.bin": bytes([number]) * (1000 + number) for number in range(200)}
    tree = open_archive(write_archive(tmp_path, ending, content))
    with ThreadPoolExecutor(8) as threads:
        for _ in range(5):
            assert dict(zip(content, threads.map(tree.read, content), strict=True)) == content


def test_the_photos_of_a_real_zip_are_those_that_zipfile_reads() -> None:
    skip_unless(SIGNS.exists(), f"{SIGNS} is not on this machine")
    with zipfile.ZipFile(SIGNS) as archive:
        assert contents(open_archive(SIGNS)) == {info.filename: archive.read(info) for info in archive.infolist()}


@pytest.mark.parametrize("name", ["a.tar", "a.zip", "a.tar.gz", "a"])
def test_the_content_says_what_an_archive_is_and_not_its_name(name: str, tmp_path: Path) -> None:
    assert contents(open_archive(written(tmp_path / name, zip_bytes(CONTENT)))) == CONTENT
    assert contents(open_archive(written(tmp_path / name, tar_bytes(CONTENT)))) == CONTENT
    assert contents(open_archive(written(tmp_path / name, bz2.compress(tar_bytes(CONTENT))))) == CONTENT


def test_a_tar_with_a_zip_as_its_last_member_is_a_tar(tmp_path: Path) -> None:
    content = {"inner.zip": zip_bytes(CONTENT)}
    assert contents(open_archive(written(tmp_path / "a", tar_bytes(content)))) == content


NO_ARCHIVES = {
    "digit.png": (FILES / "digit.png").read_bytes(),
    "t10k-labels-idx1-ubyte.gz": (BUNDLED_MNIST / "t10k-labels-idx1-ubyte.gz").read_bytes(),
    "data.gz": gzip.compress(tar_bytes(CONTENT)),
    "notes.txt": b"PK",
    "nothing": b"",
}


@pytest.mark.parametrize("name", NO_ARCHIVES)
def test_pictures_idx_files_and_gzip_under_any_other_name_are_no_archives(name: str, tmp_path: Path) -> None:
    assert not is_archive(written(tmp_path / name, NO_ARCHIVES[name]))


@pytest.mark.parametrize("ending", [".zip", ".ZIP", *PACK, ".TGZ"])
def test_a_file_that_is_called_an_archive_is_one_so_that_opening_it_says_what_is_wrong(
    ending: str, tmp_path: Path
) -> None:
    assert is_archive(written(tmp_path / f"a{ending}", b"damaged"))


@pytest.mark.parametrize(
    "content", [zip_bytes(CONTENT), zip_bytes({}), tar_bytes(CONTENT)], ids=["zip", "empty", "tar"]
)
def test_a_zip_or_tar_is_an_archive_under_any_name(content: bytes, tmp_path: Path) -> None:
    assert is_archive(written(tmp_path / "download", content))


def test_what_is_no_file_is_no_archive_and_is_not_waited_for(tmp_path: Path) -> None:
    (tmp_path / "folder.zip").mkdir()
    os.mkfifo(tmp_path / "pipe.zip")
    for name in ("folder.zip", "pipe.zip", "missing.zip", "zero\0byte.zip", "x" * 5000 + ".zip"):
        assert not is_archive(tmp_path / name)
        with pytest.raises(DataError, match=r"there is no file .*\.zip\. Name a zip or tar file"):
            open_archive(tmp_path / name)


def test_an_archive_that_may_not_be_read_is_refused(open_folder: Path) -> None:
    path = written(open_folder / "closed", zip_bytes(CONTENT))
    path.chmod(0)
    with as_an_ordinary_user():
        assert not is_archive(path)
        with pytest.raises(DataError, match=r"cannot read .*closed: Permission denied\. Make it readable"):
            open_archive(path)


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", r"is empty \(0 bytes\)\. Fetch it again"),
        (b"Rar!\x1a\x07", "begins with 0x52617221, which neither a zip nor a tar does, .* Unpack it yourself and name"),
    ],
)
def test_what_is_neither_a_zip_nor_a_tar_is_refused(content: bytes, sentence: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=rf"a\.tgz {sentence}"):
        open_archive(written(tmp_path / "a.tgz", content))


def test_a_name_that_the_archive_does_not_have_is_refused(tmp_path: Path) -> None:
    tree = open_archive(write_archive(tmp_path, ".zip", CONTENT))
    with pytest.raises(DataError, match=r"data\.zip has no file 'nowhere' in it\. Open it again"):
        tree.read("nowhere")


@pytest.mark.parametrize("ending", [".zip", ".tar"])
def test_an_archive_that_is_cut_off_while_it_is_open_is_noticed(ending: str, tmp_path: Path) -> None:
    path = write_archive(tmp_path, ending, {"x.png": os.urandom(1000)})
    tree = open_archive(path)
    os.truncate(path, 600)
    with pytest.raises(DataError, match=r"file 'x\.png' in .* cannot be read: it should have 1,000 bytes and has \d"):
        tree.read("x.png")


@pytest.mark.parametrize("ending", [".zip", ".tar", ".tar.gz"])
def test_an_archive_is_closed_when_its_tree_is_gone_or_it_was_refused(ending: str, tmp_path: Path) -> None:
    before = open_descriptors()
    tree = open_archive(write_archive(tmp_path, ending, CONTENT))
    assert open_descriptors() == before + 1 + (ending == ".tar.gz")
    del tree
    assert open_descriptors() == before
    with pytest.raises(DataError, match="leads out"):
        open_archive(write_archive(tmp_path, ending, {"../x": b""}))
    assert open_descriptors() == before
