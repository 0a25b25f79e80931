"""What `foveal tune` tries: settings by the names that `--set` takes, and which values each may have. No torch here."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from foveal.config import Config
from foveal.errors import ConfigError
from foveal.settings import flat, merge, parse_config

BATCH_SIZES = (32, 64, 128, 256)
WIDTHS = (0.5, 0.75, 1.0, 1.5, 2.0)  # of `compact`
SHIFTS = (0, 1, 2, 3, 4)  # pixels
ROTATIONS = (0.0, 5.0, 10.0, 15.0)  # degrees
SCALES = (0.0, 0.1, 0.2)  # shares of the size
# With other images, seeds or lengths, trials could not be compared; and a width is of one network only.
FIXED_TABLES = ("data", "track")
FIXED = {
    *(
        f"training.{name}"
        for name in ("epochs", "budget", "turns", "min_updates", "validate_every", "checkpoint_every")
    ),
    *(f"model.{name}" for name in ("name", "start", "start_sha256")),
    *("seed", "threads", "device", "preset", "as_published"),
}


@dataclass(frozen=True)
class Floats:
    """A setting between two values, tried evenly over the magnitudes."""

    low: float
    high: float


Choices = tuple[Any, ...]
Space = dict[str, Floats | Choices]  # by the names that `--set` takes


def search_space(
    base: Config, n: int, batch_size: int, fixed: set[str], wanted: Mapping[str, Choices] | None = None
) -> tuple[Space, dict[str, Any]]:
    """What is tried, and the recipe's own values of it, for n training images in batches of `batch_size`.

    `wanted` adds settings or takes the place of the usual values of one; what is `fixed` is not tried.
    """
    recipe = flat(base.model_dump(mode="json")) | {"training.batch_size": batch_size}
    rate = base.training.learning_rate
    usual: Space = {
        "training.learning_rate": Floats(rate / 10, rate * 10),
        "training.weight_decay": Floats(1e-5, 0.3),
        "training.batch_size": tuple(sorted({batch_size, *(size for size in BATCH_SIZES if size <= n // 4)})),
        **{
            name: tuple(sorted({recipe[name], *values}))
            for name, values in (
                ("augment.shift", SHIFTS),
                ("augment.rotate", ROTATIONS),
                ("augment.scale", SCALES),
                ("model.width", WIDTHS),
            )
        },
    }
    if base.model.name != "compact" or base.model.start is not None:  # weights that are continued have their width
        fixed = fixed | {"model.width"}
    space = {name: values for name, values in {**usual, **(wanted or {})}.items() if name not in fixed}
    return space, {name: recipe[name] for name, values in space.items() if _holds(values, recipe[name])}


def wanted_choices(tried: Mapping[str, Any], base: Config, fixed: set[str]) -> dict[str, Choices]:
    """The values of `--try`, each of them checked as a setting. Raises ConfigError."""
    choices = {}
    for name, values in flat(tried).items():
        if name in fixed:
            raise ConfigError(f"{name} was said with --set and with --try. Leave one of them out.")
        if name.partition(".")[0] in FIXED_TABLES or name in FIXED:
            raise ConfigError(
                f"--try cannot take {name}: with other data, networks, seeds or lengths, trials cannot be compared. Begin "
                "a tuning for each of its values."
            )
        if (
            not isinstance(values, list)
            or len({repr(value) for value in values}) < 2
            or not all(map(_is_plain, values))
        ):
            raise ConfigError(
                f"--try takes a list of at least two values, for example augment.rotate=[0,10,20]; got {values!r} for {name}."
            )
        checked = [flat(with_settings(base, {name: value}).model_dump(mode="json"))[name] for value in values]
        choices[name] = tuple(dict.fromkeys(checked))
    return choices


def _is_plain(value: Any) -> bool:
    return isinstance(value, bool | int | float | str)


def _holds(values: Floats | Choices, value: Any) -> bool:
    return values.low <= value <= values.high if isinstance(values, Floats) else value in values


def with_settings(base: Config, settings: Mapping[str, Any]) -> Config:
    """The Config with these settings, by the names that `--set` takes, in the place of its own. Raises ConfigError."""
    nested = base.model_dump(mode="json", exclude_none=True)
    for name, value in settings.items():
        for part in reversed(name.split(".")):
            value = {part: value}
        nested = merge(nested, value)
    config: Config = parse_config(nested)
    return config


def suggest(trial: Any, space: Space) -> dict[str, Any]:
    """What Optuna would like to try in this trial."""
    return {
        name: trial.suggest_float(name, values.low, values.high, log=True)
        if isinstance(values, Floats)
        else trial.suggest_categorical(name, values)
        for name, values in space.items()
    }


def space_as_json(space: Space) -> dict[str, Any]:
    """The space as `space.json` has it: an object for a range, a list for choices."""
    return {name: asdict(each) if isinstance(each, Floats) else list(each) for name, each in space.items()}


def space_from_json(kept: Mapping[str, Mapping[str, float] | Sequence[Any]]) -> Space:
    """The same back."""
    return {name: Floats(**each) if isinstance(each, Mapping) else tuple(each) for name, each in kept.items()}
