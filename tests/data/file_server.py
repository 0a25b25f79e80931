"""A real web server on this machine for the tests of downloads, and the answers that it can give."""

import hashlib
import re
import socketserver
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.client import HTTPMessage
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

Answer = Callable[[BaseHTTPRequestHandler], None]

CONTENT = bytes(range(256)) * 40
OTHER = CONTENT[::-1]
HALF = len(CONTENT) // 2
SUM = f"sha256:{hashlib.sha256(CONTENT).hexdigest()}"


@dataclass
class Served:
    """The address of a running server, and what it was asked: the headers of each request, and the bytes sent."""

    address: str
    requests: list[HTTPMessage] = field(default_factory=list)
    body_bytes: list[int] = field(default_factory=list)

    @property
    def ranges(self) -> list[str | None]:
        """The Range of each request, None where it asked for the whole."""
        return [headers["Range"] for headers in self.requests]


@contextmanager
def server(answer: Answer) -> Iterator[Served]:
    """A server that gives `answer` to every GET, while the context lasts."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self.close_connection = True
            served.requests.append(self.headers)
            served.body_bytes.append(0)
            self.wfile = CountedFile(self.wfile, served.body_bytes)
            with suppress(BrokenPipeError, ConnectionResetError):  # the client heard enough
                answer(self)

        def log_message(self, format: str, *args: object) -> None:
            """Keep quiet."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as listening:
        served = Served(f"http://127.0.0.1:{listening.server_port}")
        threading.Thread(target=listening.serve_forever, args=(0.01,), daemon=True).start()
        yield served
        listening.shutdown()


class CountedFile:
    """The connection to a client; the bytes written after the headers are added to the last of `counts`."""

    def __init__(self, file, counts: list[int]):
        self.file, self.counts, self.number, self.is_in_body = file, counts, len(counts) - 1, False

    def write(self, data: bytes) -> int:
        """As the file's own. The headers come in one write, which ends with an empty line."""
        if self.is_in_body:
            self.counts[self.number] += len(data)
        self.is_in_body = self.is_in_body or data.endswith(b"\r\n\r\n")
        return self.file.write(data)

    def __getattr__(self, name: str):
        return getattr(self.file, name)


def without_server() -> str:
    """The address of a server that has just gone."""
    with socketserver.TCPServer(("127.0.0.1", 0), socketserver.BaseRequestHandler) as closed:
        return f"http://127.0.0.1:{closed.server_address[1]}"


def send(request: BaseHTTPRequestHandler, body: bytes, status: int = 200, **headers: str) -> None:
    """An answer with this body; its length is promised unless the headers say another (`content_length="7"`)."""
    request.send_response(status)
    for name, value in {"content_length": str(len(body)), **headers}.items():
        request.send_header(name.replace("_", "-").title(), value)
    request.end_headers()
    request.wfile.write(body)


def file_of(
    content: bytes, etag: str | None = '"one"', modified: str | None = None, cut: int | None = None, **headers: str
) -> Answer:
    """A file as RFC 9110 has servers give it, with ranges; `cut` is after how many bytes the connection breaks."""
    validators = {"etag": etag, "last_modified": modified}
    headers |= {name: value for name, value in validators.items() if value is not None}

    def answer(request: BaseHTTPRequestHandler) -> None:
        asked = re.fullmatch(r"bytes=(\d+)-", request.headers["Range"] or "")
        condition = request.headers["If-Range"]
        if not asked or (condition is not None and condition not in validators.values()):
            return send(request, content[:cut], **headers, content_length=str(len(content)))
        start, total = int(asked[1]), len(content)
        if start >= total:
            return send(request, b"", 416, content_range=f"bytes */{total}")
        where = f"bytes {start}-{total - 1}/{total}"
        rest = content[start : None if cut is None else start + cut]
        return send(request, rest, 206, **headers, content_range=where, content_length=str(total - start))

    return answer


def in_turn(*answers: Answer) -> Answer:
    """The first answer to the first request, and so on; the last to all that follow."""
    waiting = list(answers)

    def answer(request: BaseHTTPRequestHandler) -> None:
        (waiting.pop(0) if len(waiting) > 1 else waiting[0])(request)

    return answer


def status(code: int, **headers: str) -> Answer:
    """An answer without a file."""
    return lambda request: send(request, b"<html>no</html>", code, **headers)


def chunked(*chunks: bytes, is_ended: bool = True) -> Answer:
    """A body that comes in chunks, its length not promised."""

    def answer(request: BaseHTTPRequestHandler) -> None:
        request.send_response(200)
        request.send_header("Transfer-Encoding", "chunked")
        request.end_headers()
        for chunk in chunks:
            request.wfile.write(f"{len(chunk):x}\r\n".encode() + chunk + b"\r\n")
        if is_ended:
            request.wfile.write(b"0\r\n\r\n")

    return answer


def not_http(request: BaseHTTPRequestHandler) -> None:
    """The greeting of another protocol."""
    request.wfile.write(b"220 ready for mail\r\n")


def hang_up(request: BaseHTTPRequestHandler) -> None:
    """Close without a word."""


def part_of(other: bytes, **headers: str) -> Answer:
    """A 206 whatever was asked, with these bytes of the other file as its rest."""
    return lambda request: send(request, other, 206, **headers)


def names_beside(target: Path) -> set[str]:
    """The names in the folder of a file, its own too."""
    return {path.name for path in target.parent.iterdir()}
