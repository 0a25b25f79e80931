"""Downloads from real servers on this machine: checked, from the next mirror after a fault, and whole or not at all."""

import gzip
import hashlib
import threading
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest
from data_helpers import as_an_ordinary_user
from file_server import (
    CONTENT,
    HALF,
    OTHER,
    SUM,
    Answer,
    chunked,
    file_of,
    hang_up,
    in_turn,
    names_beside,
    not_http,
    part_of,
    server,
    status,
    without_server,
)

from foveal.data.fetch import download as module
from foveal.data.fetch.download import download
from foveal.errors import DataError


def test_a_file_arrives_whole_and_alone(target: Path) -> None:
    with server(file_of(CONTENT)) as served:
        download([f"{served.address}/file.bin"], target)
    assert target.read_bytes() == CONTENT
    assert names_beside(target) == {"file.bin"}


def test_the_server_is_asked_for_the_bytes_as_they_lie_by_a_name_that_is_not_pythons(target: Path) -> None:
    with server(file_of(CONTENT)) as served:
        download([served.address], target)
    (headers,) = served.requests
    assert headers["Accept-Encoding"] == "identity"
    assert headers["User-Agent"] == "Mozilla/5.0 (compatible; foveal)"


def test_a_packed_file_stays_packed_though_its_server_calls_that_an_encoding(target: Path) -> None:
    packed = gzip.compress(CONTENT, mtime=0)
    with server(file_of(packed, content_encoding="x-gzip")) as served:
        download([served.address], target)
    assert target.read_bytes() == packed


def test_progress_goes_from_nothing_to_all_and_names_the_whole(target: Path) -> None:
    seen: list[tuple[int, int]] = []
    with server(file_of(CONTENT)) as served:
        download([served.address], target, show=lambda done, total: seen.append((done, total)))
    assert seen[0] == (0, len(CONTENT))
    assert seen[-1] == (len(CONTENT), len(CONTENT))
    assert sorted(seen) == seen


CHECKSUMS = {
    "sha256": SUM,
    "md5": f"md5:{hashlib.md5(CONTENT).hexdigest()}",
    "sha256 of content that is not packed": f"content-{SUM}",
}


@pytest.mark.parametrize("checksum", CHECKSUMS.values(), ids=list(CHECKSUMS))
def test_a_file_with_the_stated_checksum_is_taken_and_another_is_not(checksum: str, target: Path) -> None:
    with (
        server(file_of(OTHER)) as served,
        pytest.raises(
            DataError,
            match=rf"file.bin could not be fetched \(http.*: it is not the file it should be: .*expected {checksum}\)",
        ),
    ):
        download([served.address], target, checksum=checksum)
    assert names_beside(target) == set()
    with server(file_of(CONTENT)) as served:
        download([served.address], target, checksum=checksum)
    assert target.read_bytes() == CONTENT


@pytest.mark.parametrize("checksum", [SUM, None])
def test_a_file_that_is_there_and_right_is_not_asked_for(checksum: str | None, target: Path) -> None:
    target.write_bytes(CONTENT)
    with server(file_of(OTHER)) as served:
        download([served.address], target, checksum=checksum, size=len(CONTENT))
    assert served.requests == []
    assert target.read_bytes() == CONTENT


def test_a_file_whose_content_is_right_may_have_another_size_than_the_one_to_download(target: Path) -> None:
    target.write_bytes(gzip.compress(CONTENT, 1))
    download([], target, checksum=f"content-{SUM}", size=7)
    assert gzip.decompress(target.read_bytes()) == CONTENT


def test_a_damaged_file_is_replaced_and_kept_while_no_server_has_a_better_one(target: Path) -> None:
    target.write_bytes(OTHER)
    with server(status(404)) as served, pytest.raises(DataError):
        download([served.address], target, checksum=SUM)
    assert target.read_bytes() == OTHER
    with server(file_of(CONTENT)) as served:
        download([served.address], target, checksum=SUM)
    assert target.read_bytes() == CONTENT


