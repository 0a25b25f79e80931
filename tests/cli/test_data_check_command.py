"""`foveal data check` in a process of its own: exit codes, tables for people, one JSON object for programs."""

import json

from cli_process import command
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


def test_data_that_are_not_there_are_one_sentence(tmp_path):
    done = command("data", "check", "nowhere", cwd=tmp_path, expect=1)
    assert done.stderr.startswith("error: there is no data set, folder or file called 'nowhere'")
    assert done.stdout == ""
