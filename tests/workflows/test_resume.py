"""A training that was stopped anywhere goes on to the weights of one that never was."""

import errno
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from power_cut import power_cut
from torch import Tensor, nn

import foveal
from foveal.run import Run
from foveal.settings import parse_settings

Quick = Callable[..., Run]
UPDATES = 44  # 219 images in batches of 21 are 11 updates an epoch


@pytest.fixture(autouse=True)
def no_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pictures take most of the time of a small training, and no part in what is tested here."""
    monkeypatch.setattr("foveal.workflows.train.draw_training", lambda *_: None)


@pytest.fixture
def settled(quick: Quick, digits: Any) -> Quick:
    """Four epochs with everything that has a state: dropout, shifts, mirroring in turn, mixup, a falling rate."""

    def train(*said: str, **arguments: Any) -> Run:
        wanted = ["augment.flip=alternating", "augment.mixup=0.3", "augment.noise=2", "training.report_every=3", *said]
        return quick(model="lenet-dropout2d", epochs=4.0, settings=parse_settings(wanted), **arguments)

    return train


def weights_of(run: Run) -> tuple[str, str]:
    """What tells the chosen and the last weights."""
    card = json.loads((run.classifier / "classifier.json").read_text())
    return card["weights_sha256"], run.summary["last_weights_sha256"]


def few(digits: Any) -> Any:
    return digits[0][:300], digits[1][:300]


class Stopped(BaseException):
    """A training that ends without a word, in the way of SIGKILL."""


@pytest.fixture
def stop_at(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Let the next training end without a word at the first Record from this update on."""
    from foveal.workflows import train as workflow

    real = workflow.start_fit

    def arm(update: int) -> None:
        def records(*arguments: Any, **named: Any) -> Any:
            for record in real(*arguments, **named):
                if record.update >= update:
                    monkeypatch.setattr(workflow, "start_fit", real)
                    raise Stopped
                yield record

        monkeypatch.setattr(workflow, "start_fit", records)

    return arm


@pytest.mark.parametrize("every", [None, 1, 7], ids=["epochs", "each", "mid-epoch"])
@pytest.mark.parametrize("update", [1, 8, 12, 23, 34, 44])
def test_stopped_anywhere_it_goes_on_to_the_same_weights_and_the_same_records(
    update: int, every: int | None, settled: Quick, stop_at: Callable[[int], None], digits: Any, tmp_path: Path
) -> None:
    said = [f"training.checkpoint_every={every}"] if every else []
    whole = settled(*said, out=tmp_path / "whole")
    stop_at(update)
    with pytest.raises(Stopped):
        settled(*said, out=tmp_path / "stopped")
    first = every or UPDATES // 4
    if update <= first:  # nothing was kept, so there is nothing to keep a folder for
        assert not (tmp_path / "stopped").exists()
        return
    resumed = foveal.resume(tmp_path / "stopped", few(digits))
    assert weights_of(resumed) == weights_of(whole)
    assert without_time(resumed.history) == without_time(whole.history)
    same = ("updates", "epochs", "val_accuracy", "val_loss", "chosen_update", "parameters")
    assert [resumed.summary[key] for key in same] == [whole.summary[key] for key in same]
    assert not resumed.checkpoints.exists()
    assert "goes on from update" in (resumed.folder / "notes.txt").read_text()


def without_time(history: list[dict[str, Any]]) -> list[dict[str, Any]]:
    assert [record["seconds"] for record in history] == sorted(record["seconds"] for record in history)
    return [{key: value for key, value in record.items() if key != "seconds"} for record in history]


def test_a_run_killed_before_its_first_checkpoint_begins_again(
    settled: Quick, stop_at: Callable[[int], None], digits: Any, tmp_path: Path
) -> None:
    whole = settled(out=tmp_path / "whole")
    again = Run(tmp_path / "killed")
    again.folder.mkdir()
    again.write_config(whole.config)
    again.append_history([{"update": 3, "seconds": 9.0}])
    assert weights_of(foveal.resume(again, few(digits))) == weights_of(whole)
    assert without_time(again.history) == without_time(whole.history)


def test_to_resume_a_finished_run_changes_nothing(settled: Quick, tmp_path: Path) -> None:
    run = settled(out=tmp_path / "run")
    before = {path: path.stat().st_mtime_ns for path in run.folder.rglob("*")}
    assert foveal.resume(run).folder == run.folder
    assert {path: path.stat().st_mtime_ns for path in run.folder.rglob("*")} == before


