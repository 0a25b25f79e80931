"""What the tests of archives share: writers of zips and tars, with zipfile, tarfile or by hand, and two measures."""

import bz2
import gzip
import io
import lzma
import os
import struct
import tarfile
import tracemalloc
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

from foveal.data.tree import Tree

CONTENT = {
    "train/cat/01.jpg": b"miaow" * 500,
    "train/dog/01.jpg": bytes(range(256)) * 7,
    "train/dog/empty.jpg": b"",
    "train/dog/zwölf.jpg": b"w",
    "readme.txt": b"x" * 512,
}
PACK: dict[str, Callable[[bytes], bytes]] = {
    ".tar": bytes,
    ".tar.gz": gzip.compress,
    ".tgz": gzip.compress,
    ".tar.bz2": bz2.compress,
    ".tbz2": bz2.compress,
    ".tar.xz": lzma.compress,
    ".txz": lzma.compress,
}
# Where fields are in an entry of the directory at a zip's end (APPNOTE 4.3.12), and how struct writes them.
FLAGS, METHOD, CRC, STORED, SIZE, OFFSET = (8, "H"), (10, "H"), (16, "I"), (20, "I"), (24, "I"), (42, "I")


def zip_bytes(content: Mapping[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    """A zip of these members; a name that ends with a slash is a folder."""
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", method) as archive:
        for name, data in content.items():
            archive.writestr(name, data)
    return target.getvalue()


def tar_bytes(content: Mapping[str, bytes], form: int = tarfile.PAX_FORMAT) -> bytes:
    """A tar of these members, not compressed; a name that ends with a slash is a folder."""
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w", format=form) as archive:
        for name, data in content.items():
            add(archive, name, data)
    return target.getvalue()


def add(archive: tarfile.TarFile, name: str, data: bytes = b"", extended: Mapping[str, str] | None = None) -> None:
    """One member more in a tar that is being written, with a pax header of these records."""
    member = tarfile.TarInfo(name)
    member.size = len(data)
    member.type = tarfile.DIRTYPE if name.endswith("/") else tarfile.REGTYPE
    member.pax_headers = dict(extended or {})
    archive.addfile(member, io.BytesIO(data))


def written(path: Path, content: bytes) -> Path:
    """The path of a new file with this content."""
    path.write_bytes(content)
    return path


def write_archive(folder: Path, ending: str, content: Mapping[str, bytes]) -> Path:
    """A zip or tar of these members, compressed as its ending says."""
    data = zip_bytes(content) if ending == ".zip" else PACK[ending](tar_bytes(content))
    return written(folder / f"data{ending}", data)


def contents(tree: Tree) -> dict[str, bytes]:
    """Every file of a tree, read."""
    return {name: tree.read(name) for name in tree.files}


def patched(content: bytes, field: tuple[int, str], value: int, entry: int = 0) -> bytes:
    """A zip with one field changed in an entry of its directory."""
    start = -1
    for _ in range(entry + 1):
        start = content.index(b"PK\x01\x02", start + 1)
    changed = bytearray(content)
    struct.pack_into(f"<{field[1]}", changed, start + field[0], value)
    return bytes(changed)


def tar_header(name: bytes, size: int, kind: bytes = b"0") -> bytes:
    """One block as POSIX specifies it, for what tarfile does not write."""
    fields = name.ljust(100, b"\0") + b"0000644\0" + b"0000000\0" * 2 + b"%011o\0" % size + b"00000000000\0"
    return sealed(fields + bytes(8) + kind + bytes(100) + b"ustar\x0000" + bytes(247))


def sealed(header: bytes) -> bytes:
    """A header of a tar with its checksum, which counts its own eight bytes as spaces."""
    blank = header[:148] + b" " * 8 + header[156:]
    return header[:148] + b"%06o\0 " % sum(blank) + header[156:]


def sparse_file(path: Path, content: bytes, hole: int) -> Path:
    """A file of some bytes and then zeros that take no room on the disk."""
    with path.open("wb") as file:
        file.write(content)
        file.truncate(len(content) + hole)
    return path


@contextmanager
def memory() -> Iterator[SimpleNamespace]:
    """Afterwards its `peak` is the most bytes that Python held at once in between."""
    measured = SimpleNamespace(peak=0)
    tracemalloc.start()
    try:
        yield measured
        measured.peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def open_descriptors() -> int:
    """How many files this process has open."""
    return len(os.listdir("/proc/self/fd"))  # noqa: PTH208 -- an iterator would be open itself
