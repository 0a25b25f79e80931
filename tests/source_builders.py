"""The same real digits in every kind of container that foveal reads, and what must be read out of each.

They are written by other libraries (zipfile, tarfile, csv, NumPy, SciPy, pyarrow) or to the format's specification.
"""

import gzip
import io
import json
import pickle
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
from few_digits import (
    ALL,
    COUNT,
    DIVIDED,
    PARTS,
    Source,
    colour_part,
    digits,
    encoded,
    idx,
    part,
    photos,
    pictures,
    planes,
    table,
    tarred,
    written,
    zipped,
)
from numpy import ndarray
from PIL import Image
from pyarrow import ipc, parquet
from scipy.io import savemat

HF = Path(__file__).parent / "files/hf"
PHOTOS = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
BATCHES = [f"data_batch_{number}" for number in range(1, 6)]


def class_folders(folder: Path) -> Source:
    return Source(written(folder, pictures("{label}/{number:03}.png")), ALL)


def nested_folders(folder: Path) -> Source:
    names = ("arabic/zero", "arabic/one", "roman/II")
    files = {f"{names[int(name[0])]}/{name[2:]}": content for name, content in pictures("{label}/{number}.png").items()}
    return Source(written(folder, files), {"all": part(range(COUNT), names)}, tuple(sorted(names)))


def split_folders(folder: Path) -> Source:
    folders = {
        number: spelt for spelt, rows in zip(("train", "val", "test"), PARTS.values(), strict=True) for number in rows
    }
    files = {
        f"{folders[int(name[2:5])]}/{name}": content for name, content in pictures("{label}/{number:03}.png").items()
    }
    return Source(written(folder, files), DIVIDED)


def jpeg_folders(folder: Path) -> Source:
    files = pictures("{label}/{number:03}.JPG", "jpeg")
    lossy = np.stack([np.asarray(Image.open(io.BytesIO(content))) for content in files.values()])
    return Source(written(folder, files), {"all": (lossy[..., None], ALL["all"][1])})


def csv_table(folder: Path) -> Source:
    """As spreadsheets write it, with the ends of lines that Windows has, beside a folder of the images."""
    text = table("images/{number}.png", ("file", "label"), ends="\r\n")
    return Source(written(folder, {"labels.csv": text, **pictures("images/{number}.png")}), ALL)


def tsv_table(folder: Path) -> Source:
    """Ids without an ending, and the images elsewhere, with an ending in capitals."""
    written(folder / "pictures", pictures("{number:04}.PNG"))
    written(folder / "tables", {"digits.tsv": table("{number:04}", ("id", "class"), delimiter="\t")})
    return Source(folder / "tables/digits.tsv", ALL, images=folder / "pictures")


def json_lines_table(folder: Path) -> Source:
    """As Hugging Face wants it, beside the images, with the split in a column."""
    split = {number: name for name, rows in PARTS.items() for number in rows}
    rows = [{"file_name": f"{i}.png", "label": label, "split": split[i]} for i, label in enumerate(digits()[1])]
    return Source(
        written(folder, {"metadata.jsonl": "\n".join(map(json.dumps, rows)), **pictures("{number}.png")}), DIVIDED
    )


def zip_of_folders(folder: Path) -> Source:
    return Source(zipped(folder / "digits.zip", pictures("{label}/{number:03}.png")), ALL)


def tar_of_folders(folder: Path) -> Source:
    return Source(tarred(folder / "digits.tar", pictures("./{label}/{number:03}.png")), ALL)


def tar_gz_of_folders(folder: Path) -> Source:
    return Source(tarred(folder / "digits.tar.gz", pictures("digits/{label}/{number:03}.png")), ALL)


def zip_of_table(folder: Path) -> Source:
    """As Kaggle has it, all in a folder of its own: train.csv beside the folder train."""
    files = {"data/train.csv": table("{number}", ("id", "target")), **pictures("data/train/{number}.png")}
    return Source(zipped(folder / "digits.zip", files), ALL)


def idx_folder(folder: Path) -> Source:
    images, labels = digits()
    files = {}
    for stem, rows in (("train", slice(0, 105)), ("t10k", slice(105, None))):
        files[f"{stem}-images-idx3-ubyte.gz"] = gzip.compress(idx(images[rows]))
        files[f"{stem}-labels-idx1-ubyte"] = idx(np.array(labels[rows], np.uint8))
    return Source(written(folder, files), {"train": part(range(105)), "test": DIVIDED["test"]})


def cifar10_binary(folder: Path) -> Source:
    """As its page has it: records of one byte for the label and 3072 for the image, in five batches and one to test."""
    labels = np.arange(COUNT, dtype=np.uint8) % 10
    records = np.concatenate([labels[:, None], planes(photos()[:COUNT])], axis=1)
    batches = {
        f"{name}.bin": records[20 * i : 20 * i + 20].tobytes() for i, name in enumerate([*BATCHES, "test_batch"])
    }
    files = {**batches, "batches.meta.txt": "\n".join(PHOTOS)}
    parts = {"train": colour_part(range(100), PHOTOS), "test": colour_part(range(100, COUNT), PHOTOS)}
    return Source(written(folder / "cifar-10-batches-bin", files), parts, PHOTOS)


