"""`foveal predict`: files, folders, globs and stdin in; a table, JSON or CSV out; a damaged file stops nothing."""

import csv
import io
import json
from pathlib import Path

import pytest
from cli_process import command

FILES = Path(__file__).parents[1] / "files"


@pytest.fixture(scope="module")
def shown(trained, tmp_path_factory: pytest.TempPathFactory):
    """What one process said about a digit, a truncated photo, a glob and a file that is not there."""
    folder = tmp_path_factory.mktemp("predict")
    pictures = (FILES / "digit.png", FILES / "truncated.jpg", FILES / "digit.p?m", FILES / "nothing.png")
    said = ("predict", trained.folder, *pictures, "--json", "--top", "2")
    return command(*said, "--csv", folder / "answers.csv", cwd=folder), folder / "answers.csv"


def test_predict_follows_the_json_contract(shown):
    answer = json.loads(shown[0].stdout)
    assert set(answer) == {"predictions", "refused"}
    first = answer["predictions"][0]
    assert first["source"] == str(FILES / "digit.png")
    assert first["label"] in "0123456789"
    assert 0.1 < first["probability"] <= 1
    assert len(first["top"]) == 2
    assert first["top"][0] == {"label": first["label"], "probability": first["probability"]}
    assert first["top"][1]["probability"] <= first["probability"]


def test_the_same_picture_in_another_format_gets_the_same_answer(shown):
    png, pgm = json.loads(shown[0].stdout)["predictions"]
    assert pgm["source"] == str(FILES / "digit.pgm")
    assert (png["label"], png["probability"]) == (pgm["label"], pgm["probability"])


def test_a_damaged_and_a_missing_file_are_refused_with_the_reason_while_others_go_on(shown):
    done, _ = shown
    damaged, missing = json.loads(done.stdout)["refused"]
    assert damaged["source"] == str(FILES / "truncated.jpg")
    assert "cannot be read as an image" in damaged["reason"]
    assert f"there is no file {FILES / 'nothing.png'}" in missing["reason"]
    assert "Traceback" not in done.stderr


def test_csv_has_a_line_for_every_picture_answered_or_refused(shown):
    done, path = shown
    rows = list(csv.DictReader(path.open(newline="")))
    assert [Path(row["source"]).name for row in rows] == ["digit.png", "truncated.jpg", "digit.pgm", "nothing.png"]
    answered = json.loads(done.stdout)["predictions"][0]
    assert rows[0]["label"] == answered["label"]
    assert float(rows[0]["probability"]) == pytest.approx(answered["probability"], abs=1e-6)
    assert rows[1]["label"] == ""
    assert "cannot be read" in rows[1]["refused"]


def test_a_picture_is_read_from_standard_input(trained, tmp_path):
    content = (FILES / "digit.png").read_bytes()
    text = command("predict", trained.folder, "-", "--csv", "-", cwd=tmp_path, stdin=content).stdout
    rows = list(csv.DictReader(io.StringIO(text)))
    assert len(rows) == 1
    assert rows[0]["label"] in tuple("0123456789")


def test_the_table_has_a_row_for_a_picture_and_stderr_the_warnings_and_refusals(trained, tmp_path):
    done = command("predict", trained.folder, FILES, cwd=tmp_path)
    assert "probability" in done.stdout
    assert "digit.png" in done.stdout
    assert f"refused: {FILES / 'empty.png'}: " in done.stderr
    assert "0 bytes" in done.stderr
    assert "Traceback" not in done.stderr


def test_predict_leaves_with_1_when_no_picture_at_all_can_be_read(trained, tmp_path):
    done = command("predict", trained.folder, FILES / "text.png", "--json", cwd=tmp_path, expect=1)
    answer = json.loads(done.stdout)
    assert answer["predictions"] == []
    assert len(answer["refused"]) == 1


def test_json_and_csv_are_never_mixed_on_stdout(trained, tmp_path):
    said = ("predict", trained.folder, FILES / "digit.png", "--json", "--csv", "-")
    done = command(*said, cwd=tmp_path, expect=2)
    assert done.stdout == ""
    assert "--csv" in done.stderr
