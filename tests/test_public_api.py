"""What `import foveal` gives and costs: few documented names, nothing heavy, and threads that do not spin."""

import inspect

import pytest
from cli_process import python

import foveal

HEAVY = ("torch", "numpy", "pydantic", "matplotlib", "PIL", "rich.table")


def test_the_public_api_is_12_to_20_names_in_alphabetical_order():
    assert 12 <= len(foveal.__all__) <= 20
    assert foveal.__all__ == sorted(set(foveal.__all__))
    assert dir(foveal) == foveal.__all__


@pytest.mark.parametrize("name", foveal.__all__)
def test_every_public_name_can_be_imported_and_says_what_it_is(name):
    value = getattr(foveal, name)
    documented = inspect.getdoc(value) or ""
    assert documented.splitlines()[0].rstrip().endswith((".", ":")), f"{name}: {documented[:60]!r}"
    inherited = getattr(value.__mro__[1], "__doc__", None) if inspect.isclass(value) else None
    assert documented != inspect.cleandoc(inherited or "")


def test_a_name_that_is_not_public_is_an_attribute_error():
    with pytest.raises(AttributeError, match="module 'foveal' has no attribute 'Trainer'"):
        foveal.Trainer  # noqa: B018


def test_importing_foveal_loads_nothing_heavy(tmp_path):
    code = f"import foveal, sys; print([name for name in {HEAVY} if name in sys.modules])"
    assert python(code, cwd=tmp_path).stdout.strip() == "[]"


# Typer itself reads the types of a command's options with pydantic once that command is named.
@pytest.mark.parametrize(
    ("arguments", "unwanted"),
    [(["--help"], HEAVY), (["train", "--help"], ("torch", "numpy", "matplotlib")), (["--version"], ("torch",))],
)
def test_help_loads_nothing_that_it_does_not_need(tmp_path, arguments, unwanted):
    code = f"""
import sys
sys.argv = ["foveal", *{arguments}]
from foveal.cli.app import main
try:
    main()
except SystemExit:
    pass
print([name for name in {unwanted} if name in sys.modules], file=sys.stderr)"""
    done = python(code, cwd=tmp_path)
    assert "foveal" in done.stdout
    assert done.stderr.strip() == "[]"


SAY_POLICY = "import foveal, os; print(os.environ['OMP_WAIT_POLICY'], os.environ.get('GOMP_SPINCOUNT'))"


def test_threads_that_wait_do_not_spin_unless_the_user_wants_it(tmp_path):
    policy, spins = python(SAY_POLICY, cwd=tmp_path, OMP_WAIT_POLICY="", GOMP_SPINCOUNT="").stdout.split()
    assert policy == "PASSIVE"
    assert 0 < int(spins) < 100_000
    active = python(SAY_POLICY, cwd=tmp_path, OMP_WAIT_POLICY="ACTIVE", GOMP_SPINCOUNT="").stdout.split()
    assert active == ["ACTIVE", "None"]
    own = python(SAY_POLICY, cwd=tmp_path, OMP_WAIT_POLICY="", GOMP_SPINCOUNT="7").stdout.split()
    assert own == ["PASSIVE", "7"]


def test_importing_torch_first_is_warned_about_once(tmp_path):
    code = "import torch, foveal, importlib\nimport foveal.config, foveal.run\nimportlib.reload(foveal)"
    done = python(code, cwd=tmp_path, OMP_WAIT_POLICY="")
    assert done.stderr.count("torch was imported before foveal") == 1
    assert "Import foveal first" in done.stderr


def test_no_warning_when_foveal_comes_first_or_the_user_has_chosen(tmp_path):
    assert python("import foveal, torch", cwd=tmp_path, OMP_WAIT_POLICY="").stderr == ""
    assert python("import torch, foveal", cwd=tmp_path, OMP_WAIT_POLICY="PASSIVE").stderr == ""
