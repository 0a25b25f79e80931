"""What `foveal runs` says of each run, what it compares, and what it refuses to remove."""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cli_process import write_idx
from hypothesis import given
from hypothesis import strategies as st

import foveal
from foveal.config import Config
from foveal.errors import ArtifactError, ConfigError
from foveal.run import Run
from foveal.workflows.compare_runs import compare_runs, differing
from foveal.workflows.delete_runs import delete_runs, find_doomed
from foveal.workflows.runs import RunFacts, bytes_in, facts_of_run, list_runs

HOLD = """
import sys
from pathlib import Path
from foveal.lock import locked
with locked(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture(scope="module")
def digits_folder(digits: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """300 training and 100 test images as IDX files."""
    images, labels = digits
    folder = tmp_path_factory.mktemp("idx") / "few-digits"
    write_idx(folder, "train", images[:300], labels[:300])
    return write_idx(folder, "t10k", images[300:400], labels[300:400])


@pytest.fixture(scope="module")
def tested(digits_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A finished run that was evaluated; copy it before changing it."""
    run = foveal.train(digits_folder, epochs=1, threads=1, out=tmp_path_factory.mktemp("tested") / "one")
    foveal.evaluate(run)
    return run


@pytest.fixture
def run(tested: Run, tmp_path: Path) -> Run:
    """A copy of that run."""
    shutil.copytree(tested.folder, tmp_path / "runs" / "one")
    return Run(tmp_path / "runs" / "one")


def not_finished(run: Run) -> Run:
    """The same as it would be had its process been killed after the last record."""
    (run.folder / "summary.json").unlink()
    return run


def stopped_at(run: Run, update: int) -> Run:
    """The same with a summary of a training that was stopped after this update, and no record after it."""
    run.rewrite_history([record for record in run.history if record["update"] <= update])
    run.write_summary({**run.summary, "stopped": True, "updates": update})
    return run


def only(folder: Path) -> RunFacts:
    found = list_runs([folder])
    assert len(found) == 1
    return found[0]


# The state


def test_a_finished_run_is_told_with_its_scores(run: Run) -> None:
    found, summary = only(run.folder.parent), run.summary
    assert (found.folder, found.state) == (run.folder, "finished")
    assert (found.data, found.model) == ("few-digits", "compact")
    assert (found.update, found.updates) == (summary["updates"], summary["updates"])
    assert (found.val_accuracy, found.train_seconds) == (summary["val_accuracy"], summary["train_seconds"])
    report = json.loads((run.folder / "evaluation.json").read_text())
    assert found.tested is not None
    assert [found.tested.accuracy, list(found.tested.interval), found.tested.n] == [
        report["accuracy"],
        report["accuracy_interval"],
        100,
    ]
    assert found.started == json.loads((run.folder / "environment.json").read_text())["started"]
    du = subprocess.run(["du", "-sb", "--apparent-size", run.folder], capture_output=True, text=True, check=True)
    folders = sum(path.lstat().st_size for path in [run.folder, *run.folder.rglob("*")] if path.is_dir())
    assert found.bytes == int(du.stdout.split()[0]) - folders


def test_a_stopped_run_says_where_of_how_many(run: Run) -> None:
    last = run.history[-1]["update"]
    first = run.history[0]["update"]
    found = only(stopped_at(run, first).folder)
    assert (found.state, found.update, found.updates) == ("stopped", first, last)


def test_a_stopped_run_that_went_on_and_was_killed_is_a_killed_one(run: Run) -> None:
    history = run.history
    stopped_at(run, history[0]["update"]).append_history(history[1:3])
    found = only(run.folder)
    assert (found.state, found.update) == ("killed", history[2]["update"])


def test_a_killed_run_says_where_of_how_many(run: Run) -> None:
    last = run.history[-1]
    found = only(not_finished(run).folder)
    assert (found.state, found.update, found.updates) == ("killed", last["update"], last["update"])
    assert found.train_seconds == last["seconds"]


def test_a_run_without_a_record_has_only_begun(tmp_path: Path) -> None:
    run = Run(tmp_path / "new")
    run.folder.mkdir()
    run.write_config(Config())
    found = only(run.folder)
    assert (found.state, found.update, found.updates, found.tested) == ("begun", 0, None, None)
    assert found.started is not None


def test_a_run_that_is_being_trained_names_the_process(run: Run) -> None:
    with holding(run) as process:
        found = only(not_finished(run).folder)
        assert found.state == "training"
        assert f"process {process.pid} on" in str(found.process)
        process.kill()
        process.wait()
        assert (run.folder / "lock.json").exists()  # as SIGKILL leaves it
        assert only(run.folder).state == "killed"


def holding(run: Run) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(run.folder)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    return process


