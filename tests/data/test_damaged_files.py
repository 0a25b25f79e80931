"""Thousands of damaged files in real processes: none dies, none takes much memory, and each file is kept or said to be bad."""

import json
import re
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from cli_process import command, write_discs
from damage import Made, damaged_files, write_damaged
from originals import encoded, png
from PIL import Image

MEMORY = 512 << 20  # bytes that a process may grow by
DECODE_FOLDER = """
import hashlib, json, os, sys
from pathlib import Path
from foveal.config import Preprocess
from foveal.data.images import Files, image_set
from foveal.data.index import facts_of
from foveal.data.pixels import load_pixels
from foveal.data.tree import open_folder

def memory(what):
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) << 10 for line in lines if line.startswith(what))

def decode(workers):
    os.environ["FOVEAL_DATA"] = f"{folder}-cache-{workers}"
    found = load_pixels(images, Preprocess(channels=3, height=32, width=32), facts_of(images), workers=workers)
    pixels = hashlib.sha256(found.pixels.permute(0, 2, 3, 1).numpy()).hexdigest()
    return {"kept": [files.names[i] for i in found.kept], "refused": found.refused, "pixels": pixels}

folder = Path(sys.argv[1])
tree = open_folder(folder)
files = Files(tree, tuple(tree.files))
images = image_set(files, ["x"] * len(files), ("x",), "files")
before = memory("VmRSS")
answers = [decode(workers) for workers in (1, 2)]
print(json.dumps({"files": files.names, "answers": answers, "grown": memory("VmHWM") - before}))
"""


@dataclass(frozen=True)
class Decoded:
    """What a process said of a folder: its files, and with one worker and with two the files kept, reasons and pixels."""

    folder: Path
    files: list[str]
    answers: list[dict[str, Any]]
    grown: int  # bytes
    errors: str

    @property
    def kept(self) -> set[str]:
        """The names of the files that are pictures."""
        return set(self.answers[0]["kept"])

    @property
    def refused(self) -> list[str]:
        """The reasons why the others are not, in the order of their names."""
        return list(self.answers[0]["refused"])


def decoded(folder: Path) -> Decoded:
    """What a process of its own makes of the files of a folder."""
    done = subprocess.run([sys.executable, "-c", DECODE_FOLDER, folder], capture_output=True, timeout=1800, check=False)
    errors = done.stderr.decode(errors="replace")
    assert done.returncode == 0, errors  # below zero: killed by a signal
    return Decoded(folder, **json.loads(done.stdout), errors=errors)


def large_pictures() -> list[Made]:
    """Whole ones, next to each other, so that two workers come upon them at the same time."""
    side = 4600
    rgba, deep = (
        png(side, side, 8, 6, bytes((1 + 4 * side) * side)),
        png(side, side, 16, 0, bytes((1 + 2 * side) * side)),
    )
    return [Made(f"large-{number}.png", content, True) for number, content in enumerate((rgba, deep, rgba, deep))]


@pytest.fixture(scope="module", params=[400, pytest.param(10_000, marks=pytest.mark.slow)])
def result(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Made], Decoded]:
    """Damaged files by name and what became of them: a few hundred in the ordinary tests, ten thousand in the slow ones."""
    folder = tmp_path_factory.mktemp("damaged") / "files"
    made = [*write_damaged(folder, request.param), *large_pictures()]
    for each in large_pictures():
        (folder / each.name).write_bytes(each.content)
    return {each.name: each for each in made}, decoded(folder)


def is_about(reason: str, name: str, folder: Path) -> bool:
    """Whether a reason begins with this file's name, of which strange characters are written as Python writes them."""
    shown = "".join(each if each.isprintable() else ascii(each)[1:-1] for each in name)
    return reason.startswith(f"{folder}/{shown} ")


def test_good_and_bad_files_are_all_files(result: tuple[dict[str, Made], Decoded]) -> None:
    made, said = result
    assert sorted(said.files) == sorted(made)  # neither the pipe nor the links
    assert len(said.kept) + len(said.refused) == len(made)
    bad = [name for name in said.files if name not in said.kept]
    assert all(is_about(reason, name, said.folder) for name, reason in zip(bad, said.refused, strict=True))


def test_a_whole_picture_is_kept_and_what_is_none_is_not(result: tuple[dict[str, Made], Decoded]) -> None:
    made, said = result
    assert [name for name, each in made.items() if each.is_picture is True and name not in said.kept] == []
    assert [name for name, each in made.items() if each.is_picture is False and name in said.kept] == []


