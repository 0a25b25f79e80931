"""The seven tutorial networks, shortened: each trained as published, each tested once on real test images."""

import json

import pytest
from cli_process import write_idx
from numpy import ndarray

import foveal
from foveal.workflows.reproduce import PUBLISHED, reproduce, reproduce_folder


def test_all_seven_are_trained_as_published_tested_once_and_put_into_one_table(
    digits: tuple[ndarray, ndarray], tmp_path
):
    images, labels = digits
    data = write_idx(tmp_path / "few", "train", images[:300], labels[:300])
    write_idx(data, "t10k", images[300:400], labels[300:400])
    folder = reproduce_folder(tmp_path / "table")
    rows = list(reproduce(folder, epochs=1.0, threads=1, data=str(data)))
    assert [row.model for row in rows] == list(PUBLISHED)
    assert len(rows) == 7
    for row in rows:
        assert row.n == 100
        assert row.interval[0] <= row.accuracy <= row.interval[1]
        assert row.epochs == pytest.approx(1.0)
        assert row.flaw
    assert [row.test_opened for row in rows] == list(range(1, 8))
    config = foveal.Run(folder.folder / "lenet-dropout2d").config
    assert (config.as_published, config.training.optimizer, config.training.momentum) == (True, "sgd", 0.5)
    assert len(json.loads((folder.folder / "table.json").read_text())) == 7
    table = (folder.folder / "table.md").read_text()
    assert table.count("\n| 0") == 7
    assert "99.01 % (9901/10000)" in table


def test_a_table_that_exists_already_is_not_overwritten(tmp_path):
    (tmp_path / "table").mkdir()
    with pytest.raises(foveal.ArtifactError, match="exists already"):
        reproduce_folder(tmp_path / "table")


@pytest.mark.slow
def test_the_seven_learn_the_real_digits_in_a_fraction_of_an_epoch(tmp_path):
    rows = list(foveal.reproduce(epochs=0.2, out=tmp_path / "table"))
    assert [row.n for row in rows] == [10_000] * 7
    accuracy = {row.model: row.accuracy for row in rows}
    assert accuracy["twoconv-same"] > 0.9
