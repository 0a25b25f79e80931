"""What is remembered of files: read once, and read again exactly when they changed."""

import os
import shutil
import time
from pathlib import Path

import numpy as np
import pytest
from data_helpers import FILES, as_an_ordinary_user, files_in, files_set, mnist_digits, write_picture

from foveal.data.images import digest
from foveal.data.index import facts_of, index_path
from foveal.data.tree import Tree

LONG_AGO = time.time() - 1000


def old_pictures(folder: Path, count: int = 4) -> list[str]:
    """Files whose times lie back far enough to be trusted."""
    names = [write_picture(folder / f"{i}.png", mnist_digits()[i]).name for i in range(count)]
    for name in names:
        os.utime(folder / name, (LONG_AGO, LONG_AGO))
    return names


def test_ids_are_those_of_the_bytes_headers_and_kinds_those_of_the_pictures() -> None:
    facts = facts_of(files_set(FILES, "rotated.jpg", "digit.png", "text.png"))
    assert facts.headers.tolist() == [[80, 100, 0], [28, 28, 1], [0, 0, 0]]
    assert facts.kinds.tolist() == [["JPEG", "RGB"], ["PNG", "L"], ["", ""]]
    assert facts.ids[1] == digest((FILES / "digit.png").read_bytes())


def test_files_that_did_not_change_are_not_read_again(tmp_path: Path) -> None:
    names = old_pictures(tmp_path)
    first = facts_of(files_set(tmp_path, *names))
    for name in names:  # as no honest program would: other bytes, the same size and time
        content = (tmp_path / name).read_bytes()
        (tmp_path / name).write_bytes(content[::-1])
        os.utime(tmp_path / name, (LONG_AGO, LONG_AGO))
    again = facts_of(files_set(tmp_path, *names))
    assert again.ids == first.ids
    assert again.headers.tolist() == first.headers.tolist() == [[28, 28, 1]] * 4
    assert again.kinds.tolist() == first.kinds.tolist() == [["PNG", "L"]] * 4


@pytest.mark.parametrize("subset", [[0, 1, 2, 3], [2, 0], [3, 1, 2]])
def test_a_file_that_changed_is_read_again_and_no_other(subset: list[int], tmp_path: Path) -> None:
    names = old_pictures(tmp_path)
    before = facts_of(files_set(tmp_path, *names)).ids
    write_picture(tmp_path / "2.png", mnist_digits()[50:53].transpose(1, 2, 0))
    after = facts_of(files_set(tmp_path, *(names[i] for i in subset)))
    expected = [digest((tmp_path / "2.png").read_bytes()) if i == 2 else before[i] for i in subset]
    assert list(after.ids) == expected
    assert after.kinds.tolist() == [["PNG", "RGB" if i == 2 else "L"] for i in subset]


def test_a_file_written_just_now_is_not_trusted_the_next_time(tmp_path: Path) -> None:
    name = write_picture(tmp_path / "a.bmp", mnist_digits()[0]).name
    stat = (tmp_path / name).stat()
    facts_of(files_set(tmp_path, name))
    write_picture(tmp_path / "a.bmp", mnist_digits()[1])  # of the same size
    os.utime(tmp_path / name, ns=(stat.st_atime_ns, stat.st_mtime_ns))  # on a file system with a coarse clock
    assert facts_of(files_set(tmp_path, name)).ids == (digest((tmp_path / name).read_bytes()),)


@pytest.mark.parametrize("damage", [b"", b"PK\x03\x04 no more", None])
def test_a_damaged_index_is_as_good_as_none(damage: bytes | None, tmp_path: Path) -> None:
    names = old_pictures(tmp_path)
    first = facts_of(files_set(tmp_path, *names))
    path = index_path(files_in(tmp_path, *names))
    assert path.is_file()
    path.write_bytes(path.read_bytes()[:-40] if damage is None else damage)
    again = facts_of(files_set(tmp_path, *names))
    assert again.ids == first.ids
    np.testing.assert_array_equal(again.headers, first.headers)


def test_an_index_from_before_kinds_were_kept_is_made_anew(tmp_path: Path) -> None:
    names = old_pictures(tmp_path)
    first = facts_of(files_set(tmp_path, *names))
    path = index_path(files_in(tmp_path, *names))
    with np.load(path) as kept:
        older = {name: kept[name] for name in kept.files if name != "kinds"}
    np.savez(path, **{**older, "format": np.array(1)})
    assert facts_of(files_set(tmp_path, *names)).kinds.tolist() == first.kinds.tolist()
    with np.load(path) as kept:
        assert int(kept["format"]) == 2


def test_an_index_that_cannot_be_written_costs_nothing_but_time(tmp_path: Path, own_data_folder: Path) -> None:
    names = old_pictures(tmp_path)
    (own_data_folder / "cache").write_text("a file where a folder should be")
    assert facts_of(files_set(tmp_path, *names)).ids[0] == digest((tmp_path / "0.png").read_bytes())


def test_a_file_that_is_gone_or_closed_has_an_id_of_its_own_and_no_header(open_folder: Path) -> None:
    names = old_pictures(open_folder, 2)
    (open_folder / "1.png").chmod(0)
    with as_an_ordinary_user():
        facts = facts_of(files_set(open_folder, *names, "gone.png"))
    assert len(set(facts.ids)) == 3
    assert facts.headers[1:].tolist() == [[0, 0, 0], [0, 0, 0]]
    (open_folder / "1.png").chmod(0o644)  # which changes neither its size nor its time
    assert facts_of(files_set(open_folder, *names, "gone.png")).headers[1].tolist() == [28, 28, 1]


def test_the_same_names_in_another_folder_are_other_files(tmp_path: Path) -> None:
    names = old_pictures(tmp_path / "a")
    shutil.copytree(tmp_path / "a", tmp_path / "b")
    write_picture(tmp_path / "b" / "0.png", mnist_digits()[90])
    one, other = (facts_of(files_set(tmp_path / folder, *names)) for folder in "ab")
    assert [a == b for a, b in zip(one.ids, other.ids, strict=True)] == [False, True, True, True]


def test_names_that_are_not_text_are_remembered_too(tmp_path: Path) -> None:
    name = "dogs\udcff.png"
    write_picture(tmp_path / "a.png", mnist_digits()[0]).rename(tmp_path / name)
    os.utime(tmp_path / name, (LONG_AGO, LONG_AGO))
    first = facts_of(files_set(tmp_path, name))
    assert facts_of(files_set(tmp_path, name)).ids == first.ids
    assert isinstance(files_in(tmp_path, name).tree, Tree)
