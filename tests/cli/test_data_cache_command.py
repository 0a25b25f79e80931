"""`foveal data cache`: what is kept of decoded images, listed and removed, in real processes."""

import json

import pytest
from cli_process import command, write_discs


@pytest.fixture
def cached(tmp_path):
    """A folder in which a dry run has left one entry, and the environment that finds it."""
    write_discs(tmp_path / "discs", per_class=6)
    where = {"FOVEAL_DATA": str(tmp_path / "kept")}
    command("train", "discs", "--dry-run", "--threads", "1", cwd=tmp_path, **where)
    return tmp_path, where


def test_entries_are_listed_and_removed_by_key(cached):
    folder, where = cached
    answer = json.loads(command("data", "cache", "--json", cwd=folder, **where).stdout)
    (entry,) = answer["entries"]
    assert (entry["images"], entry["size"], answer["freed_bytes"]) == (18, "24x24x3", 0)
    assert answer["folder"] == str(folder / "kept" / "cache" / "pixels")
    text = command("data", "cache", cwd=folder, **where).stdout
    assert entry["key"] in text
    assert "foveal data cache --clear" in text
    removed = json.loads(command("data", "cache", entry["key"], "--clear", "--json", cwd=folder, **where).stdout)
    assert removed["freed_bytes"] >= 18 * 24 * 24 * 3
    assert json.loads(command("data", "cache", "--json", cwd=folder, **where).stdout)["entries"] == []


def test_a_key_that_is_not_there_is_refused_with_the_closest(cached):
    folder, where = cached
    key = json.loads(command("data", "cache", "--json", cwd=folder, **where).stdout)["entries"][0]["key"]
    refused = command("data", "cache", key[:-1], "--clear", cwd=folder, expect=1, **where)
    assert f"the cache has no entry '{key[:-1]}'. Did you mean '{key}'" in refused.stderr
    command("data", "cache", "--clear", cwd=folder, **where)
    assert "It is empty." in command("data", "cache", "x", cwd=folder, expect=1, **where).stderr
