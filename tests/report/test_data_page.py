"""The page of the data doctor: whole, offline, safe whatever files are called, and readable without seeing pictures."""

import base64
import io
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from page_reader import Reader
from PIL import Image
from planted_faults import findings, scenes, write_faulty, write_scenes

from foveal.data.doctor.check import judge
from foveal.data.doctor.overview import overview
from foveal.report.data_page import write_data_page
from foveal.report.thumbnails import picture


def page_of(source: Path, out: Path) -> tuple[Reader, str]:
    found = findings(source)
    write_data_page(found, overview(found), judge(found), out)
    text = out.read_text(encoding="utf-8")
    return Reader(text), text


@pytest.fixture(scope="module")
def faulty(tmp_path_factory: pytest.TempPathFactory) -> tuple[Reader, str]:
    """The page of the folder with every fault."""
    folder = tmp_path_factory.mktemp("faulty")
    return page_of(write_faulty(folder / "pets"), folder / "page.html")


def test_the_page_needs_nothing_outside_itself(faulty):
    page, text = faulty
    assert "http://" not in text
    assert "https://" not in text
    assert all(image["src"].startswith("data:image/") for image in page.all("img"))
    assert not {"script", "link", "iframe", "object"} & {tag for tag, _ in page.elements}
    policy = next(each["content"] for each in page.all("meta") if each.get("http-equiv") == "Content-Security-Policy")
    assert "default-src 'none'" in policy


def test_each_picture_is_whole_and_says_what_it_shows(faulty):
    images = faulty[0].all("img")
    assert 20 <= len(images) <= 200
    for image in images:
        with Image.open(io.BytesIO(base64.b64decode(image["src"].partition(",")[2]))) as opened:
            opened.load()
        assert image["alt"].split(":")[0] in ("cat", "dog")


def test_headings_are_in_order_and_tables_have_captions_and_heads(faulty):
    page, _ = faulty
    depths = [int(tag[1]) for tag, _ in page.elements if tag in ("h1", "h2", "h3", "h4")]
    assert depths[0] == 1
    assert depths.count(1) == 1
    assert all(after <= before + 1 for before, after in pairwise(depths))
    assert len(page.all("caption")) == len(page.all("table")) >= 3
    assert all(head.get("scope") in ("row", "col") for head in page.all("th"))
    assert page.all("html")[0]["lang"] == "en"


def test_what_was_planted_is_on_the_page_and_the_worst_comes_first(faulty):
    text = " ".join("".join(faulty[0].text).split())
    for words in (
        "062.jpg",
        "no-image.png",
        "063.jpg",
        "across splits",
        "different labels",
        "Exact copies",
        "Near copies",
    ):
        assert words in text
    assert text.index("error:") < text.index("warning:") < text.index("note:")
    assert text.index("2 images, across splits") < text.index("2 images, different labels")
    assert "fingerprint" in text


def test_nothing_found_is_said_too(tmp_path):
    page, _ = page_of(write_scenes(tmp_path / "pets", {"": 20}), tmp_path / "page.html")
    assert "Nothing was found" in " ".join(page.text)
    assert "Exact copies" not in " ".join(page.text)


@pytest.mark.parametrize("name", ["<script>alert(1)<", "a\"onerror='x'", "&amp;", "{braces} $title ${x}"])
def test_a_name_that_looks_like_html_is_shown_as_it_is_and_does_nothing(tmp_path, name):
    write_scenes(tmp_path / "pets", {"": 3}, (name, "dog"))
    Image.new("RGB", (64, 64)).save(tmp_path / "pets" / name / f"{name}.png")
    (tmp_path / "pets" / name / f"{name} 2.png").write_bytes(b"no picture")
    page, _ = page_of(tmp_path / "pets", tmp_path / "page.html")
    assert not page.all("script")
    assert all(set(image) == {"src", "alt", "width", "height"} for image in page.all("img"))
    assert f"{name}/{name}.png" in "".join(page.text)
    assert any(image["alt"] == f"{name}: {name}/{name}.png" for image in page.all("img"))


def test_a_name_that_is_no_text_can_be_written(tmp_path):
    write_scenes(tmp_path / "pets", {"": 3})
    Image.new("RGB", (64, 64)).save(tmp_path / "pets/dog" / "caf\udce9.png")
    page, _ = page_of(tmp_path / "pets", tmp_path / "page.html")
    assert "\\udce9" in "".join(page.text)


def test_many_faults_make_no_large_page(tmp_path):
    pictures = np.repeat(scenes(150, side=64), 2, axis=0)
    found = findings((pictures, [f"class {i % 120}" for i in range(300)]))
    write_data_page(found, overview(found), judge(found), tmp_path / "page.html")
    assert (tmp_path / "page.html").stat().st_size < 3_000_000
    page = Reader((tmp_path / "page.html").read_text(encoding="utf-8"))
    assert len(page.all("img")) <= 200
    assert "The first 14 of 150 groups" in "".join(page.text)


@pytest.mark.parametrize(
    ("shape", "size", "kind"), [((28, 28, 1), ("128", "128"), "png"), ((64, 32, 3), ("64", "128"), "jpeg")]
)
def test_a_picture_keeps_its_shape_and_its_content(shape, size, kind):
    pixels = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    image = Reader(picture(pixels, 'a "b" <c>')).all("img")[0]
    assert (image["width"], image["height"]) == size
    assert image["alt"] == 'a "b" <c>'
    assert image["src"].startswith(f"data:image/{kind};base64,")
    with Image.open(io.BytesIO(base64.b64decode(image["src"].partition(",")[2]))) as opened:
        assert opened.size == (shape[1], shape[0])
        if kind == "png":
            np.testing.assert_array_equal(np.asarray(opened), pixels[..., 0])
