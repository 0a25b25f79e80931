"""Names and numbers that an archive of either kind may have, and those that are refused."""

import tarfile
import zipfile
from pathlib import Path

import pytest
from archive_writers import (
    SIZE,
    add,
    contents,
    patched,
    sparse_file,
    tar_bytes,
    tar_header,
    write_archive,
    written,
    zip_bytes,
)

from foveal.data.readers import archive_members
from foveal.data.readers.archives import open_archive
from foveal.errors import DataError

BOTH = pytest.mark.parametrize("ending", [".zip", ".tar"])


@BOTH
def test_hidden_members_are_left_out_and_folders_without_a_file_are_named(ending: str, tmp_path: Path) -> None:
    content = {
        "a/1.png": b"1",
        "a/.DS_Store": b"2",
        "__MACOSX/a/1.png": b"3",
        ".git/config": b"4",
        "left/": b"",
        "left/.hidden": b"",
        "a-b/": b"",  # sorts between "a" and "a/1.png"
        "deep/": b"",
        "deep/er/": b"",
        "only/hidden/.keep": b"",
    }
    tree = open_archive(write_archive(tmp_path, ending, content))
    assert list(tree.files) == ["a/1.png"]
    assert tree.empty == ("a-b", "deep/er", "left", "only/hidden")


@BOTH
def test_names_lose_what_says_nothing_and_folders_may_be_listed_behind_their_files(ending: str, tmp_path: Path) -> None:
    content = {"./": b"", "./a/": b"", "./a//b/./1.png": b"1", "a/": b""}
    tree = open_archive(write_archive(tmp_path, ending, content))
    assert contents(tree) == {"a/b/1.png": b"1"}
    assert tree.empty == ()


def test_backslashes_in_a_zip_are_slashes_and_in_a_tar_part_of_the_name(tmp_path: Path) -> None:
    names = {"cat\\1.png": b"1", "dog\\": b""}
    in_zip = open_archive(write_archive(tmp_path, ".zip", names))
    assert (list(in_zip.files), in_zip.empty) == (["cat/1.png"], ("dog",))
    assert list(open_archive(write_archive(tmp_path, ".tar", names)).files) == ["cat\\1.png", "dog\\"]


NAMES = {
    "../x": "has a name that leads out of the archive",
    "a/../../x": "has a name that leads out of the archive",
    "a/..": "has a name that leads out of the archive",
    ".hidden/../../x": "has a name that leads out of the archive",
    "/etc/passwd": "has an absolute name",
    "C:/x": "has an absolute name",
    "c:\\x": "has an absolute name",
    "//server/x": "has an absolute name",
    "a" * 4097: r"has a name that no file can have \(4097 characters",
    ".": "has no name",
}


@BOTH
@pytest.mark.parametrize("name", NAMES)
def test_names_that_lead_elsewhere_are_refused(name: str, ending: str, tmp_path: Path) -> None:
    path = write_archive(tmp_path, ending, {"fine.png": b"", name: b"1"})
    with pytest.raises(DataError, match=rf"data{ending} is not read: its member '.*{NAMES[name]}.* unpack it yourself"):
        open_archive(path)


def test_backslashes_lead_out_of_a_zip_as_slashes_do(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"member '\.\./x' has a name that leads out of the archive"):
        open_archive(write_archive(tmp_path, ".zip", {"..\\x": b""}))


def test_a_zero_byte_in_a_name_is_refused(tmp_path: Path) -> None:
    content = zip_bytes({"a_b.png": b""}).replace(b"a_b.png", b"a\0b.png")
    with pytest.raises(DataError, match=r"member 'a\\x00b\.png' has a name that no file can have"):
        open_archive(written(tmp_path / "a.zip", content))


