"""`foveal resume --verify`: the same training once more, killed and resumed on the way, compared bit for bit."""

import os
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from foveal.data.sources import ARRAYS
from foveal.errors import ArtifactError, TrainingError
from foveal.launch import environment_without_launch
from foveal.lock import HOLDER
from foveal.run import CONFIG, Run
from foveal.storage import read_json

STOPS = 10  # checkpoints that the twin writes: it is killed after one of the first of them
POLL_SECONDS = 0.002


@dataclass(frozen=True)
class Proof:
    """What was compared. `killed_after` is the update of the newest checkpoint when one of its `workers` was killed."""

    updates: int
    workers: int
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
        where = "in another process" if self.workers == 1 else f"by {self.workers} workers"
        return [
            f"verified: the same training was run again {where}, {how};",
            f"its weights are bit-identical, those chosen (sha256 {self.chosen_sha256}) and the last ({self.last_sha256})",
        ]


def verify(run: Run) -> Proof:
    """Train as a finished run was trained, by as many workers, kill one of them, resume, and compare all weights.

    All workers are on this machine, wherever those of the run were. Raises TrainingError where one bit differs,
    ArtifactError where the run cannot be trained again from its config alone.
    """
    config = run.config
    if config.data.source == ARRAYS or config.model.name.startswith("python:"):
        raise ArtifactError(
            f"the run {run.folder} was trained on arrays or on a network made in Python, which its {CONFIG} cannot name: it "
            "cannot be trained again in another process. Save the data as .npz, or the network in a file."
        )
    updates, workers = int(run.summary["updates"]), int(run.summary.get("workers", 1))
    with tempfile.TemporaryDirectory(prefix="foveal-verify-") as folder:
        twin = Run(Path(folder) / "twin")
        killed_after = _train_and_kill(run, twin, max(1, updates // STOPS), workers)
        if killed_after is not None:
            _finish(_command(workers, "resume", str(twin.folder), "--json"))
        ours, theirs = _hashes(run), _hashes(twin)
    if ours != theirs:
        raise TrainingError(
            f"the weights are not the same: chosen and last have sha256 {ours} in {run.folder}, and {theirs} when trained "
            "again. Was the run made on another machine, with other versions or other data? See environment.json in it; a "
            "network of your own may also draw from generators that torch does not seed."
        )
    return Proof(updates, workers, killed_after, *ours)


def _command(workers: int, *said: str) -> list[str]:
    """This command line in a process of its own, or in several under torchrun."""
    launcher = ["torch.distributed.run", "--standalone", f"--nproc-per-node={workers}", "-m"] if workers > 1 else []
    return [sys.executable, "-m", *launcher, "foveal", *said]


def _train_and_kill(run: Run, twin: Run, every: int, workers: int) -> int | None:
    """Begin the twin and kill it once it has written a checkpoint; the update of its newest one, None if it was faster."""
    said = ["--config", str(run.folder / CONFIG), "--out", str(twin.folder), "--checkpoint-every", str(every)]
    # Not --log none: torchrun takes it for the beginning of an option of its own.
    command = _command(workers, "train", *said, "--set", "track.to=[]", "--json")
    with tempfile.TemporaryFile() as errors:
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=errors, env=environment_without_launch())
        while process.poll() is None and not any(twin.checkpoints.glob("[0-9]*")):
            time.sleep(POLL_SECONDS)
        is_killed = process.poll() is None and _kill_first_worker(twin)
        if process.wait() and not is_killed:
            errors.seek(0)
            raise TrainingError(f"the run could not be trained again: {errors.read().decode(errors='replace').strip()}")
    if twin.is_finished:
        return None
    return max(int(each.name) for each in twin.checkpoints.glob("[0-9]*"))


def _kill_first_worker(twin: Run) -> bool:
    """SIGKILL to the process that trains in a run folder; torchrun then ends the others. False where it was done before."""
    try:
        os.kill(int(read_json(twin.folder / HOLDER)["process"]), signal.SIGKILL)
    except (ArtifactError, ProcessLookupError):
        return False
    return True


def _finish(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, env=environment_without_launch())
    if done.returncode:
        raise TrainingError(f"the killed twin could not be resumed: {done.stderr.strip()}")


def _hashes(run: Run) -> tuple[str, str]:
    chosen = read_json(run.classifier / "classifier.json")["weights_sha256"]
    return str(chosen), str(run.summary["last_weights_sha256"])
