"""From what was said on the command line to the settings of a training."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any


def data_options(
    source: str | None,
    *,
    size: int | None,
    fit: str | None,
    channels: int | None,
    images: str | None,
    group_by: str | None,
) -> dict[str, Any]:
    """The settings of the data that the options of a command say; None where nothing was said."""
    return {
        "source": source,
        "size": size,
        "fit": fit,
        "channels": channels,
        "images": images,
        "group_by": group_by,
    }


def config_asked(options: Mapping[str, Any], settings: Sequence[str] | None, config: Path | None) -> Any:
    """The Config for nested options (None where nothing was said), `--set` pairs and the config.toml of a run.

    Raises ConfigError, and DataError where there are no such data.
    """
    from foveal.data.sources import data_name, require_source
    from foveal.recipes import resolve, without_none
    from foveal.settings import merge, parse_settings

    said = without_none(options)
    base = _settings_of_a_run(config, said) if config else {}
    source = said.get("data", {}).get("source") or base.get("data", {}).get("source", "mnist")
    asked = merge(base, said, {"data": {"source": source}}, parse_settings(list(settings or [])))
    require_source(source)
    if "start" not in asked.get("model", {}):
        return resolve(asked, data_name(source))
    from foveal.workflows.start_settings import start_settings

    return resolve(asked, data_name(source), start_settings(asked))


def _settings_of_a_run(config: Path, said: Mapping[str, Any]) -> dict[str, Any]:
    from foveal.errors import ConfigError
    from foveal.settings import read_toml

    if "preset" in said or "as_published" in said:
        raise ConfigError(
            "--config brings every setting of its run, so that --preset and --as-published would change nothing but their "
            "own names. Leave them out, or leave --config out."
        )
    base = read_toml(config)
    if "start" in said.get("model", {}):
        base.get("model", {}).pop("start_sha256", None)
    if {"epochs", "budget"} & said.get("training", {}).keys():
        # How often validation is measured followed from the length of that run.
        for name in ("validate_every", "epochs", "turns", "budget"):
            base.get("training", {}).pop(name, None)
    return base
