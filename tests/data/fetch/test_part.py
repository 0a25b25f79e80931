"""What came of a file: gone on with after drops, kills and full disks, fetched anew when it cannot be believed, one's own."""

import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest
from data_helpers import files_of_at_most
from file_server import (
    CONTENT,
    HALF,
    OTHER,
    SUM,
    Answer,
    Served,
    file_of,
    hang_up,
    in_turn,
    names_beside,
    part_of,
    send,
    server,
    status,
)
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from foveal.data.fetch.download import download
from foveal.errors import DataError

DATE, LATER = "Mon, 01 Jan 2024 00:00:00 GMT", "Tue, 02 Jan 2024 00:00:00 GMT"


def test_a_dropped_connection_goes_on_where_it_stopped(target: Path) -> None:
    with server(in_turn(file_of(CONTENT, cut=1000), file_of(CONTENT, cut=500), file_of(CONTENT))) as served:
        download([served.address], target)
    assert target.read_bytes() == CONTENT
    assert served.ranges == [None, "bytes=1000-", "bytes=1500-"]
    assert [headers["If-Range"] for headers in served.requests] == [None, '"one"', '"one"']
    assert sum(served.body_bytes) == len(CONTENT)


def test_what_came_is_kept_when_the_tries_are_used_up_and_the_next_call_goes_on_from_there(target: Path) -> None:
    turns = in_turn(file_of(CONTENT, cut=HALF), *[hang_up] * 3, file_of(CONTENT))
    with server(turns) as served:
        with pytest.raises(DataError, match=rf"What came, {HALF:,} bytes, is kept. Try again later, or put the file"):
            download([served.address], target)
        assert not target.exists()
        download([served.address], target)
    assert target.read_bytes() == CONTENT
    assert served.ranges[-1] == f"bytes={HALF}-"
    assert names_beside(target) == {"file.bin"}


def test_progress_of_a_resumed_download_starts_where_it_stopped(target: Path) -> None:
    seen: list[int] = []
    with server(in_turn(file_of(CONTENT, cut=HALF), *[hang_up] * 3, file_of(CONTENT))) as served:
        with pytest.raises(DataError):
            download([served.address], target)
        download([served.address], target, show=lambda done, total: seen.append(done))
    assert seen[0] == HALF


WHERE = f"bytes {HALF}-{len(OTHER) - 1}/{len(OTHER)}"
STARTED_OVER = {
    "another file has come to this address": (file_of(OTHER, '"two"'), 1),
    "the server knows no ranges": (lambda request: send(request, OTHER), 1),
    "the server goes on in another file": (part_of(OTHER[HALF:], content_range=WHERE, etag='"two"'), 2),
    "the server goes on in a file of another size": (part_of(OTHER[HALF:], content_range=f"{WHERE}0", etag='"one"'), 2),
    "the server goes on from another byte": (part_of(OTHER, content_range=f"bytes 0-{len(OTHER) - 1}/{len(OTHER)}"), 2),
    "the server does not say where it goes on": (part_of(OTHER[HALF:], etag='"one"'), 2),
    "the file is shorter than what came": (lambda request: send(request, b"", 416, content_range="bytes */9"), 2),
}


@pytest.mark.parametrize(("changed", "requests"), STARTED_OVER.values(), ids=list(STARTED_OVER))
def test_what_cannot_be_gone_on_with_starts_over(changed: Answer, requests: int, target: Path) -> None:
    whole = file_of(OTHER, '"two"')
    with server(in_turn(file_of(CONTENT, cut=HALF), changed, whole)) as served:
        download([served.address], target)
    assert target.read_bytes() == OTHER
    assert served.ranges == [None, f"bytes={HALF}-", None][: requests + 1]


VALIDATORS = {
    "a strong ETag": ({"etag": '"one"', "modified": DATE}, '"one"'),
    "a date": ({"etag": None, "modified": DATE}, DATE),
    "a date beside a weak ETag": ({"etag": 'W/"one"', "modified": DATE}, DATE),
    "a weak ETag alone": ({"etag": 'W/"one"'}, None),
    "nothing": ({"etag": None}, None),
}


@pytest.mark.parametrize(("validators", "condition"), VALIDATORS.values(), ids=list(VALIDATORS))
def test_a_download_goes_on_only_with_something_that_tells_one_file_from_another(
    validators: dict[str, str | None], condition: str | None, target: Path
) -> None:
    with server(in_turn(file_of(CONTENT, cut=HALF, **validators), file_of(CONTENT, **validators))) as served:
        download([served.address], target)
    assert target.read_bytes() == CONTENT
    assert served.requests[1]["If-Range"] == condition
    assert served.ranges[1] == (None if condition is None else f"bytes={HALF}-")


def test_a_date_that_changed_starts_over(target: Path) -> None:
    turns = in_turn(file_of(CONTENT, None, DATE, cut=HALF), file_of(OTHER, None, LATER))
    with server(turns) as served:
        download([served.address], target)
    assert target.read_bytes() == OTHER


