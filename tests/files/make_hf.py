"""Makes the folder hf of this folder with the library `datasets` (5.2), which foveal neither needs nor has in its extras:

python -m venv /tmp/hf && /tmp/hf/bin/pip install datasets pillow && /tmp/hf/bin/python tests/files/make_hf.py
"""

import gzip
import io
import shutil
from pathlib import Path

import numpy as np
from datasets import ClassLabel, Dataset, DatasetDict, Features, Image
from PIL import Image as Picture

HERE = Path(__file__).parent
MNIST = HERE.parents[1] / "src/foveal/data/bundled/mnist"
CLASSES = ["zero", "one", "two"]  # not in the order of their letters
FEATURES = Features({"image": Image(), "label": ClassLabel(names=CLASSES)})


def main() -> None:
    """Write every file anew: the first four of each of three MNIST digits at 8x8, three to train and one to test."""
    shutil.rmtree(HERE / "hf", ignore_errors=True)
    with_names, without = (DatasetDict(train=rows(0, 3, named), test=rows(3, 4, named)) for named in (True, False))
    without.save_to_disk(HERE / "hf/saved", num_shards={"train": 2, "test": 1})
    for part, data in with_names.items():
        (HERE / "hf/parquet/data").mkdir(parents=True, exist_ok=True)
        data.to_parquet(HERE / f"hf/parquet/data/{part}-00000-of-00001.parquet", batch_size=4)
    with_names["train"].to_parquet(HERE / "hf/whole.parquet")


def rows(first: int, last: int, named: bool) -> Dataset:
    """Images number `first` to `last` of each class, class after class."""
    labels = [label for label in range(len(CLASSES)) for _ in range(first, last)]
    numbers = [number for _ in CLASSES for number in range(first, last)]
    encoded = [
        {"bytes": png(label, number), "path": f"{CLASSES[label]}-{number}.png" if named else None}
        for label, number in zip(labels, numbers, strict=True)
    ]
    return Dataset.from_dict({"image": encoded, "label": labels}, features=FEATURES)


def png(digit: int, number: int) -> bytes:
    """The MNIST training image of this digit that comes as number `number`, at 8x8."""
    with gzip.open(MNIST / "train-images-idx3-ubyte.gz") as file:
        images = np.frombuffer(file.read(16 + 200 * 784), np.uint8, offset=16).reshape(-1, 28, 28)
    with gzip.open(MNIST / "train-labels-idx1-ubyte.gz") as file:
        labels = np.frombuffer(file.read(8 + 200), np.uint8, offset=8)
    image = images[np.flatnonzero(labels == digit)[number]]
    content = io.BytesIO()
    Picture.fromarray(image).resize((8, 8)).save(content, "png")
    return content.getvalue()


if __name__ == "__main__":
    main()
