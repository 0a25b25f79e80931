"""What foveal raises. Every message says what happened, why (with the value received) and what to do.

FovealError
├── ConfigError     what was asked for cannot be: an unknown name, a value out of range, layers that do not fit together
├── DataError       what was given to learn from or to look at is missing, damaged or inconsistent
├── ArtifactError   a run folder or a Classifier folder cannot be read, written or found
├── ExportError     a Classifier cannot be turned into the format asked for
├── TrainingError   training cannot go on: a loss that is not a number
│   └── MemoryRanOut    no memory was left; what has been learnt is kept
└── WorkerError     another of the processes that torchrun started cannot be met, or ended before its work was done
"""

from collections.abc import Iterable
from difflib import get_close_matches


class FovealError(Exception):
    """An error meant for the person at the keyboard: one paragraph, no traceback (`foveal --debug` shows it)."""

    exit_code = 1


class ConfigError(FovealError):
    """What was asked for cannot be done as asked; the command line leaves with 2, as for any wrong usage."""

    exit_code = 2


class DataError(FovealError):
    """Images or labels are missing, damaged or do not belong together."""


class ArtifactError(FovealError):
    """A run folder or a Classifier folder cannot be read, written or found."""


class ExportError(FovealError):
    """A Classifier cannot be turned into the format asked for."""


class TrainingError(FovealError):
    """Training cannot go on; the last good weights are kept."""


class WorkerError(FovealError):
    """Another of the processes that torchrun started cannot be met, or ended before its work was done."""


class MemoryRanOut(TrainingError):
    """No memory was left, for training or for anything else; going on later may come to the end."""


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error is one of the several that Python, NumPy and torch raise when no memory is left."""
    if isinstance(error, MemoryError):
        return True
    text = str(error).lower()
    is_said = "out of memory" in text or "can't allocate memory" in text
    return isinstance(error, RuntimeError) and (type(error).__name__ == "OutOfMemoryError" or is_said)


def closest(name: str, known: Iterable[str]) -> str:
    """A sentence that offers the known names nearest to `name`, or all of them when none is near.

    >>> closest("compat", ["compact", "lenet5"])
    "Did you mean 'compact'? Known: compact, lenet5."
    """
    names = list(known)
    near = get_close_matches(name, names, n=2, cutoff=0.6)
    question = f"Did you mean {' or '.join(repr(n) for n in near)}? " if near else ""
    return f"{question}Known: {', '.join(names)}."
