"""`foveal resume --verify`: the same training once more, killed and resumed on the way, compared bit for bit."""

import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from foveal.data.sources import ARRAYS
from foveal.errors import ArtifactError, TrainingError
from foveal.run import CONFIG, Run
from foveal.storage import read_json

STOPS = 10  # checkpoints that the twin writes: it is killed after one of the first of them
POLL_SECONDS = 0.002


@dataclass(frozen=True)
class Proof:
    """What was compared. `killed_after` is the update of the newest checkpoint when the twin was killed."""

    updates: int
    killed_after: int | None
    chosen_sha256: str
    last_sha256: str

    def as_dict(self) -> dict[str, Any]:
        """The same for JSON."""
        return asdict(self)

    @property
    def sentences(self) -> list[str]:
        """The same for people."""
        how = (
            f"was killed (SIGKILL) after the checkpoint of update {self.killed_after:,} of {self.updates:,} and resumed"
            if self.killed_after is not None
            else f"was done with its {self.updates:,} updates before it could be killed"
        )
        return [
            f"verified: the same training was run again in another process, {how};",
            f"its weights are bit-identical, those chosen (sha256 {self.chosen_sha256}) and the last ({self.last_sha256})",
        ]


def verify(run: Run) -> Proof:
    """Train as a finished run was trained, kill and resume that, and compare all weights.

    Raises TrainingError where one bit differs, ArtifactError where the run cannot be trained again from its config alone.
    """
    config = run.config
    if config.data.source == ARRAYS or config.model.name.startswith("python:"):
        raise ArtifactError(
            f"the run {run.folder} was trained on arrays or on a network made in Python, which its {CONFIG} cannot name: it "
            "cannot be trained again in another process. Save the data as .npz, or the network in a file."
        )
    updates = int(run.summary["updates"])
    with tempfile.TemporaryDirectory(prefix="foveal-verify-") as folder:
        twin = Run(Path(folder) / "twin")
        killed_after = _train_and_kill(run, twin, max(1, updates // STOPS))
        if killed_after is not None:
            _finish([sys.executable, "-m", "foveal", "resume", str(twin.folder), "--json"])
        ours, theirs = _hashes(run), _hashes(twin)
    if ours != theirs:
        raise TrainingError(
            f"the weights are not the same: chosen and last have sha256 {ours} in {run.folder}, and {theirs} when trained "
            "again. Was the run made on another machine, with other versions or other data? See environment.json in it; a "
            "network of your own may also draw from generators that torch does not seed."
        )
    return Proof(updates, killed_after, *ours)


def _train_and_kill(run: Run, twin: Run, every: int) -> int | None:
    """Begin the twin and kill it once it has written a checkpoint; the update of its newest one, None if it was faster."""
    config, out = str(run.folder / CONFIG), str(twin.folder)
    said = ["--config", config, "--out", out, "--checkpoint-every", str(every), "--log", "none", "--json"]
    process = subprocess.Popen(
        [sys.executable, "-m", "foveal", "train", *said], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    )
    while process.poll() is None and not any(twin.checkpoints.glob("[0-9]*")):
        time.sleep(POLL_SECONDS)
    if process.poll() is None:
        process.kill()
    _, errors = process.communicate()
    if process.returncode > 0:
        raise TrainingError(f"the run could not be trained again: {errors.decode(errors='replace').strip()}")
    if twin.is_finished:
        return None
    return max(int(each.name) for each in twin.checkpoints.glob("[0-9]*"))


def _finish(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise TrainingError(f"the killed twin could not be resumed: {done.stderr.strip()}")


def _hashes(run: Run) -> tuple[str, str]:
    chosen = read_json(run.classifier / "classifier.json")["weights_sha256"]
    return str(chosen), str(run.summary["last_weights_sha256"])
