"""Makes the pictures of this folder: python tests/files/make.py DIGITS_ZIP (sign-language-digits.zip; see README.md)."""

import gzip
import io
import sys
import zipfile
from pathlib import Path

import numpy as np
from PIL import Image

HERE = Path(__file__).parent
MNIST = HERE.parents[1] / "src/foveal/data/bundled/mnist/train-images-idx3-ubyte.gz"
PHOTO = "Dataset/5/IMG_1123.JPG"
ORIENTATION = 0x0112


def main(archive: Path) -> None:
    """Write every file anew."""
    with zipfile.ZipFile(archive) as packed:
        photo = Image.open(io.BytesIO(packed.read(PHOTO))).convert("RGB")
    with gzip.open(MNIST) as file:
        digits = np.frombuffer(file.read(16 + 3 * 784), np.uint8, offset=16).reshape(3, 28, 28)
    make_photos(photo)
    make_lossless(photo.crop((20, 30, 68, 62)))
    make_digits(digits)
    (HERE / "empty.png").write_bytes(b"")
    (HERE / "text.png").write_text("This is a text file whose name says that it is a picture.\n", encoding="utf-8")


def make_photos(photo: Image.Image) -> None:
    """JPEG in all its kinds, from one colour photo of 100x100."""
    photo.save(HERE / "photo.jpg", quality=90)
    photo.convert("L").save(HERE / "grey.jpg", quality=90)
    photo.convert("CMYK").save(HERE / "cmyk.jpg", quality=90)
    # Upright it is 100 wide and 80 high; stored on its side, as a phone does it, with the note to turn it clockwise.
    exif = Image.Exif()
    exif[ORIENTATION] = 6
    landscape = photo.crop((0, 10, 100, 90))
    landscape.transpose(Image.Transpose.ROTATE_90).save(HERE / "rotated.jpg", quality=90, exif=exif)
    whole = (HERE / "photo.jpg").read_bytes()
    (HERE / "truncated.jpg").write_bytes(whole[: len(whole) // 2])


def make_lossless(photo: Image.Image) -> None:
    """The same 48x32 pixels in every format that keeps them as they are, and with transparency."""
    photo.save(HERE / "photo.bmp")
    photo.save(HERE / "photo.tiff", compression="tiff_lzw")
    photo.save(HERE / "photo.webp", lossless=True)
    alpha = np.tile(np.linspace(0, 255, 48).round().astype(np.uint8), (32, 1))
    rgba = np.dstack([np.asarray(photo), alpha])
    Image.fromarray(rgba).save(HERE / "alpha.png")
    palette = photo.quantize(16, dither=Image.Dither.NONE)
    palette.save(HERE / "palette.png", transparency=3)


def make_digits(digits: np.ndarray) -> None:
    """The first three MNIST digits (5, 0, 4) in the formats for grey."""
    five = Image.fromarray(digits[0])
    five.save(HERE / "digit.png")
    five.save(HERE / "digit.pgm")
    five.point(lambda value: 255 if value > 127 else 0).convert("1").save(HERE / "one_bit.png")
    Image.fromarray(digits[0].astype(np.uint16) * 257).save(HERE / "sixteen_bit.png")
    frames = [Image.fromarray(digit) for digit in digits]
    frames[0].save(HERE / "animated.gif", save_all=True, append_images=frames[1:], duration=200)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
