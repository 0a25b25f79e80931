"""How workers of one start find each other, whatever earlier starts left behind; two real machines are in tests/cli."""

import os
import socket
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from torch.distributed import HashStore

from foveal.errors import WorkerError
from foveal.launch import Place
from foveal.training.meeting import INTERFACE, address_towards, choose_interface, interface_of, name_of_start

SECONDS = timedelta(seconds=20)


def meet(store: HashStore, workers: int) -> list[str]:
    """The names that so many workers come to, all at once."""
    with ThreadPoolExecutor(workers) as pool:
        return list(pool.map(lambda rank: name_of_start(store, Place(rank, workers), SECONDS), range(workers)))


@pytest.mark.parametrize("workers", [2, 3, 8])
def test_all_workers_of_a_start_agree_and_no_two_starts_have_the_same_name(workers: int) -> None:
    store, names = HashStore(), []
    for _ in range(3):
        found = meet(store, workers)
        assert len(set(found)) == 1
        names.append(found[0])
    assert len(set(names)) == 3


def test_workers_who_died_before_they_met_are_not_taken_for_those_of_now() -> None:
    store = HashStore()
    meet(store, 3)
    store.set("hello 2", "a worker that has died while the first one was not there yet")
    found = meet(store, 3)
    assert len(set(found)) == 1


def test_a_first_worker_who_died_after_some_had_come_is_no_harm_to_the_next() -> None:
    store = HashStore()
    store.set_timeout(timedelta(seconds=1))
    with pytest.raises(WorkerError, match="waited 0 s for workers 1, 2 of 3, in vain"):
        name_of_start(store, Place(0, 3), timedelta(0))
    with pytest.raises(RuntimeError):  # the store's own: nobody answers
        name_of_start(store, Place(2, 3), SECONDS)
    store.set_timeout(SECONDS)
    assert len(set(meet(store, 3))) == 1


def test_who_does_not_come_is_named() -> None:
    store = HashStore()
    with ThreadPoolExecutor(1) as pool:
        pool.submit(name_of_start, store, Place(1, 3), SECONDS)
        with pytest.raises(
            WorkerError, match=r"the first worker waited 1 s for worker 2 of 3, in vain\. Start torchrun"
        ):
            name_of_start(store, Place(0, 3), timedelta(seconds=1))


def test_an_address_is_the_one_that_is_spoken_from() -> None:
    assert address_towards("127.0.0.1") == "127.0.0.1"
    assert address_towards("127.3.2.1") == "127.0.0.1"
    assert address_towards("") is None
    assert address_towards("no such machine") is None


@pytest.mark.skipif(sys.platform != "linux", reason="reads the interfaces of Linux")
def test_the_interface_of_an_address_is_the_one_that_the_system_lists_it_for() -> None:
    assert interface_of("127.0.0.1") == "lo"
    assert interface_of("203.0.113.7") is None  # RFC 5737: of no machine
    listed = subprocess.run(["hostname", "-I"], capture_output=True, text=True, check=False).stdout.split()
    for address in listed:
        if ":" not in address:
            assert interface_of(address) in [name for _, name in socket.if_nameindex()]


@pytest.mark.parametrize(
    ("here", "set_by_user"),
    [(Place(0, 2, 0, 2), ""), (Place(0, 2, 0, 1), "eth7")],
)
def test_gloo_is_left_alone_on_one_machine_and_where_the_user_has_chosen(
    here: Place, set_by_user: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(INTERFACE, set_by_user)
    store = HashStore()
    choose_interface(store, here)
    assert os.environ[INTERFACE] == set_by_user
    assert not store.check(["address 0"])


def test_machines_that_only_know_themselves_choose_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(INTERFACE, "")
    monkeypatch.setenv("MASTER_ADDR", "127.0.0.1")
    store = HashStore()
    store.set("address 1", "127.0.0.1")
    choose_interface(store, Place(0, 2, 0, 1))
    assert os.environ[INTERFACE] == ""
