"""Arguments and results, both ways and over every transport, between C programs and ours."""

from __future__ import annotations

import socket
from collections.abc import Mapping
from typing import Any

import pytest

from oncrpc import rpc, sync
from oncrpc.addr import join_uaddr
from oncrpc.rpc.record import LAST_FRAGMENT
from support.hosts import Host, finished
from support.namespace import DEADLINE
from support.peer_callers import (
    ADDRESSES,
    CLIENTS,
    DATAGRAMS,
    OUR_CLIENTS,
    SUCCESS,
    Attempt,
    Peer,
    outcome_of,
    outcomes,
)
from support.refusing_server import NETIDS, complement
from support.wire import AUTH_NONE, record, stream, success
from support.words import words

pytestmark = pytest.mark.interop

COMPLEMENT = 2
STREAMS = ("tcp", "tcp6", "local")
FAMILIES = {"tcp": socket.AF_INET, "tcp6": socket.AF_INET6}
UNSERVED, BARE_PATH = 400720, "/run/bare.sock"
SIZES = {netid: 8_000 if netid in DATAGRAMS else 200_000 for netid in NETIDS}
"""Near the datagram limit of C; more than one fragment of C (64 KiB, or 9000 bytes locally)."""

AT = -(2**40)
CREDENTIALS = {"AUTH_NONE": rpc.AUTH_NONE, "AUTH_SYS": rpc.auth_sys(b"host", 1000, 100, [4, 24])}


@pytest.mark.parametrize("netid", NETIDS)
@pytest.mark.parametrize("caller", CLIENTS)
@pytest.mark.parametrize("cred", CREDENTIALS.values(), ids=CREDENTIALS)
def test_nothing_is_passed_and_nothing_comes_back(
    peer: Peer, caller: str, netid: str, cred: Any
) -> None:
    assert outcomes(caller, peer, netid, Attempt(cred=cred)) == [SUCCESS, SUCCESS]


@pytest.mark.parametrize("netid", NETIDS)
@pytest.mark.parametrize("caller", OUR_CLIENTS)
def test_our_client_passes_a_structure_and_gets_one(peer: Peer, caller: str, netid: str) -> None:
    reading = peer.interface.reading

    async def talk(client: Any) -> Any:
        return await client.NEXT(reading(b"kelvin", AT, 0.25, [1, -2, 2**31 - 1]))

    assert OUR_CLIENTS[caller](peer, netid, talk) == reading(
        b"kelvin", AT + 1, -0.25, [2**31 - 1, -2, 1]
    )


@pytest.mark.parametrize("netid", NETIDS)
def test_c_client_exchanges_structures(peer: Peer, netid: str) -> None:
    status, *printed = peer.by_c(netid, f"next kelvin {AT} 0.25 1 -2 {2**31 - 1}")

    assert outcome_of(status) == SUCCESS
    assert printed == [f"kelvin {AT + 1} -0.25 {2**31 - 1} -2 1"]


@pytest.mark.parametrize("netid", NETIDS)
@pytest.mark.parametrize("caller", OUR_CLIENTS)
def test_python_client_exchanges_many_bytes(peer: Peer, caller: str, netid: str) -> None:
    data = _bytes(SIZES[netid])

    async def talk(client: Any) -> Any:
        return await client.COMPLEMENT(data)

    assert OUR_CLIENTS[caller](peer, netid, talk) == complement(data)


@pytest.mark.parametrize("netid", NETIDS)
def test_c_client_exchanges_many_bytes(peer: Peer, netid: str) -> None:
    status, *printed = peer.by_c(netid, f"complement {SIZES[netid]}")

    assert outcome_of(status) == SUCCESS
    assert printed == [f"{SIZES[netid]} of {SIZES[netid]}"]


@pytest.mark.parametrize("netid", STREAMS)
def test_c_server_sends_several_fragments(served: Mapping[str, Peer], netid: str) -> None:
    server, data = served["C server"], _bytes(SIZES[netid])
    header = words(7, 0, 2, server.prog, 3, COMPLEMENT, AUTH_NONE, AUTH_NONE, len(data))

    with stream(server.host, server.address(netid)) as connection:
        connection.send(record(header + data))
        fragments = _fragments(connection.sock)

    assert len(fragments) > 1
    assert b"".join(fragments) == success(7, len(data), complement(data))


@pytest.mark.parametrize("netid", STREAMS)
def test_c_client_sends_several_fragments(served: Mapping[str, Peer], netid: str) -> None:
    bare = served["our server"]._replace(prog=UNSERVED)
    listener, uaddr = _listening(bare.host, netid)
    assert sync.run(bare.host.mapper().set(UNSERVED, 3, netid, uaddr))

    with listener:
        argv = bare.c_command(netid, f"complement {SIZES[netid]}")
        client = bare.host.popen(argv)
        connection, _ = listener.accept()
    with connection:
        fragments = _fragments(connection)
        connection.sendall(record(success(int.from_bytes(fragments[0][:4], "big"), 0)))
        assert finished(client) == 0

    assert len(fragments) > 1
    assert b"".join(fragments).endswith(words(SIZES[netid], _bytes(SIZES[netid])))


def _listening(host: Host, netid: str) -> tuple[socket.socket, str]:
    """A listening socket on the host, and its universal address."""
    if netid == "local":
        sock = socket.socket(socket.AF_UNIX)
        sock.bind(host.path(BARE_PATH))
        sock.listen()
        uaddr = BARE_PATH
    else:
        with host.network():
            sock = socket.create_server((ADDRESSES[netid], 0), family=FAMILIES[netid])
        uaddr = join_uaddr(*sock.getsockname()[:2])
    sock.settimeout(DEADLINE)
    return sock, uaddr


def _fragments(sock: socket.socket) -> list[bytes]:
    """The fragments of one record."""
    fragments, last = [], False
    with sock.makefile("rb") as file:
        while not last:
            header = int.from_bytes(file.read(4), "big")
            last, length = bool(header & LAST_FRAGMENT), header & ~LAST_FRAGMENT
            fragments.append(file.read(length))
            assert len(fragments[-1]) == length, "the connection ended"
    return fragments


def _bytes(size: int) -> bytes:
    return (bytes(range(251)) * (size // 251 + 1))[:size]