def cifar10_python(folder: Path) -> Source:
    """As its page has it: pickles of Python 2, whose keys are bytes."""
    pixels, labels = planes(photos()[:COUNT]), [number % 10 for number in range(COUNT)]
    files = {
        name: pickle.dumps({b"data": pixels[20 * i : 20 * i + 20], b"labels": labels[20 * i : 20 * i + 20]}, 2)
        for i, name in enumerate([*BATCHES, "test_batch"])
    }
    files["batches.meta"] = pickle.dumps({b"label_names": [name.encode() for name in PHOTOS]}, 2)
    parts = {"train": colour_part(range(100), PHOTOS), "test": colour_part(range(100, COUNT), PHOTOS)}
    return Source(written(folder / "cifar-10-batches-py", files), parts, PHOTOS)


def cifar100_binary(folder: Path) -> Source:
    """As its page has it: the coarse label comes before the fine one, which counts."""
    names, labels = tuple(f"kind {number:02}" for number in range(100)), (np.arange(300) % 100).astype(np.uint8)
    records = np.concatenate([labels[:, None] // 5, labels[:, None], planes(photos())], axis=1)
    files = {
        "train.bin": records[:200].tobytes(),
        "test.bin": records[200:].tobytes(),
        "fine_label_names.txt": "\n".join(names),
    }
    parts = {"train": colour_part(range(200), names), "test": colour_part(range(200, 300), names)}
    return Source(written(folder, files), parts, names)


def svhn(folder: Path) -> Source:
    """As its authors have it: MATLAB files of (32, 32, 3, N), in which the digit 0 has the label 10."""
    names = tuple("0123456789")
    parts = {"train": colour_part(range(100), names), "test": colour_part(range(100, COUNT), names)}
    for name, (images, labels) in parts.items():
        numbers = np.array([[int(label) or 10] for label in labels], np.uint8)
        savemat(folder / f"{name}_32x32.mat", {"X": images.transpose(1, 2, 3, 0), "y": numbers}, do_compression=True)
    return Source(folder, parts, names)


def keras_npz(folder: Path) -> Source:
    """As keras.datasets.mnist has it."""
    images, labels = digits()[0], np.array(digits()[1], np.uint8)
    arrays = {"x_train": images[:105], "y_train": labels[:105], "x_test": images[105:], "y_test": labels[105:]}
    np.savez(folder / "mnist.npz", **arrays)
    return Source(folder / "mnist.npz", {"train": part(range(105)), "test": DIVIDED["test"]})


def medmnist_npz(folder: Path) -> Source:
    """As MedMNIST has it: three splits, and each label in a row of its own."""
    images, labels = digits()[0], np.array(digits()[1], np.uint8)[:, None]
    arrays = {}
    for split, rows in zip(("train", "val", "test"), PARTS.values(), strict=True):
        arrays |= {f"{split}_images": images[list(rows)], f"{split}_labels": labels[list(rows)]}
    np.savez_compressed(folder / "digitmnist.npz", **arrays)
    return Source(folder / "digitmnist.npz", DIVIDED)


def npy_folder(folder: Path) -> Source:
    """Pairs of .npy files, of floats from 0 to 1 and of numbers."""
    for split, rows in (("train", slice(0, 105)), ("test", slice(105, None))):
        np.save(folder / f"X_{split}.npy", (digits()[0][rows] / 255).astype(np.float32))
        np.save(folder / f"y_{split}.npy", np.array(digits()[1][rows]))
    return Source(folder, {"train": part(range(105)), "test": DIVIDED["test"]})


def parquet_file(folder: Path) -> Source:
    """As Hugging Face has it: a column of structs with the bytes of a picture."""
    rows = pa.array(
        [{"bytes": encoded(image), "path": None} for image in digits()[0]],
        pa.struct([("bytes", pa.binary()), ("path", pa.string())]),
    )
    parquet.write_table(pa.table({"image": rows, "label": digits()[1]}), folder / "digits.parquet", row_group_size=50)
    return Source(folder / "digits.parquet", ALL)


def saved_by_datasets(folder: Path) -> Source:
    """The folder that the library `datasets` wrote (tests/files/make_hf.py): 8x8 images, nine to train, three to test."""
    names = ("zero", "one", "two")
    return Source(HF / "saved", {name: _saved_part(HF / "saved" / name, names) for name in ("train", "test")}, names)


def _saved_part(folder: Path, names: tuple[str, ...]) -> tuple[ndarray, list[str]]:
    rows = [row for path in sorted(folder.glob("*.arrow")) for row in ipc.open_stream(path).read_all().to_pylist()]
    images = [np.asarray(Image.open(io.BytesIO(row["image"]["bytes"]))) for row in rows]
    return np.stack(images)[..., None], [names[row["label"]] for row in rows]


SOURCES: dict[str, Callable[[Path], Source]] = {
    "class folders": class_folders,
    "nested class folders": nested_folders,
    "train, val and test folders": split_folders,
    "folders of JPEG in capitals": jpeg_folders,
    "CSV beside its images": csv_table,
    "TSV of ids, images elsewhere": tsv_table,
    "JSON Lines with splits": json_lines_table,
    "zip of class folders": zip_of_folders,
    "tar of class folders": tar_of_folders,
    "tar.gz of class folders": tar_gz_of_folders,
    "zip of a table and its images": zip_of_table,
    "IDX folder": idx_folder,
    "CIFAR-10 binary": cifar10_binary,
    "CIFAR-10 python": cifar10_python,
    "CIFAR-100 binary": cifar100_binary,
    "SVHN": svhn,
    "npz as Keras": keras_npz,
    "npz as MedMNIST": medmnist_npz,
    "folder of npy pairs": npy_folder,
    "Parquet": parquet_file,
    "Hugging Face, saved": saved_by_datasets,
}
