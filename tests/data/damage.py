"""Damaged picture files, made from real ones: cut, flipped, zeroed, misnamed, and bombs that say to be huge.

The same seed gives the same files, under ordinary and strange names. Each says whether it is a picture, where that is certain.
"""

import os
import struct
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from itertools import cycle, islice
from pathlib import Path
from random import Random

from data_helpers import FILES
from originals import encoded, originals, png
from PIL import Image

SIZED = (
    "photo.bmp",
    "photo.jpg",
    "progressive.jpg",
    "photo.tiff",
    "photo.ppm",
    "photo.webp",
    "animated.gif",
    "alpha.png",
)
PLACES = {".png": (16, ">II"), ".bmp": (18, "<ii"), ".gif": (6, "<HH")}  # of width and height in a header
HUGE = (30_000, 40_000, 65_000)  # pixels a side: at one byte each, 900 MB and more
TEXTS = {
    "empty": b"",
    "text": b"Not a picture.\n" * 40,
    "html": b"<!DOCTYPE html><html><head><title>404</title></head><body>Not found</body></html>",
    "svg": b'<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"><rect/></svg>',
    "pdf": b"%PDF-1.7\n1 0 obj\n<< /Type /Catalog >>\nendobj\ntrailer\n<< /Root 1 0 R >>\n%%EOF\n",
    "eps": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\n0 0 9 9 rectfill\nshowpage\n%%EOF\n",
    "zip": b"PK\x03\x04\x14\x00\x00\x00\x08\x00" + bytes(60),
}
ENDINGS = (".png", ".jpg", ".jpeg", ".gif", ".bmp", ".tif", ".webp", ".ppm", ".JPG")
TITLES = ("{}", "{} with spaces", "{}-ünï-図", "{}'\"$(x)", "{}\tand\nlines", "{}-\udcff\udc80", "{}-" + "long" * 40)


@dataclass(frozen=True)
class Made:
    """A file. `is_picture` is None where nobody but a decoder can say."""

    name: str
    content: bytes
    is_picture: bool | None


def damaged_files(count: int, seed: int = 0) -> Iterator[Made]:
    """So many files, each kind of damage as often as the others."""
    for number, kind in enumerate(islice(cycle(KINDS), count)):
        random = Random(f"{seed} {number}")
        ending, content, is_picture = KINDS[kind](random)
        title = random.choice(TITLES).format(f"{number:05d}-{kind}")
        yield Made(f"{title}{ending}", content, is_picture)


def write_damaged(folder: Path, count: int, seed: int = 0) -> list[Made]:
    """The files in a folder, with what is no file beside them: a pipe, a folder and links that lead nowhere."""
    folder.mkdir(parents=True)
    made = list(damaged_files(count, seed))
    for each in made:
        (folder / each.name).write_bytes(each.content)
    os.mkfifo(folder / "pipe.png")
    (folder / "folder.png").mkdir()
    (folder / "nowhere.png").symlink_to("not there")
    (folder / "above").symlink_to(".")
    return made


Kind = tuple[str, bytes, bool | None]  # ending, content, whether it is a picture


def a_whole_one(random: Random) -> tuple[str, bytes]:
    """The ending and the content of an undamaged picture."""
    name = random.choice(sorted(originals()))
    return Path(name).suffix, originals()[name]


def whole(random: Random) -> Kind:
    return *a_whole_one(random), True


def misnamed(random: Random) -> Kind:
    return random.choice(ENDINGS), a_whole_one(random)[1], True


def cut(random: Random) -> Kind:
    ending, content = a_whole_one(random)
    return ending, content[: random.randrange(len(content))], None


def flipped(random: Random) -> Kind:
    ending, content = a_whole_one(random)
    damaged = bytearray(content)
    for _ in range(random.randint(1, 20)):
        # Every second one in the header, where it does most.
        place = random.randrange(min(len(damaged), random.choice((64, len(damaged)))))
        damaged[place] ^= 1 << random.randrange(8)
    return ending, bytes(damaged), None


def zeroed(random: Random) -> Kind:
    ending, content = a_whole_one(random)
    start = random.randrange(len(content))
    length = min(random.randint(1, 512), len(content) - start)
    return ending, content[:start] + bytes(length) + content[start + length :], None


def spliced(random: Random) -> Kind:
    (ending, first), (_, second) = a_whole_one(random), a_whole_one(random)
    return ending, first[: random.randrange(len(first))] + second[random.randrange(len(second)) :], None


