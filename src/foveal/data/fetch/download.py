"""Fetch one file over HTTP: resumed where it stopped, from the next mirror when one fails, named only when it is right."""

import re
import ssl
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from http.client import HTTPException, HTTPResponse
from pathlib import Path
from urllib import request
from urllib.error import HTTPError, URLError

from foveal.data.fetch.checksums import mismatch
from foveal.data.fetch.part import Origin, Part, own_part
from foveal.errors import DataError

TIMEOUT_SECONDS = 30.0  # for the connection, and then for each piece of the answer
PAUSES_SECONDS = (1.0, 4.0, 15.0)  # before the second, third and fourth try at a server that stopped midway
CHUNK = 1 << 18
# NIST's server answers 403 to the name that Python gives itself. Identity: the bytes as they lie there.
HEADERS = {"User-Agent": "Mozilla/5.0 (compatible; foveal)", "Accept-Encoding": "identity"}
HANDLERS = (  # those that urllib would choose open ftp:// and file:// too
    request.ProxyHandler,
    request.HTTPHandler,
    request.HTTPSHandler,
    request.HTTPRedirectHandler,
    request.HTTPDefaultErrorHandler,
    request.HTTPErrorProcessor,
    request.UnknownHandler,
)
TRANSIENT = (408, 425, 429, 500, 502, 503, 504)  # RFC 9110 and 6585, RFC 8470: another time it may be there

Show = Callable[[int, int], None]  # the bytes that are here, and those in all


class _Refused(Exception):
    """This server does not give the file; the next one may."""


class _Unreachable(_Refused):
    """This server does not answer; without a network, none does."""


class _Dropped(Exception):
    """It stopped midway; the same server may go on."""


@dataclass(frozen=True)
class _Wanted:
    target: Path
    checksum: str | None
    size: int | None
    show: Show

    def is_there(self) -> bool:
        if not self.target.is_file():
            return False
        if self.checksum is None:
            return self.size in (None, self.target.stat().st_size)
        return mismatch(self.target, self.checksum) is None  # whatever its size: it may be packed otherwise


def download(
    urls: Sequence[str],
    target: Path,
    *,
    checksum: str | None = None,
    size: int | None = None,
    show: Show | None = None,
) -> None:
    """Make sure that `target` is there and right; what is missing comes from the first of `urls` that gives it.

    A download that was cut off, even by a kill, goes on where it stopped when the server still has the same file.
    Of processes that want the same target one downloads, and the others wait for it. `checksum` is as in
    foveal.data.fetch.checksums; `size` is that of the file as it is served, in bytes. `show` is called with the bytes that
    are here and those in all. Raises DataError, in one sentence for all servers; the target is then as it was before.
    """
    wanted = _Wanted(target, checksum, size, show or (lambda done, total: None))
    try:
        if not wanted.is_there():
            with own_part(target) as part:
                if not wanted.is_there():  # another process may have been faster
                    _fetch(urls, part, wanted)
                    part.move(target)
    except OSError as error:
        raise DataError(
            f"cannot write {target}: {error.strerror}. Make room on the disk and the folder writable, "
            "or set FOVEAL_DATA to another."
        ) from error


def _fetch(urls: Sequence[str], part: Part, wanted: _Wanted) -> None:
    """Fill the part with what is wanted, from the first server that gives it. Raises DataError."""
    origin = part.origin()
    problems: list[tuple[str, _Refused]] = []
    for url in sorted(urls, key=lambda url: origin is None or url != origin.url):  # first the one that has begun
        try:
            _fetch_from(url, part, wanted)
            return
        except _Refused as error:
            problems.append((url, error))
    raise DataError(_failure(problems, part, wanted.target)) from (problems[-1][1] if problems else None)


def _failure(problems: Sequence[tuple[str, _Refused]], part: Part, target: Path) -> str:
    start, put = f"{target.name} could not be fetched", f"the file into {target.parent}."
    if not problems:
        return f"{start}: it has no mirror. Put {put}"
    said = "; ".join(f"{url}: {error}" for url, error in problems)
    kept = f" What came, {part.length:,} bytes, is kept." if part.length else ""
    if all(isinstance(error, _Unreachable) for _, error in problems):
        why = f"there is no network, or no server that can be reached ({said})"
        return f"{start}: {why}.{kept} Go online and try again, or put {put}"
    return f"{start} ({said}).{kept} Try again later, or put {put}"


def _fetch_from(url: str, part: Part, wanted: _Wanted) -> None:
    if not url.startswith(("http://", "https://")):
        raise _Refused("only http and https are fetched")
    for pause in (*PAUSES_SECONDS, None):
        try:
            _try(url, part, wanted)
            return
        except _Dropped as error:
            if pause is None:
                raise _Refused(str(error)) from error
            time.sleep(pause)


