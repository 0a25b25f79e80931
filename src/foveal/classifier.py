"""The Classifier: a folder that alone is enough to answer. Saving, loading, and the function that gives its logits.

The folder holds `classifier.json` (a ClassifierCard) and `weights.safetensors`; nothing in it is ever unpickled or run.
torch is imported only when the network is really run.
"""

import errno
import hashlib
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float32, UInt8
from numpy import ndarray

from foveal.config import ClassifierCard
from foveal.errors import ArtifactError, ConfigError
from foveal.run import CARD, CONFIG
from foveal.settings import parse_config
from foveal.storage import cannot_write, read_json, remove_folder, write_folder

if TYPE_CHECKING:
    from torch import Tensor, nn

WEIGHTS, FORMAT = "weights.safetensors", 1

# The only backend abstraction: images uint8 (N, H, W, C) to logits float32 (N, K). Torch, ONNX Runtime or a test's fake.
LogitsFn = Callable[[UInt8[ndarray, "N H W C"]], Float32[ndarray, "N K"]]


@dataclass(frozen=True)
class Classifier:
    """A trained network with all that it needs to answer. `own` is the code of a network that is not foveal's."""

    folder: Path
    card: ClassifierCard
    own: Any = None

    @property
    def classes(self) -> tuple[str, ...]:
        """The class names, in the order of the logits."""
        return self.card.classes

    @cached_property
    def network(self) -> "nn.Module":
        """The network with its weights, in eval mode. Raises ArtifactError when the two do not belong together."""
        from safetensors.torch import load as load_tensors

        from foveal.models.catalog import build_model

        model = build_model(self.card.arch, len(self.classes), self.own)
        try:
            model.load_state_dict(load_tensors(_checked_weights(self.folder, self.card)))
        except RuntimeError as error:
            reason = str(error).splitlines()[-1].strip()
            raise ArtifactError(
                f"the weights in {self.folder} do not fit the network {self.card.arch.name}: {reason} "
                "For a network of your own, give the code it was trained with."
            ) from error
        return model.eval()

    def logits(self, pixels: UInt8[ndarray, "N H W C"]) -> Float32[ndarray, "N K"]:
        """The logits of images that are preprocessed already: this method is the Classifier's LogitsFn."""
        return logits_of(self.network, pixels)


def logits_of(network: "nn.Module", pixels: UInt8[ndarray, "N H W C"]) -> Float32[ndarray, "N K"]:
    """What a torch network answers to images, in eval mode."""
    import torch

    with torch.inference_mode():
        images = torch.from_numpy(np.require(pixels, requirements=["C", "W"])).permute(0, 3, 1, 2)  # (N, C, H, W)
        logits: ndarray = network.eval()(images).float().numpy()
    return logits


def probabilities(logits: Float32[ndarray, "N K"], temperature: float) -> Float32[ndarray, "N K"]:
    """Softmax of logits / temperature. Source: Guo et al. 2017, arXiv:1706.04599, section 4.2."""
    scaled = logits / np.float32(temperature)
    powers = np.exp(scaled - scaled.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True), dtype=np.float32)


def save_classifier(folder: Path, weights: "Mapping[str, Tensor]", card: Mapping[str, Any]) -> None:
    """Write a Classifier folder, whole or not at all. `card` is a ClassifierCard without the two things known here.

    Raises ArtifactError when the folder exists already or cannot be written.
    """
    from safetensors.torch import save as save_tensors

    content = save_tensors({name: tensor.detach().cpu().contiguous() for name, tensor in weights.items()})
    facts = {"written_by": f"foveal {foveal_version()}", "weights_sha256": hashlib.sha256(content).hexdigest()}
    checked = ClassifierCard.model_validate({**card, **facts})
    if folder.exists():
        raise cannot_write(folder, FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST)))
    write_folder(folder, {WEIGHTS: content, CARD: (checked.model_dump_json(indent=1) + "\n").encode()})


def replace_classifier(folder: Path, weights: "Mapping[str, Tensor]", card: Mapping[str, Any]) -> None:
    """The same where a Classifier may be there already, of a training that was stopped and went on; it stays until then."""
    before = folder.with_name(f".{folder.name}.before")
    remove_folder(before)
    if folder.exists():
        folder.rename(before)
    try:
        save_classifier(folder, weights, card)
    except BaseException:
        if before.exists():
            before.rename(folder)
        raise
    remove_folder(before)


def foveal_version() -> str:
    """The version of this package."""
    try:
        return version("foveal")
    except PackageNotFoundError:
        return "0 (not installed)"


def find_classifier(path: Path) -> Path:
    """The Classifier folder that `path` is, or that the run folder `path` holds. Raises ArtifactError."""
    for folder in (path, path / "classifier"):
        if (folder / CARD).is_file():
            return folder
    if not path.exists():
        raise ArtifactError(f"there is no folder {path}. Name a run folder or a Classifier folder.")
    if (path / CONFIG).is_file():
        raise ArtifactError(f"the run {path} has no Classifier: its training did not finish. Train again.")
    raise ArtifactError(f"{path} holds no {CARD}, so it is no Classifier and no finished run. Name another folder.")


def load(path: str | Path, model: Any = None) -> Classifier:
    """The Classifier in a Classifier folder or a run folder, its weights checked against their sha256.

    `model` is the code of a network of your own (a class or an nn.Module), which a Classifier never carries.
    Raises ArtifactError for a missing or damaged folder and for a format of the future.
    """
    folder = find_classifier(Path(path))
    values = read_json(folder / CARD)
    written = values.get("format") if isinstance(values, dict) else None
    if written != FORMAT:
        raise ArtifactError(
            f"{folder / CARD} has the format {written!r}, written by {_writer(values)}; this is foveal {foveal_version()}, "
            f"which reads format {FORMAT}. Upgrade foveal, or train again."
        )
    try:
        card: ClassifierCard = parse_config(values, ClassifierCard)
    except ConfigError as error:
        raise ArtifactError(f"{folder / CARD} is damaged: {error}") from error
    _checked_weights(folder, card)
    return Classifier(folder, card, model)


def _writer(values: Any) -> str:
    return str(values.get("written_by", "an unknown version")) if isinstance(values, dict) else "something else"


def _checked_weights(folder: Path, card: ClassifierCard) -> bytes:
    try:
        content = (folder / WEIGHTS).read_bytes()
    except OSError as error:
        raise ArtifactError(
            f"cannot read {folder / WEIGHTS}: {error.strerror}. Copy the whole folder again."
        ) from error
    found = hashlib.sha256(content).hexdigest()
    if found != card.weights_sha256:
        raise ArtifactError(
            f"{folder / WEIGHTS} is damaged: its sha256 is {found}, but {CARD} says {card.weights_sha256}. "
            "Copy the whole folder again, or train again."
        )
    return content
