"""Any function from images to logits can be evaluated, and nothing here needs torch."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from numpy import ndarray

import foveal
from foveal.errors import DataError
from foveal.evaluation.inference import infer

PACKAGE = Path(foveal.__file__).parent


def brightness(pixels: ndarray) -> ndarray:
    """A network of one rule: the logits of "dark" and "light"."""
    mean = pixels.reshape(len(pixels), -1).mean(axis=1)
    return np.stack([127.5 - mean, mean - 127.5], axis=1).astype(np.float32)


IMAGES = np.stack([np.full((2, 2, 1), value, dtype=np.uint8) for value in (0, 255, 100, 200, 30)])
LABELS = np.array([0, 1, 0, 1, 1])
IDS = tuple("abcde")


@pytest.mark.parametrize("batch_size", [1, 2, 5])
def test_what_a_plain_function_answers_is_kept_in_order(batch_size: int) -> None:
    batches = (IMAGES[i : i + batch_size] for i in range(0, 5, batch_size))
    found = infer(brightness, batches, LABELS, IDS, ("dark", "light"))
    np.testing.assert_array_equal(found.logits, brightness(IMAGES))
    assert found.logits.argmax(axis=1).tolist() == [0, 1, 0, 1, 0]
    assert (found.labels.tolist(), found.ids, found.classes) == ([0, 1, 0, 1, 1], IDS, ("dark", "light"))


def test_no_images_are_refused() -> None:
    with pytest.raises(DataError, match=r"no images to evaluate on. Name data that have some"):
        infer(brightness, [], np.zeros(0, dtype=np.int64), (), ("dark", "light"))


@pytest.mark.parametrize(
    ("labels", "ids", "counts"),
    [
        (LABELS[:4], IDS, "5 images, 4 labels and 5 ids"),
        (LABELS, IDS[:3], "5 images, 5 labels and 3 ids"),
        (LABELS[:4], IDS[:4], "5 images, 4 labels and 4 ids"),
    ],
)
def test_counts_that_differ_are_refused(labels: ndarray, ids: tuple[str, ...], counts: str) -> None:
    with pytest.raises(DataError, match=f"{counts} do not belong together"):
        infer(brightness, [IMAGES], labels, ids, ("dark", "light"))


@pytest.mark.parametrize(
    "module",
    [
        *sorted(f"foveal.evaluation.{path.stem}" for path in (PACKAGE / "evaluation").glob("[!_]*.py")),
        "foveal.classifier",
        "foveal.prediction",
        "foveal.run",
        "foveal.recipes",
    ],
)
def test_it_is_imported_without_torch(module: str) -> None:
    code = f"import sys, {module}; print(sorted({{'torch', 'matplotlib'}} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.strip() == "[]"


def test_predicting_with_a_plain_function_needs_no_torch_either(trained_run: "foveal.Run") -> None:
    code = (
        "import sys, numpy, foveal\n"
        f"classifier = foveal.load({str(trained_run.classifier)!r})\n"
        "fake = lambda pixels: numpy.eye(10, dtype=numpy.float32)[pixels[:, 0, 0, 0]]\n"
        "picture = numpy.full((28, 28), 7, dtype=numpy.uint8)\n"
        "(answer,) = foveal.predict(classifier, [picture], logits_fn=fake)\n"
        "print(answer.label, 'torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.split() == ["7", "False"]