REFUSED = {
    "another length than the file has": (
        file_of(OTHER + b"!"),
        f"it offers {len(CONTENT) + 1:,} bytes, and the file has",
    ),
    "a web page": (status(200), "it offers 15 bytes, and the file has 10,240"),
    "more than the file has": (chunked(CONTENT, b"!"), "it sends more than the 10,240 bytes of the file"),
    "not found": (status(404), "it answers 404 Not Found"),
    "no content": (status(204, content_length="0"), "it answers 204 No Content"),
    "a part that nobody asked for": (
        part_of(CONTENT, content_range=f"bytes 0-{len(CONTENT) - 1}/{len(CONTENT)}"),
        "another part",
    ),
    "one error after another": (status(503), "it answers 503 Service Unavailable"),
    "half of it again and again": (file_of(CONTENT, etag=None, cut=HALF), "it stopped after 5,120 of 10,240 bytes"),
    "chunks that end too early": (chunked(CONTENT[:9]), "it stopped after 9 of 10,240 bytes"),
    "chunks that never end": (chunked(CONTENT[:9], is_ended=False), "the connection broke"),
    "another protocol": (not_http, "the connection broke"),
    "nothing at all": (hang_up, "the connection broke"),
    "a way into this machine": (status(302, location="file:///etc/passwd"), "it answers 302 .*not allowed"),
    "a way to another protocol": (status(302, location="ftp://127.0.0.1/x"), "unknown url type: ftp"),
    "a way to no address": (status(302, location="http://[x/"), "no address can be made of it"),
    "a way to itself": (status(302, location="/"), "it answers 302 .*infinite loop"),
}


@pytest.mark.parametrize(("answer", "reason"), REFUSED.values(), ids=list(REFUSED))
def test_a_mirror_with_a_fault_is_named_with_it(answer: Answer, reason: str, target: Path) -> None:
    with (
        server(answer) as served,
        pytest.raises(
            DataError,
            match=rf"file.bin could not be fetched \({served.address}: .*{reason}.*\)\..* Try again later, or put the file into",
        ),
    ):
        download([served.address], target, size=len(CONTENT))
    assert not target.exists()


@pytest.mark.parametrize(("answer", "reason"), REFUSED.values(), ids=list(REFUSED))
def test_after_a_mirror_with_a_fault_the_next_one_is_tried(answer: Answer, reason: str, target: Path) -> None:
    with server(answer) as broken, server(file_of(CONTENT)) as working:
        download([broken.address, working.address], target, checksum=SUM, size=len(CONTENT))
    assert target.read_bytes() == CONTENT
    assert names_beside(target) == {"file.bin"}


@pytest.mark.parametrize(("code", "tries"), [(404, 1), (403, 1), (500, 4), (503, 4), (429, 4)])
def test_what_may_pass_is_tried_again_and_what_will_not_is_not(code: int, tries: int, target: Path) -> None:
    with server(status(code)) as served, pytest.raises(DataError):
        download([served.address], target)
    assert len(served.requests) == tries


def test_a_body_without_an_end_is_not_read_to_it(target: Path) -> None:
    def endless(request: BaseHTTPRequestHandler) -> None:
        request.send_response(200)
        request.end_headers()
        while True:
            request.wfile.write(CONTENT)

    with server(endless) as served, pytest.raises(DataError, match="it sends more than"):
        download([served.address], target, size=len(CONTENT))
    assert len(served.requests) == 1


def test_a_file_whose_length_nobody_says_is_refused(target: Path) -> None:
    with server(chunked(CONTENT)) as served, pytest.raises(DataError, match="it does not say how long the file is"):
        download([served.address], target)
    with server(chunked(CONTENT)) as served:
        download([served.address], target, size=len(CONTENT))
    assert target.read_bytes() == CONTENT


