"""Known data sets: found where they are, fetched from a real local server, and never half-written."""

import gzip
import hashlib
import socketserver
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
from data_helpers import idx_bytes, noise, skip_unless

from foveal.data.known import DATASETS, IDX_FILES, KnownData, data_folder, fetch, found_at, locate
from foveal.data.sources import open_data
from foveal.errors import DataError

LABELS = np.array([0, 1] * 3, np.uint8)
CONTENT = {
    name: idx_bytes(array)
    for name, array in zip(IDX_FILES, (noise(6, 5, 5), LABELS, noise(6, 5, 5, seed=1), LABELS), strict=True)
}
PACKED = {f"/{name}": gzip.compress(content, mtime=0) for name, content in CONTENT.items()}
FIRST = f"/{IDX_FILES[0]}"
Answer = Callable[[BaseHTTPRequestHandler], None]


@contextmanager
def server(answer: Answer) -> Iterator[str]:
    """The address of a web server on this machine that gives `answer` to every GET."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self.close_connection = True
            answer(self)

        def log_message(self, format: str, *args: object) -> None:
            """Keep quiet."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as listening:
        threading.Thread(target=listening.serve_forever, args=(0.01,), daemon=True).start()
        yield f"http://127.0.0.1:{listening.server_port}"
        listening.shutdown()


def send(request: BaseHTTPRequestHandler, body: bytes, promised: int | None = None) -> None:
    request.send_response(200)
    request.send_header("Content-Length", str(len(body) if promised is None else promised))
    request.end_headers()
    request.wfile.write(body)


def good(request: BaseHTTPRequestHandler) -> None:
    send(request, PACKED[request.path])


def other_content(request: BaseHTTPRequestHandler) -> None:
    send(request, gzip.compress(idx_bytes(noise(6, 5, 5, seed=9))))


