"""foveal trains, checks and ships small convolutional image classifiers on the machine you already have.

    run = foveal.train("mnist", epochs=2)
    classifier = foveal.load(run.classifier)
    for prediction in foveal.predict(classifier, ["digit.png"]):
        print(prediction.label, prediction.probability)

Every name below is imported when it is first used, so that `import foveal` and `foveal --help` stay light.
"""

import os
import sys
import warnings
from importlib import import_module
from typing import TYPE_CHECKING, Any

# The torch wheel's OpenMP spins while it waits: with one core busy elsewhere, an update took up to 200 times longer.
# Not to spin at all costs too: threads that sleep between the many small steps of a small network must be woken for
# each. A spin of some ten microseconds keeps most of both (docs/log.md).
if os.environ.get("OMP_WAIT_POLICY", "PASSIVE").upper() == "PASSIVE":
    os.environ.setdefault("GOMP_SPINCOUNT", "3000")
if "OMP_WAIT_POLICY" not in os.environ:
    os.environ["OMP_WAIT_POLICY"] = "PASSIVE"
    if "torch" in sys.modules:
        warnings.warn(
            "torch was imported before foveal, too late for OMP_WAIT_POLICY=PASSIVE to take effect: on a busy machine "
            "training may be many times slower. Import foveal first, or set the variable yourself.",
            stacklevel=2,
        )

if TYPE_CHECKING:
    from foveal.classifier import Classifier as Classifier
    from foveal.classifier import load as load
    from foveal.config import Config as Config
    from foveal.errors import ArtifactError as ArtifactError
    from foveal.errors import ConfigError as ConfigError
    from foveal.errors import DataError as DataError
    from foveal.errors import ExportError as ExportError
    from foveal.errors import FovealError as FovealError
    from foveal.errors import TrainingError as TrainingError
    from foveal.evaluation.intervals import wilson_interval as wilson_interval
    from foveal.prediction import Prediction as Prediction
    from foveal.prediction import Refused as Refused
    from foveal.prediction import predict as predict
    from foveal.run import Run as Run
    from foveal.workflows.api import check_data as check_data
    from foveal.workflows.api import evaluate as evaluate
    from foveal.workflows.api import reproduce as reproduce
    from foveal.workflows.api import resume as resume
    from foveal.workflows.api import train as train
    from foveal.workflows.describe import summarise_model as summarise_model

_WHERE = {
    "ArtifactError": "foveal.errors",
    "Classifier": "foveal.classifier",
    "Config": "foveal.config",
    "ConfigError": "foveal.errors",
    "DataError": "foveal.errors",
    "ExportError": "foveal.errors",
    "FovealError": "foveal.errors",
    "Prediction": "foveal.prediction",
    "Refused": "foveal.prediction",
    "Run": "foveal.run",
    "TrainingError": "foveal.errors",
    "check_data": "foveal.workflows.api",
    "evaluate": "foveal.workflows.api",
    "load": "foveal.classifier",
    "predict": "foveal.prediction",
    "reproduce": "foveal.workflows.api",
    "resume": "foveal.workflows.api",
    "summarise_model": "foveal.workflows.describe",
    "train": "foveal.workflows.api",
    "wilson_interval": "foveal.evaluation.intervals",
}

__all__ = [
    "ArtifactError",
    "Classifier",
    "Config",
    "ConfigError",
    "DataError",
    "ExportError",
    "FovealError",
    "Prediction",
    "Refused",
    "Run",
    "TrainingError",
    "check_data",
    "evaluate",
    "load",
    "predict",
    "reproduce",
    "resume",
    "summarise_model",
    "train",
    "wilson_interval",
]


def __getattr__(name: str) -> Any:
    if name not in _WHERE:
        raise AttributeError(f"module 'foveal' has no attribute {name!r}")
    value = getattr(import_module(_WHERE[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
