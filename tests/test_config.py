"""Settings at the border: what is refused, with which words, and that what is written is read back."""

import math
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from foveal.config import ArchSpec, AugmentConfig, Config, DataConfig, LayerSpec, ModelConfig, TrainingConfig
from foveal.errors import ArtifactError, ConfigError, DataError, ExportError, FovealError, TrainingError, closest
from foveal.recipes import MODELS, PUBLISHED, resolve
from foveal.run import Run
from foveal.settings import merge, parse_config, parse_settings, read_toml, seconds_of


@pytest.mark.parametrize(
    ("values", "key", "offered"),
    [
        ({"sede": 1}, "sede", "'seed'"),
        ({"trainning": {}}, "trainning", "'training'"),
        ({"training": {"learnin_rate": 0.1}}, "training.learnin_rate", "'learning_rate'"),
        ({"training": {"optimiser": "sgd"}}, "training.optimiser", "'optimizer'"),
        ({"augment": {"shfit": 1}}, "augment.shfit", "'shift'"),
        ({"model": {"normalize": "unit"}}, "model.normalize", "'normalise'"),
        ({"data": {"sise": 28}}, "data.sise", "'size'"),
    ],
)
def test_an_unknown_key_is_answered_with_the_closest_known_key(values: Any, key: str, offered: str) -> None:
    with pytest.raises(ConfigError, match=f"there is no setting '{key}'. Did you mean .*{offered}"):
        parse_config(values)


def test_a_key_near_to_nothing_is_answered_with_all_keys() -> None:
    with pytest.raises(ConfigError, match=r"no setting 'augment.zzz'. Known: shift, flip, rotate, "):
        parse_config({"augment": {"zzz": 1}})


@pytest.mark.parametrize(
    ("values", "key", "shown"),
    [
        ({"training": {"learning_rate": -1}}, "training.learning_rate", "-1"),
        ({"training": {"learning_rate": math.nan}}, "training.learning_rate", "nan"),
        ({"training": {"learning_rate": math.inf}}, "training.learning_rate", "inf"),
        ({"training": {"epochs": 0}}, "training.epochs", "0"),
        ({"training": {"batch_size": 0}}, "training.batch_size", "0"),
        ({"training": {"batch_size": "many"}}, "training.batch_size", "'many'"),
        ({"training": {"batch_size": 2.5}}, "training.batch_size", "2.5"),
        ({"training": {"optimizer": "adm"}}, "training.optimizer", "'adm'"),
        ({"training": {"momentum": 1.0}}, "training.momentum", "1.0"),
        ({"training": {"label_smoothing": 1}}, "training.label_smoothing", "1"),
        ({"training": {"step_factor": 1.5}}, "training.step_factor", "1.5"),
        ({"model": {"std": [0.5, 0]}}, "model.std.1", "0"),
        ({"data": {"size": 3}}, "data.size", "3"),
        ({"data": {"test": 1}}, "data.test", "1"),
        ({"preset": "quick"}, "preset", "'quick'"),
        ({"seed": -1}, "seed", "-1"),
        ({"seed": 2**63}, "seed", str(2**63)),
        ({"device": "gpu"}, "device", "'gpu'"),
        ({"threads": 0}, "threads", "0"),
    ],
)
def test_a_wrong_value_is_refused_by_its_key_and_value(values: Any, key: str, shown: str) -> None:
    with pytest.raises(ConfigError, match=f"the setting {key} cannot be {shown}: .*Give another value"):
        parse_config(values)


def test_a_wrong_choice_is_answered_with_the_choices() -> None:
    with pytest.raises(ConfigError, match="'sgd', 'adam', 'adamw' or 'muon'"):
        parse_config({"training": {"optimizer": "adm"}})


def test_settings_cannot_be_changed_after_they_were_checked() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        Config().seed = 3  # type: ignore[misc]


ARCH = {"name": "layers", "input_shape": [1, 8, 8], "mean": [0.0], "std": [255.0]}