def test_early_stopping_counts_on_where_it_was(
    settled: Quick, stop_at: Callable[[int], None], digits: Any, tmp_path: Path
) -> None:
    said = [
        "training.patience=2",
        "training.validate_every=0.2",
        "training.learning_rate=1e-9",
        "training.checkpoint_every=1",
    ]
    whole = settled(*said, out=tmp_path / "whole")
    assert whole.summary["updates"] < UPDATES
    for update in range(3, whole.summary["updates"] + 1):
        stop_at(update)
        with pytest.raises(Stopped):
            settled(*said, out=tmp_path / str(update))
        assert foveal.resume(tmp_path / str(update), few(digits)).summary["updates"] == whole.summary["updates"]


@pytest.fixture
def stopped(settled: Quick, stop_at: Callable[[int], None], tmp_path: Path) -> Run:
    """A run that was stopped in its third epoch, with checkpoints of updates 11 and 22."""
    stop_at(25)
    with pytest.raises(Stopped):
        settled(out=tmp_path / "stopped")
    return Run(tmp_path / "stopped")


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (lambda facts: facts.update(torch="1.0"), "torch: 1.0 then, 2"),
        (lambda facts: facts.update(threads=7), "threads: 7 then, 1 now"),
        (lambda facts: facts.update(processor="abacus"), "processor: abacus then"),
        (lambda facts: facts.update(workers=4), "workers: 4 then, 1 now"),
        (
            lambda facts: facts["network"].update(border=1),
            "the network, or the statistics of its first layer, is another",
        ),
        (lambda facts: facts["settings"]["training"].update(learning_rate=3), r"config.toml was changed \(training\)"),
    ],
    ids=["torch", "threads", "processor", "workers", "network", "settings"],
)
def test_what_is_not_as_it_was_is_named_and_refused_unless_allowed(
    change: Callable[[dict[str, Any]], None], named: str, stopped: Run, digits: Any
) -> None:
    from foveal.training.checkpoint import Checkpoint, newest_checkpoint, save_checkpoint

    found, _ = newest_checkpoint(stopped.checkpoints)
    assert found is not None
    facts = json.loads(json.dumps(found.facts))
    change(facts["depends_on"])
    save_checkpoint(stopped.checkpoints, Checkpoint(found.update, found.tensors, facts))
    with pytest.raises(foveal.ArtifactError, match=rf"cannot go on bit for bit: {named}.*--allow-difference"):
        foveal.resume(stopped, few(digits))
    assert found.update == 22
    assert foveal.resume(stopped, few(digits), allow_difference=True).is_finished
    assert "not as it was begun: " in (stopped.folder / "notes.txt").read_text()


def test_a_damaged_checkpoint_is_named_and_the_one_before_is_gone_on_from(
    stopped: Run, settled: Quick, digits: Any, tmp_path: Path
) -> None:
    path = stopped.checkpoints / "000000022" / "tensors.safetensors"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 4
    path.write_bytes(content)
    resumed = foveal.resume(stopped, few(digits))
    notes = (resumed.folder / "notes.txt").read_text()
    assert "000000022 is damaged" in notes
    assert "goes on from update 11 of 44" in notes
    assert weights_of(resumed) == weights_of(settled(out=tmp_path / "whole"))


def test_with_every_checkpoint_damaged_the_training_begins_again(
    stopped: Run, settled: Quick, digits: Any, tmp_path: Path
) -> None:
    for place in stopped.checkpoints.iterdir():
        (place / "state.json").write_text("{}")
    assert weights_of(foveal.resume(stopped, few(digits))) == weights_of(settled(out=tmp_path / "whole"))


def test_a_checkpoint_grows_with_the_network_and_not_with_the_training(
    settled: Quick, stop_at: Callable[[int], None], tmp_path: Path
) -> None:
    stop_at(UPDATES)
    with pytest.raises(Stopped):
        settled("training.checkpoint_every=1", "training.report_every=1", out=tmp_path / "run")
    state = json.loads((tmp_path / "run/checkpoint/000000043/state.json").read_text())
    written = (tmp_path / "run/history.jsonl").read_bytes()
    assert state["history_bytes"] == len(written)
    assert written.count(b"\n") == 43
    assert sum(isinstance(value, list) for value in state.values()) == 0  # no records in it


