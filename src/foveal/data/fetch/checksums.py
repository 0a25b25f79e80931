"""Checksums of files: "sha256:HEX" or "md5:HEX" of a file, "content-sha256:HEX" of what it unpacks to; and those recorded.

What they are of is in the checksum, as a gzip file packed anew has other bytes and the same content.
"""

import gzip
import hashlib
import json
import os
import zlib
from pathlib import Path

from foveal.errors import DataError

KINDS = ("sha256", "md5", "content-sha256", "content-md5")
RECORD = "checksums.json"


def checksum_of(path: Path, kind: str = "sha256") -> str:
    """The checksum of a file; its content is that of a gzip file unpacked, and of any other file as it is.

    Raises ValueError for another kind, and what gzip raises for a damaged file (OSError, EOFError, zlib.error).
    """
    if kind not in KINDS:
        raise ValueError(f"there is no checksum of the kind {kind!r}. Known: {', '.join(KINDS)}.")
    algorithm = kind.removeprefix("content-")
    with path.open("rb") as file:
        is_packed = kind.startswith("content-") and file.read(2) == b"\x1f\x8b"
        file.seek(0)
        stream = gzip.GzipFile(fileobj=file) if is_packed else file
        digest = hashlib.file_digest(stream, lambda: hashlib.new(algorithm, usedforsecurity=False))
    return f"{kind}:{digest.hexdigest()}"


def mismatch(path: Path, checksum: str) -> str | None:
    """How a file's checksum differs from the one it should have, None when it does not. Raises DataError."""
    kind = checksum.partition(":")[0]
    try:
        found = checksum_of(path, kind)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        return f"it cannot be unpacked ({error})"
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror}. Make it readable, or remove it.") from error
    return None if found == checksum else f"its checksum is {found}, expected {checksum}"


def recorded(folder: Path) -> dict[str, str]:
    """The checksums that were recorded in a folder, by the name of the file. Raises DataError."""
    path = folder / RECORD
    try:
        found = json.loads(path.read_bytes())
        if not isinstance(found, dict) or not all(_is_checksum(checksum) for checksum in found.values()):
            raise ValueError('it is not of the form {"file": "sha256:..."}')
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, RecursionError) as error:
        raise DataError(
            f"cannot read {path}, the checksums recorded when the files beside it were first used: {error}. "
            "Remove it; they are recorded again at the next use."
        ) from error
    return found


def _is_checksum(value: object) -> bool:
    return isinstance(value, str) and value.partition(":")[0] in KINDS


def record(folder: Path, name: str, checksum: str) -> None:
    """Write down the checksum of a file in `folder` that no source states. Raises DataError."""
    path = folder / RECORD
    temporary = folder / f".{RECORD}.{os.getpid()}"
    found = recorded(folder) | {name: checksum}
    try:
        temporary.write_text(json.dumps(found, indent=1, sort_keys=True) + "\n", encoding="utf-8")
        temporary.replace(path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise DataError(f"cannot write {path}: {error.strerror}. Make the folder writable.") from error