def test_an_unknown_key_of_one_layer_among_many_is_answered_with_the_keys_of_a_layer() -> None:
    layers = [{"kind": "relu"}, {"kind": "conv", "kernelsize": 3}]
    with pytest.raises(ConfigError, match=r"no setting 'layers.1.kernelsize'. Did you mean 'kernel_size'"):
        parse_config({**ARCH, "layers": layers}, ArchSpec)


def test_a_misspelt_key_is_named_before_the_key_that_is_missing_for_it() -> None:
    with pytest.raises(ConfigError, match=r"no setting 'layers.0.knd'. Did you mean 'kind'"):
        parse_config({**ARCH, "layers": [{"knd": "relu"}]}, ArchSpec)


def test_a_missing_key_is_called_missing() -> None:
    with pytest.raises(ConfigError, match=r"the setting layers.0.kind is missing"):
        parse_config({**ARCH, "layers": [{"out_channels": 3}]}, ArchSpec)


def test_a_card_keeps_the_layers_of_a_network_through_json() -> None:
    layers = (LayerSpec(kind="conv", out_channels=3, kernel_size=3, padding="same"), LayerSpec(kind="linear"))
    arch = ArchSpec(name="layers", input_shape=(1, 8, 8), mean=(0.0,), std=(255.0,), layers=layers)
    assert ArchSpec.model_validate_json(arch.model_dump_json()) == arch


@pytest.mark.parametrize(
    ("pair", "value"),
    [
        ("training.learning_rate=0.02", {"training": {"learning_rate": 0.02}}),
        ("training.batch_size=64", {"training": {"batch_size": 64}}),
        ("augment.flip=true", {"augment": {"flip": True}}),
        ("training.optimizer=sgd", {"training": {"optimizer": "sgd"}}),
        ('training.optimizer="sgd"', {"training": {"optimizer": "sgd"}}),
        ("model.mean=[0.5, 0.5, 0.5]", {"model": {"mean": [0.5, 0.5, 0.5]}}),
        ("data.source=C:/my data=old", {"data": {"source": "C:/my data=old"}}),
        ("data.source=", {"data": {"source": ""}}),
        (" seed = 7 ", {"seed": 7}),
        ("training.learning_rate=1e-3", {"training": {"learning_rate": 0.001}}),
    ],
)
def test_a_setting_is_read_as_toml_or_else_as_text(pair: str, value: dict[str, Any]) -> None:
    assert parse_settings([pair]) == value


def test_the_last_of_two_settings_wins_and_neighbours_stay() -> None:
    assert parse_settings(["a.b=1", "a.c=2", "a.b=3"]) == {"a": {"b": 3, "c": 2}}


@pytest.mark.parametrize("pair", ["training.batch_size", "=64", ""])
def test_a_setting_without_key_or_value_is_refused_with_an_example(pair: str) -> None:
    with pytest.raises(ConfigError, match=r"--set takes key=value, for example training.batch_size=64; got"):
        parse_settings([pair])


def test_a_key_cannot_have_both_a_value_and_keys_below_it() -> None:
    with pytest.raises(ConfigError, match=r"'training.epochs=2' gives 'training' both a value and keys below it"):
        parse_settings(["training=1", "training.epochs=2"])


NESTED = st.recursive(
    st.dictionaries(st.sampled_from("abc"), st.integers(0, 9), max_size=3),
    lambda inner: st.dictionaries(st.sampled_from("abc"), inner | st.integers(0, 9), max_size=3),
    max_leaves=6,
)


def leaves(values: dict[str, Any], prefix: tuple[str, ...] = ()) -> dict[tuple[str, ...], Any]:
    """Each value of a nest by its path; an empty table is a value too."""
    found: dict[tuple[str, ...], Any] = {}
    for key, value in values.items():
        found |= leaves(value, (*prefix, key)) if isinstance(value, dict) and value else {(*prefix, key): value}
    return found


@given(NESTED, NESTED)
def test_merging_keeps_every_value_of_the_later_layer_and_loses_only_what_it_replaces(below: Any, above: Any) -> None:
    merged = leaves(merge(below, above))
    for path, value in leaves(above).items():
        assert value == {} or merged[path] == value
    for path, value in leaves(below).items():
        hidden = any(path[: len(other)] == other or other[: len(path)] == path for other in leaves(above))
        assert hidden or merged[path] == value