@BOTH
@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize(
    ("names", "sentence"),
    [
        (("a.png", "a.png"), r"member 'a\.png' is there twice, and which one is meant is not said"),
        (("a.png", "./a.png"), r"member 'a\.png' is there twice"),
        (("a", "a/b.png"), "member 'a' is a file and a folder at once"),
        (("a/b.png", "a-b", "a"), "member 'a' is a file and a folder at once"),
        (("a", "a/"), "member 'a' is a file and a folder at once"),
        (("a", "a/.hidden"), "member 'a' is a file and a folder at once"),
    ],
)
def test_one_name_for_two_things_is_refused(names: tuple[str, ...], sentence: str, ending: str, tmp_path: Path) -> None:
    path = tmp_path / f"a{ending}"
    if ending == ".zip":
        with zipfile.ZipFile(path, "w") as archive:
            for name in names:
                archive.writestr(name, b"")
    else:
        with tarfile.open(path, "w") as archive:
            for name in names:
                add(archive, name)
    with pytest.raises(DataError, match=sentence):
        open_archive(path)


@BOTH
@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ({}, r"has no file in it, only folders \(0\) or nothing\. Name an archive with images"),
        ({"a/": b"", "b/": b""}, r"only folders \(2\)"),
        ({".a": b"1"}, "has no file in it"),
    ],
    ids=["nothing", "folders", "a hidden file"],
)
def test_an_archive_without_a_file_is_refused(
    content: dict[str, bytes], sentence: str, ending: str, tmp_path: Path
) -> None:
    with pytest.raises(DataError, match=rf"data{ending} .*{sentence}"):
        open_archive(write_archive(tmp_path, ending, content))


def test_as_many_entries_as_the_limit_are_refused_and_one_less_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archive_members, "ENTRY_LIMIT", 50)  # the limit is 100,000, too slow for a test
    content = {f"{number}.png": b"" for number in range(50)}
    with pytest.raises(
        DataError, match=r"data\.tar has 50 entries or more, the limit .* Unpack it yourself and name the"
    ):
        open_archive(write_archive(tmp_path, ".tar", content))
    content.popitem()
    assert len(open_archive(write_archive(tmp_path, ".tar", content)).files) == 49


def test_one_member_of_more_than_a_gibibyte_is_refused(tmp_path: Path) -> None:
    path = sparse_file(tmp_path / "a.tar", tar_header(b"a.tif", (1 << 30) + 1), (1 << 30) + 512 + 1024)
    with pytest.raises(DataError, match=r"'a\.tif' has 1,073,741,825 bytes, more than the 1,073,741,824 that one may"):
        open_archive(path)


def test_an_archive_that_promises_more_than_all_members_may_have_is_refused(tmp_path: Path) -> None:
    content = zip_bytes({f"{number}.bmp": b"" for number in range(65)})
    for number in range(65):
        content = patched(content, SIZE, 1 << 30, entry=number)
    promise = (
        r"has [\d,]+ bytes and unpacks to 69,793,218,560 or more\. At most 68,719,476,736 are read, .* fill the disk"
    )
    with pytest.raises(DataError, match=promise):
        open_archive(written(tmp_path / "a.zip", content))


def test_a_ratio_that_pictures_do_not_reach_is_refused_only_where_it_can_do_harm(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_archive(tmp_path, ".zip", {"a.bmp": bytes(8 << 20)})  # about 1,020:1
    assert open_archive(path).files["a.bmp"].size == 8 << 20
    monkeypatch.setattr(archive_members, "RATIO_FREE_BYTES", 1 << 20)  # it is 256 MiB, too slow for a test
    with pytest.raises(DataError, match=r"unpacks to 8,388,608 .* beyond 1,048,576 at most 1,000 times its size"):
        open_archive(path)


def test_a_plain_tar_of_real_bytes_is_no_bomb_whatever_its_size(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archive_members, "RATIO_FREE_BYTES", 10)
    content = {"a.bmp": bytes(100_000)}
    assert contents(open_archive(written(tmp_path / "a.tar", tar_bytes(content)))) == content
