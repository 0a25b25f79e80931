"""Known data sets: found where they are, fetched from a real local server, checked, and never half-written."""

import gzip
import hashlib
import json
import logging
import os
import sys
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import numpy as np
import pytest
from cli_process import command, python
from data_helpers import as_an_ordinary_user, idx_bytes, noise, pixels_in, skip_unless
from file_server import Answer, chunked, file_of, hang_up, in_turn, not_http, send, server, status, without_server

from foveal.data.catalog import IDX_FILES, IDX_PARTS, KnownData, KnownFile
from foveal.data.fetch import download
from foveal.data.known import DATASETS, data_folder, fetch, found_at, locate
from foveal.data.sources import open_data
from foveal.errors import DataError

LABELS = np.array([0, 1] * 3, np.uint8)
CONTENT = {
    name: idx_bytes(array)
    for name, array in zip(IDX_FILES, (noise(6, 5, 5), LABELS, noise(6, 5, 5, seed=1), LABELS), strict=True)
}
PACKED = {f"/{name}": gzip.compress(content, mtime=0) for name, content in CONTENT.items()}
FIRST = IDX_FILES[0]
OTHER = gzip.compress(idx_bytes(noise(6, 5, 5, seed=9)), mtime=0)
ARCHIVE = bytes(range(256)) * 8


