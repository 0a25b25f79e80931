"""Predictions into a CSV file: what it takes of memory, what is refused, and that half of it is never seen."""

import tracemalloc
from pathlib import Path

import pytest
from few_digits import encoded
from numpy import ndarray

import foveal
from foveal.errors import ArtifactError, DataError
from foveal.launch import Place
from foveal.prediction import Prediction, expand, predict, predict_batches
from foveal.training.distributed import Workers
from foveal.workflows.predict_csv import Listing, csv_lines, predict_to_csv


@pytest.fixture
def folder(digits: tuple[ndarray, ndarray], tmp_path: Path) -> Path:
    """Ten digits."""
    for number, image in enumerate(digits[0][:10]):
        (tmp_path / "in").mkdir(exist_ok=True)
        (tmp_path / "in" / f"{number}.png").write_bytes(encoded(image))
    return tmp_path / "in"


def links(folder: Path, content: bytes, count: int) -> Path:
    """A folder of so many names for one picture."""
    folder.mkdir()
    (folder / "0.pgm").write_bytes(content)
    for number in range(1, count):
        (folder / f"{number}.pgm").hardlink_to(folder / "0.pgm")
    return folder


def peak_memory(classifier: "foveal.Classifier", folder: Path) -> int:
    tracemalloc.start()
    written = predict_to_csv(classifier, folder, folder.parent / "out.csv")
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert written is not None
    assert written.predictions == len(list(folder.iterdir()))
    return peak


def test_memory_grows_by_no_more_than_a_line_of_the_file_for_each_picture(
    classifier: "foveal.Classifier", digits: tuple[ndarray, ndarray], tmp_path: Path
) -> None:
    content = encoded(digits[0][0], "ppm")
    few, many = (links(tmp_path / str(count), content, count) for count in (600, 3_600))
    peak_memory(classifier, few)  # what is loaded at the first time
    growth = peak_memory(classifier, many) - peak_memory(classifier, few)
    line = (tmp_path / "out.csv").stat().st_size / 600
    assert growth < 3_000 * line


def test_a_folder_is_listed_while_it_is_read_and_no_folder_before_its_turn(folder: Path) -> None:
    (folder / "below").mkdir()
    found = expand(folder)
    assert next(found)[0] == str(folder / "0.png")
    (folder / "below" / "new.png").write_bytes(b"")
    assert [Path(name).name for name, _ in found] == [*(f"{i}.png" for i in range(1, 10)), "new.png"]


def test_pictures_come_in_the_order_of_their_paths_and_not_of_their_texts(tmp_path: Path) -> None:
    for name in ("a/1.png", "a-b/1.png", "a/b/1.png", "a.png", "A/1.png", "b.PNG", "b.txt"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    (tmp_path / "link").symlink_to(tmp_path / "a")
    (tmp_path / "link.png").symlink_to(tmp_path / "a.png")
    (tmp_path / "broken.png").symlink_to(tmp_path / "nothing")
    (tmp_path / "folder.png").mkdir()
    expected = sorted(path for path in tmp_path.rglob("*") if path.suffix.lower() == ".png" and path.is_file())
    assert [path for _, path in expand(tmp_path)] == expected
    assert len(expected) == 7


@pytest.mark.parametrize("workers", [1, 2, 3, 4, 7])
def test_each_picture_is_answered_by_one_worker_in_batches_that_do_not_depend_on_their_number(
    workers: int, classifier: "foveal.Classifier", folder: Path
) -> None:
    sizes: list[int] = []

    def logits(pixels: ndarray) -> ndarray:
        sizes.append(len(pixels))
        return classifier.logits(pixels)

    parts = [
        list(
            predict_batches(
                classifier, expand(folder), 3, False, batch_size=3, logits_fn=logits, here=Place(rank, workers)
            )
        )
        for rank in range(workers)
    ]
    batches = [parts[number % workers][number // workers] for number in range(4)]
    assert sum(map(len, parts)) == 4
    assert sorted(sizes) == [1, 3, 3, 3]
    assert [answer for batch in batches for answer in batch] == list(predict(classifier, folder, batch_size=3))


def test_names_and_probabilities_are_written_as_a_spreadsheet_reads_them() -> None:
    answer = Prediction('a, "b"\n.png', "7", 0.5, (("7", 0.5), ("1", 0.25)), ("odd", "dark"))
    assert csv_lines([answer]) == b'"a, ""b""\n.png",7,0.500000,7:0.500000 1:0.250000,odd; dark,\r\n'


def test_a_folder_that_is_not_there_is_said_before_any_picture_is_opened(
    classifier: "foveal.Classifier", folder: Path
) -> None:
    def sources():
        raise AssertionError("a picture was asked for")
        yield

    with pytest.raises(ArtifactError, match=r"cannot write .*nowhere/out.csv: No such file or directory"):
        predict_to_csv(classifier, sources(), folder / "nowhere" / "out.csv")
    with pytest.raises(ArtifactError, match=r"cannot write .*in: Is a directory"):
        predict_to_csv(classifier, sources(), folder)


def test_an_error_on_the_way_leaves_the_file_of_before_and_nothing_else(
    classifier: "foveal.Classifier", folder: Path
) -> None:
    def sources():
        yield folder
        raise RuntimeError("the power is gone")

    out = folder.parent / "out.csv"
    out.write_text("of before")
    with pytest.raises(RuntimeError, match="the power is gone"):
        predict_to_csv(classifier, sources(), out)
    assert out.read_text() == "of before"
    assert {path.name for path in folder.parent.iterdir()} == {"in", "out.csv"}


class Others(Workers):
    """The second of two workers, whose first one found something else."""

    def broadcast(self, content: bytes) -> bytes:
        return content + b"other"

    def agree(self, is_wanted: bool) -> bool:
        return is_wanted


def test_workers_that_find_other_pictures_stop(folder: Path) -> None:
    listing = Listing()
    assert len(list(listing.of(expand(folder)))) == 10
    listing.require_the_same(Workers())
    with pytest.raises(DataError, match=r"did not find the same pictures \(worker 1 of 2 found 10\)"):
        listing.require_the_same(Others(Place(1, 2)))
