"""The cache of decoded images: whole or not there, shared by runs at once, listed and cleared."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from data_helpers import noise

from foveal.data.cache import (
    ENTRY,
    IDS,
    KEPT,
    PIXELS,
    cache_folder,
    cache_key,
    clear_entries,
    list_entries,
    new_entry,
    open_entry,
)
from foveal.data.images import digest

IMAGES = noise(6, 5, 4, 3)


def fill(key: str, images: np.ndarray = IMAGES) -> None:
    with new_entry(key, "photos") as draft:
        for image in images:
            draft.write(image.tobytes())
        draft.finish(images.shape, np.arange(len(images)), [digest(image.data) for image in images], ["b is empty"])


def test_what_is_written_is_what_is_opened() -> None:
    fill("one")
    entry = open_entry("one")
    assert entry is not None
    np.testing.assert_array_equal(entry.pixels, IMAGES)
    assert isinstance(entry.pixels, np.memmap)
    assert (entry.kept.tolist(), entry.refused) == (list(range(6)), ("b is empty",))
    assert entry.ids == tuple(digest(image.data) for image in IMAGES)
    assert open_entry("two") is None


def test_the_key_depends_on_content_order_and_settings() -> None:
    keys = {cache_key(ids, how) for ids in (["a", "b"], ["b", "a"], ["ab"]) for how in ("pad", "crop")}
    assert len(keys) == 6


def test_what_fails_while_it_is_written_leaves_nothing() -> None:
    def break_off() -> None:
        with new_entry("one", "photos") as draft:
            draft.write(b"some")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        break_off()
    assert open_entry("one") is None
    assert list(cache_folder().iterdir()) == []


def test_of_two_that_write_the_same_entry_both_find_it() -> None:
    with new_entry("one", "slow") as slow:
        fill("one")
        slow.write(IMAGES.tobytes())
        slow.finish(IMAGES.shape, np.arange(6), [digest(image.data) for image in IMAGES], [])
    entry = open_entry("one")
    assert entry is not None
    np.testing.assert_array_equal(entry.pixels, IMAGES)
    assert [path.name for path in cache_folder().iterdir()] == ["one"]


WRITER = """
import sys, numpy as np
from foveal.data.cache import new_entry, open_entry
images = np.arange(2000 * 48, dtype=np.uint64).astype(np.uint8).reshape(2000, 4, 4, 3)
for number in range(20):
    with new_entry(f"key{number}", "photos") as draft:
        draft.write(images.tobytes())
        draft.finish(images.shape, np.arange(2000), ["00" * 8] * 2000, [])
    assert np.array_equal(open_entry(f"key{number}").pixels, images)
"""


def test_processes_that_write_the_same_entries_at_once_do_not_disturb_each_other() -> None:
    writers = [subprocess.Popen([sys.executable, "-c", WRITER], stderr=subprocess.PIPE) for _ in range(3)]
    for writer in writers:
        _, errors = writer.communicate(timeout=120)
        assert writer.returncode == 0, errors.decode()
    assert len(list_entries()) == 20
    assert not [path for path in cache_folder().iterdir() if path.name.startswith(".")]


def emptied(path: Path) -> None:
    path.write_bytes(b"")


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


def of_the_future(path: Path) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), "format": 99}))


@pytest.mark.parametrize(
    ("file", "damage"),
    [
        (PIXELS, cut),
        (IDS, cut),
        (KEPT, cut),
        (ENTRY, cut),
        (ENTRY, of_the_future),
        (KEPT, Path.unlink),
        (IDS, emptied),
        (KEPT, emptied),
    ],
)
def test_an_entry_that_is_not_whole_is_made_anew(file: str, damage: object) -> None:
    fill("one")
    damage(cache_folder() / "one" / file)  # type: ignore[operator]
    assert open_entry("one") is None
    fill("one")
    entry = open_entry("one")
    assert entry is not None
    np.testing.assert_array_equal(entry.pixels, IMAGES)


def test_nothing_written_to_opened_pixels_reaches_the_file() -> None:
    fill("one")
    entry = open_entry("one")
    assert entry is not None
    with pytest.raises(ValueError, match="read-only"):
        entry.pixels[:] = 0


def test_entries_are_listed_the_last_used_first_and_cleared_by_key_or_all() -> None:
    assert list_entries() == []
    for number, key in enumerate(("one", "two", "three")):
        fill(key)
        os.utime(cache_folder() / key, (number, number))
    open_entry("two")
    assert [entry.key for entry in list_entries()] == ["two", "three", "one"]
    first = list_entries()[0]
    assert (first.data, first.images, first.size) == ("photos", 6, "5x4x3")
    assert first.bytes > IMAGES.size
    assert clear_entries(["three"]) > IMAGES.size
    assert [entry.key for entry in list_entries()] == ["two", "one"]
    assert clear_entries() > 2 * IMAGES.size
    assert (list_entries(), clear_entries()) == ([], 0)


def test_what_is_being_written_is_not_cleared_but_what_was_abandoned_is() -> None:
    with new_entry("one", "photos") as draft:
        clear_entries()
        assert draft.folder.is_dir()
        long_ago = time.time() - 10_000
        for path in (*draft.folder.iterdir(), draft.folder):
            os.utime(path, (long_ago, long_ago))
        assert list_entries()[0].data == "(half-written or damaged)"
        clear_entries()
        assert not draft.folder.exists()
        draft.folder.mkdir()  # so that the end of this block has something to move
        draft.finish((0, 1, 1, 1), np.arange(0), [], [])