def test_some_damage_of_each_uncertain_kind_is_survived_and_some_is_not(
    result: tuple[dict[str, Made], Decoded],
) -> None:
    made, said = result
    uncertain = [name for name, each in made.items() if each.is_picture is None]
    assert {kind_of(name) for name in uncertain if name in said.kept} >= {"fli", "zer", "spl", "lar"}
    assert {kind_of(name) for name in uncertain if name not in said.kept} >= {"fli", "zer", "spl", "lar", "cut"}


def kind_of(name: str) -> str:
    """The first letters of the damage: 00017-flipped.png."""
    return name[6:9]


def test_every_reason_is_one_line_for_people(result: tuple[dict[str, Made], Decoded]) -> None:
    assert [reason for reason in result[1].refused if not is_for_people(reason)] == []


def is_for_people(reason: str) -> bool:
    """One line that ends in what to do, without the address of an object or a traceback."""
    is_inner = re.search(r"\b0x[0-9a-f]{6}|Traceback|File \"", reason) is not None
    return reason.isprintable() and not is_inner and reason.endswith("etch it again, or remove it.")


def test_the_result_is_the_same_with_one_worker_and_with_two(result: tuple[dict[str, Made], Decoded]) -> None:
    with_one, with_two = result[1].answers
    assert with_one == with_two


def test_memory_grows_by_less_than_half_a_gigabyte(result: tuple[dict[str, Made], Decoded]) -> None:
    assert result[1].grown < MEMORY


def test_no_warning_of_pillow_is_shown(result: tuple[dict[str, Made], Decoded]) -> None:
    assert "Warning" not in result[1].errors


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "mode", "side", "options"),
    [
        ("a.png", "RGBA", 7600, {"compress_level": 1}),
        ("a.gif", "P", 7600, {}),
        ("a.bmp", "RGB", 6500, {}),
        ("a.ppm", "RGB", 6500, {}),
        ("a.tif", "CMYK", 6200, {}),
        ("b.tif", "RGBA", 6200, {"compression": "tiff_adobe_deflate", "tiffinfo": {278: 6200}}),
        ("c.tif", "F", 6200, {}),
        ("a.webp", "RGBA", 5100, {"method": 0, "quality": 1}),
        ("a.jpg", "CMYK", 7300, {"progressive": True, "subsampling": 0}),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_the_largest_picture_that_is_allowed_stays_within_the_memory(
    name: str, mode: str, side: int, options: dict[str, Any], tmp_path: Path
) -> None:
    (tmp_path / "files").mkdir()
    content = encoded(Image.linear_gradient("L").resize((side, side)).convert(mode), name, **options)
    for number in (1, 2):
        (tmp_path / "files" / f"{number}{name}").write_bytes(content)
    said = decoded(tmp_path / "files")
    assert len(said.kept) == 2
    assert said.grown < MEMORY + len(content)  # one worker decodes while the other holds its file


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`foveal train` on pictures of three classes of which a third is damaged."""
    folder = tmp_path_factory.mktemp("trained")
    classes = sorted(each for each in write_discs(folder / "discs").iterdir())
    for number, made in enumerate(each for each in damaged_files(60, seed=1) if each.is_picture is not True):
        (classes[number % 3] / made.name).write_bytes(made.content)
    command(
        "train",
        "discs",
        "--epochs",
        "0.1",
        "--set",
        "data.test=0",
        "--threads",
        "1",
        "--json",
        "--out",
        "run",
        cwd=folder,
    )
    return folder


def left_out(folder: Path) -> list[str]:
    notes = (folder / "run" / "notes.txt").read_text(encoding="utf-8").splitlines()
    return [note.removeprefix("left out: ") for note in notes if note.startswith("left out: ")]


def test_a_training_goes_on_without_the_damaged_files_and_notes_each_of_them_once(trained: Path) -> None:
    noted = left_out(trained)
    numbers = Counter(re.search(r"/(\d{5}-\w\w\w)", reason).group(1) for reason in noted)
    assert set(numbers.values()) == {1}
    bad = {each.name[:9] for each in damaged_files(60, seed=1) if each.is_picture is False}
    assert bad <= set(numbers)
    assert all(is_for_people(reason) for reason in noted)


def test_predicting_refuses_the_files_that_training_left_out_for_the_same_reasons(trained: Path) -> None:
    done = command("predict", "run", "discs", "--threads", "1", "--json", cwd=trained)
    answer = json.loads(done.stdout)
    assert sorted(each["reason"] for each in answer["refused"]) == sorted(left_out(trained))
    files = [path for path in (trained / "discs").rglob("*") if path.is_file()]
    assert len(answer["predictions"]) + len(answer["refused"]) == len(files)
    assert "Traceback" not in done.stderr
