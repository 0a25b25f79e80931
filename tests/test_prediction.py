"""Any picture in any form gets an answer or a reason, in order; one bad picture stops nothing."""

import io
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy import ndarray
from PIL import Image

from foveal.classifier import Classifier, probabilities
from foveal.errors import ConfigError
from foveal.prediction import Prediction, Refused, predict


def write(path: Path, pixels: ndarray) -> Path:
    """A picture file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)
    return path


def only(answers: list[Prediction | Refused]) -> Prediction:
    """The one answer, which is a prediction."""
    (answer,) = answers
    assert isinstance(answer, Prediction), answer
    return answer


def labels_of(answers: list[Prediction | Refused]) -> list[str]:
    """Labels, or "refused"."""
    return [answer.label if isinstance(answer, Prediction) else "refused" for answer in answers]


@pytest.fixture
def images(digits: tuple[ndarray, ndarray]) -> ndarray:
    """Twenty digits (N, 28, 28)."""
    return digits[0][:20]


@pytest.fixture
def expected(classifier: Classifier, images: ndarray) -> list[str]:
    """What the network says about them, by its logits."""
    return [classifier.classes[k] for k in classifier.logits(images[..., None]).argmax(axis=1)]


def test_the_digits_are_told(expected: list[str], digits: tuple[ndarray, ndarray]) -> None:
    assert np.mean([said == str(label) for said, label in zip(expected, digits[1], strict=False)]) >= 0.9


# Forms of pictures


def test_files_are_answered_in_order_by_their_names(
    classifier: Classifier, images: ndarray, expected: list[str], tmp_path: Path
) -> None:
    paths = [write(tmp_path / f"{i}.png", image) for i, image in enumerate(images)]
    answers = list(predict(classifier, [*paths[:10], *map(str, paths[10:])]))
    assert labels_of(answers) == expected
    assert [answer.source for answer in answers] == [str(path) for path in paths]


@pytest.mark.parametrize("extension", ["png", "bmp", "gif", "tif", "pgm", "PNG"])
def test_a_lossless_file_of_any_format_gives_the_same_answer(
    extension: str, classifier: Classifier, images: ndarray, tmp_path: Path
) -> None:
    path = write(tmp_path / f"digit.{extension}", images[0])
    (from_file,), (from_array,) = predict(classifier, [path]), predict(classifier, [images[0]])
    assert only([from_file]).top == only([from_array]).top


@pytest.mark.parametrize(
    "form",
    [
        lambda image: image,
        lambda image: image[..., None],
        lambda image: np.stack([image] * 3, axis=2),
        lambda image: np.asfortranarray(image),
        lambda image: np.repeat(image, 2, axis=1)[:, ::2],
    ],
    ids=["(H, W)", "(H, W, 1)", "(H, W, 3)", "column-major", "strided"],
)
def test_an_array_of_any_form_gives_the_same_answer(form: Any, classifier: Classifier, images: ndarray) -> None:
    answers = list(predict(classifier, [form(image) for image in images]))
    chances = probabilities(classifier.logits(images[..., None]), classifier.card.temperature)
    for answer, row in zip(answers, chances, strict=True):
        assert only([answer]).probability == pytest.approx(row.max(), abs=1e-5)
    assert [answer.source for answer in answers][:2] == ["<array 0>", "<array 1>"]


def test_a_batch_of_images_is_a_list_of_images(classifier: Classifier, images: ndarray, expected: list[str]) -> None:
    assert labels_of(list(predict(classifier, images))) == expected


def test_encoded_bytes_are_a_picture(classifier: Classifier, images: ndarray, expected: list[str]) -> None:
    buffer = io.BytesIO()
    Image.fromarray(images[0]).save(buffer, "png")
    answer = only(list(predict(classifier, [buffer.getvalue()])))
    assert (answer.source, answer.label) == ("<bytes 0>", expected[0])


def test_a_folder_gives_the_pictures_below_it_in_the_order_of_their_names(
    classifier: Classifier, images: ndarray, tmp_path: Path
) -> None:
    for name in ("b/2.png", "a.png", "b/1.PNG"):
        write(tmp_path / name, images[0])
    (tmp_path / "notes.txt").write_text("no picture")
    answers = list(predict(classifier, [tmp_path]))
    assert [answer.source for answer in answers] == [str(tmp_path / name) for name in ("a.png", "b/1.PNG", "b/2.png")]
    assert "refused" not in labels_of(answers)


def test_a_glob_gives_the_files_that_it_matches(classifier: Classifier, images: ndarray, tmp_path: Path) -> None:
    for name in ("x2.png", "x1.png", "y.png", "deep/x3.png"):
        write(tmp_path / name, images[0])
    answers = list(predict(classifier, [str(tmp_path / "x*.png"), str(tmp_path / "**" / "x3.png")]))
    assert [Path(answer.source).name for answer in answers] == ["x1.png", "x2.png", "x3.png"]


def test_a_file_whose_name_looks_like_a_glob_is_that_file(
    classifier: Classifier, images: ndarray, tmp_path: Path
) -> None:
    path = write(tmp_path / "digit[1].png", images[0])
    assert only(list(predict(classifier, [str(path)]))).source == str(path)


# What cannot be read


def test_what_cannot_be_read_is_refused_with_its_reason_and_the_rest_goes_on(
    classifier: Classifier, images: ndarray, expected: list[str], tmp_path: Path
) -> None:
    good = write(tmp_path / "good.png", images[0])
    (tmp_path / "text.png").write_text("no picture")
    (tmp_path / "empty.png").write_bytes(b"")
    (tmp_path / "cut.png").write_bytes(good.read_bytes()[:150])
    (tmp_path / "folder").mkdir()
    cases: list[tuple[Any, str]] = [
        (tmp_path / "text.png", "text.png cannot be read as an image"),
        (tmp_path / "empty.png", "empty.png is empty (0 bytes)"),
        (tmp_path / "cut.png", "cut.png cannot be read as an image"),
        (tmp_path / "none.png", "there is no file"),
        (str(tmp_path / "none-*.png"), "there is no file"),
        (tmp_path / "folder", "folder holds no picture (.png"),
        (b"no picture", "the data given cannot be read as an image"),
        (b"", "the data given is empty (0 bytes)"),
        (np.zeros((4, 4, 2), dtype=np.uint8), "the array has shape (4, 4, 2) and type uint8"),
        (np.zeros((4,), dtype=np.uint8), "the array has shape (4,)"),
        (np.zeros((0, 4), dtype=np.uint8), "the array has shape (0, 4)"),
        (np.zeros((4, 4), dtype=np.float32), "and type float32; a picture is uint8"),
        ("a" * 5000, "File name too long"),
        ("nul\0byte.png", "nul"),
    ]
    sources: list[Any] = [good]
    for source, _ in cases:
        sources += [source, good]
    answers = list(predict(classifier, iter(sources), batch_size=4))  # an iterator, as its types are wrong
    assert labels_of(answers[::2]) == [expected[0]] * (len(cases) + 1)
    for answer, (_, reason) in zip(answers[1::2], cases, strict=True):
        assert isinstance(answer, Refused)
        assert reason in answer.reason


def test_a_lone_path_is_one_picture_and_not_a_list_of_letters(
    classifier: Classifier, images: ndarray, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write(Path("digit.png"), images[0])
    assert [answer.source for answer in predict(classifier, "digit.png")] == ["digit.png"]
    assert [answer.source for answer in predict(classifier, Path("digit.png"))] == ["digit.png"]


def test_nothing_to_predict_gives_no_answer(classifier: Classifier) -> None:
    assert list(predict(classifier, [])) == []


def test_a_very_long_thin_picture_does_not_stop_the_rest(classifier: Classifier, images: ndarray) -> None:
    answers = list(predict(classifier, [np.zeros((1, 5000), dtype=np.uint8), images[0]]))
    assert len(answers) == 2
    assert isinstance(answers[1], Prediction)


# Answers


@pytest.mark.parametrize("top", [1, 3, 10, 99])
def test_the_likeliest_labels_come_first_with_their_calibrated_probabilities(
    top: int, classifier: Classifier, images: ndarray
) -> None:
    chances = probabilities(classifier.logits(images[..., None]), classifier.card.temperature)
    for answer, row in zip(predict(classifier, images, top=top), chances, strict=True):
        best = sorted(row, reverse=True)[:top]
        found = only([answer])
        assert [value for _, value in found.top] == pytest.approx(best, abs=1e-5)
        assert (found.label, found.probability) == found.top[0]
        assert len({label for label, _ in found.top}) == min(top, 10)


@pytest.mark.parametrize("top", [0, -1])
def test_top_below_1_is_refused(top: int, classifier: Classifier) -> None:
    with pytest.raises(ConfigError, match=rf"top is {top}; at least the likeliest label must be given"):
        next(predict(classifier, [], top=top))


@pytest.mark.parametrize("batch_size", [1, 7, 256])
def test_a_plain_function_stands_in_for_the_network(batch_size: int, classifier: Classifier, images: ndarray) -> None:
    seen: list[int] = []

    def by_first_pixel(pixels: ndarray) -> ndarray:
        seen.append(len(pixels))
        assert pixels.shape[1:] == (28, 28, 1)
        return 9 * np.eye(10, dtype=np.float32)[pixels[:, 0, 0, 0] % 10]

    pictures = images.copy()
    pictures[:, 0, 0] = np.arange(20)
    answers = list(predict(classifier, pictures, logits_fn=by_first_pixel, batch_size=batch_size))
    assert labels_of(answers) == [str(i % 10) for i in range(20)]
    assert sum(seen) == 20
    assert max(seen) == min(batch_size, 20)


def test_pictures_are_read_as_they_are_needed(classifier: Classifier, images: ndarray) -> None:
    given = []

    def endless() -> Any:
        for number in range(1000):
            given.append(number)
            yield images[0]

    next(predict(classifier, endless(), batch_size=8))
    assert len(given) == 8


def test_inverting_turns_light_and_dark_round(classifier: Classifier, images: ndarray, expected: list[str]) -> None:
    upside = [255 - image for image in images]
    answers = list(predict(classifier, upside, invert=True))
    assert labels_of(answers) == expected
    assert not any(only([answer]).warnings for answer in answers)


def test_a_light_background_is_warned_of_where_the_training_images_had_a_dark_one(
    classifier: Classifier, images: ndarray
) -> None:
    dark, light = (only(list(predict(classifier, [image]))) for image in (images[0], 255 - images[0]))
    assert dark.warnings == ()
    (warning,) = light.warnings
    assert "its background is light, that of the training images was dark: try --invert" in warning


@pytest.mark.parametrize(("side", "is_strange"), [(28, False), (14, False), (200, False), (13, True), (225, True)])
def test_a_size_far_from_the_training_images_is_warned_of(side: int, is_strange: bool, classifier: Classifier) -> None:
    answer = only(list(predict(classifier, [np.zeros((side, 5), dtype=np.uint8)])))
    assert [f"{side}x5 pixels, but the training images had 28 to 28" in warning for warning in answer.warnings] == (
        [True] if is_strange else []
    )


@pytest.mark.parametrize("first", ["foveal.Prediction", "foveal.load", "foveal.Run", "foveal.train"])
def test_the_public_predict_is_the_function_whatever_was_used_before_it(first: str) -> None:
    code = f"import foveal; {first}; print(foveal.predict.__name__)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.strip() == "predict"


def test_the_public_predict_is_the_function_also_when_its_file_was_imported() -> None:
    code = f"import {predict.__module__}, foveal; print(callable(foveal.predict))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.strip() == "True"
