"""Every example in a docstring prints what it says."""

import doctest
from importlib import import_module
from pathlib import Path

import pytest

import foveal

SOURCE = Path(foveal.__file__).parent
EXAMPLES = [
    ".".join(("foveal", *file.relative_to(SOURCE).with_suffix("").parts))
    for file in sorted(SOURCE.rglob("*.py"))
    if ">>> " in file.read_text(encoding="utf-8")
]


@pytest.mark.parametrize("module", EXAMPLES)
def test_the_examples_of_a_module_print_what_they_say(module):
    outcome = doctest.testmod(import_module(module))
    assert outcome.attempted > 0
    assert outcome.failed == 0
