"""`foveal model` and `foveal data`: tables for people, JSON for programs, a diagram, a picture."""

import json

from cli_process import command, write_discs
from PIL import Image

from foveal.recipes import MODELS

LEDGER_ROW = {
    "name",
    "kind",
    "kernel_size",
    "stride",
    "padding",
    "formula",
    "output_shape",
    "parameters",
    "multiply_adds",
    "receptive_field",
}


def test_model_list_names_every_network_with_its_size(tmp_path):
    models = {
        model["name"]: model for model in json.loads(command("model", "list", "--json", cwd=tmp_path).stdout)["models"]
    }
    assert tuple(models) == MODELS
    assert models["resnet20"]["parameters"] == 269_722
    assert models["lenet5"]["parameters"] == 61_706
    assert models["twoconv-rgb"]["input_shape"] == [3, 32, 32]


def test_model_summary_follows_the_json_contract(tmp_path):
    said = ("model", "summary", "threeconv-fc625", "--input", "1x28x28", "--classes", "10", "--json")
    summary = json.loads(command(*said, cwd=tmp_path).stdout)
    assert all(set(row) >= LEDGER_ROW for row in summary["layers"])
    assert summary["parameters"] == sum(row["parameters"] for row in summary["layers"])
    assert summary["multiply_adds"] == sum(row["multiply_adds"] for row in summary["layers"])
    pools = [row for row in summary["layers"] if row["kind"] == "max_pool"]
    assert pools[-1]["formula"] == "floor((7 + 2*1 - 2)/2) + 1 = 4"
    assert pools[-1]["output_shape"] == [128, 4, 4]


def test_model_summary_prints_a_table_with_totals_below(tmp_path):
    text = command("model", "summary", "lenet5", cwd=tmp_path).stdout
    assert "floor((28 + 2*2 - 5)/1) + 1 = 28" in text
    assert text.splitlines()[-2].startswith("total: 61,706 parameters, 416,520 multiply-adds")


def test_model_summary_gives_a_mermaid_diagram_with_an_arrow_between_layers(tmp_path):
    text = command("model", "summary", "oneconv", "--mermaid", cwd=tmp_path).stdout
    assert text.startswith(("flowchart", "graph"))
    assert text.count("-->") >= 5
    assert "5408" in text


def test_model_summary_of_a_network_with_branches_says_what_is_added_to_what(tmp_path):
    said = ("model", "summary", "resnet8", "--input", "3x32x32", "--classes", "10")
    summary = json.loads(command(*said, "--json", cwd=tmp_path).stdout)
    names = [row["name"] for row in summary["layers"]]
    add = summary["layers"][names.index("stage2.block1.add")]
    assert [names[number] for number in add["inputs"]] == ["stage2.block1.norm2", "stage2.block1.shortcut"]
    assert summary["parameters"] == sum(row["parameters"] for row in summary["layers"]) == 75_290
    text = command(*said, cwd=tmp_path).stdout
    assert "norm2 + shortcut" in text
    assert text.splitlines()[-2].startswith("total: 75,290 parameters, 12,239,488 multiply-adds")


def test_data_list_says_where_each_known_data_set_is(tmp_path):
    found = {data["name"]: data for data in json.loads(command("data", "list", "--json", cwd=tmp_path).stdout)["data"]}
    assert found["mnist"]["folder"].endswith("bundled/mnist")
    assert "CC BY-SA 3.0" in found["mnist"]["licence"]
    assert "fashion-mnist" in command("data", "list", cwd=tmp_path).stdout


def test_data_fetch_finds_the_bundled_digits_without_a_network(tmp_path):
    assert json.loads(command("data", "fetch", "mnist", "--json", cwd=tmp_path).stdout)["data"][0]["name"] == "mnist"


def test_data_show_draws_samples_and_counts_the_classes(tmp_path):
    write_discs(tmp_path / "discs", per_class=5)
    found = json.loads(command("data", "show", "discs", "--json", "--count", "6", cwd=tmp_path).stdout)
    assert found["classes"] == {"blue": 5, "green": 5, "red": 5}
    assert found["images"] == 15
    assert found["picture"] == "samples-discs.png"
    with Image.open(tmp_path / "samples-discs.png") as picture:
        assert picture.format == "PNG"
        picture.load()
