"""docs/commands/model.md: its table of networks holds every network, with what a forward pass counts."""

import re
from pathlib import Path

import pytest

from foveal.models.catalog import ARCHITECTURES
from foveal.recipes import MODELS
from foveal.workflows.describe import summarise_model

PAGE = Path(__file__).parents[1] / "docs" / "commands" / "model.md"
ROWS = {
    cells[0].strip("` "): [cell.strip() for cell in cells[1:]]
    for cells in (line.strip("|").split("|") for line in PAGE.read_text(encoding="utf-8").splitlines())
    if re.fullmatch(r" `[a-z0-9_-]+` ", cells[0]) and len(cells) == 6
}


def test_the_table_has_every_network_in_the_order_of_the_catalog() -> None:
    assert tuple(ROWS) == MODELS


@pytest.mark.parametrize("name", MODELS)
def test_a_row_has_the_parameters_and_multiply_adds_of_a_real_forward_pass(name: str) -> None:
    grey, colour = summarise_model(name, (1, 28, 28), 10), summarise_model(name, (3, 32, 32), 10)
    counted = [grey.parameters, grey.multiply_adds, colour.parameters, colour.multiply_adds]
    assert ROWS[name][:4] == [f"{count:,}" for count in counted]


@pytest.mark.parametrize("name", MODELS)
def test_a_row_names_the_source_that_the_catalog_names(name: str) -> None:
    assert ROWS[name][4].startswith(ARCHITECTURES[name].origin)