def test_a_whole_part_that_only_lacks_its_name_is_not_asked_for_again(target: Path) -> None:
    with server(in_turn(file_of(CONTENT, cut=len(CONTENT) - 1), hang_up)) as served:
        with pytest.raises(DataError):
            download([served.address], target)
        with (target.parent / ".file.bin.part").open("ab") as part:
            part.write(CONTENT[-1:])
        asked = len(served.requests)
        download([served.address], target, checksum=SUM)
        assert len(served.requests) == asked
    assert target.read_bytes() == CONTENT


def test_a_part_that_was_damaged_on_disk_is_fetched_anew_from_the_same_server(target: Path) -> None:
    turns = in_turn(file_of(CONTENT, cut=HALF), *[hang_up] * 3, file_of(CONTENT))
    with server(turns) as served:
        with pytest.raises(DataError):
            download([served.address], target, checksum=SUM)
        (target.parent / ".file.bin.part").write_bytes(OTHER[:HALF])
        download([served.address], target, checksum=SUM)
    assert target.read_bytes() == CONTENT
    assert served.ranges[-2:] == [f"bytes={HALF}-", None]


NOTES = {
    "no note": b"",
    "half a note": b'{"url": "ADDRESS", "vali',
    "a note without an end": b"[" * 100_000,
    "another form": b'["ADDRESS", "\\"one\\"", 10240]',
    "a word too much": b'{"url": "ADDRESS", "validator": "\\"one\\"", "total": 10240, "more": 1}',
    "no total": b'{"url": "ADDRESS", "validator": "\\"one\\"", "total": null}',
    "a total that is a text": b'{"url": "ADDRESS", "validator": "\\"one\\"", "total": "10240"}',
    "a total less than what is here": b'{"url": "ADDRESS", "validator": "\\"one\\"", "total": 7}',
    "another server": b'{"url": "http://127.0.0.1:1", "validator": "\\"one\\"", "total": 10240}',
    "an ETag of two lines": b'{"url": "ADDRESS", "validator": "\\"one\\"\\r\\nX: y", "total": 10240}',
    "an ETag of other letters": '{"url": "ADDRESS", "validator": "日本", "total": 10240}'.encode(),
    "an ETag that is a number": b'{"url": "ADDRESS", "validator": 1, "total": 10240}',
    "an ETag of another file": b'{"url": "ADDRESS", "validator": "\\"two\\"", "total": 10240}',
}


def test_a_sound_note_is_gone_on_with(target: Path) -> None:
    found = resumed_with(b'{"url": "ADDRESS", "validator": "\\"one\\"", "total": 10240}', CONTENT[:HALF], target)
    assert found == [f"bytes={HALF}-"]


@pytest.mark.parametrize("part", [CONTENT[:9], OTHER[:HALF], CONTENT + b"!"], ids=["some", "others", "too much"])
@pytest.mark.parametrize("note", NOTES.values(), ids=list(NOTES))
def test_a_part_whose_note_cannot_be_believed_is_fetched_anew(note: bytes, part: bytes, target: Path) -> None:
    found = resumed_with(note, part, target)
    assert found[-1] is None or "two" in note.decode()


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(note=st.binary(max_size=40), part=st.binary(max_size=40))
def test_whatever_lies_in_the_place_of_the_part_and_its_note_the_file_is_right(
    note: bytes, part: bytes, target: Path
) -> None:
    target.unlink(missing_ok=True)
    resumed_with(note, part, target)


def resumed_with(note: bytes, part: bytes, target: Path) -> list[str | None]:
    """The ranges that were asked for in a download that found this part and this note, without a checksum to tell."""
    with server(file_of(CONTENT)) as served:
        (target.parent / ".file.bin.part").write_bytes(part)
        (target.parent / ".file.bin.part.json").write_bytes(note.replace(b"ADDRESS", served.address.encode()))
        download([served.address], target, size=len(CONTENT))
    assert target.read_bytes() == CONTENT
    return served.ranges


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(cuts=st.lists(st.integers(0, len(CONTENT)), max_size=3))
def test_wherever_the_connection_breaks_the_file_is_the_same_and_no_byte_is_sent_twice(
    cuts: list[int], target: Path
) -> None:
    target.unlink(missing_ok=True)
    with server(in_turn(*(file_of(CONTENT, cut=cut) for cut in cuts), file_of(CONTENT))) as served:
        download([served.address], target)
    assert target.read_bytes() == CONTENT
    assert sum(served.body_bytes) == len(CONTENT)


def test_the_mirror_that_has_begun_is_asked_first(target: Path) -> None:
    turns = in_turn(file_of(CONTENT, cut=HALF), *[hang_up] * 3, file_of(CONTENT))
    with server(in_turn(status(404), file_of(OTHER))) as first, server(turns) as second:
        with pytest.raises(DataError):
            download([first.address, second.address], target)
        download([first.address, second.address], target)
    assert target.read_bytes() == CONTENT
    assert (first.ranges, second.ranges[-1]) == ([None], f"bytes={HALF}-")


