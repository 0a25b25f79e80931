"""What a training says of its data before the first update."""

from foveal.recipes import resolve
from foveal.workflows.prepare import prepare

COPIES = "5 test images are among the training images too: what is measured on them says nothing"
NO_TEST = "no image is left for testing: evaluate will need other data"


def notes_on(source, **data):
    return " ".join(prepare(resolve({"data": {"source": "arrays", **data}}, "arrays"), source).notes)


def test_test_images_that_are_training_images_too_are_counted(digits):
    images, labels = digits
    parts = {"train": (images[:200], labels[:200]), "test": (images[200:260], labels[200:260])}
    assert "among the training images" not in notes_on(parts)
    # Nothing else is held out, so that all five copies meet a training image.
    parts["test"] = (images[195:260], labels[195:260])
    assert COPIES in notes_on(parts, validation=0, calibration=0)


def test_a_data_set_without_an_image_to_test_on_says_so(digits):
    source = (digits[0][:200], digits[1][:200])
    assert NO_TEST in notes_on(source, test=0)
    assert NO_TEST not in notes_on(source)
