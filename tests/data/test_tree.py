"""Folders as trees of names: what is listed, what is left out, what is followed."""

import os
from pathlib import Path

import pytest
from data_helpers import as_an_ordinary_user, files_in

from foveal.data import images
from foveal.data.tree import open_folder
from foveal.errors import DataError


def made(root: Path, *names: str) -> Path:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(name.encode())
    return root


def test_files_are_named_relative_in_order_with_size_and_time_and_read_by_name(tmp_path: Path) -> None:
    tree = open_folder(made(tmp_path, "b/2.png", "a.txt", "b/c/1.png"))
    assert list(tree.files) == ["a.txt", "b/2.png", "b/c/1.png"]
    assert tree.files["b/2.png"] == (7, (tmp_path / "b/2.png").stat().st_mtime_ns)
    assert tree.read("b/c/1.png") == b"b/c/1.png"
    assert tree.path("b/2.png") == str(tmp_path / "b/2.png")


def test_hidden_files_and_folders_are_left_out_and_empty_folders_named(tmp_path: Path) -> None:
    made(tmp_path, ".git/x", "__MACOSX/x", "a/.DS_Store", "b/1.png")
    (tmp_path / "c" / "d").mkdir(parents=True)
    tree = open_folder(tmp_path)
    assert (list(tree.files), tree.empty) == (["b/1.png"], ("a", "c/d"))


def test_links_are_followed_once_and_rings_pipes_and_links_to_nowhere_are_left_out(tmp_path: Path) -> None:
    made(tmp_path / "there", "1.png")
    made(tmp_path / "here", "2.png")
    (tmp_path / "here" / "linked").symlink_to(tmp_path / "there")
    (tmp_path / "here" / "up").symlink_to(tmp_path / "here")
    (tmp_path / "here" / "3.png").symlink_to(tmp_path / "there" / "1.png")
    (tmp_path / "here" / "nowhere.png").symlink_to(tmp_path / "gone")
    (tmp_path / "here" / "ring.png").symlink_to("ring.png")
    os.mkfifo(tmp_path / "here" / "pipe.png")
    assert list(open_folder(tmp_path / "here").files) == ["2.png", "3.png", "linked/1.png"]


def test_what_cannot_be_read_is_refused_by_its_path(open_folder_of_all: Path) -> None:
    (open_folder_of_all / "a.png").chmod(0)
    tree = open_folder(open_folder_of_all)
    with (
        as_an_ordinary_user(),
        pytest.raises(DataError, match=r"cannot read .*a\.png: Permission denied. Make it readable"),
    ):
        tree.read("a.png")
    with pytest.raises(DataError, match=r"cannot read .*gone\.png: No such file"):
        tree.read("gone.png")


@pytest.fixture
def open_folder_of_all(open_folder: Path) -> Path:
    return made(open_folder, "a.png")


def test_a_file_too_large_for_a_picture_is_refused_before_it_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(images, "MAX_FILE", 2 << 20)
    with (tmp_path / "sparse.png").open("wb") as file:
        file.truncate(3 << 20)
    with pytest.raises(
        DataError, match=r"sparse\.png has 3 MB, and files above 2 are not read as pictures. Make it smaller"
    ):
        files_in(tmp_path, "sparse.png").read(0)
