"""`foveal data check` in a process of its own: exit codes, tables for people, one JSON object for programs."""

import json
import re
from base64 import b64decode
from io import BytesIO

import numpy as np
import pytest
from cli_process import command
from data_helpers import noise, write_picture
from PIL import Image
from planted_faults import copy, write_faulty, write_scenes

KEYS = {"images", "classes", "sizes", "unreadable", "suspicious", "duplicates", "near_duplicates", "verdicts"}


def test_data_that_would_make_a_result_a_lie_exit_1_and_print_their_json_all_the_same(tmp_path):
    write_faulty(tmp_path / "pets")
    said = ("data", "check", "pets", "--group-by", r"/(00\d)", "--set", "data.size=48", "--json")
    done = command(*said, cwd=tmp_path, expect=1)
    report = json.loads(done.stdout)
    assert set(report) >= KEYS
    assert done.stderr == ""
    assert {each["level"] for each in report["verdicts"]} == {"error", "warning", "note"}
    assert {"copies-across-splits", "groups-across-splits"} <= {each["what"] for each in report["verdicts"]}
    assert (tmp_path / report["page"]).name == "check-pets.html"
    assert (tmp_path / report["page"]).exists()


def test_people_get_a_table_and_sentences_and_hear_where_the_page_is(tmp_path):
    write_scenes(tmp_path / "pets", {"": 24})
    copy(tmp_path / "pets", "cat/001.png", "cat/copy.bmp")
    done = command("data", "check", "pets", "--out", "look/page.html", cwd=tmp_path)
    assert "pets: 49 images of 2 classes" in done.stdout
    assert "note: 1 image can go" in done.stdout
    assert "cat/001.png = cat/copy.bmp" in done.stdout
    assert done.stdout.endswith("written: look/page.html\n")
    assert (tmp_path / "look/page.html").exists()


def test_images_are_compared_at_the_size_the_shape_and_the_channels_that_are_asked_for(tmp_path):
    pictures = np.full((24, 20, 40, 3), 255, dtype=np.uint8)
    pictures[:, :, 10:30] = noise(24, 20, 20, 3) // 4  # dark in the middle: a crop leaves nothing else
    for number, picture in enumerate(pictures):
        write_picture(tmp_path / "wide" / "ab"[number % 2] / f"{number}.png", picture)
    asked = ("data", "check", "wide", "--size", "16", "--channels", "1", "--json")
    means = {fit: json.loads(command(*asked, "--fit", fit, cwd=tmp_path).stdout)["mean"] for fit in ("stretch", "crop")}
    assert means["crop"] == [pytest.approx(31, abs=5)]
    assert means["stretch"] == [pytest.approx((31 + 255) / 2, abs=5)]
    shown = re.findall(r"data:image/\w+;base64,([\w+/=]+)", (tmp_path / "check-wide.html").read_text(encoding="utf-8"))
    assert {Image.open(BytesIO(b64decode(each))).size for each in shown} == {(16, 16)}
    done = command(*asked, "--fit", "squash", cwd=tmp_path, expect=2)
    assert "data.fit cannot be 'squash'" in done.stderr


def test_data_that_are_not_there_are_one_sentence(tmp_path):
    done = command("data", "check", "nowhere", cwd=tmp_path, expect=1)
    assert done.stderr.startswith("error: there is no data set, folder or file called 'nowhere'")
    assert done.stdout == ""
