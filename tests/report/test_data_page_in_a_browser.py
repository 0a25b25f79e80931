"""The page of the data doctor in a real browser: what it makes of the tables, and of names that look like HTML."""

import shutil
import subprocess
from pathlib import Path

import pytest
from data_helpers import skip_unless
from page_reader import Reader
from PIL import Image
from planted_faults import write_faulty, write_scenes

from foveal.config import DataConfig
from foveal.workflows.check import check

HOSTILE = "<img src=x onerror=document.title='ran'>"
HOSTILE_LABEL = "</td></table><script>document.title='ran'</script>"  # no file can be called so


def in_browser(page: Path) -> Reader:
    """What a browser holds of a page once it has loaded it, scripts run and all."""
    browser = shutil.which("chromium")
    skip_unless(browser is not None, "the Debian package chromium is not installed")
    flags = ("--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking")
    profile = f"--user-data-dir={page.parent / 'profile'}"
    done = subprocess.run(
        [browser, *flags, profile, "--dump-dom", page.as_uri()], capture_output=True, timeout=120, check=True
    )
    return Reader(done.stdout.decode())


def checked(source: Path, page: Path) -> Reader:
    """The page on some data as a browser has it."""
    check(DataConfig(source=str(source)), out=page)
    return in_browser(page)


def test_the_tables_of_a_folder_with_faults_are_those_of_the_folder(tmp_path):
    page = checked(write_faulty(tmp_path / "pets"), tmp_path / "page.html")
    counts, numbers, unreadable = page.tables
    assert [row[:3] for row in counts] == [["class", "train", "test"], ["cat", "64", "31"], ["dog", "63", "31"]]
    assert ["formats", "PNG (186), BMP (1), JPEG (1)"] in numbers
    head, (name, place, reason) = unreadable
    assert head == ["file", "in", "why"]
    assert (name, place) == (str(tmp_path / "pets/train/cat/062.jpg"), "cat, train")
    assert "truncated" in reason


@pytest.mark.parametrize("name", [HOSTILE, HOSTILE_LABEL])
def test_the_browser_runs_what_is_not_written_as_text(tmp_path, name):
    (tmp_path / "page.html").write_text(f"<title>page</title><table><tr><td>{name}</table>", encoding="utf-8")
    assert in_browser(tmp_path / "page.html").title == "ran"


def test_a_folder_a_class_and_a_file_that_look_like_html_are_text_and_do_not_run(tmp_path):
    data = write_scenes(tmp_path / f"pets {HOSTILE}", {"train": 3, "test": 2}, (HOSTILE, "dog"))
    Image.new("RGB", (64, 64)).save(data / "train" / HOSTILE / f"{HOSTILE}.png")
    (data / "train" / HOSTILE / f"{HOSTILE} 2.png").write_bytes(b"no picture")
    page = checked(data, tmp_path / "page.html")
    assert page.title == f"pets {HOSTILE}: looked over"
    require_harmless(page)
    assert [HOSTILE, "5", "2"] in [row[:3] for row in page.tables[0]]
    assert page.tables[2][1][:2] == [str(data / "train" / HOSTILE / f"{HOSTILE} 2.png"), f"{HOSTILE}, train"]
    assert f"train/{HOSTILE}/{HOSTILE}.png" in page.text
    assert f"{HOSTILE}: train/{HOSTILE}/{HOSTILE}.png" in [image["alt"] for image in page.all("img")]


def test_a_label_that_looks_like_a_script_is_text_and_does_not_run(tmp_path):
    write_scenes(tmp_path / "pets", {"": 4})
    rows = [f"{name}/{i:03}.png,{label}" for name, label in (("cat", HOSTILE_LABEL), ("dog", "dog")) for i in range(4)]
    (tmp_path / "pets/metadata.csv").write_text("\n".join(["file,label", *rows]), encoding="utf-8")
    page = checked(tmp_path / "pets", tmp_path / "page.html")
    assert page.title == "pets: looked over"
    require_harmless(page)
    assert [row[:2] for row in page.tables[0]] == [["class", "all"], [HOSTILE_LABEL, "4"], ["dog", "4"]]
    assert HOSTILE_LABEL in page.text


def require_harmless(page: Reader) -> None:
    """No element of a page can run anything, and its pictures are whole."""
    assert not page.all("script")
    assert all(not name.startswith("on") for _, attributes in page.elements for name in attributes)
    assert all(image["src"].startswith("data:image/") for image in page.all("img"))
