"""The data sets that foveal knows by name: what they are, where they may be, and how their files are recognised."""

import os
import shutil
import urllib.error
import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path

from platformdirs import user_cache_path

from foveal.data.idx import read_idx
from foveal.errors import DataError, closest

BUNDLED = Path(__file__).parent / "bundled"
IDX_FILES = (
    "train-images-idx3-ubyte.gz",
    "train-labels-idx1-ubyte.gz",
    "t10k-images-idx3-ubyte.gz",
    "t10k-labels-idx1-ubyte.gz",
)


@dataclass(frozen=True)
class KnownData:
    """One data set: `sha256` are those of the uncompressed content of its files."""

    title: str
    classes: tuple[str, ...]
    sha256: dict[str, str]
    places: tuple[Path, ...]
    mirrors: tuple[str, ...]
    licence: str
    citation: str


DIGITS = tuple("0123456789")

DATASETS: dict[str, KnownData] = {
    "mnist": KnownData(
        title="70,000 handwritten digits, 28x28, grey",
        classes=DIGITS,
        sha256=dict(
            zip(
                IDX_FILES,
                (
                    "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
                    "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
                    "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
                    "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
                ),
                strict=True,
            )
        ),
        places=(BUNDLED / "mnist",),
        mirrors=(),
        licence="CC BY-SA 3.0, Yann LeCun and Corinna Cortes",
        citation="LeCun, Bottou, Bengio, Haffner: Gradient-based learning applied to document recognition, 1998",
    ),
    "fashion-mnist": KnownData(
        title="70,000 pieces of clothing, 28x28, grey",
        classes=(
            "T-shirt/top",
            "Trouser",
            "Pullover",
            "Dress",
            "Coat",
            "Sandal",
            "Shirt",
            "Sneaker",
            "Bag",
            "Ankle boot",
        ),
        # Of the content of Debian's package dataset-fashion-mnist 0.0~git20200523.55506a9-1.
        sha256=dict(
            zip(
                IDX_FILES,
                (
                    "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
                    "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
                    "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
                    "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
                ),
                strict=True,
            )
        ),
        places=(Path("/usr/share/datasets/fashion-mnist"),),
        mirrors=(
            "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com",
            "https://github.com/zalandoresearch/fashion-mnist/raw/master/data/fashion",
        ),
        licence="MIT, Zalando SE",
        citation="Xiao, Rasul, Vollgraf: Fashion-MNIST, arXiv:1708.07747, 2017",
    ),
}


def data_folder() -> Path:
    """Where foveal keeps data and the log of opened test splits: $FOVEAL_DATA, else the platform's cache folder."""
    chosen = os.environ.get("FOVEAL_DATA")
    return Path(chosen) if chosen else user_cache_path("foveal")


def found_at(name: str) -> Path | None:
    """The folder that holds all files of a known data set, None when it is nowhere on this machine."""
    known = DATASETS[name]
    for folder in (*known.places, data_folder() / name):
        if all((folder / file).is_file() for file in known.sha256):
            return folder
    return None


def locate(name: str) -> Path:
    """The folder of a known data set, fetched first when it is nowhere. Raises DataError."""
    if name not in DATASETS:
        raise DataError(f"there is no known data set {name!r}. {closest(name, DATASETS)}")
    folder = found_at(name)
    if folder is None:
        fetch(name, DATASETS[name].mirrors)
        folder = data_folder() / name
    return folder


def fetch(name: str, mirrors: Sequence[str]) -> None:
    """Download each file from the first mirror that has it right, into the data folder. Raises DataError."""
    folder = data_folder() / name
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DataError(f"cannot make the folder {folder}: {error.strerror}. Set FOVEAL_DATA to another.") from error
    for file, sha256 in DATASETS[name].sha256.items():
        problems = []
        for mirror in mirrors:
            try:
                _download(f"{mirror}/{file}", folder / file, sha256)
                break
            except (OSError, HTTPException, DataError) as error:
                problems.append(f"{mirror}: {' '.join(str(error).split())}")
        else:
            places = ", ".join(str(place) for place in (*DATASETS[name].places, folder))
            raise DataError(
                f"the file {file} of {name} is not on this machine and could not be fetched "
                f"({'; '.join(problems) or 'it has no mirror'}). Put it into one of: {places}."
            )


def _download(url: str, target: Path, sha256: str) -> None:
    """Fetch to a temporary name, check, move: a file under its own name is always whole and right."""
    # Not tempfile: its files are closed to all but their maker, and a data folder may be shared.
    temporary = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        with urllib.request.urlopen(url, timeout=30) as response, temporary.open("wb") as file:
            shutil.copyfileobj(response, file)
            file.flush()
            os.fsync(file.fileno())
        read_idx(temporary, sha256)
        temporary.replace(target)
    except urllib.error.URLError as error:
        raise OSError(str(error.reason)) from error
    finally:
        temporary.unlink(missing_ok=True)
