"""`foveal data check` as a workflow: every kind of source, the page beside the report, the test split left closed."""

import json
from pathlib import Path

import numpy as np
import pytest
from cli_process import write_idx
from numpy import ndarray
from planted_faults import scenes, write_faulty, write_scenes

from foveal.config import DataConfig
from foveal.errors import ArtifactError, DataError
from foveal.workflows.check import Checked, check
from foveal.workflows.load import open_config


def whats(checked: Checked) -> set[str]:
    return {verdict.what for verdict in checked.verdicts}


def test_the_report_is_plain_values_with_all_that_was_planted(tmp_path):
    checked = check(DataConfig(source=str(write_faulty(tmp_path / "pets"))), out=tmp_path / "page.html")
    report = json.loads(json.dumps(checked.as_dict(), allow_nan=False))
    assert not checked.is_trustworthy
    assert report["images"] == 189
    assert report["classes"] == {"cat": 95, "dog": 94}
    assert report["sizes"]["median"] == "64x64"
    assert [Path(each["path"]).name for each in report["unreadable"]] == ["062.jpg"]
    assert "truncated" in report["unreadable"][0]["reason"]
    placeholder = str(tmp_path / "pets/train/dog/no-image.png")
    reasons = [each["reason"] for each in report["suspicious"] if each["path"] == placeholder]
    assert len(reasons) == 2
    across = report["duplicates"][0]  # what is across splits comes first
    assert across["splits"] == ["train", "test"]
    assert across["labels"] == ["dog", "dog"]
    assert [Path(path).name for path in across["paths"]] == ["005.png", "030.png"]
    assert {frozenset(group["labels"]) for group in report["duplicates"]} == {
        frozenset({"cat"}),
        frozenset({"dog"}),
        frozenset({"cat", "dog"}),
    }
    assert [Path(path).name for path in report["near_duplicates"][0]["paths"]] == ["007.png", "030.jpg"]
    assert {"level", "what", "text", "examples"} == set(report["verdicts"][0])
    assert report["verdicts"][0]["level"] == "error"


def test_data_without_a_fault_may_be_trusted_and_the_page_gets_their_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    checked = check(DataConfig(source=str(write_scenes(tmp_path / "pets", {"train": 20, "test": 10}))))
    assert checked.is_trustworthy
    assert checked.verdicts == ()
    assert checked.page == Path("check-pets.html")
    assert checked.page.exists()


def test_the_test_split_is_looked_at_as_data_and_not_opened(tmp_path, own_data_folder):
    check(DataConfig(source=str(write_scenes(tmp_path / "pets", {"train": 12, "test": 12}))), out=tmp_path / "p.html")
    assert not [path for path in own_data_folder.rglob("*") if "cache" not in path.parts and path.is_file()]


def test_a_second_look_reads_the_cache_and_says_the_same(tmp_path):
    source = DataConfig(source=str(write_faulty(tmp_path / "pets")))
    first, second = (check(source, out=tmp_path / "page.html").as_dict() for _ in range(2))
    assert first == second


def test_idx_files_are_looked_over_by_their_numbers(digits: tuple[ndarray, ndarray], tmp_path):
    images, labels = digits[0][:300], digits[1][:300]
    write_idx(tmp_path / "digits", "train", images, labels)
    write_idx(
        tmp_path / "digits",
        "t10k",
        np.concatenate([digits[0][300:399], images[5:6]]),
        np.append(digits[1][300:399], labels[5]),
    )
    checked = check(DataConfig(source=str(tmp_path / "digits")), out=tmp_path / "page.html")
    copies = checked.as_dict()["duplicates"]
    assert [Path(path).name for path in copies[0]["paths"]] == [
        "train-images-idx3-ubyte.gz #5",
        "t10k-images-idx3-ubyte.gz #99",
    ]
    assert checked.overview.formats == {}
    assert not checked.is_trustworthy


def test_arrays_in_memory_are_looked_over_too(tmp_path):
    pictures = scenes(40, side=32)
    checked = check(DataConfig(), {"train": (pictures, ["cat", "dog"] * 20)}, out=tmp_path / "page.html")
    assert checked.overview.data == "arrays"
    assert checked.verdicts == ()


