"""What a training that continues a Classifier is told where the user says nothing else. No torch here."""

from collections.abc import Mapping
from typing import Any

from foveal.classifier import Classifier, load
from foveal.config import ArchSpec
from foveal.errors import ConfigError

FIRST_CHANNELS = {1: 16, 3: 32}  # of `compact`, by the channels of the images, where its width is 1


def start_settings(asked: Mapping[str, Any]) -> dict[str, Any]:
    """What follows from the Classifier that the settings `asked` for continue; nothing where they continue none.

    That is its network, and the size and channels that it takes. The code of a network of the user's own has to be named
    again: what a Classifier remembers is never run. Raises ArtifactError where there is no Classifier, ConfigError where
    another network is asked for.
    """
    model = asked.get("model", {})
    if model.get("start") is None:
        return {}
    classifier = load(model["start"])
    _require_same_network(classifier, model.get("name"))
    arch, preprocess = classifier.card.arch, classifier.card.preprocess
    is_unit = set(arch.mean) == {0.0} and set(arch.std) == {255.0}
    return {
        "model": {
            **_network(arch),
            **({"border": arch.border} if arch.border >= 0 else {}),  # a margin that is added follows from the network
            **({"normalise": "unit"} if is_unit else {}),
            "start": str(classifier.folder.resolve()),
            "start_sha256": classifier.card.weights_sha256,
        },
        "data": {
            "channels": preprocess.channels,
            "fit": preprocess.fit,
            **({"size": preprocess.height} if preprocess.height == preprocess.width else {}),
        },
    }


def _require_same_network(classifier: Classifier, asked: str | None) -> None:
    known = classifier.card.arch.name
    if asked is None and known == "own":
        raise ConfigError(
            f"the Classifier in {classifier.folder} is of a network that is code of your own ({classifier.card.arch.source}), "
            "and what a Classifier remembers is never run. Name the code: --model path.py:MyNet."
        )
    is_same = asked is None or kind_of(asked) == known
    if not is_same:
        raise different_network(classifier, str(asked))


def kind_of(name: str) -> str:
    """What `classifier.json` calls the network that a setting names: code and lists of layers by their kind."""
    is_own = ".py:" in name or name.startswith("python:")
    return "own" if is_own else "layers" if name.endswith(".toml") else name


def different_network(classifier: Classifier, asked: str) -> ConfigError:
    """The error for a network that the Classifier's weights do not belong to."""
    network = classifier.card.arch.name
    what = {"own": "code of your own", "layers": "a list of layers"}.get(network, network)
    return ConfigError(
        f"the Classifier in {classifier.folder} is of the network {what}, and {asked} was asked for: weights belong to the "
        "network they were learnt in. Name that one with --model (path.py:MyNet for code of your own), or leave --from out."
    )


def _network(arch: ArchSpec) -> dict[str, Any]:
    if arch.name == "own":
        return {}
    if arch.name == "layers":
        return {"name": arch.source}
    if arch.name != "compact" or not arch.layers:
        return {"name": arch.name}
    first = arch.layers[0].out_channels or 0
    is_flat = all(layer.kind != "global_max_pool" for layer in arch.layers)
    width = first / FIRST_CHANNELS[arch.input_shape[0]]
    return {"name": "compact", "width": width, "head": "flat" if is_flat else "max"}