def only_zeros(random: Random) -> Kind:
    ending, content = a_whole_one(random)
    return ending, bytes(len(content)), False


def text(random: Random) -> Kind:
    return random.choice(ENDINGS), TEXTS[random.choice(sorted(TEXTS))], False


def strip(random: Random) -> Kind:
    """One pixel wide or high."""
    ending = random.choice((".png", ".jpg", ".gif", ".bmp", ".tif", ".webp", ".ppm"))
    size = random.choice(((1, 1), (1, random.randint(2, 16_000)), (random.randint(2, 16_000), 1)))
    return ending, encoded(Image.new("RGB", size, (200, 100, 50)), f"a{ending}"), True


def strange_exif(random: Random) -> Kind:
    """Pixels are whole; what should say how they were taken is noise, or a list of tags that points at itself."""
    loop = b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x87\x69\0\x04\0\0\0\x01\0\0\0\x08\0\0\0\x08"
    exif = random.choice(
        (random.randbytes(60), b"Exif\0\0" + random.randbytes(60), loop, b"Exif\0\0II*\0", b"Exif\0\0")
    )
    ending = random.choice((".png", ".jpg", ".webp"))
    return ending, encoded(Image.open(FILES / "photo.bmp"), f"a{ending}", exif=exif), True


def strange_colours(random: Random) -> Kind:
    """Pixels are whole; the colour profile is noise."""
    ending = random.choice((".png", ".jpg", ".webp", ".tif"))
    return ending, encoded(Image.open(FILES / "photo.bmp"), f"a{ending}", icc_profile=random.randbytes(400)), True


def bomb(random: Random) -> Kind:
    """A small file that says to be huge; a PNG that is."""
    name = random.choice((*SIZED, "real"))
    side = random.choice(HUGE)
    return Path(name).suffix or ".png", real_bomb() if name == "real" else resized_header(name, side, side), False


def large(random: Random) -> Kind:
    """A header that says some other size, from a few pixels up to more than are decoded."""
    name = random.choice(SIZED)
    width, height = (int(2 ** random.uniform(3, 14)) for _ in range(2))
    return Path(name).suffix, resized_header(name, width, height), None


@cache
def real_bomb() -> bytes:
    """A PNG of 30,000 x 30,000 whole pixels in some 100 kB."""
    return png(30_000, 30_000, 1, 0, bytes((1 + 30_000 // 8) * 30_000))


def resized_header(name: str, width: int, height: int) -> bytes:
    """An original whose header says another size: where each format's specification has it."""
    content = bytearray(originals()[name])
    ending = Path(name).suffix
    if ending in PLACES:
        start, how = PLACES[ending]
        struct.pack_into(how, content, start, width, height)
        if ending == ".png":
            struct.pack_into(">I", content, 29, zlib.crc32(content[12:29]))
    elif ending == ".jpg":
        start = max(content.find(b"\xff\xc0"), content.find(b"\xff\xc2"))
        struct.pack_into(">HH", content, start + 5, height, width)
    elif ending == ".webp":  # lossless: fourteen bits each
        bits = int.from_bytes(content[21:25], "little") >> 28 << 28
        sides = min(width, 1 << 14) - 1 | min(height, 1 << 14) - 1 << 14
        struct.pack_into("<I", content, 21, bits | sides)
    elif ending == ".ppm":
        content[:8] = b"P6\n%d %d" % (width, height)
    else:
        _retag(content, {256: width, 257: height, 278: height})  # and all rows in one strip
    return bytes(content)


def _retag(content: bytearray, values: dict[int, int]) -> None:
    """Other numbers in the first list of tags of a little-endian TIFF."""
    start = int.from_bytes(content[4:8], "little")
    for at in range(start + 2, start + 2 + 12 * int.from_bytes(content[start : start + 2], "little"), 12):
        tag = int.from_bytes(content[at : at + 2], "little")
        if tag in values:
            content[at + 2 : at + 12] = struct.pack("<HII", 4, 1, values[tag])


KINDS: dict[str, Callable[[Random], Kind]] = {
    function.__name__: function
    for function in (
        *(whole, misnamed, cut, flipped, zeroed, spliced, only_zeros),
        *(text, strip, strange_exif, strange_colours, bomb, large),
    )
}