def sha256(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def known_data(files: tuple[KnownFile, ...], place: Path, mirrors: tuple[str, ...] = ()) -> KnownData:
    return KnownData(
        title="six images",
        classes=("no", "yes"),
        subfolder="tiny",
        files=files,
        mirrors=mirrors,
        parts=IDX_PARTS,
        licence="CC0",
        citation="nobody",
        places=(place,),
    )


def good(request: BaseHTTPRequestHandler) -> None:
    send(request, PACKED[request.path])


def a_wrong_bit(request: BaseHTTPRequestHandler) -> None:
    body = bytearray(PACKED[request.path])
    body[len(body) // 2] ^= 1
    send(request, bytes(body))


def cut_off(request: BaseHTTPRequestHandler) -> None:
    body = PACKED[request.path]
    send(request, body[: len(body) // 2], content_length=str(len(body)))


FAULTS = {
    "other content": file_of(OTHER),
    "a wrong bit": a_wrong_bit,
    "cut off": cut_off,
    "cut off in a chunk": chunked(b"only a few bytes", is_ended=False),
    "a web page": lambda request: send(request, b"<html>Please log in to this network</html>"),
    "not found": status(404),
    "not http": not_http,
    "hang up": hang_up,
}


@pytest.fixture
def tiny(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder where a small known data set called "tiny" belongs; it is not there yet."""
    monkeypatch.setenv("FOVEAL_DATA", str(tmp_path / "cache"))
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setattr(download, "PAUSES_SECONDS", (0.0,) * len(download.PAUSES_SECONDS))
    files = tuple(KnownFile(name, None, f"content-{sha256(content)}") for name, content in CONTENT.items())
    monkeypatch.setitem(DATASETS, "tiny", known_data(files, tmp_path / "system"))
    return tmp_path / "cache" / "tiny"


@pytest.fixture
def archive(tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The same, but of one archive, whose checksum is stated."""
    files = (KnownFile("all.zip", len(ARCHIVE), sha256(ARCHIVE)),)
    monkeypatch.setitem(DATASETS, "tiny", known_data(files, tmp_path / "system"))
    return tiny


@pytest.fixture
def unstated(tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The same, but nobody states its checksum or its size."""
    monkeypatch.setitem(DATASETS, "tiny", known_data((KnownFile("all.zip", None, None),), tmp_path / "system"))
    return tiny


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
    assert found_at("tiny") == locate("tiny") == fetch("tiny") == folder


def test_a_data_set_is_fetched_and_opened(tiny: Path) -> None:
    with server(good) as served:
        assert fetch("tiny", [served.address]) == tiny
    assert files_in(tiny) == set(IDX_FILES)
    assert locate("tiny") == tiny
    data = open_data("tiny")
    np.testing.assert_array_equal(pixels_in(data.parts["test"])[..., 0], noise(6, 5, 5, seed=1))
    assert [data.classes[label] for label in data.base.labels] == ["no", "yes"] * 3


def test_a_data_set_that_is_nowhere_is_fetched_from_its_mirrors_when_it_is_opened(
    tiny: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with server(good) as served, caplog.at_level(logging.INFO, logger="foveal"):
        known = known_data(DATASETS["tiny"].files, tiny, (without_server(), served.address))
        monkeypatch.setitem(DATASETS, "tiny", known)
        assert locate("tiny") == tiny
    assert caplog.messages == [f"downloading tiny into {tiny}"]
    assert len(served.requests) == 4


def test_progress_is_shown_file_by_file(tiny: Path) -> None:
    seen: dict[str, tuple[int, int]] = {}
    with server(good) as served:
        fetch("tiny", [served.address], lambda name, done, total: seen.update({name: (done, total)}))
    assert seen == {name: (len(PACKED[f"/{name}"]),) * 2 for name in IDX_FILES}


@pytest.mark.parametrize("fault", FAULTS.values(), ids=list(FAULTS))
def test_a_mirror_with_a_fault_leaves_nothing_under_its_name(fault: Answer, tiny: Path) -> None:
    with server(fault) as served, pytest.raises(DataError) as caught:
        fetch("tiny", [served.address])
    assert str(caught.value).startswith(
        f"tiny is not on this machine: {FIRST} could not be fetched ({served.address}/{FIRST}: "
    )
    assert str(caught.value).endswith(f" Try again later, or put the file into {tiny}.")
    assert not [name for name in files_in(tiny) if not name.startswith(".")]


@pytest.mark.parametrize("fault", FAULTS.values(), ids=list(FAULTS))
def test_after_a_mirror_with_a_fault_the_next_one_is_tried(fault: Answer, tiny: Path) -> None:
    with server(fault) as broken, server(good) as working:
        fetch("tiny", [broken.address, working.address])
    assert files_in(tiny) == set(IDX_FILES)
    assert (tiny / FIRST).read_bytes() == PACKED[f"/{FIRST}"]


def test_what_was_right_is_kept_when_a_later_file_fails_and_not_fetched_again(tiny: Path) -> None:
    with server(in_turn(good, status(404), good)) as served:
        with pytest.raises(DataError, match=rf"tiny is not on this machine: {IDX_FILES[1]} could not be fetched"):
            fetch("tiny", [served.address])
        assert files_in(tiny) == {FIRST}
        fetch("tiny", [served.address])
    assert len(served.requests) == 1 + 1 + 3


def test_without_a_network_one_sentence_says_so(tiny: Path) -> None:
    with pytest.raises(
        DataError,
        match=rf"^tiny is not on this machine: {FIRST} could not be fetched: there is no network, or no server that can "
        rf"be reached \(http://127.*refused\). Go online and try again, or put the file into .*/cache/tiny\.$",
    ):
        fetch("tiny", [without_server()])


def test_data_without_a_mirror_says_so(tiny: Path) -> None:
    with pytest.raises(DataError, match=r"could not be fetched: it has no mirror. Put the file into .*/cache/tiny"):
        locate("tiny")


def test_a_data_folder_that_cannot_be_made_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("FOVEAL_DATA", str(tmp_path / "file"))
    with pytest.raises(DataError, match=r"cannot make the folder .*/file/kmnist: .* Set FOVEAL_DATA to another"):
        fetch("kmnist", ["http://127.0.0.1:9"])


@pytest.mark.parametrize("way", [locate, fetch])
def test_an_unknown_name_gets_the_closest_known_one(way: Callable[[str], Path]) -> None:
    with pytest.raises(
        DataError, match=r"no known data set 'mnits'. Did you mean 'mnist'.* Known: mnist, fashion-mnist, kmnist"
    ):
        way("mnits")


def test_a_known_file_that_was_changed_on_disk_is_refused_when_it_is_opened_and_fetched_again_on_demand(
    tiny: Path,
) -> None:
    with server(good) as served:
        fetch("tiny", [served.address])
        (tiny / FIRST).write_bytes(OTHER)
        with pytest.raises(DataError, match=rf"{FIRST} is not the file it should be"):
            open_data("tiny")
        fetch("tiny", [served.address])
    assert (tiny / FIRST).read_bytes() == PACKED[f"/{FIRST}"]
    assert len(served.requests) == 5


def test_an_archive_that_was_changed_on_disk_is_refused_when_it_is_located(archive: Path) -> None:
    with server(file_of(ARCHIVE)) as served:
        fetch("tiny", [served.address])
        assert locate("tiny") == archive
        (archive / "all.zip").write_bytes(ARCHIVE[:-1])
        with pytest.raises(
            DataError,
            match=rf"all.zip is not the file it should be: its checksum is sha256:.*, expected {sha256(ARCHIVE)}. It is "
            r"damaged or another file. Fetch it again: foveal data fetch tiny$",
        ):
            locate("tiny")
        fetch("tiny", [served.address])
    assert (archive / "all.zip").read_bytes() == ARCHIVE


@pytest.mark.parametrize("way", [locate, fetch])
def test_a_damaged_file_in_a_place_of_others_is_theirs_to_mend(
    way: Callable[[str], Path], archive: Path, tmp_path: Path
) -> None:
    (tmp_path / "system").mkdir()
    (tmp_path / "system" / "all.zip").write_bytes(ARCHIVE[:-1])
    with pytest.raises(DataError, match=r"system/all.zip is not the file.* Put the right one there, or remove it\.$"):
        way("tiny")
    assert (tmp_path / "system" / "all.zip").read_bytes() == ARCHIVE[:-1]


def test_a_checksum_that_nobody_states_is_recorded_beside_the_file_when_it_is_fetched(unstated: Path) -> None:
    with server(file_of(ARCHIVE)) as served:
        fetch("tiny", [served.address])
    assert json.loads((unstated / "checksums.json").read_bytes()) == {"all.zip": sha256(ARCHIVE)}
    assert files_in(unstated) == {"all.zip", "checksums.json"}
    assert locate("tiny") == unstated


def test_a_checksum_that_nobody_states_is_recorded_when_a_file_put_by_hand_is_first_used(unstated: Path) -> None:
    unstated.mkdir(parents=True)
    (unstated / "all.zip").write_bytes(ARCHIVE)
    locate("tiny")
    assert json.loads((unstated / "checksums.json").read_bytes()) == {"all.zip": sha256(ARCHIVE)}


def test_a_file_that_is_not_the_one_recorded_at_its_first_use_is_refused_and_fetched_again(unstated: Path) -> None:
    with server(in_turn(file_of(ARCHIVE), file_of(ARCHIVE), file_of(OTHER))) as served:
        fetch("tiny", [served.address])
        (unstated / "all.zip").write_bytes(OTHER)
        with pytest.raises(DataError, match=r"all.zip is not .* as recorded in checksums.json at its first use. It is"):
            locate("tiny")
        fetch("tiny", [served.address])
        assert (unstated / "all.zip").read_bytes() == ARCHIVE
        (unstated / "all.zip").unlink()
        with pytest.raises(DataError, match=rf"it is not the file it should be: .* expected {sha256(ARCHIVE)}"):
            fetch("tiny", [served.address])
    assert files_in(unstated) == {"checksums.json"}


def test_a_folder_where_no_checksum_can_be_recorded_is_named(
    open_folder: Path, unstated: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(DATASETS, "tiny", known_data(DATASETS["tiny"].files, open_folder))
    (open_folder / "all.zip").write_bytes(ARCHIVE)
    open_folder.chmod(0o555)
    with as_an_ordinary_user(), pytest.raises(DataError, match=r"cannot write .*/checksums.json: Permission denied"):
        locate("tiny")


def test_the_names_that_share_a_download_share_its_folder(tiny: Path) -> None:
    folder = data_folder() / "emnist"
    folder.mkdir(parents=True)
    (folder / "gzip.zip").touch()
    assert {found_at(name) for name in DATASETS if name.startswith("emnist")} == {folder}


def test_the_list_has_all_of_the_table(tmp_path: Path) -> None:
    found = json.loads(command("data", "list", "--json", cwd=tmp_path, FOVEAL_DATA=str(tmp_path)).stdout)["data"]
    assert [data["name"] for data in found] == list(DATASETS)
    kmnist = next(data for data in found if data["name"] == "kmnist")
    assert kmnist["folder"] == ""
    assert kmnist["files"][1] == {
        "name": "train-labels-idx1-ubyte.gz",
        "size": 29_497,
        "checksum": "sha256:e38f9ebcd0f3ebcdec7fc8eabdcdaef93bb0df8ea12bee65224341c8183d8e17",
    }
    assert set(kmnist) >= {"title", "classes", "mirrors", "licence", "citation", "parts", "labels", "is_transposed"}


def test_the_list_for_people_names_size_place_and_licence(tmp_path: Path) -> None:
    text = command("data", "list", cwd=tmp_path, FOVEAL_DATA=str(tmp_path)).stdout
    row = next(line for line in text.splitlines() if "emnist-digits" in line)
    assert all(word in row for word in ("280,000 handwritten digits", "562", "not here yet", "none stated"))


def test_fetch_without_a_network_prints_one_sentence_and_leaves_with_1(tmp_path: Path) -> None:
    gone = without_server()
    answer = command(
        *("data", "fetch", "kmnist", "--json"),
        cwd=tmp_path,
        expect=1,
        FOVEAL_DATA=str(tmp_path),
        **dict.fromkeys(("http_proxy", "https_proxy"), gone),
    )
    assert answer.stdout == ""
    (sentence,) = answer.stderr.splitlines()
    assert sentence.startswith("error: kmnist is not on this machine: train-images-idx3-ubyte.gz could not be fetched")
    assert "there is no network, or no server that can be reached (https://codh.rois.ac.jp/" in sentence
    assert sentence.endswith(f"put the file into {tmp_path / 'kmnist'}.")


def fetching(address: str, folder: Path, *arguments: str) -> str:
    """Python code that is `foveal data fetch` where tiny is the archive of the server at `address`."""
    return (
        "import sys; from pathlib import Path; from foveal.cli.app import main; from foveal.data.known import DATASETS; "
        "from foveal.data.catalog import KnownData, KnownFile; "
        f"file = KnownFile('all.zip', {len(ARCHIVE)}, {sha256(ARCHIVE)!r}); "
        f"DATASETS['tiny'] = KnownData('t', ('no', 'yes'), 'tiny', (file,), ({address!r},), {{}}, 'CC0', 'nobody'); "
        f"sys.argv = ['foveal', 'data', 'fetch', *{arguments!r}]; sys.exit(main())"
    )


def test_fetch_takes_several_names_and_prints_json_alone(tmp_path: Path) -> None:
    with server(file_of(ARCHIVE)) as served:
        code = fetching(served.address, tmp_path, "mnist", "tiny", "mnist", "--json")
        answer = python(code, cwd=tmp_path, FOVEAL_DATA=str(tmp_path), no_proxy="127.0.0.1")
    found = json.loads(answer.stdout)
    assert [row["name"] for row in found["data"]] == ["mnist", "tiny"]
    assert found["data"][1]["folder"] == str(tmp_path / "tiny")
    assert "all.zip: 0.0 of 0.0 MB" in answer.stderr
    assert (tmp_path / "tiny" / "all.zip").read_bytes() == ARCHIVE


def test_fetch_says_where_each_is(tmp_path: Path) -> None:
    answer = command("data", "fetch", "mnist", cwd=tmp_path, FOVEAL_DATA=str(tmp_path))
    assert answer.stdout.startswith("mnist is in /")
    assert os.path.isdir(answer.stdout.removeprefix("mnist is in ").strip())  # noqa: PTH112