def test_to_look_at_a_run_leaves_nothing_behind(run: Run) -> None:
    before = sorted(run.folder.rglob("*"))
    facts_of_run(run)
    assert sorted(run.folder.rglob("*")) == before


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("config.toml", "this is no TOML"),
        ("config.toml", "[package]\nname = 'other'"),
        ("summary.json", "[]"),
        ("summary.json", '{"stopped": '),
        ("history.jsonl", '{"loss": 3}\n'),
        ("history.jsonl", "no json\n"),
        ("evaluation.json", '{"accuracy": 1}'),
        ("evaluation.json", "[]"),
    ],
)
def test_a_damaged_run_is_told_as_such_and_hides_no_other(run: Run, name: str, content: str) -> None:
    shutil.copytree(run.folder, run.folder.with_name("two"))
    if name == "evaluation.json":  # only one of the weights that are there now is read
        sha256 = json.loads((run.classifier / "classifier.json").read_text())["weights_sha256"]
        content = content.replace("}", f', "weights_sha256": "{sha256}"}}')
    (run.folder / name).write_text(content)
    found = {each.folder.name: each for each in list_runs([run.folder.parent])}
    assert (found["one"].state, found["two"].state) == ("damaged", "finished")
    assert found["one"].reason


def test_an_evaluation_of_earlier_weights_is_not_this_runs_score(run: Run) -> None:
    report = json.loads((run.folder / "evaluation.json").read_text())
    (run.folder / "evaluation.json").write_text(json.dumps({**report, "weights_sha256": "of others"}))
    assert only(run.folder).tested is None


# The places


def test_runs_are_found_one_and_two_folders_deep_the_oldest_first(run: Run, tmp_path: Path) -> None:
    (tmp_path / "runs" / "group").mkdir()
    for number, name in enumerate(("group/b", "c", ".d.removed")):
        run.folder.joinpath("environment.json").write_text(json.dumps({"started": f"2020-01-0{number + 1}T00:00:00Z"}))
        shutil.copytree(run.folder, tmp_path / "runs" / name)
    run.folder.joinpath("environment.json").write_text(json.dumps({"started": "2021-01-01T00:00:00Z"}))
    (tmp_path / "runs" / "notes").mkdir()
    assert [str(each.folder.relative_to(tmp_path / "runs")) for each in list_runs([tmp_path / "runs"])] == [
        "group/b",
        "c",
        "one",
    ]
    twice = list_runs([tmp_path / "runs", tmp_path / "runs" / "c"])
    assert len(twice) == 3


def test_without_runs_there_are_none_and_a_folder_that_is_not_there_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert list_runs() == []
    with pytest.raises(ArtifactError, match=r"there is no folder nosuch.*compare"):
        list_runs([Path("nosuch")])


# Compare


@pytest.fixture
def two(run: Run, digits_folder: Path, tmp_path: Path) -> tuple[Run, Run]:
    """That run, and one with another rate and seed on the same data, both tested."""
    other = foveal.train(
        digits_folder, epochs=1, threads=1, seed=1, out=tmp_path / "runs" / "two", settings={"augment": {"shift": 0}}
    )
    foveal.evaluate(other)
    return run, other


def test_the_settings_that_differ_stand_side_by_side(two: tuple[Run, Run]) -> None:
    found = compare_runs([each.folder for each in two])
    assert dict(found.settings) == {"seed": (0, 1), "augment.shift": (2, 0)}
    assert [each.state for each in found.runs] == ["finished", "finished"]
    assert [each.tested for each in found.runs] == [facts_of_run(each).tested for each in two]


@pytest.mark.parametrize(("interval", "overlap"), [([0.0, 1.0], True), ([0.999, 1.0], False)])
def test_scores_on_the_same_images_are_compared_by_their_intervals(
    two: tuple[Run, Run], interval: list[float], overlap: bool
) -> None:
    path = two[1].folder / "evaluation.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "accuracy_interval": interval}))
    (pair,) = compare_runs([each.folder for each in two]).pairs
    assert (pair.same_test_images, pair.intervals_overlap) == (True, overlap)
    assert pair.sentence.endswith("their intervals overlap" if overlap else "their intervals do not overlap")


def test_scores_on_other_images_say_nothing_about_each_other(run: Run, digits_folder: Path, tmp_path: Path) -> None:
    shutil.copytree(digits_folder, tmp_path / "carved")
    for path in (tmp_path / "carved").glob("t10k*"):  # now each seed carves out other test images of the same data
        path.unlink()
    runs = [
        foveal.train(tmp_path / "carved", epochs=1, threads=1, seed=seed, out=tmp_path / "runs" / f"carved-{seed}")
        for seed in (0, 1)
    ]
    for each in runs:
        foveal.evaluate(each)
    assert runs[0].splits["fingerprint"] == runs[1].splits["fingerprint"]
    for pair in compare_runs([runs[0].folder, runs[1].folder, run.folder]).pairs:
        assert (pair.same_test_images, pair.intervals_overlap) == (False, None)
        assert "were not tested on the same images" in pair.sentence


