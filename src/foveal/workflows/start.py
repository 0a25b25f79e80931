"""`--from RUN`: a training that begins with the weights of a Classifier."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from foveal.classifier import Classifier, load
from foveal.config import ArchSpec, Config
from foveal.device import seed_everything
from foveal.errors import ArtifactError, ConfigError
from foveal.models.catalog import build_model
from foveal.models.own import Own
from foveal.models.transfer import Transfer, transfer
from foveal.workflows.start_settings import different_network

SHOWN = 5  # names in a note


@dataclass(frozen=True)
class Start:
    """What a training begins with that continues a Classifier: the spec of its network on these data, and its weights.

    `notes` tell the user what was taken and what is new.
    """

    folder: Path  # of the Classifier
    arch: ArchSpec
    weights: Mapping[str, Tensor]
    sha256: str  # of the Classifier's weights
    notes: tuple[str, ...]


def find_start(
    config: Config, arch: ArchSpec, classes: tuple[str, ...], *, fingerprint: str, own: Own | None
) -> Start | None:
    """The start that the config names, on data with these classes; None where all weights are drawn by chance.

    The first layer keeps the Classifier's statistics on the same data, and has those of `arch` on others. Raises
    ArtifactError where the Classifier is gone or another by now, and ConfigError where its network is another.
    """
    if config.model.start is None:
        return None
    classifier = _open(config.model.start, config.model.start_sha256, own)
    known = classifier.card.arch
    if known.name != arch.name:
        raise different_network(classifier, arch.name)
    notes = []
    if classifier.card.provenance.get("fingerprint") == fingerprint:
        arch = arch.model_copy(update={"mean": known.mean, "std": known.std})
    elif (arch.mean, arch.std) != (known.mean, known.std):
        notes.append("the first layer normalises by the statistics of these data, and not by the Classifier's")
    seed_everything(config.seed)  # what is new is what a training from nothing would begin with
    model = build_model(arch, len(classes), own)
    found = transfer(
        model,
        classifier.network.state_dict(),
        input_shape=arch.input_shape,
        classes=classes,
        known_classes=classifier.classes,
    )
    if not any(tensor.ndim > 1 for tensor in found.taken.values()):  # counters and biases alone are no network
        raise _nothing_fits(classifier, arch)
    told = (*_told(found, classifier, classes), *notes)
    return Start(classifier.folder.resolve(), arch, found.taken, classifier.card.weights_sha256, told)


def _nothing_fits(classifier: Classifier, arch: ArchSpec) -> ConfigError:
    theirs, ours = classifier.card.arch.input_shape, arch.input_shape
    if theirs == ours:
        why = "its layers are others. Leave what changes them out (model.width, model.head), or leave --from out."
    else:
        why = (
            f"it takes images of {_by(theirs)}, and these are {_by(ours)}. Bring them to its size and channels (--size, "
            "--channels), or leave --from out."
        )
    return ConfigError(f"no weight of the Classifier in {classifier.folder} fits: {why}")


def _open(path: str, sha256: str | None, own: Own | None) -> Classifier:
    try:
        classifier = load(path, own)
    except ArtifactError as error:
        raise ArtifactError(f"the Classifier that this training starts from cannot be used: {error}") from error
    found = classifier.card.weights_sha256
    if sha256 not in (None, found):
        raise ArtifactError(
            f"the Classifier in {path} is not the one that this training was begun with: its weights have the sha256 {found}, "
            f"and config.toml says {sha256}. Bring that one back, or begin a new training with --from."
        )
    return classifier


def _told(found: Transfer, classifier: Classifier, classes: tuple[str, ...]) -> list[str]:
    """What was taken and what is new, in sentences."""
    total = len(found.taken) + len(found.new)
    notes = [f"starts from {classifier.folder}: {len(found.taken)} of {total} tensors are its own"]
    is_strange = len(found.new_classes) == len(classes)  # then the last layer is new whatever its shape
    new = [name for name in found.new if not is_strange or name.rpartition(".")[0] != found.head]
    if new:
        notes.append(f"new, as their shapes are others: {_few(new)}")
    dropped = [name for name in classifier.classes if name not in classes]
    if is_strange:
        notes.append(f"the last layer is new: the Classifier knows none of the classes {_few(classes)}")
    elif found.new_classes:
        kept = len(classes) - len(found.new_classes)
        notes.append(f"the last layer keeps the rows of {kept} classes and has new ones for {_few(found.new_classes)}")
    if dropped and not is_strange:
        notes.append(f"the last layer has no row any more for {_few(dropped)}, which these data do not have")
    return notes


def _few(names: Sequence[str]) -> str:
    shown = ", ".join(names[:SHOWN])
    return f"{shown} and {len(names) - SHOWN} more" if len(names) > SHOWN else shown


def _by(shape: tuple[int, ...]) -> str:
    return "x".join(map(str, shape))