@pytest.mark.parametrize("content", [None, b'{"update": 3, "lo'], ids=["lost", "torn"])
def test_a_history_that_was_lost_is_told_of_and_changes_no_weight(
    content: bytes | None, stopped: Run, settled: Quick, digits: Any, tmp_path: Path
) -> None:
    path = stopped.folder / "history.jsonl"
    if content is None:
        path.unlink()
    else:
        path.write_bytes(content)
    resumed = foveal.resume(stopped, few(digits))
    assert weights_of(resumed) == weights_of(settled(out=tmp_path / "whole"))
    assert "history.jsonl has lost records of before update 22" in (resumed.folder / "notes.txt").read_text()
    assert next(record["update"] for record in resumed.history) > 22


def test_a_full_disk_loses_nothing_and_the_sentence_says_how_to_go_on(
    settled: Quick, digits: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, real, written = settled(out=tmp_path / "whole"), os.fsync, tmp_path / "run" / "checkpoint" / "000000022"

    def refuse(handle: int) -> None:
        if written.exists():
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        real(handle)

    monkeypatch.setattr(os, "fsync", refuse)
    sentence = r"No space left on device. Free some space .* To go on from update 22: foveal resume .*run"
    with pytest.raises(foveal.ArtifactError, match=sentence):
        settled(out=tmp_path / "run")
    monkeypatch.setattr(os, "fsync", real)
    assert weights_of(foveal.resume(tmp_path / "run", few(digits))) == weights_of(whole)


class Poisoned(nn.Module):
    """A network whose gradients are no numbers from its ninth update on, though its loss is one."""

    def __init__(self) -> None:
        super().__init__()
        self.head = nn.Linear(28 * 28, 10)
        self.updates = 0

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.head(images.flatten(1))
        self.updates += self.training
        if self.training and self.updates == 9:
            logits.register_hook(lambda gradient: gradient * float("nan"))
        return logits


@pytest.mark.parametrize(
    ("every", "sentence"),
    [(None, r"the loss is nan in epoch 1, batch 10"), (3, r"head.weight holds NaN or infinities after update 9")],
    ids=["seen in the loss", "seen at a checkpoint"],
)
def test_gradients_that_are_no_numbers_leave_the_weights_of_before(
    every: int | None, sentence: str, quick: Quick, tmp_path: Path
) -> None:
    settings = {"training": {"report_every": 3, "checkpoint_every": every} if every else {"report_every": 3}}
    with pytest.raises(foveal.TrainingError, match=sentence):
        quick(model=Poisoned(), settings=settings)
    kept = foveal.load(tmp_path / "run", model=Poisoned())
    assert np.isfinite(kept.logits(np.zeros((1, 28, 28, 1), np.uint8))).all()
    assert 0 < int(kept.card.provenance["update"] or 0) < 9


def cut_and_resume(train: Quick, folder: Path, fatal: int, data: Any, loses_renames: bool) -> Run | None:
    """A run whose power fails at this step, resumed after the restart; None where the cut came before its config."""
    with power_cut(folder.parent, fatal, loses_renames=loses_renames):
        train(out=folder)
    if not (folder / "config.toml").exists():
        return None
    return foveal.resume(folder, data)


def check_every_cut(train: Quick, digits: Any, tmp_path: Path, every: int) -> int:
    """Cut the power at each `every`-th step of a training and compare what becomes of it; the number of steps."""
    (tmp_path / "count").mkdir()
    with power_cut(tmp_path / "count", 0) as disk:
        whole = train(out=tmp_path / "count" / "run")
    for fatal in range(1, disk.count + 1, every):
        place = tmp_path / str(fatal)
        place.mkdir()
        resumed = cut_and_resume(train, place / "run", fatal, few(digits), loses_renames=fatal // every % 2 == 1)
        assert resumed is None or (resumed.is_finished and weights_of(resumed) == weights_of(whole)), fatal
        assert resumed is None or without_time(resumed.history) == without_time(whole.history), fatal
        shutil.rmtree(place)
    return disk.count


def test_a_power_cut_at_any_write_flush_or_rename_loses_nothing(settled: Quick, digits: Any, tmp_path: Path) -> None:
    assert check_every_cut(settled, digits, tmp_path, every=9) > 40


@pytest.mark.slow
def test_a_power_cut_at_every_write_flush_and_rename_loses_nothing(settled: Quick, digits: Any, tmp_path: Path) -> None:
    check_every_cut(settled, digits, tmp_path, every=1)
