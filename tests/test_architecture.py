"""The walls of the house: who may import whom, who may know torch, and what nobody may do."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src" / "foveal"
LEFT = [
    "errors",
    "config",
    "settings",
    "recipes",
    "environment",
    "launch",
    "device",
    "storage",
    "lock",
    "run",
    "data",
    "models",
    "classifier",
    "prediction",
    "evaluation",
]
ROOMS = [*LEFT, "training", "explain", "export", "report", "track", "serve", "workflows", "cli"]
FILES = sorted(SOURCE.rglob("*.py"))
NAMES = [str(file.relative_to(SOURCE)) for file in FILES]
NO_TORCH = (
    "errors.py",
    "config.py",
    "recipes.py",
    "run.py",
    "storage.py",
    "lock.py",
    "classifier.py",
    "prediction.py",
    "evaluation/",
    "cli/",
)


def room_of(file: Path) -> str:
    return file.relative_to(SOURCE).parts[0].removesuffix(".py")


def imports(tree: ast.AST) -> Iterator[str]:
    """Every module that is imported anywhere in the file, inside functions and TYPE_CHECKING too."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute, so that they can be searched for"
            is_top = node.module == "foveal"
            yield from (f"foveal.{alias.name}" for alias in node.names) if is_top else (node.module or "",)


def parse(file: Path) -> ast.Module:
    return ast.parse(file.read_text(encoding="utf-8"))


@pytest.mark.parametrize("file", FILES, ids=NAMES)
def test_a_file_imports_only_from_its_left(file):
    if file.parent == SOURCE and file.name in ("__init__.py", "__main__.py"):
        return  # the public names and the command: the roof over all rooms
    room = room_of(file)
    assert room in ROOMS, f"{room} is not in the house; docs/architecture.md has the plan"
    for module in imports(parse(file)):
        if module.startswith("foveal."):
            other = module.split(".")[1]
            assert ROOMS.index(other) <= ROOMS.index(room), f"{file} imports {module}, which is to its right"


@pytest.mark.parametrize(
    "file", [f for f, name in zip(FILES, NAMES, strict=True) if name.startswith(NO_TORCH)], ids=str
)
def test_the_rooms_that_answer_do_not_import_torch_at_module_level(file):
    at_load = [node for node in parse(file).body if isinstance(node, ast.Import | ast.ImportFrom)]
    names = [name for node in at_load for name in imports(node)]
    assert not [name for name in names if name.split(".")[0] in ("torch", "safetensors")]


def test_the_rooms_that_answer_never_load_torch_by_way_of_another_either(tmp_path):
    modules = (
        "foveal.prediction, foveal.evaluation.metrics, foveal.evaluation.test_log, foveal.cli.app, foveal.data.splits"
    )
    code = f"import {modules}, sys; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=False).returncode == 0


@pytest.mark.parametrize("file", FILES, ids=NAMES)
def test_nothing_is_unpickled_or_evaluated(file):
    tree = parse(file)
    assert not {"pickle", "cloudpickle", "dill", "joblib", "marshal", "shelve"} & set(imports(tree))
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            assert ast.unparse(node.func) not in ("eval", "exec", "torch.load", "torch.save", "torch.hub.load")
            assert "allow_pickle" not in [keyword.arg for keyword in node.keywords]


def test_no_package_registry_is_named_in_any_file_of_the_project():
    hosts = [".".join(parts) for parts in (("pypi", "org"), ("pythonhosted", "org"), ("pytorch", "org", "whl"))]
    hosts = [host.replace("org.whl", "org/whl") for host in hosts]
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False).stdout
    files = [ROOT / name for name in listed.split("\0") if name] or [
        path for folder in ("src", "tests", "docs", "examples", "benchmarks") for path in (ROOT / folder).rglob("*")
    ]
    for file in files:
        if file.is_file():
            content = file.read_bytes().decode(errors="ignore")
            assert not [host for host in hosts if host in content], f"{file} names a package registry"
