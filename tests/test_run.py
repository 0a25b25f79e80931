"""The run folder: its number, its files whole or not at all, and what is said when it cannot be."""

import errno
import json
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

import foveal.run
from foveal.config import Config
from foveal.errors import ArtifactError
from foveal.run import LOG, Run, create_run, environment, newest_run, open_run, removed_if_empty, start_run
from foveal.storage import read_json, write_atomic


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty current folder."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def full_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk that takes no more: the system says so when a file is flushed."""

    def refuse(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", refuse)


def finish(folder: Path, at: int) -> Path:
    """A run folder with a Classifier's card that was written `at` (ns)."""
    card = folder / "classifier" / "classifier.json"
    card.parent.mkdir(parents=True)
    card.write_text("{}")
    Run(folder).write_config(Config())
    os.utime(card, ns=(at, at))
    return folder


# Numbering


def test_runs_are_numbered_from_one_and_no_number_is_used_twice(here: Path) -> None:
    folders = [create_run(None, "mnist", "compact").folder for _ in range(3)]
    assert [str(folder) for folder in folders] == [f"runs/mnist-compact-{n}" for n in (1, 2, 3)]
    assert create_run(None, "mnist", "lenet5").folder.name == "mnist-lenet5-1"


def test_a_gap_in_the_numbers_is_filled_and_what_stands_there_is_left_alone(here: Path) -> None:
    for name in ("a-b-1", "a-b-3"):
        (here / "runs" / name).mkdir(parents=True)
        (here / "runs" / name / "kept").write_text(name)
    assert [create_run(None, "a", "b").folder.name for _ in range(2)] == ["a-b-2", "a-b-4"]
    assert (here / "runs" / "a-b-1" / "kept").read_text() == "a-b-1"


@pytest.mark.parametrize(
    ("data", "model", "name"),
    [
        ("my photos/2024", "compact", "my_photos_2024-compact-1"),
        ("..", "compact", "data-compact-1"),
        ("数字", "compact", "数字-compact-1"),
        ("a\nb", "../../etc", "a_b-etc-1"),
    ],
)
def test_a_run_is_named_so_that_it_stays_below_runs(data: str, model: str, name: str, here: Path) -> None:
    assert create_run(None, data, model).folder == Path("runs") / name


@pytest.mark.parametrize(
    ("model", "name"),
    [("compact", "d-compact-1"), ("nets/my.py:MyNet", "d-MyNet-1"), ("nets/layers.toml", "d-layers-1")],
)
def test_a_run_is_called_after_its_data_and_its_network(model: str, name: str, here: Path) -> None:
    run = start_run(Config.model_validate({"model": {"name": model}}), None, "d")
    assert run.folder.name == name
    assert run.config.model.name == model


def test_out_is_the_run_folder_itself_and_its_parents_are_made(tmp_path: Path) -> None:
    out = tmp_path / "deep" / "down"
    assert create_run(out, "mnist", "compact").folder == out
    assert out.is_dir()


@pytest.mark.parametrize("kind", ["folder", "file"])
def test_an_out_that_exists_is_refused_and_left_as_it_was(kind: str, tmp_path: Path) -> None:
    out = tmp_path / "out"
    if kind == "folder":
        out.mkdir()
    else:
        out.write_text("mine")
    with pytest.raises(ArtifactError, match=r"run folder .*out exists already. Give --out a new name, or remove"):
        create_run(out, "mnist", "compact")
    assert out.is_dir() if kind == "folder" else out.read_text() == "mine"


def test_an_out_that_another_process_makes_first_is_refused(tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.symlink_to(tmp_path / "nowhere")  # seen by mkdir, not by exists: as if it had been made in between
    with pytest.raises(ArtifactError, match=r"out was made by somebody else just now. Try again"):
        create_run(out, "mnist", "compact")


def test_a_folder_that_cannot_be_made_is_refused_with_the_systems_reason(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(ArtifactError, match=r"cannot write .*file/out: Not a directory. Choose another place"):
        create_run(tmp_path / "file" / "out", "mnist", "compact")


def test_a_name_that_is_too_long_for_the_system_is_refused_too(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match=r"cannot write .*: File name too long"):
        create_run(tmp_path / ("long" * 100), "mnist", "compact")


def test_a_file_called_runs_is_no_place_for_runs(here: Path) -> None:
    (here / "runs").write_text("not a folder")
    with pytest.raises(ArtifactError, match="cannot write runs/mnist-compact-1: "):
        create_run(None, "mnist", "compact")


def test_when_all_numbers_are_taken_the_user_is_told(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(foveal.run, "range", lambda *_: range(1, 3), raising=False)  # two, to save a million folders
    for _ in range(2):
        create_run(None, "d", "m")
    with pytest.raises(ArtifactError, match=r"no free run number is left for d-m in runs. Remove old runs"):
        create_run(None, "d", "m")


@pytest.fixture
def closed_folder() -> Iterator[Path]:
    """A folder that this test may enter but not write to; root becomes nobody for it, as root may write everywhere."""
    folder, is_root = Path(tempfile.mkdtemp(prefix="foveal-test-")), os.geteuid() == 0
    folder.chmod(0o555)
    if is_root:
        os.seteuid(65534)
    yield folder
    if is_root:
        os.seteuid(0)
    folder.rmdir()


def test_a_folder_that_may_not_be_written_to_is_refused(closed_folder: Path) -> None:
    with pytest.raises(ArtifactError, match=r"Permission denied. Choose a folder you may write to"):
        create_run(closed_folder / "out", "mnist", "compact")
    with pytest.raises(ArtifactError, match=r"Permission denied. Choose a folder you may write to"):
        write_atomic(closed_folder / "file", b"new")


# Files


def test_a_run_gives_back_what_was_written_into_it(tmp_path: Path) -> None:
    run = Run(tmp_path)
    assert run.history == []
    run.append_history([{"update": 1}, {"update": 2}])
    run.append_history([{"update": 3}])
    run.write_summary({"updates": 3})
    run.write_splits({"format": 2, "fingerprint": "f"})
    run.write_environment({"threads": 2})
    assert run.history == [{"update": 1}, {"update": 2}, {"update": 3}]
    assert (run.summary, run.splits) == ({"updates": 3}, {"format": 2, "fingerprint": "f"})
    assert read_json(tmp_path / "environment.json")["threads"] == 2
    assert (run.classifier, run.report) == (tmp_path / "classifier", tmp_path / "report")


def test_a_last_line_that_a_crash_tore_is_left_out_of_the_history(tmp_path: Path) -> None:
    Run(tmp_path).append_history([{"update": 1}])
    with (tmp_path / "history.jsonl").open("a") as file:
        file.write('{"update": 2, "lo')
    assert Run(tmp_path).history == [{"update": 1}]


def test_an_unfinished_run_has_no_summary_and_no_splits(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match=r"cannot read .*summary.json"):
        _ = Run(tmp_path).summary
    with pytest.raises(ArtifactError, match=r"cannot read .*splits.json"):
        _ = Run(tmp_path).splits


def test_a_history_is_cut_to_what_was_flushed(tmp_path: Path) -> None:
    run = Run(tmp_path)
    run.append_history([{"update": 1}, {"update": 2}])
    size = run.flush_history()
    assert size == (tmp_path / "history.jsonl").stat().st_size
    run.append_history([{"update": 3}])
    assert run.cut_history(size)
    assert run.history == [{"update": 1}, {"update": 2}]
    assert not run.cut_history(size + 1)
    assert run.cut_history(0)
    assert run.history == []


def test_a_history_that_is_gone_is_empty_and_cannot_be_flushed_into_a_folder(tmp_path: Path) -> None:
    assert not Run(tmp_path).cut_history(9)
    assert Run(tmp_path).history == []
    (tmp_path / "history.jsonl").unlink()
    (tmp_path / "history.jsonl").mkdir()
    with pytest.raises(ArtifactError, match=r"cannot write .*history.jsonl: Is a directory"):
        Run(tmp_path).flush_history()


def test_history_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    (tmp_path / "history.jsonl").mkdir()
    with pytest.raises(ArtifactError, match=r"cannot write .*history.jsonl: Is a directory"):
        Run(tmp_path).append_history([{}])


def test_a_note_is_said_and_kept(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level("INFO", logger=LOG.name):
        Run(tmp_path).note("images are padded")
        Run(tmp_path).note("and scaled")
    assert caplog.messages == ["images are padded", "and scaled"]
    assert (tmp_path / "notes.txt").read_text() == "images are padded\nand scaled\n"


def test_a_note_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").mkdir()
    with pytest.raises(ArtifactError, match=r"cannot write .*notes.txt: Is a directory"):
        Run(tmp_path).note("lost")


def test_the_environment_names_versions_and_machine() -> None:
    facts = environment()
    assert set(facts["packages"]) == {"foveal", "torch", "numpy", "pillow", "safetensors"}
    assert all(facts[key] for key in ("started", "command", "python", "system", "processor", "cores"))
    json.dumps(facts)


# Opening


def test_a_run_is_opened_by_its_folder_and_by_its_classifier(tmp_path: Path) -> None:
    folder = finish(tmp_path / "run", 1)
    assert open_run(folder) == open_run(folder / "classifier") == Run(folder)


@pytest.mark.parametrize("name", ["none", "empty"])
def test_what_is_no_run_is_refused_with_the_command_that_makes_one(name: str, here: Path) -> None:
    (here / "empty").mkdir()
    with pytest.raises(ArtifactError, match=f"{name} is not a run folder: it has no config.toml. Train one first"):
        open_run(here / name)


def test_what_is_no_run_is_refused_with_the_runs_that_there_are(here: Path) -> None:
    for name in ("b-1", "a-1"):
        finish(here / "runs" / name, 1)
    with pytest.raises(ArtifactError, match=r"it has no config.toml. Runs under runs: a-1, b-1\."):
        open_run(here / "a-2")


def test_the_newest_run_is_the_one_whose_classifier_was_written_last(here: Path) -> None:
    for name, at in (("old-1", 10**18), ("new-1", 3 * 10**18), ("middle-1", 2 * 10**18)):
        finish(here / "runs" / name, at)
    create_run(None, "unfinished", "compact")
    assert newest_run() == open_run(None) == Run(Path("runs/new-1"))


def test_without_a_finished_run_there_is_no_newest_one(here: Path) -> None:
    create_run(None, "unfinished", "compact")
    with pytest.raises(ArtifactError, match=rf"no trained run under {here}/runs. Train one first: foveal train"):
        newest_run()


# Tidying up


@pytest.mark.parametrize("reason", [ValueError, KeyboardInterrupt])
def test_a_run_that_fails_with_nothing_learnt_is_removed_and_its_error_goes_on(
    reason: type[BaseException], tmp_path: Path
) -> None:
    run = create_run(tmp_path / "run", "d", "m")
    run.append_history([{}])
    with pytest.raises(reason, match="why"), removed_if_empty(run):
        raise reason("why")
    assert not run.folder.exists()


def test_a_run_that_fails_with_a_classifier_is_kept(tmp_path: Path) -> None:
    run = Run(finish(tmp_path / "run", 1))
    with pytest.raises(ValueError, match="why"), removed_if_empty(run):
        raise ValueError("why")
    assert run.classifier.is_dir()


def test_a_run_that_does_not_fail_is_kept(tmp_path: Path) -> None:
    run = create_run(tmp_path / "run", "d", "m")
    with removed_if_empty(run):
        pass
    assert run.folder.is_dir()


@pytest.mark.usefixtures("full_disk")
def test_a_run_that_cannot_even_keep_its_config_leaves_no_folder(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match="No space left on device"):
        start_run(Config(), tmp_path / "run", "mnist")
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def tiny_disk() -> Path:
    """Where Linux has one, the file that is always full."""
    path = Path("/dev/full")
    if not path.exists():
        pytest.skip("this system has no /dev/full")
    return path


def test_history_on_a_full_disk_is_refused(tiny_disk: Path, tmp_path: Path) -> None:
    (tmp_path / "history.jsonl").symlink_to(tiny_disk)
    with pytest.raises(ArtifactError, match=r"history.jsonl: No space left on device. Free some space"):
        Run(tmp_path).append_history([{"update": 1}])


@pytest.mark.parametrize(("count", "said"), [(3, 3), (10, 10), (25, 11)])
def test_of_many_notes_the_first_are_said_and_all_are_kept(
    count: int, said: int, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", logger="foveal")
    Run(tmp_path).note_each("left out: ", [f"{i}.png is empty" for i in range(count)])
    assert (tmp_path / "notes.txt").read_text().splitlines() == [f"left out: {i}.png is empty" for i in range(count)]
    messages = [record.getMessage() for record in caplog.records]
    assert len(messages) == said
    if count > 10:
        assert messages[-1] == f"left out: {count - 10} more files; each is in {tmp_path / 'notes.txt'} with its reason"


def test_splits_of_another_version_are_refused_by_their_format(tmp_path: Path) -> None:
    (tmp_path / "splits.json").write_text('{"format": 1, "fingerprint": "x", "splits": {"train": ["0"]}}')
    with pytest.raises(
        ArtifactError, match=r"splits.json has format 1, and this foveal reads format 2: .* Train again"
    ):
        Run(tmp_path).splits  # noqa: B018


def test_a_folder_in_which_another_process_trains_is_never_removed(tmp_path: Path) -> None:
    (tmp_path / "lock.json").write_text("{}")
    with pytest.raises(ArtifactError), removed_if_empty(Run(tmp_path)):
        raise ArtifactError("in use")
    assert tmp_path.exists()