@given(NESTED)
def test_merging_with_nothing_changes_nothing(values: Any) -> None:
    assert merge(values) == merge({}, values) == merge(values, {}) == values


def test_merging_leaves_what_it_is_given_alone() -> None:
    below: dict[str, Any] = {"training": {"epochs": 2}}
    merge(below, {"training": {"epochs": 3}})
    assert below == {"training": {"epochs": 2}}


CONFIGS = st.builds(
    Config,
    data=st.builds(
        DataConfig,
        source=st.text(st.characters(codec="utf-8"), max_size=20),
        size=st.none() | st.integers(4, 1024),
        validation=st.none() | st.floats(0, 5000),
    ),
    model=st.builds(ModelConfig, mean=st.none() | st.lists(st.floats(-9, 9), min_size=1, max_size=3).map(tuple)),
    training=st.builds(
        TrainingConfig,
        epochs=st.none() | st.floats(1e-6, 1e6),
        learning_rate=st.floats(1e-12, 1e12),
        clip_norm=st.none() | st.floats(1e-9, 1e9),
        nesterov=st.booleans(),
        schedule=st.sampled_from(["constant", "one_cycle", "triangular", "cosine", "step"]),
    ),
    augment=st.builds(AugmentConfig, shift=st.integers(0, 9), flip=st.sampled_from(["none", "random", "alternating"])),
    seed=st.integers(0, 2**63 - 1),
    threads=st.none() | st.integers(1, 64),
)


@given(config=CONFIGS)
def test_any_config_survives_being_written_into_a_run_and_read_back(
    config: Config, tmp_path_factory: pytest.TempPathFactory
) -> None:
    run = Run(tmp_path_factory.mktemp("run"))
    run.write_config(config)
    assert run.config == config


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("as_published", [False, True])
def test_every_resolved_recipe_survives_the_same(name: str, as_published: bool, tmp_path: Path) -> None:
    if as_published and name not in PUBLISHED:
        return
    config = resolve({"model": {"name": name}, "as_published": as_published}, "mnist")
    Run(tmp_path).write_config(config)
    assert Run(tmp_path).config == config


def test_a_missing_toml_file_is_refused_with_its_path(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"cannot read .*none\.toml: No such file or directory\. Check the path"):
        read_toml(tmp_path / "none.toml")


@pytest.mark.parametrize("content", [b"seed = ", b"seed = \xff", b"[training\n"])
def test_a_file_that_is_not_toml_is_refused_with_the_reason(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "bad.toml"
    path.write_bytes(content)
    with pytest.raises(ConfigError, match=r"bad\.toml is not valid TOML: .+ Mend that line"):
        read_toml(path)


def test_wrong_use_leaves_with_2_and_every_other_error_with_1() -> None:
    kinds = (ConfigError, DataError, ArtifactError, ExportError, TrainingError)
    assert [kind.exit_code for kind in kinds] == [2, 1, 1, 1, 1]
    assert all(issubclass(kind, FovealError) for kind in kinds)


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("compat", "Did you mean 'compact'? Known: compact, lenet5."),
        ("lenet", "Did you mean 'lenet5'? Known: compact, lenet5."),
        ("transformer", "Known: compact, lenet5."),
    ],
)
def test_the_closest_names_come_first_and_all_names_follow(name: str, sentence: str) -> None:
    assert closest(name, ["compact", "lenet5"]) == sentence


@pytest.mark.parametrize(("text", "seconds"), [("90", 90), ("60s", 60), ("1.5m", 90), (" 2h ", 7200), (".5s", 0.5)])
def test_a_time_is_read_in_seconds_minutes_or_hours(text: str, seconds: float) -> None:
    assert seconds_of(text) == seconds


@pytest.mark.parametrize("text", ["", "0", "0m", "-5s", "5 d", "1h30m", "nan", "1e3"])
def test_what_is_no_time_is_refused_with_examples(text: str) -> None:
    with pytest.raises(ConfigError, match=r"is no time. Write seconds, minutes or hours: 60s, 10m, 1.5h"):
        seconds_of(text)