def test_an_empty_file_is_a_file(target: Path) -> None:
    with server(file_of(b"")) as served:
        download([served.address], target)
    assert target.read_bytes() == b""
    assert names_beside(target) == {"file.bin"}


def test_a_server_that_says_nothing_is_left_after_a_while(target: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "TIMEOUT_SECONDS", 0.05)
    is_over = threading.Event()
    with server(lambda request: is_over.wait(10) and None) as served:
        with pytest.raises(DataError, match=r"the connection broke \(timed out\)"):
            download([served.address], target)
        is_over.set()


def test_a_redirect_is_followed_also_to_go_on(target: Path) -> None:
    turns = in_turn(file_of(CONTENT, cut=HALF), file_of(CONTENT))
    with server(turns) as served, server(status(302, location=f"{served.address}/there")) as first:
        download([first.address], target)
    assert target.read_bytes() == CONTENT
    assert served.ranges == [None, f"bytes={HALF}-"]


def test_without_a_network_one_sentence_says_so_and_where_the_file_belongs(target: Path) -> None:
    gone, also_gone = without_server(), without_server()
    with pytest.raises(DataError) as caught:
        download([gone, also_gone], target)
    assert str(caught.value) == (
        "file.bin could not be fetched: there is no network, or no server that can be reached "
        f"({gone}: Connection refused; {also_gone}: Connection refused). "
        f"Go online and try again, or put the file into {target.parent}."
    )
    assert names_beside(target) == set()


def test_a_server_that_answers_shows_that_there_is_a_network(target: Path) -> None:
    with server(status(404)) as served, pytest.raises(DataError, match=r"fetched \(http.*refused; http.*404") as caught:
        download([without_server(), served.address], target)
    assert "no network" not in str(caught.value)


def test_a_server_without_encryption_shows_that_there_is_a_network(target: Path) -> None:
    with server(file_of(CONTENT)) as served, pytest.raises(DataError, match=r"fetched \(https://.*SSL") as caught:
        download([served.address.replace("http:", "https:")], target)
    assert "no network" not in str(caught.value)


@pytest.mark.parametrize("url", ["file:///etc/passwd", "ftp://127.0.0.1/file.bin", "/etc/passwd", "data:,x", ""])
def test_nothing_but_the_web_is_opened(url: str, target: Path) -> None:
    with pytest.raises(DataError, match=r"only http and https are fetched\)"):
        download([url], target)
    assert names_beside(target) == set()


def test_without_a_mirror_there_is_nothing_to_try(target: Path) -> None:
    with pytest.raises(DataError, match=r"file.bin could not be fetched: it has no mirror. Put the file into /"):
        download([], target)


def test_a_folder_that_is_not_there_is_named(target: Path) -> None:
    with pytest.raises(DataError, match=r"cannot write .*/none/x: No such file or directory. Make room on the disk"):
        download([], target.parent / "none" / "x")


def test_a_folder_that_may_not_be_written_is_named(open_folder: Path) -> None:
    open_folder.chmod(0o555)
    with as_an_ordinary_user(), pytest.raises(DataError, match=r"cannot write .*/x: Permission denied.* FOVEAL_DATA"):
        download([], open_folder / "x")


def test_a_file_that_may_not_be_read_is_named(open_folder: Path) -> None:
    (open_folder / "x").write_bytes(CONTENT)
    (open_folder / "x").chmod(0)
    with (
        as_an_ordinary_user(),
        pytest.raises(DataError, match=r"cannot read .*/x: Permission denied. Make it readable"),
    ):
        download([], open_folder / "x", checksum=SUM)


def test_a_file_that_was_fetched_may_be_read_by_others_as_any_new_file(target: Path) -> None:
    with server(file_of(CONTENT)) as served:
        download([served.address], target)
    (target.parent / "new").touch()
    assert target.stat().st_mode == (target.parent / "new").stat().st_mode
