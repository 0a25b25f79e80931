"""How the workers of one start find each other: under a name that no start before had, and over the network that joins them.

Both go through the store that torchrun keeps for all starts of a launch, which holds what dead workers wrote.
"""

import os
import socket
import struct
import sys
import time
import uuid
from collections.abc import Sequence
from datetime import timedelta

from torch.distributed import Store  # type: ignore[attr-defined]

from foveal.errors import WorkerError
from foveal.launch import Place

INTERFACE = "GLOO_SOCKET_IFNAME"  # where gloo looks for the network interface to listen on
POLL_SECONDS = 0.005


def name_of_start(store: Store, here: Place, patience: timedelta) -> str:
    """A name that all workers of this start agree on, new for each start; what dead workers left in the store is no harm.

    Restarts cannot be counted for it: torchrun counts those of each machine by itself. Everyone greets under a number of its
    own, the first one answers all that it finds, and is done when everybody has thanked for this very answer. Raises
    WorkerError, naming those that did not come.
    """
    own = uuid.uuid4().hex
    if not here.is_first:
        store.set(f"hello {here.rank}", own)
        name = store.get(f"welcome {own}").decode()
        store.set(f"thanks {own} {name}", "")
        return name
    missing, deadline = list(range(1, here.workers)), time.monotonic() + patience.total_seconds()
    while missing := [rank for rank in missing if not _has_thanked(store, rank, own)]:
        if time.monotonic() > deadline:
            raise WorkerError(
                f"the first worker waited {patience.total_seconds():.0f} s for {_named(missing)} of {here.workers}, in vain. "
                "Start torchrun on all machines, with the same --nnodes, --rdzv-endpoint and --rdzv-id."
            )
        time.sleep(POLL_SECONDS)
    return own


def _has_thanked(store: Store, rank: int, name: str) -> bool:
    if not store.check([f"hello {rank}"]):
        return False
    greeting = store.get(f"hello {rank}").decode()
    store.set(f"welcome {greeting}", name)
    return store.check([f"thanks {greeting} {name}"])


def _named(ranks: Sequence[int]) -> str:
    shown = ", ".join(map(str, ranks[:8]))
    return f"worker {shown}" if len(ranks) == 1 else f"workers {shown}{', ...' if len(ranks) > 8 else ''}"


def choose_interface(store: Store, here: Place) -> None:
    """On several machines, let gloo listen on the network that leads to the others, unless the user has named one.

    By itself it takes the address of the machine's own name, which many systems give as 127.0.1.1.
    """
    if here.workers == here.local_workers or os.environ.get(INTERFACE):
        return
    address = address_towards(os.environ.get("MASTER_ADDR", ""))
    store.set(f"address {here.rank}", address or "")
    if address is None or is_loopback(address):  # the machine of the first worker, seen from itself
        others = (store.get(f"address {rank}").decode() for rank in range(here.workers) if rank != here.rank)
        far = next((each for each in others if each and not is_loopback(each)), "")
        address = address_towards(far)
    name = interface_of(address) if address is not None else None
    if name is not None:
        os.environ[INTERFACE] = name


def address_towards(host: str) -> str | None:
    """The IPv4 address that this machine speaks to a host from, None where there is no way to it; nothing is sent."""
    if not host:
        return None
    try:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            probe.connect((host, 9))
            return str(probe.getsockname()[0])
    except OSError:
        return None


def is_loopback(address: str) -> bool:
    """Whether an IPv4 address is the machine itself: 127.0.0.0/8, RFC 1122, section 3.2.1.3."""
    return address.startswith("127.")


def interface_of(address: str) -> str | None:
    """The network interface that has an IPv4 address, None where none has. Linux, netdevice(7)."""
    if sys.platform != "linux":
        return None
    import fcntl

    get_address = 0x8915  # SIOCGIFADDR
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        for _, name in socket.if_nameindex():
            try:
                answer = fcntl.ioctl(probe, get_address, struct.pack("256s", name.encode()))
            except OSError:  # it has none
                continue
            if socket.inet_ntoa(answer[20:24]) == address:
                return name
    return None