def _try(url: str, part: Part, wanted: _Wanted) -> None:
    """One connection, unless all bytes are here already, and the check of them."""
    origin = part.origin()
    if origin and (origin.url != url or wanted.size not in (None, origin.total)):
        origin = None
    if origin is None or part.length < origin.total:
        _receive(url, origin, part, wanted)
    problem = mismatch(part.path, wanted.checksum) if wanted.checksum else None
    if problem:
        part.clear()
        # The older bytes may be what is wrong; then the whole file, once more from here, is right.
        raise (_Dropped if origin else _Refused)(f"it is not the file it should be: {problem}")


def _receive(url: str, origin: Origin | None, part: Part, wanted: _Wanted) -> None:
    """Ask for the rest of what came from `origin`, or for the whole, and write down what comes."""
    headers = dict(HEADERS)
    if origin and origin.validator:
        headers |= {"Range": f"bytes={part.length}-", "If-Range": origin.validator}
    with _answer(request.Request(url, headers=headers), part) as response:
        if response.status == 206:
            if origin is None or not _continues(response, origin, part.length):
                part.clear()
                raise _Dropped("it sent another part than was asked for")
            total = origin.total
        else:
            total = _total(response, wanted.size)
            part.begin(Origin(url, _validator(response), total))
        _copy(response, part, total, wanted.show)


def _answer(asked: request.Request, part: Part) -> HTTPResponse:
    opener = request.OpenerDirector()
    for handler in HANDLERS:
        opener.add_handler(handler())
    try:
        response: HTTPResponse = opener.open(asked, timeout=TIMEOUT_SECONDS)
        return response
    except HTTPError as error:
        error.close()
        if error.code == 416:  # the file became shorter than what came of it
            part.clear()
        is_passing = error.code == 416 or error.code in TRANSIENT
        raise (_Dropped if is_passing else _Refused)(f"it answers {error.code} {_text(error.reason)}") from error
    except URLError as error:
        is_network = isinstance(error.reason, OSError) and not isinstance(error.reason, ssl.SSLError)
        raise (_Unreachable if is_network else _Refused)(_text(error.reason)) from error
    except (HTTPException, OSError) as error:
        raise _Dropped(f"the connection broke ({_text(error)})") from error
    except ValueError as error:
        raise _Refused(f"no address can be made of it ({error})") from error


def _text(error: object) -> str:
    return getattr(error, "strerror", None) or " ".join(str(error).split()) or type(error).__name__


def _continues(response: HTTPResponse, origin: Origin, start: int) -> bool:
    """Whether a 206 holds the same file's bytes from `start` on. Source: RFC 9110, sections 14.4 and 15.3.7."""
    found = re.fullmatch(r"bytes (\d+)-\d+/(\d+|\*)", response.headers.get("Content-Range", ""))
    is_here = found is not None and int(found[1]) == start and found[2] in ("*", str(origin.total))
    return is_here and _validator(response) in (None, origin.validator)


def _validator(response: HTTPResponse) -> str | None:
    """What tells that a file is still the same byte for byte, for If-Range; a weak ETag does not (RFC 9110, 13.1.5)."""
    tag: str | None = response.headers.get("ETag")
    return tag if tag and not tag.startswith("W/") else response.headers.get("Last-Modified")


def _total(response: HTTPResponse, size: int | None) -> int:
    """How many bytes the whole file has, as the server says and as it should be. Raises _Refused."""
    if response.status != 200:
        raise _Refused(f"it answers {response.status} {response.reason}")
    said = response.headers.get("Content-Length", "")
    total = int(said) if said.isdecimal() else size
    if total is None:
        raise _Refused("it does not say how long the file is")
    if size is not None and total != size:
        raise _Refused(f"it offers {total:,} bytes, and the file has {size:,}")
    return total


def _copy(response: HTTPResponse, part: Part, total: int, show: Show) -> None:
    show(part.length, total)
    while chunk := _read(response):
        if part.length + len(chunk) > total:
            part.clear()
            raise _Refused(f"it sends more than the {total:,} bytes of the file")
        part.append(chunk)
        show(part.length, total)
    if part.length < total:
        raise _Dropped(f"it stopped after {part.length:,} of {total:,} bytes")


def _read(response: HTTPResponse) -> bytes:
    try:
        return response.read1(CHUNK)  # what is there, so that nothing is lost with a connection that breaks
    except (HTTPException, OSError) as error:
        raise _Dropped(f"the connection broke ({_text(error)})") from error