def test_another_mirror_starts_over_and_one_that_fails_takes_nothing_away(target: Path) -> None:
    turns = in_turn(file_of(CONTENT, cut=HALF), *[hang_up] * 3, file_of(CONTENT))
    with server(turns) as begun, server(status(404)) as without, server(file_of(OTHER)) as other:
        with pytest.raises(DataError, match=f"What came, {HALF:,} bytes, is kept"):
            download([begun.address, without.address], target)
        download([other.address], target)
    assert target.read_bytes() == OTHER
    assert other.ranges == [None]


def test_a_table_that_states_another_size_since_starts_over(target: Path) -> None:
    larger = OTHER + b"!"
    with server(in_turn(file_of(CONTENT, cut=len(CONTENT) - 1), *[hang_up] * 3, file_of(larger, '"one"'))) as served:
        with pytest.raises(DataError):
            download([served.address], target)
        with (target.parent / ".file.bin.part").open("ab") as part:
            part.write(CONTENT[-1:])
        download([served.address], target, size=len(larger))
    assert target.read_bytes() == larger


def test_a_disk_without_room_is_said_and_what_came_is_gone_on_with(target: Path) -> None:
    with server(file_of(CONTENT)) as served:
        with (
            files_of_at_most(HALF),
            pytest.raises(DataError, match=r"cannot write .*file.bin: .* Make room on the disk"),
        ):
            download([served.address], target)
        assert not target.exists()
        download([served.address], target)
    assert target.read_bytes() == CONTENT
    assert served.ranges == [None, f"bytes={HALF}-"]


def process_that_downloads(url: str, target: Path) -> subprocess.Popen[bytes]:
    """A process of its own that downloads."""
    load = "import sys, pathlib; from foveal.data.fetch.download import download"
    code = f"{load}; download([sys.argv[1]], pathlib.Path(sys.argv[2]))"
    return subprocess.Popen([sys.executable, "-c", code, url, str(target)], stderr=subprocess.DEVNULL)


def wait_until(is_so: Callable[[], bool]) -> None:
    """Wait for what another process does; half a minute is forever."""
    for _ in range(3000):
        if is_so():
            return
        time.sleep(0.01)
    pytest.fail("it never came to that")


def test_a_process_that_was_killed_midway_is_resumed_to_the_same_file_with_fewer_bytes(target: Path) -> None:
    is_over = threading.Event()

    def half_and_wait(request: BaseHTTPRequestHandler) -> None:
        file_of(CONTENT, cut=HALF)(request)
        is_over.wait(30)

    part = target.parent / ".file.bin.part"
    with server(in_turn(half_and_wait, file_of(CONTENT))) as served:
        process = process_that_downloads(served.address, target)
        wait_until(lambda: part.exists() and part.stat().st_size == HALF)
        process.kill()
        assert process.wait() == -signal.SIGKILL
        is_over.set()
        assert names_beside(target) == {".file.bin.part", ".file.bin.part.json"}
        assert process_that_downloads(served.address, target).wait() == 0
    assert target.read_bytes() == CONTENT
    assert served.body_bytes == [HALF, len(CONTENT) - HALF]
    assert names_beside(target) == {"file.bin"}


def exit_codes_of_two(first_answer: Answer, target: Path) -> tuple[list[int], Served]:
    """Two processes that want the target; the first request is answered once both have opened its part."""
    have_both_begun = threading.Event()

    def slowly(request: BaseHTTPRequestHandler) -> None:
        have_both_begun.wait(30)
        first_answer(request)

    with server(in_turn(slowly, file_of(CONTENT))) as served:
        processes = [process_that_downloads(served.address, target) for _ in range(2)]
        folders = [Path(f"/proc/{process.pid}/fd") for process in processes]
        wait_until(lambda: bool(served.requests) and all(holds(folder, ".file.bin.part") for folder in folders))
        have_both_begun.set()
        return sorted(process.wait() for process in processes), served


@pytest.mark.skipif(sys.platform != "linux", reason="the files that a process has open are read from /proc")
def test_of_processes_that_want_the_same_file_one_downloads_it(target: Path) -> None:
    codes, served = exit_codes_of_two(file_of(CONTENT), target)
    assert codes == [0, 0]
    assert len(served.requests) == 1
    assert target.read_bytes() == CONTENT
    assert names_beside(target) == {"file.bin"}


@pytest.mark.skipif(sys.platform != "linux", reason="the files that a process has open are read from /proc")
def test_when_the_first_of_two_processes_fails_the_second_downloads(target: Path) -> None:
    codes, served = exit_codes_of_two(status(404), target)
    assert codes == [0, 1]
    assert len(served.requests) == 2
    assert target.read_bytes() == CONTENT
    assert names_beside(target) == {"file.bin"}


def holds(folder: Path, name: str) -> bool:
    """Whether a process, by its folder of open files, has one of this name open."""
    try:
        return any(file.readlink().name == name for file in folder.iterdir())
    except OSError:  # a file that was closed meanwhile
        return False
