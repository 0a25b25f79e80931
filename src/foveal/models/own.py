"""Networks of the user's own: a class in a Python file, or an nn.Module that is passed from Python.

Only a path that the user names now is ever run; the path that a saved Classifier remembers is not.
"""

import copy
import hashlib
import importlib.util
import inspect
import sys
from pathlib import Path

from torch import nn

from foveal.errors import ConfigError, closest
from foveal.models.shapes import Shape

Own = nn.Module | type[nn.Module]  # a module, or a class to make one of


def load_class(reference: str) -> type[nn.Module]:
    """The network class that `path/to/file.py:Name` names. Runs that file. Raises ConfigError."""
    location, _, name = reference.rpartition(":")
    if not location:
        raise ConfigError(
            f"{reference!r} names no class. Write {reference}:MyNet, with the name of your network's class."
        )
    path = Path(location)
    if not path.is_file():
        raise ConfigError(f"there is no Python file {path}, so the network {name!r} cannot be read. Check the path.")
    # Two files may have one name: inspect finds a class's source through sys.modules.
    key = hashlib.sha256(str(path.resolve()).encode()).hexdigest()[:12]
    spec = importlib.util.spec_from_file_location(f"foveal_own_{key}", path)
    if spec is None or spec.loader is None:
        raise ConfigError(f"{path} is not a Python file. Name a file that ends in .py.")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        raise ConfigError(f"{path} cannot be run: {type(error).__name__}: {error}. Mend it and try again.") from error
    networks = {
        key: value for key, value in vars(module).items() if inspect.isclass(value) and issubclass(value, nn.Module)
    }
    if name not in networks:
        raise ConfigError(
            f"{path} has no network class {name!r}. {closest(name, networks) if networks else 'It has none.'}"
        )
    return networks[name]


def describe(own: Own) -> tuple[str, str | None]:
    """Where the network's code is and the sha256 of that file; the class name and None when it has no file."""
    cls = own if inspect.isclass(own) else type(own)
    try:
        path = Path(inspect.getsourcefile(cls) or "")
        return f"{path}:{cls.__qualname__}", hashlib.sha256(path.read_bytes()).hexdigest()
    except (TypeError, OSError):
        return cls.__qualname__, None


def build_own(own: Own, input_shape: Shape, num_classes: int) -> nn.Module:
    """The user's network, made with those of `num_classes`, `in_channels` and `input_shape` that its class asks for.

    A module that was passed is copied, weights and all. Raises ConfigError when the class cannot be called so.
    """
    if isinstance(own, nn.Module):
        return copy.deepcopy(own)
    offered = {"num_classes": num_classes, "in_channels": input_shape[0], "input_shape": input_shape}
    wanted = inspect.signature(own).parameters
    try:
        return own(**{name: value for name, value in offered.items() if name in wanted})
    except TypeError as error:
        raise ConfigError(
            f"{own.__name__} cannot be made: {error}. Its __init__ may ask for num_classes, in_channels and input_shape "
            "by these names; give everything else a default."
        ) from error
