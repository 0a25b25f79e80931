"""Every kind of data that foveal reads goes the whole way: trained on, checked, and known again in another container."""

import hashlib
import json
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path

import pytest
from cli_process import command
from few_digits import Part
from numpy import ndarray
from source_builders import SOURCES, Source

import foveal
from foveal.config import DataConfig
from foveal.errors import DataError
from foveal.workflows.check import check

LINEAR = """
[[layer]]
kind = "flatten"

[[layer]]
kind = "linear"
out_features = "classes"
"""


@pytest.fixture(scope="session")
def written(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Source]:
    """The sources by name, each written once."""
    return cache(lambda name: SOURCES[name](tmp_path_factory.mktemp("source")))


@pytest.fixture(scope="session")
def linear(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The smallest network there is: it has no filters to be drawn."""
    path = tmp_path_factory.mktemp("network") / "linear.toml"
    path.write_text(LINEAR)
    return path


def trained(source: Source, network: Path, out: Path, test: float = 0) -> "foveal.Run":
    """A run of one epoch. Without a share for testing, all that the data do not bring for it is learnt from or chosen with."""
    settings = {"data": {"test": test}}
    return foveal.train(
        source.path, images=source.images, model=str(network), epochs=1, threads=1, out=out, settings=settings
    )


def pixel_id(pixels: ndarray) -> str:
    """What pixels (H, W, C) are known by in splits.json."""
    return hashlib.blake2b(pixels.tobytes(), digest_size=8).hexdigest()


def by_pixels(parts: Iterable[Part]) -> dict[str, str]:
    """The class of each image, by its pixels."""
    return {pixel_id(image): label for images, labels in parts for image, label in zip(images, labels, strict=True)}


def require_all_was_read(folder: Path, source: Source) -> None:
    """Compare what a run says of its images with what the source was written from: classes, counts, pixels, labels."""
    splits = json.loads((folder / "splits.json").read_text())
    counts = {name: len(columns["ids"]) for name, columns in splits["splits"].items()}
    brought = {name: len(labels) for name, (_, labels) in source.parts.items()}
    assert splits["classes"] == list(source.classes)
    assert sum(counts.values()) == sum(brought.values())
    assert counts["test"] == brought.get("test", 0)
    assert counts["validation"] == brought.get("validation", round(0.1 * (brought.get("train") or brought["all"])))
    learnt = [label for name in ("train", "validation", "calibration") for label in splits["splits"][name]["labels"]]
    found = {i: splits["classes"][label] for i, label in zip(splits["pixel_ids"], learnt, strict=True)}
    assert found == by_pixels(part for name, part in source.parts.items() if name != "test")


@pytest.mark.parametrize("name", SOURCES)
def test_every_kind_of_data_is_trained_on_with_all_its_images_and_labels(
    name: str, written: Callable[[str], Source], linear: Path, tmp_path: Path
) -> None:
    source = written(name)
    run = trained(source, linear, tmp_path / "run")
    require_all_was_read(run.folder, source)
    assert run.summary["updates"] > 0


@pytest.mark.parametrize("name", SOURCES)
def test_every_kind_of_data_is_checked_with_all_its_images_and_labels(
    name: str, written: Callable[[str], Source], tmp_path: Path
) -> None:
    source = written(name)
    wanted = DataConfig(source=str(source.path), images=source.images and str(source.images))
    checked = check(wanted, out=tmp_path / "page.html")
    numbers, images = checked.overview, checked.findings.images
    assert numbers.images == sum(source.counts.values())
    assert dict(numbers.classes) == source.counts
    assert {name: sum(counts.values()) for name, counts in numbers.splits.items()} == {
        name: len(labels) for name, (_, labels) in source.parts.items()
    }
    assert {i: images.label(number) for number, i in enumerate(images.pixel_ids)} == by_pixels(source.parts.values())


COMMANDS = ["train, val and test folders", "TSV of ids, images elsewhere", "CIFAR-10 python", "npz as Keras"]


@pytest.fixture(scope="session")
def folders(
    written: Callable[[str], Source], linear: Path, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Path]:
    """The runs of `foveal train` on some of the sources, in processes side by side."""

    def run(name: str) -> Path:
        source, place = written(name), tmp_path_factory.mktemp("command")
        where = ("--images", source.images) if source.images else ()
        asked = ("--model", linear, "--epochs", "1", "--threads", "1", "--set", "data.test=0", "--out", "run", "--json")
        done = command("train", source.path, *where, *asked, cwd=place, FOVEAL_DATA=str(place / "data"))
        return place / json.loads(done.stdout)["run"]

    with ThreadPoolExecutor(len(COMMANDS)) as pool:
        return dict(zip(COMMANDS, pool.map(run, COMMANDS), strict=True))


@pytest.mark.parametrize("name", COMMANDS)
def test_the_command_trains_on_any_kind_of_data(
    name: str, written: Callable[[str], Source], folders: dict[str, Path]
) -> None:
    require_all_was_read(folders[name], written(name))


@pytest.fixture(scope="session")
def runs(
    written: Callable[[str], Source], linear: Path, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[str, float], "foveal.Run"]:
    """A run on one of the sources with a share of test images, trained when it is first asked for."""

    def run(name: str, test: float) -> "foveal.Run":
        folder = tmp_path_factory.mktemp("run")
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("FOVEAL_DATA", str(folder / "data"))
            return trained(written(name), linear, folder / "run", test)

    return cache(run)


OTHER_FILES = ["JSON Lines with splits", "IDX folder", "npz as Keras", "npz as MedMNIST", "folder of npy pairs"]


@pytest.mark.parametrize("name", OTHER_FILES)
def test_images_that_were_learnt_from_are_known_again_by_their_pixels(
    name: str, written: Callable[[str], Source], runs: Callable[[str, float], "foveal.Run"]
) -> None:
    with pytest.raises(DataError, match="15 of the 15 images are among those that the run was trained on"):
        foveal.evaluate(runs("class folders", 0), written(name).path, threads=1)


SAME_FILES = ["tar.gz of class folders", "TSV of ids, images elsewhere", "Parquet"]


@pytest.mark.parametrize("name", SAME_FILES)
def test_the_same_files_in_another_container_are_the_data_of_the_run_with_its_test_images(
    name: str, written: Callable[[str], Source], runs: Callable[[str, float], "foveal.Run"]
) -> None:
    run, source = runs("class folders", 0.25), written(name)
    own, again = foveal.evaluate(run, threads=1), foveal.evaluate(run, source.path, images=source.images, threads=1)
    assert again.scores.n == own.scores.n == 30
    assert again.scores.confusion == own.scores.confusion
    assert again.test_opened == own.test_opened + 1


def test_images_that_were_not_learnt_from_are_tested_on_alike_in_any_container(
    written: Callable[[str], Source], runs: Callable[[str, float], "foveal.Run"]
) -> None:
    run = runs("train, val and test folders", 0)
    own = foveal.evaluate(run, threads=1)
    for name in ("IDX folder", "npz as MedMNIST"):
        other = foveal.evaluate(run, written(name).path, threads=1)
        assert other.scores.n == own.scores.n == 15
        assert other.scores.confusion == own.scores.confusion