def a_wrong_bit(request: BaseHTTPRequestHandler) -> None:
    body = bytearray(PACKED[request.path])
    body[len(body) // 2] ^= 1
    send(request, bytes(body))


def cut_off(request: BaseHTTPRequestHandler) -> None:
    body = PACKED[request.path]
    send(request, body[: len(body) // 2], promised=len(body))


def cut_off_in_a_chunk(request: BaseHTTPRequestHandler) -> None:
    request.send_response(200)
    request.send_header("Transfer-Encoding", "chunked")
    request.end_headers()
    request.wfile.write(b"40\r\nonly a few bytes")


def a_web_page(request: BaseHTTPRequestHandler) -> None:
    send(request, b"<html>Please log in to this network</html>")


def not_found(request: BaseHTTPRequestHandler) -> None:
    request.send_error(404)


def not_http(request: BaseHTTPRequestHandler) -> None:
    request.wfile.write(b"220 ready for mail\r\n")


def hang_up(request: BaseHTTPRequestHandler) -> None:
    """Close without a word."""


FAULTS = [other_content, a_wrong_bit, cut_off, cut_off_in_a_chunk, a_web_page, not_found, not_http, hang_up]


@pytest.fixture
def tiny(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder where a small known data set called "tiny" belongs; it is not there yet."""
    monkeypatch.setenv("FOVEAL_DATA", str(tmp_path / "cache"))
    sums = {name: hashlib.sha256(content).hexdigest() for name, content in CONTENT.items()}
    known = KnownData("six images", ("no", "yes"), sums, (tmp_path / "system",), (), "CC0", "nobody")
    monkeypatch.setitem(DATASETS, "tiny", known)
    return tmp_path / "cache" / "tiny"


def without_server() -> str:
    """The address of a server that has just gone."""
    with socketserver.TCPServer(("127.0.0.1", 0), socketserver.BaseRequestHandler) as closed:
        return f"http://127.0.0.1:{closed.server_address[1]}"


def files_in(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_mnist_is_in_the_box_and_keeps_its_10000_test_images() -> None:
    data = open_data("mnist")
    assert {part: len(images) for part, images in data.parts.items()} == {"train": 60_000, "test": 10_000}
    assert data.classes == tuple("0123456789")


def test_fashion_mnist_is_found_where_debian_puts_it() -> None:
    places = DATASETS["fashion-mnist"].places
    skip_unless(places[0].is_dir(), "the Debian package dataset-fashion-mnist is not installed")
    assert found_at("fashion-mnist") == Path("/usr/share/datasets/fashion-mnist")
    data = open_data("fashion-mnist")
    assert {part: len(images) for part, images in data.parts.items()} == {"train": 60_000, "test": 10_000}
    # Xiao et al. 2017, table 2: ten classes, 6,000 and 1,000 of each; the first training image is an ankle boot.
    assert np.bincount(data.base.labels).tolist() == [6000] * 10
    assert data.classes[data.base.labels[0]] == "Ankle boot"


def test_the_data_folder_is_the_one_that_foveal_data_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FOVEAL_DATA", str(tmp_path))
    assert data_folder() == tmp_path


@pytest.mark.skipif(sys.platform != "linux", reason="the place is that of Linux")
def test_without_it_the_data_folder_is_in_the_cache_of_the_platform(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("FOVEAL_DATA", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert data_folder() == tmp_path / "foveal"


@pytest.mark.parametrize("place", ["cache/tiny", "system"])
def test_files_put_by_hand_into_a_place_are_found_there(place: str, tiny: Path, tmp_path: Path) -> None:
    folder = tmp_path / place
    folder.mkdir(parents=True)
    for path, body in PACKED.items():
        assert found_at("tiny") is None
        (folder / path[1:]).write_bytes(body)
    assert found_at("tiny") == locate("tiny") == folder


def test_a_data_set_is_fetched_and_opened(tiny: Path) -> None:
    with server(good) as address:
        fetch("tiny", [address])
    assert files_in(tiny) == set(IDX_FILES)
    assert locate("tiny") == tiny
    data = open_data("tiny")
    np.testing.assert_array_equal(data.parts["test"].images[..., 0], noise(6, 5, 5, seed=1))
    assert [data.classes[label] for label in data.base.labels] == ["no", "yes"] * 3


def test_a_fetched_file_may_be_read_by_others_as_any_new_file(tiny: Path, tmp_path: Path) -> None:
    with server(good) as address:
        fetch("tiny", [address])
    (tmp_path / "new").touch()
    assert (tiny / IDX_FILES[0]).stat().st_mode == (tmp_path / "new").stat().st_mode


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.__name__)
def test_a_mirror_with_a_fault_leaves_nothing_behind(fault: Answer, tiny: Path) -> None:
    sentence = (
        rf"the file {IDX_FILES[0]} of tiny is not on this machine and could not be fetched "
        rf"\(http://127.*\). Put it into one of: .*system, .*cache/tiny\."
    )
    with server(fault) as address, pytest.raises(DataError, match=sentence):
        fetch("tiny", [address])
    assert files_in(tiny) == set()


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.__name__)
def test_after_a_mirror_with_a_fault_the_next_one_is_tried(fault: Answer, tiny: Path) -> None:
    with server(fault) as broken, server(good) as working:
        fetch("tiny", [broken, working])
    assert files_in(tiny) == set(IDX_FILES)
    assert (tiny / IDX_FILES[0]).read_bytes() == PACKED[FIRST]


def test_what_was_right_is_kept_when_a_later_file_fails(tiny: Path) -> None:
    def first_only(request: BaseHTTPRequestHandler) -> None:
        (good if request.path == FIRST else not_found)(request)

    with server(first_only) as address, pytest.raises(DataError, match=rf"the file {IDX_FILES[1]} of tiny"):
        fetch("tiny", [address])
    assert files_in(tiny) == {IDX_FILES[0]}


def test_without_a_server_the_reason_and_the_places_are_named(tiny: Path) -> None:
    with pytest.raises(DataError, match=r"could not be fetched \(http://127.*refused.*\). Put it into one of"):
        fetch("tiny", [without_server()])


def test_data_without_a_mirror_says_so(tiny: Path) -> None:
    with pytest.raises(DataError, match=r"could not be fetched \(it has no mirror\). Put it into one of"):
        locate("tiny")


def test_a_data_folder_that_cannot_be_made_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("FOVEAL_DATA", str(tmp_path / "file"))
    with pytest.raises(DataError, match=r"cannot make the folder .*/file/mnist: .* Set FOVEAL_DATA to another"):
        fetch("mnist", ["http://127.0.0.1:9"])


def test_an_unknown_name_gets_the_closest_known_one() -> None:
    with pytest.raises(
        DataError, match=r"no known data set 'mnits'. Did you mean 'mnist'.* Known: mnist, fashion-mnist"
    ):
        locate("mnits")


def test_a_known_file_that_was_changed_on_disk_is_refused_when_it_is_opened(tiny: Path) -> None:
    with server(good) as address:
        fetch("tiny", [address])
    (tiny / IDX_FILES[0]).write_bytes(gzip.compress(idx_bytes(noise(6, 5, 5, seed=9))))
    with pytest.raises(DataError, match=rf"{IDX_FILES[0]} is not the file it should be"):
        open_data("tiny")
