"""What wrong usage gets: exit code 1 or 2, one paragraph on stderr with the closest names, and never a traceback."""

import pytest
from cli_process import command

REFUSALS = {
    "unknown command": (2, ["trian"], "No such command 'trian'"),
    "unknown option": (2, ["train", "--epochz", "2"], "--epochs"),
    "option of another type": (2, ["train", "--epochs", "many"], "Invalid value for '--epochs'"),
    "no threads": (2, ["train", "--threads", "0"], "--threads"),
    "unknown network": (2, ["train", "--model", "compat"], "Did you mean 'compact'"),
    "unknown preset": (2, ["train", "--preset", "fats"], "'fast'"),
    "unknown setting": (2, ["train", "--set", "training.learning_rat=1"], "Did you mean 'learning_rate'"),
    "unknown table": (2, ["train", "--set", "trainin.epochs=1"], "Did you mean 'training'"),
    "setting without a value": (2, ["train", "--set", "epochs"], "key=value"),
    "value out of range": (2, ["train", "--set", "training.momentum=2"], "training.momentum cannot be 2"),
    "unknown way to fit": (2, ["train", "--fit", "squeeze"], "data.fit cannot be 'squeeze'"),
    "no published form": (2, ["train", "--as-published"], "compact has no published form"),
    "missing config": (2, ["train", "--config", "no.toml"], "cannot read no.toml"),
    "unknown data": (1, ["train", "mnits"], "Did you mean 'mnist'"),
    "missing network file": (2, ["train", "--model", "no.py:Net", "--dry-run"], "there is no Python file no.py"),
    "unknown network to summarise": (2, ["model", "summary", "lenet6"], "Did you mean 'lenet5'"),
    "unknown data to fetch": (1, ["data", "fetch", "mnits"], "Did you mean 'mnist'"),
    "no run to evaluate": (1, ["evaluate"], "Train one first: foveal train"),
    "missing run": (1, ["predict", "no-run", "a.png"], "there is no folder no-run"),
    "no picture named": (2, ["predict", "no-run"], "Missing argument"),
}


@pytest.mark.parametrize(("code", "arguments", "sentence"), REFUSALS.values(), ids=REFUSALS)
def test_wrong_usage_is_one_paragraph_on_stderr(tmp_path, code, arguments, sentence):
    done = command(*arguments, cwd=tmp_path, expect=code)
    assert sentence in " ".join(done.stderr.split())
    assert done.stdout == ""
    assert "Traceback" not in done.stderr
    assert done.stderr.startswith("error: ") or "Usage: foveal" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_debug_shows_the_traceback_wherever_it_stands(tmp_path):
    for arguments in (["--debug", "train", "--model", "compat"], ["train", "--model", "compat", "--debug"]):
        done = command(*arguments, cwd=tmp_path, expect=1)
        assert "Traceback" in done.stderr
        assert "ConfigError: there is no network 'compat'" in done.stderr


def test_a_refused_json_command_prints_nothing_on_stdout(tmp_path):
    assert command("train", "--model", "compat", "--json", cwd=tmp_path, expect=2).stdout == ""


def test_version_is_one_line(tmp_path):
    assert command("--version", cwd=tmp_path).stdout.startswith("foveal 0.")


def test_a_config_file_and_a_preset_are_not_mixed(tmp_path):
    (tmp_path / "config.toml").write_text('preset = "fast"\n')
    for extra in (("--preset", "best"), ("--as-published",)):
        done = command("train", "--config", "config.toml", *extra, cwd=tmp_path, expect=2)
        assert "--config brings every setting of its run" in done.stderr
    assert not (tmp_path / "runs").exists()
