"""Sets decoded into one tensor, what is refused on the way, and what is told about the pixels, against NumPy."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from data_helpers import FILES, array_set, files_set, mnist_digits, noise, write_picture

from foveal.config import Preprocess
from foveal.data import pixels as pixels_module
from foveal.data.cache import cache_folder, list_entries
from foveal.data.images import ImageSet
from foveal.data.index import facts_of
from foveal.data.looks import choose_preprocess, measure_sizes
from foveal.data.mapped import Mapped
from foveal.data.pixels import Pixels, decode_now, drop_equal_channels, part_of
from foveal.errors import DataError

DIGIT_SHAPE = Preprocess(channels=1, height=28, width=28)


def load_pixels(images: ImageSet, preprocess: Preprocess, workers: int | None = None) -> Pixels:
    return pixels_module.load_pixels(images, preprocess, facts_of(images), workers=workers)


def of_files(*names: str) -> ImageSet:
    return files_set(FILES, *names, labels=list("abcdefghij"[: len(names)]))


@pytest.mark.parametrize("channels", [1, 3])
def test_arrays_of_the_right_size_come_back_untouched_and_channels_last_array_set(channels: int) -> None:
    images = noise(5, 28, 28, channels)
    pixels = load_pixels(array_set(images), DIGIT_SHAPE.model_copy(update={"channels": channels}))
    assert pixels.pixels.shape == (5, channels, 28, 28)
    np.testing.assert_array_equal(pixels.pixels.permute(0, 2, 3, 1).numpy(), images)
    assert pixels.pixels.is_contiguous(memory_format=torch.channels_last)
    assert (pixels.kept.tolist(), pixels.refused) == ([0, 1, 2, 3, 4], ())


def test_arrays_of_another_size_are_fitted_as_files_are(tmp_path: Path) -> None:
    digits = mnist_digits()[:4]
    paths = [write_picture(tmp_path / f"{i}.png", digit) for i, digit in enumerate(digits)]
    wanted = Preprocess(channels=3, height=20, width=24)
    from_files = load_pixels(files_set(tmp_path, *(path.name for path in paths)), wanted)
    from_memory = load_pixels(array_set(digits[..., None]), wanted)
    assert from_files.pixels.shape == (4, 3, 20, 24)
    torch.testing.assert_close(from_files.pixels, from_memory.pixels)


def test_damaged_files_are_named_and_the_rest_keep_their_labels_and_order() -> None:
    names = ("empty.png", "digit.png", "truncated.jpg", "sixteen_bit.png", "text.png", "digit.pgm")
    pixels = load_pixels(of_files(*names), DIGIT_SHAPE)
    assert pixels.kept.tolist() == [1, 3, 5]
    assert pixels.labels.tolist() == [1, 3, 5]
    assert len(pixels) == 3
    np.testing.assert_array_equal(pixels.pixels[:, 0].numpy(), mnist_digits()[[0, 0, 0]])
    for name, reason in zip(("empty.png", "truncated.jpg", "text.png"), pixels.refused, strict=True):
        assert name in reason


def test_a_set_of_which_no_file_can_be_read_is_refused_with_the_first_reason() -> None:
    with pytest.raises(DataError, match=r"none of the 2 images of files can be read. The first: .*empty\.png is empty"):
        load_pixels(of_files("empty.png", "text.png"), DIGIT_SHAPE)
    images = of_files("empty.png", "text.png")
    for _ in range(2):  # decoded, and from the cache
        none = pixels_module.load_pixels(images, DIGIT_SHAPE, facts_of(images), allow_none=True)
        assert (len(none), none.pixels.shape, len(none.refused)) == (0, (0, 1, 28, 28), 2)


@pytest.mark.parametrize("images", [of_files(), array_set(noise(0, 9, 9, 1))], ids=["files", "memory"])
def test_an_empty_set_gives_empty_pixels_of_the_right_shape(images: ImageSet) -> None:
    pixels = load_pixels(images, DIGIT_SHAPE)
    assert (pixels.pixels.shape, pixels.pixels.dtype) == ((0, 1, 28, 28), torch.uint8)
    assert (pixels.labels.dtype, len(pixels), len(pixels.kept)) == (torch.int64, 0, 0)


def test_the_pixels_of_bytes_that_may_not_be_written_can_be_written() -> None:
    pixels = load_pixels(array_set(mnist_digits()[:3, ..., None]), DIGIT_SHAPE)
    pixels.pixels[0] = 7
    assert mnist_digits()[0].max() == 255


def test_decoding_many_files_keeps_their_order(tmp_path: Path) -> None:
    digits = mnist_digits()[:60]
    paths = [write_picture(tmp_path / f"{i:02d}.png", digit) for i, digit in enumerate(digits)]
    labels = [str(i) for i in range(60)]
    pixels = load_pixels(files_set(tmp_path, *(path.name for path in paths), labels=labels), DIGIT_SHAPE)
    np.testing.assert_array_equal(pixels.pixels[:, 0].numpy(), digits)
    assert pixels.labels.tolist() == list(range(60))


def test_grey_saved_as_colour_becomes_grey() -> None:
    images = np.repeat(noise(4, 6, 5, 1), 3, axis=3)
    colour = Preprocess(channels=3, height=6, width=5)
    pixels, preprocess = drop_equal_channels(load_pixels(array_set(images), colour), colour)
    assert preprocess == Preprocess(channels=1, height=6, width=5)
    np.testing.assert_array_equal(pixels.pixels[:, 0].numpy(), images[..., 0])
    assert pixels.labels.tolist() == [0] * 4


@pytest.mark.parametrize("channel", [0, 1, 2])
def test_one_pixel_of_colour_in_one_image_keeps_three_channels(channel: int) -> None:
    images = np.repeat(noise(4, 6, 5, 1), 3, axis=3)
    images[2, 3, 4, channel] ^= 1
    colour = Preprocess(channels=3, height=6, width=5)
    pixels, preprocess = drop_equal_channels(load_pixels(array_set(images), colour), colour)
    assert preprocess == colour
    assert pixels.pixels.shape[1] == 3


def test_grey_stays_grey() -> None:
    pixels = load_pixels(array_set(noise(4, 28, 28, 1)), DIGIT_SHAPE)
    assert drop_equal_channels(pixels, DIGIT_SHAPE) == (pixels, DIGIT_SHAPE)


def test_a_folder_of_every_kind_of_file_goes_the_whole_way(tmp_path: Path) -> None:
    pictures = [path for path in sorted(FILES.iterdir()) if path.is_file() and path.suffix not in (".py", ".md")]
    paths = [Path(shutil.copy(path, tmp_path)) for path in pictures]
    images = files_set(tmp_path, *(path.name for path in paths))
    preprocess, said = choose_preprocess(measure_sizes(images, facts_of(images)), None, "pad")
    pixels = load_pixels(images, preprocess)
    assert isinstance(pixels, Pixels)
    assert {Path(reason.split()[0]).name for reason in pixels.refused} == {"empty.png", "text.png", "truncated.jpg"}
    assert pixels.pixels.shape == (len(paths) - 3, 3, 48, 48)
    assert said is not None


def written_pictures(folder: Path, count: int) -> tuple[str, ...]:
    return tuple(write_picture(folder / f"{i:02d}.png", mnist_digits()[i]).name for i in range(count))


def test_the_second_time_the_pixels_come_from_the_cache_and_no_file_is_read(tmp_path: Path) -> None:
    images = files_set(tmp_path, *written_pictures(tmp_path, 20))
    facts = facts_of(images)
    wanted = Preprocess(channels=1, height=14, width=14)
    first = pixels_module.load_pixels(images, wanted, facts)
    for path in tmp_path.glob("*.png"):
        path.write_bytes(b"no picture")
    second = pixels_module.load_pixels(images, wanted, facts)
    torch.testing.assert_close(second.pixels, first.pixels)
    assert (second.ids, second.kept.tolist()) == (first.ids, list(range(20)))
    assert [(entry.images, entry.size) for entry in list_entries()] == [(20, "14x14x1")]


def test_other_settings_and_other_content_are_other_entries(tmp_path: Path) -> None:
    names = written_pictures(tmp_path, 6)
    images = files_set(tmp_path, *names)
    for wanted in (
        DIGIT_SHAPE,
        DIGIT_SHAPE.model_copy(update={"height": 20}),
        DIGIT_SHAPE.model_copy(update={"fit": "crop"}),
    ):
        load_pixels(images, wanted)
    assert len(list_entries()) == 3
    load_pixels(files_set(tmp_path, *names[1:]), DIGIT_SHAPE)
    assert len(list_entries()) == 4


def test_the_reasons_of_what_is_left_out_come_back_from_the_cache_with_the_names_of_today(tmp_path: Path) -> None:
    for name in ("before", "after"):
        (tmp_path / name).mkdir()
        shutil.copy(FILES / "truncated.jpg", tmp_path / name)
        written_pictures(tmp_path / name, 3)
    names = ("00.png", "truncated.jpg", "02.png")
    before = load_pixels(files_set(tmp_path / "before", *names), DIGIT_SHAPE)
    after = load_pixels(files_set(tmp_path / "after", *names), DIGIT_SHAPE)
    assert (after.kept.tolist(), len(list_entries())) == ([0, 2], 1)
    assert after.refused[0] == before.refused[0].replace("/before/", "/after/")


@pytest.mark.parametrize("workers", [1, 2, 5])
def test_the_result_is_the_same_with_any_number_of_workers(workers: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pixels_module, "PORTION", 4)
    names = [path.name for path in sorted(FILES.iterdir()) if path.suffix in (".png", ".jpg", ".gif", ".tiff")]
    preprocess = Preprocess(channels=3, height=20, width=24)
    found = load_pixels(files_set(FILES, *names), preprocess, workers)
    alone = [decode_now(files_set(FILES, name), preprocess) for name in names]
    assert torch.equal(found.pixels[:], torch.cat([each.pixels[:] for each in alone]))
    assert found.refused == tuple(reason for each in alone for reason in each.refused)
    assert found.kept.tolist() == [i for i, each in enumerate(alone) if len(each)]


def test_where_the_cache_cannot_be_written_images_are_decoded_into_memory(tmp_path: Path) -> None:
    images = files_set(tmp_path, *written_pictures(tmp_path, 5))
    cache_folder().parent.mkdir(parents=True)
    cache_folder().write_text("a file where a folder should be")
    pixels = load_pixels(images, DIGIT_SHAPE)
    np.testing.assert_array_equal(pixels.pixels[:, 0].numpy(), mnist_digits()[:5])


def test_images_too_many_for_memory_need_the_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    images = files_set(tmp_path, *written_pictures(tmp_path, 5))
    cache_folder().parent.mkdir(parents=True)
    cache_folder().write_text("a file where a folder should be")
    monkeypatch.setattr(pixels_module, "DEFAULT_MEMORY_SHARE", 1e-9)
    with pytest.raises(DataError, match=r"the 5 decoded images of files take .* cannot be written: .* Free that space"):
        load_pixels(images, DIGIT_SHAPE)


@pytest.mark.parametrize("max_bytes", [0, 10**9])
def test_a_part_has_its_own_images_labels_ids_and_reasons(max_bytes: int) -> None:
    names = ("empty.png", "digit.png", "truncated.jpg", "sixteen_bit.png", "text.png", "one_bit.png")
    whole = of_files(*names)
    pixels = load_pixels(whole, DIGIT_SHAPE)
    part = whole.take(np.array([5, 4, 1]))
    found = part_of(pixels, whole, part, max_bytes=max_bytes)
    assert isinstance(found.pixels, Mapped) == (max_bytes == 0)
    alone = load_pixels(of_files(*names).take(np.array([5, 4, 1])), DIGIT_SHAPE)
    assert torch.equal(found.pixels[:], alone.pixels[:])
    assert found.labels.tolist() == alone.labels.tolist() == [5, 1]
    assert (found.kept.tolist(), found.ids, found.refused) == (alone.kept.tolist(), alone.ids, alone.refused)


def test_progress_is_told_up_to_the_last_image(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pixels_module, "PORTION", 8)
    images = files_set(tmp_path, *written_pictures(tmp_path, 20))
    told: list[tuple[int, int]] = []
    pixels_module.load_pixels(
        images, DIGIT_SHAPE, facts_of(images), show=lambda done, total: told.append((done, total))
    )
    assert told == [(8, 20), (16, 20), (20, 20)]


def test_a_file_that_could_not_be_read_when_the_cache_was_made_is_decoded_when_it_can(tmp_path: Path) -> None:
    names = written_pictures(tmp_path, 6)
    images = files_set(tmp_path, *names)
    facts = facts_of(images)
    (tmp_path / names[2]).rename(tmp_path / "away")
    assert pixels_module.load_pixels(images, DIGIT_SHAPE, facts).kept.tolist() == [0, 1, 3, 4, 5]
    (tmp_path / "away").rename(tmp_path / names[2])
    again = pixels_module.load_pixels(images, DIGIT_SHAPE, facts)
    assert (again.kept.tolist(), again.refused) == ([0, 1, 2, 3, 4, 5], ())
    np.testing.assert_array_equal(again.pixels[:, 0].numpy(), mnist_digits()[:6])