def test_a_run_that_was_not_tested_is_in_no_pair(run: Run, tmp_path: Path) -> None:
    shutil.copytree(run.folder, tmp_path / "untested")
    (tmp_path / "untested" / "evaluation.json").unlink()
    found = compare_runs([run.folder, tmp_path / "untested"])
    assert (found.pairs, found.settings) == ((), {})


def test_less_than_two_runs_and_what_is_no_run_cannot_be_compared(run: Run, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"cannot be compared. Name two or more"):
        compare_runs([run.folder])
    with pytest.raises(ArtifactError, match="is not a run folder"):
        compare_runs([run.folder, tmp_path])
    (run.folder / "summary.json").write_text("[]")
    with pytest.raises(ArtifactError, match="one cannot be compared"):
        compare_runs([run.folder, run.folder])


@given(st.lists(st.dictionaries(st.sampled_from("abc"), st.integers(0, 2)), min_size=1, max_size=4))
def test_a_key_is_shown_exactly_where_two_runs_have_it_differently(settings: list[dict[str, int]]) -> None:
    shown = differing(settings)
    for key in "abc":
        assert (key in shown) == (len({each.get(key) for each in settings}) > 1)


# Delete


def test_a_deleted_run_is_gone_and_its_neighbours_are_not(run: Run) -> None:
    shutil.copytree(run.folder, run.folder.with_name("two"))
    doomed = find_doomed([run.folder])
    assert doomed[0].bytes == bytes_in(run.folder)
    delete_runs(doomed)
    assert [path.name for path in run.folder.parent.iterdir()] == ["two"]


def test_links_in_a_run_are_removed_and_not_what_they_point_at(run: Run, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.tex").write_text("years of work")
    (run.report / "mine").symlink_to(tmp_path / "mine", target_is_directory=True)
    (run.folder / "notes.txt").unlink(missing_ok=True)
    (run.folder / "notes.txt").symlink_to(tmp_path / "mine" / "thesis.tex")
    delete_runs(find_doomed([run.folder]))
    assert (tmp_path / "mine" / "thesis.tex").read_text() == "years of work"
    assert not run.folder.exists()


def test_a_run_that_is_being_trained_is_not_deleted(run: Run) -> None:
    doomed = find_doomed([run.folder])
    with holding(run) as process:
        with pytest.raises(ArtifactError, match=rf"in use by process {process.pid} on .*Nothing was deleted"):
            find_doomed([run.folder])
        with pytest.raises(ArtifactError, match="in use by process"):  # it began after the question
            delete_runs(doomed)
        process.kill()
    assert (run.folder / "summary.json").exists()


def no_config(folder: Path) -> None:
    (folder / "config.toml").unlink()


def another_programs_config(folder: Path) -> None:
    (folder / "config.toml").write_text('[package]\nname = "mine"\n')


def a_file_of_ones_own(folder: Path) -> None:
    (folder / "thesis.tex").write_text("years of work")


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (no_config, "is no run folder: it has no config.toml"),
        (another_programs_config, "is no run folder that this foveal can read: there is no setting 'package'"),
        (a_file_of_ones_own, "holds 'thesis.tex', which foveal did not write"),
    ],
)
def test_what_is_no_run_alone_is_refused_before_anything_is_deleted(
    run: Run, change: Callable[[Path], None], why: str
) -> None:
    other = run.folder.with_name("two")
    shutil.copytree(run.folder, other)
    change(other)
    before = sorted(other.rglob("*"))
    with pytest.raises(ArtifactError, match=f"{why}.*Nothing was deleted"):
        find_doomed([run.folder, other])
    assert sorted(other.rglob("*")) == before
    assert run.folder.exists()


def test_a_classifier_a_file_and_a_link_are_refused(run: Run, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(run.folder, target_is_directory=True)
    with pytest.raises(ArtifactError, match=r"is a link to .*one, and links are not followed"):
        find_doomed([tmp_path / "link"])
    for path in (run.classifier, run.folder / "config.toml", tmp_path / "nosuch"):
        with pytest.raises(ArtifactError, match="is no run folder"):
            find_doomed([path])


def test_what_the_system_refuses_is_told(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any) -> None:
        raise PermissionError(13, "Permission denied", "runs")

    doomed = find_doomed([run.folder])
    monkeypatch.setattr(Path, "rename", refuse)
    with pytest.raises(ArtifactError, match=r"cannot delete .*one: Permission denied"):
        delete_runs(doomed)
