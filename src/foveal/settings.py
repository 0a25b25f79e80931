"""Settings as people write them (TOML, `--set a.b=c`), checked and put on top of each other.

What a setting is and which values it may have stands in config.py.
"""

import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

from foveal.config import Config, Frozen
from foveal.errors import ConfigError, closest


def parse_config(values: Mapping[str, Any], kind: type[Frozen] = Config) -> Any:
    """A checked `kind` from nested values; ConfigError names the first bad key, its value and the closest known key."""
    try:
        return kind.model_validate(values)
    except ValidationError as error:
        # A misspelt key is also a missing one: the misspelling is the sentence that helps.
        first = min(error.errors(), key=lambda each: each["type"] != "extra_forbidden")
        raise ConfigError(_explain(first["loc"], first["type"], first["msg"], first.get("input"), kind)) from error


def _explain(location: tuple[int | str, ...], kind: str, message: str, value: object, model: type[Frozen]) -> str:
    path = ".".join(str(part) for part in location)
    if kind == "missing":
        return f"the setting {path} is missing. Add it."
    if kind != "extra_forbidden":
        return f"the setting {path} cannot be {value!r}: {message[0].lower()}{message[1:]}. Give another value."
    fields: Mapping[str, Any] = model.model_fields
    for part in location[:-1]:
        if str(part) in fields:  # not a place in a tuple, whose items' fields are already at hand
            fields = _fields_within(fields[str(part)].annotation) or fields
    return f"there is no setting {path!r}. {closest(str(location[-1]), fields)}"


def _fields_within(annotation: Any) -> Mapping[str, Any]:
    """The fields of the record that an annotation is or holds: LayerSpec's, for tuple[LayerSpec, ...] | None."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation.model_fields
    return next((found for each in get_args(annotation) if (found := _fields_within(each))), {})


def read_toml(path: Path) -> dict[str, Any]:
    """The tables of a TOML file; ConfigError when it is missing or not TOML."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"cannot read {path}: {error.strerror}. Check the path.") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} is not valid TOML: {error}. Mend that line and try again.") from error


def seconds_of(text: str) -> float:
    """The seconds in "90", "60s", "10m" or "1.5h". Raises ConfigError.

    >>> seconds_of("90"), seconds_of("10m"), seconds_of("1.5h")
    (90.0, 600.0, 5400.0)
    """
    found = re.fullmatch(r"(\d+\.?\d*|\.\d+)([smh]?)", text.strip())
    if found is None or float(found[1]) == 0:
        raise ConfigError(f"{text!r} is no time. Write seconds, minutes or hours: 60s, 10m, 1.5h.")
    return float(found[1]) * {"": 1, "s": 1, "m": 60, "h": 3600}[found[2]]


def parse_settings(pairs: list[str], option: str = "--set") -> dict[str, Any]:
    """Nested values from `a.b=c` pairs of an option; each value is read as TOML, and as plain text when that fails.

    >>> parse_settings(["training.learning_rate=0.02", "augment.flip=true", "training.optimizer=sgd"])
    {'training': {'learning_rate': 0.02, 'optimizer': 'sgd'}, 'augment': {'flip': True}}
    """
    nested: dict[str, Any] = {}
    for pair in pairs:
        key, equals, text = pair.partition("=")
        if not equals or not key.strip():
            raise ConfigError(f"{option} takes key=value, for example training.batch_size=64; got {pair!r}.")
        *tables, last = key.strip().split(".")
        table = nested
        for name in tables:
            table = table.setdefault(name, {})
            if not isinstance(table, dict):
                raise ConfigError(f"{option} {pair!r} gives {name!r} both a value and keys below it. Keep one of them.")
        table[last] = _toml_value(text.strip())
    return nested


def _toml_value(text: str) -> Any:
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text


def merge(*layers: Mapping[str, Any]) -> dict[str, Any]:
    """Nested settings put on top of each other, the later ones winning key by key.

    >>> merge({"training": {"epochs": 2, "momentum": 0.5}}, {"training": {"epochs": 3}})
    {'training': {'epochs': 3, 'momentum': 0.5}}
    """
    merged: dict[str, Any] = {}
    for layer in layers:
        for key, value in layer.items():
            below = merged.get(key)
            merged[key] = merge(below, value) if isinstance(below, Mapping) and isinstance(value, Mapping) else value
    return merged


def flat(settings: Mapping[str, Any], above: str = "") -> dict[str, Any]:
    """Nested settings by their whole names.

    >>> flat({"seed": 0, "training": {"epochs": 2.0}})
    {'seed': 0, 'training.epochs': 2.0}
    """
    found: dict[str, Any] = {}
    for key, value in settings.items():
        found |= flat(value, f"{above}{key}.") if isinstance(value, Mapping) else {f"{above}{key}": value}
    return found
