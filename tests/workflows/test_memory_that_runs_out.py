"""Memory that runs out: what was learnt is kept, the sentence says what to do, and to go on gives the same weights."""

import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import foveal
from foveal.errors import MemoryRanOut
from foveal.run import Run

Quick = Callable[..., Run]
UPDATES = 44  # 219 images in batches of 21 are 11 updates an epoch


class Greedy(nn.Module):
    """A linear network that calls `before` with each batch it is given, which may ask for more memory than there is."""

    before: Callable[["Greedy", Tensor], None] = staticmethod(lambda *_: None)

    def __init__(self, num_classes: int) -> None:
        super().__init__()
        self.head, self.updates = nn.Linear(28 * 28, num_classes), 0

    def forward(self, images: Tensor) -> Tensor:
        self.updates += self.training
        Greedy.before(self, images)
        logits: Tensor = self.head(images.flatten(1))
        return logits


@pytest.fixture(autouse=True)
def no_pictures(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr("foveal.workflows.train.draw_training", lambda *_: None)
    yield
    Greedy.before = staticmethod(lambda *_: None)


def ask_when(is_time: Callable[[Greedy, Tensor], bool]) -> None:
    """Let the network ask for a petabyte then."""

    def before(network: Greedy, images: Tensor) -> None:
        if is_time(network, images):
            torch.empty(1 << 50)

    Greedy.before = staticmethod(before)


@pytest.fixture
def train(quick: Quick, tmp_path: Path) -> Callable[[str], Run]:
    def run(name: str) -> Run:
        settings = {"training": {"report_every": 3}, "data": {"calibration": 29}}
        return quick(model=Greedy, epochs=4.0, out=tmp_path / name, settings=settings)

    return run


def few(digits: Any) -> Any:
    return digits[0][:300], digits[1][:300]


def go_on(run: Path, digits: Any) -> Run:
    Greedy.before = staticmethod(lambda *_: None)
    return foveal.resume(run, few(digits), model=Greedy)


def weights_of(run: Run) -> tuple[str, str]:
    return foveal.load(run.folder, model=Greedy).card.weights_sha256, run.summary["last_weights_sha256"]


def test_once_the_updates_are_done_a_checkpoint_keeps_them_and_only_the_rest_is_to_do(
    train: Callable[[str], Run], digits: Any, tmp_path: Path
) -> None:
    whole = train("whole")
    counts = {name: len(columns["ids"]) for name, columns in whole.splits["splits"].items()}
    assert counts["calibration"] == 29 != counts["validation"]
    ask_when(lambda network, images: not network.training and len(images) == 29)
    sentence = (
        r"memory ran out once the updates were done: .* End other programs, .* To go on from update \d+: foveal resume"
    )
    with pytest.raises(MemoryRanOut, match=sentence):
        train("short")
    updates = whole.summary["updates"]
    assert (tmp_path / "short" / "checkpoint" / f"{updates:09d}").is_dir()
    resumed = go_on(tmp_path / "short", digits)
    assert weights_of(resumed) == weights_of(whole)
    assert resumed.summary["val_accuracy"] == whole.summary["val_accuracy"]
    assert resumed.summary["updates"] == updates
    assert len(resumed.history) == len(whole.history)


def test_while_stopped_weights_are_validated_nothing_is_lost_either(
    train: Callable[[str], Run], digits: Any, tmp_path: Path
) -> None:
    whole = train("whole")
    n = len(whole.splits["splits"]["validation"]["ids"])

    def stop_and_ask(network: Greedy, images: Tensor) -> None:
        if network.updates == 2 and network.training:
            os.kill(os.getpid(), signal.SIGINT)
        if not network.training and len(images) == n:
            torch.empty(1 << 50)

    Greedy.before = staticmethod(stop_and_ask)
    with pytest.raises(MemoryRanOut, match=r"To go on from update 3: foveal resume"):
        train("short")
    assert weights_of(go_on(tmp_path / "short", digits)) == weights_of(whole)


def test_on_the_way_the_best_weights_are_kept_and_the_training_can_go_on(
    train: Callable[[str], Run], digits: Any, tmp_path: Path
) -> None:
    whole = train("whole")
    ask_when(lambda network, _: network.training and network.updates == 30)
    with pytest.raises(MemoryRanOut, match=r"memory ran out while training: .* Use a smaller batch"):
        train("short")
    short = Run(tmp_path / "short")
    card = foveal.load(short.folder, model=Greedy).card
    assert 0 < int(card.provenance["update"] or 0) < 30
    notes = (short.folder / "notes.txt").read_text()
    assert "To go on from update 20: foveal resume" in notes or "To go on from update 22: foveal resume" in notes
    assert "learning_rate" not in notes
    assert weights_of(go_on(short.folder, digits)) == weights_of(whole)


def test_before_the_first_update_it_is_said_and_nothing_is_left(quick: Quick, tmp_path: Path) -> None:
    class TooLarge(nn.Module):
        def __init__(self, num_classes: int) -> None:
            super().__init__()
            self.head = nn.Linear(1 << 24, 1 << 24)

    with pytest.raises(MemoryRanOut, match=r"memory ran out before the first update: .* Use smaller images"):
        quick(model=TooLarge, out=tmp_path / "run")
    assert not (tmp_path / "run").exists()