def test_a_table_brings_groups_by_a_column(tmp_path):
    write_scenes(tmp_path / "pictures", {"": 24})
    rows = ["file,label,split,person"]
    for number, path in enumerate(sorted((tmp_path / "pictures").rglob("*.png"))):
        split = "test" if number % 2 else "train"
        rows.append(f"{path.relative_to(tmp_path / 'pictures')},{path.parent.name},{split},{number % 4}")
    (tmp_path / "all.csv").write_text("\n".join(rows), encoding="utf-8")
    wanted = DataConfig(source=str(tmp_path / "all.csv"), images=str(tmp_path / "pictures"), group_by="person")
    assert whats(check(wanted, out=tmp_path / "page.html")) == {"groups"}
    torn = (tmp_path / "all.csv").read_text(encoding="utf-8").replace(",test,1", ",test,0")
    (tmp_path / "all.csv").write_text(torn, encoding="utf-8")
    assert whats(check(wanted, out=tmp_path / "page.html")) == {"groups-across-splits"}


def test_a_table_whose_test_images_are_all_missing_gets_a_report_and_no_training(tmp_path):
    write_scenes(tmp_path / "pictures", {"": 12})
    rows = [f"{name}/{number:03}.png,{name},train" for name in ("cat", "dog") for number in range(12)]
    rows += [f"{name}/{number:03}.png,{name},test" for name in ("cat", "dog") for number in range(80, 84)]
    (tmp_path / "all.csv").write_text("\n".join(["file,label,split", *rows]), encoding="utf-8")
    wanted = DataConfig(source=str(tmp_path / "all.csv"), images=str(tmp_path / "pictures"))
    checked = check(wanted, out=tmp_path / "page.html")
    assert whats(checked) == {"missing-files"}
    assert not checked.is_trustworthy
    report = json.loads(json.dumps(checked.as_dict(), allow_nan=False))
    assert report["splits"] == {"train": {"cat": 12, "dog": 12}, "test": {"cat": 4, "dog": 4}}
    assert [Path(each["path"]).name for each in report["unreadable"]] == [f"{n:03}.png" for n in range(80, 84)] * 2
    assert report["unreadable"][0] == {
        "path": str(tmp_path / "pictures/cat/080.png"),
        "split": "test",
        "label": "cat",
        "reason": f"{tmp_path}/pictures/cat/080.png is not there, but {tmp_path}/all.csv line 26 names it. Add the file, or "
        "remove the row.",
        "is_missing": True,
    }
    assert "line 26 names it" in (tmp_path / "page.html").read_text(encoding="utf-8")
    for refused in (lambda: open_config(wanted), lambda: open_config(wanted, purpose="testing")):
        with pytest.raises(DataError, match=r"names 8 files \(of 32\) that are not in .*line 26 'cat/080\.png'"):
            refused()


def test_data_of_one_class_get_a_report_and_no_training(tmp_path):
    wanted = DataConfig(source=str(write_scenes(tmp_path / "pets", {"train": 12, "test": 6}, ("cat",))))
    checked = check(wanted, out=tmp_path / "page.html")
    assert whats(checked) == {"one-class"}
    assert not checked.is_trustworthy
    assert checked.overview.classes == {"cat": 18}
    assert "telling classes apart needs two or more" in (tmp_path / "page.html").read_text(encoding="utf-8")
    with pytest.raises(DataError, match=r"pets has one class only \('cat'\)"):
        open_config(wanted)


def test_a_class_that_only_the_test_images_have_is_refused_by_name(tmp_path):
    write_scenes(tmp_path / "pets", {"train": 3, "test": 3})
    (tmp_path / "pets/test/dog").rename(tmp_path / "pets/test/fox")
    with pytest.raises(DataError, match="fox"):
        check(DataConfig(source=str(tmp_path / "pets")), out=tmp_path / "page.html")
    assert not (tmp_path / "page.html").exists()


def test_a_page_that_cannot_be_written_is_told(tmp_path):
    write_scenes(tmp_path / "pets", {"": 3})
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(ArtifactError, match=r"cannot write .*page\.html"):
        check(DataConfig(source=str(tmp_path / "pets")), out=tmp_path / "file" / "page.html")
