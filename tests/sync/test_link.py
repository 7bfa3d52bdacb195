"""Blocking links, against real sockets of this machine."""

from __future__ import annotations

import errno
import os
import socket
import struct
import threading
import time
import types
from collections.abc import Generator, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from oncrpc import sync
from oncrpc.addr import split_uaddr
from oncrpc.client.port_mapper import MapperClient
from oncrpc.errors import (
    CallTimeout,
    HostUnknown,
    LimitExceeded,
    ProcedureUnavailable,
    ProtocolError,
    TransportError,
)
from oncrpc.net.credentials import auth_sys
from oncrpc.programs.portmap import PMAP_VERS, call_args
from oncrpc.rpc.record import encode_record
from oncrpc.sync import SocketLink
from oncrpc.testing import MemoryLink
from support.service import COUNTER, COUNTER_V3, Counter
from support.threaded_servers import Behaviour, answering, behaving, dialed, has_ipv6, silent
from support.words import words

REPLY = words(1, 0, 0, 0, 0)  # REPLY, MSG_ACCEPTED, verf AUTH_NONE, SUCCESS
SHORT, LONG = 0.05, 5.0


@pytest.fixture(params=["tcp", "udp", "tcp6", "udp6", "local", "@local"])
def link(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[SocketLink]:
    """A link to a counter, over every transport."""
    netid = request.param.removeprefix("@")
    if netid.endswith("6") and not has_ipv6():
        pytest.skip("no IPv6 here")
    name = f"{tmp_path}/socket"
    path = "" if netid != "local" else "@" + name if request.param.startswith("@") else name
    server = answering(Counter(), datagrams=netid.startswith("udp"))
    with behaving(netid, server, path=path) as place, dialed(netid, place) as opened:
        yield opened


def test_calls_are_answered_over_every_transport(link: SocketLink) -> None:
    client = COUNTER_V3.Client(link)

    sync.run(client.NULL())
    assert sync.run(client.ADD(5)) == 5
    assert sync.run(client.ADD(6)) == 11


def test_a_link_goes_on_after_a_refusal(link: SocketLink) -> None:
    client = COUNTER_V3.Client(link)

    with pytest.raises(ProcedureUnavailable):
        sync.run(client.NAME(1, b"x"))

    assert sync.run(client.ADD(5)) == 5


def test_a_link_knows_where_it_leads(link: SocketLink) -> None:
    address = link.sock.getpeername()

    if link.sock.family == socket.AF_UNIX:
        shown = address if isinstance(address, str) else "@" + address[1:].decode()
        assert link.peer == shown
    else:
        assert split_uaddr(link.peer) == address[:2]


@pytest.mark.parametrize("netid", ["tcp", "udp"])
def test_unanswered_call_ends_at_its_deadline(netid: str) -> None:
    with (
        behaving(netid, silent) as place,
        dialed(netid, place, timeout=SHORT) as link,
        pytest.raises(CallTimeout, match="no reply to"),
    ):
        sync.run(COUNTER_V3.Client(link).READ())


def chatty_stream(connection: socket.socket) -> None:
    """Sends records that belong to no call, for as long as somebody reads, or a while."""
    end = time.monotonic() + 4 * LONG
    while time.monotonic() < end:
        connection.sendall(encode_record(words(1) + REPLY))


def chatty_datagrams(sock: socket.socket) -> None:
    """The same in datagrams."""
    _, client = sock.recvfrom(65536)
    sock.setblocking(False)
    end = time.monotonic() + 4 * LONG
    while time.monotonic() < end:
        try:
            if not sock.recv(65536):
                return
        except BlockingIOError:
            sock.sendto(words(1) + REPLY, client)


def dripping_stream(connection: socket.socket) -> None:
    """Announces a long record and sends it byte by byte."""
    end = time.monotonic() + 4 * LONG
    connection.sendall(words(0x80000000 | 1 << 25))
    while time.monotonic() < end:
        connection.sendall(b"x")


@pytest.mark.parametrize(("netid", "server"), [("tcp", dripping_stream), ("udp", chatty_datagrams)])
def test_arriving_bytes_do_not_extend_the_deadline(netid: str, server: Behaviour) -> None:
    with behaving(netid, server) as place, dialed(netid, place, timeout=SHORT) as link:
        start = time.monotonic()
        with pytest.raises(CallTimeout):
            sync.run(COUNTER_V3.Client(link).READ())

        assert time.monotonic() - start < LONG


def test_flood_of_stray_replies_breaks_the_link() -> None:
    with behaving("tcp", chatty_stream) as place, dialed("tcp", place, timeout=LONG) as link:
        with pytest.raises(LimitExceeded, match="over 1024 messages that answer no call"):
            sync.run(COUNTER_V3.Client(link).READ())

        assert link.broken


@pytest.mark.parametrize("netid", ["tcp", "udp"])
def test_late_reply_is_dropped(netid: str) -> None:
    header = 0 if netid == "udp" else 4

    def late(sock: socket.socket) -> None:
        first, client = sock.recvfrom(65536)
        second, _ = sock.recvfrom(65536)
        for number, call in enumerate([first, second]):
            reply = call[header : header + 4] + REPLY + words(number)
            sock.sendto(reply, client) if netid == "udp" else sock.sendall(encode_record(reply))
        sock.recv(65536)

    with behaving(netid, late) as place, dialed(netid, place, timeout=SHORT) as link:
        client = COUNTER_V3.Client(link)
        with pytest.raises(CallTimeout):
            sync.run(client.READ())
        link.timeout = 10.0

        assert sync.run(client.READ()) == 1


def test_unanswered_datagram_is_sent_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("oncrpc.rpc.calls.FIRST_RETRY", 0.01)
    received: list[bytes] = []

    def deaf_twice(sock: socket.socket) -> None:
        while (arrived := sock.recvfrom(65536))[0]:
            received.append(arrived[0])
            if len(received) >= 3:
                sock.sendto(arrived[0][:4] + REPLY + words(7), arrived[1])

    with behaving("udp", deaf_twice) as place, dialed("udp", place) as link:
        assert sync.run(COUNTER_V3.Client(link).READ()) == 7

    assert received == received[:1] * 3


def test_a_reply_may_come_in_fragments_and_pieces() -> None:
    def piecewise(connection: socket.socket) -> None:
        xid = connection.recv(65536)[4:8]
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for piece in (words(4)[:3], words(4)[3:] + xid, words(0, 0x80000018)[:6],
                      words(0, 0x80000018)[6:] + REPLY, words(9)):  # fmt: skip
            connection.sendall(piece)
        connection.recv(1)

    with behaving("tcp", piecewise) as place, dialed("tcp", place) as link:
        assert sync.run(COUNTER_V3.Client(link).READ()) == 9


def test_call_not_accepted_in_time_breaks_link() -> None:
    taken = threading.Event()
    big = call_args(1, 1, 1, bytes(32 << 20))

    def deaf(connection: socket.socket) -> None:
        taken.wait()

    with behaving("tcp", deaf) as place, dialed("tcp", place, timeout=SHORT) as link:
        client = PMAP_VERS.Client(link)
        with ExitStack() as ending:
            ending.callback(taken.set)

            with pytest.raises(CallTimeout, match="over tcp does not accept PMAP"):
                sync.run(client.PMAPPROC_CALLIT(big))
            with pytest.raises(TransportError):
                sync.run(client.PMAPPROC_NULL())


def test_an_end_of_the_stream_is_a_reset() -> None:
    def leaving(connection: socket.socket) -> None:
        connection.recv(65536)

    with (
        behaving("tcp", leaving) as place,
        dialed("tcp", place) as link,
        pytest.raises(TransportError) as caught,
    ):
        sync.run(COUNTER_V3.Client(link).READ())

    assert caught.value.errno == errno.ECONNRESET


def test_a_reset_is_a_transport_error() -> None:
    def resetting(connection: socket.socket) -> None:
        connection.recv(65536)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    with (
        behaving("tcp", resetting) as place,
        dialed("tcp", place) as link,
        pytest.raises(TransportError) as caught,
    ):
        sync.run(COUNTER_V3.Client(link).READ())

    assert caught.value.errno == errno.ECONNRESET


def test_oversized_reply_is_a_protocol_error() -> None:
    def boasting(connection: socket.socket) -> None:
        connection.recv(65536)
        connection.sendall(words(0xFFFFFFFF))
        connection.recv(1)

    with (
        behaving("tcp", boasting) as place,
        dialed("tcp", place) as link,
        pytest.raises(ProtocolError, match="a record of over"),
    ):
        sync.run(COUNTER_V3.Client(link).READ())


def unused_port(kind: int) -> tuple[str, int]:
    with socket.socket(socket.AF_INET, kind) as sock:
        sock.bind(("127.0.0.1", 0))
        host, port = sock.getsockname()
        return host, port


def test_connection_to_a_closed_port_is_refused() -> None:
    with pytest.raises(TransportError) as caught:
        dialed("tcp", unused_port(socket.SOCK_STREAM))

    assert caught.value.errno == errno.ECONNREFUSED


def test_datagram_to_a_closed_port_is_refused() -> None:
    with (
        dialed("udp", unused_port(socket.SOCK_DGRAM)) as link,
        pytest.raises(TransportError) as caught,
    ):
        sync.run(COUNTER_V3.Client(link).READ())

    assert caught.value.errno == errno.ECONNREFUSED


@pytest.mark.parametrize(
    ("path", "number"), [("none", errno.ENOENT), ("x" * 200, errno.EIO)], ids=["none", "long"]
)
def test_invalid_local_socket_is_a_transport_error(tmp_path: Path, path: str, number: int) -> None:
    with pytest.raises(TransportError) as caught:
        dialed("local", (str(tmp_path / path), 0))

    assert caught.value.errno == number


def test_a_connection_that_is_not_taken_times_out() -> None:
    with socket.socket() as listener, ExitStack() as waiting:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for _ in range(4):
            sock = waiting.enter_context(socket.socket())
            sock.setblocking(False)
            sock.connect_ex(listener.getsockname())

        with pytest.raises(TransportError) as caught:
            dialed("tcp", listener.getsockname(), timeout=SHORT)

    assert caught.value.errno == errno.ETIMEDOUT


@pytest.mark.parametrize(
    ("netid", "host"), [("tcp6", "127.0.0.1"), ("tcp", "::1"), ("udp", "a..b")]
)
def test_host_without_address_of_family_is_unknown(netid: str, host: str) -> None:
    with pytest.raises(HostUnknown):
        dialed(netid, (host, 111))


def test_coroutine_that_suspends_cannot_be_run() -> None:
    ended: list[str] = []

    @types.coroutine
    def suspended() -> Generator[None, None, None]:
        yield

    async def conversation() -> None:
        try:
            await suspended()
        finally:
            ended.append("closed")

    with pytest.raises(TypeError, match="does not block"):
        sync.run(conversation())

    assert ended == ["closed"]


def test_a_connected_client_blocks_and_returns_results() -> None:
    with (
        behaving("tcp", answering(Counter(), datagrams=False)) as (host, port),
        sync.connect(host, COUNTER_V3.Client, port=port) as counter,
    ):
        assert counter.ADD(5) == 5
        assert counter.call(COUNTER_V3.READ) == 5
        assert sync.run(counter.client.READ()) == 5
        with pytest.raises(ProcedureUnavailable):
            counter.NAME(1, b"x")


def test_connect_asks_the_port_mapper_and_closes() -> None:
    class Told(MapperClient):
        async def getport(self, host: str, prog: int, vers: int, netid: str) -> int:
            assert (prog, vers, netid) == (COUNTER, 3, "udp")
            return port

    with behaving("udp", answering(Counter(), datagrams=True)) as (host, port):
        mapper = Told(sync.dial)
        with sync.connect(host, COUNTER_V3.Client, transport="udp", mapper=mapper) as counter:
            assert counter.ADD(5) == 5
            link = counter.client.link
        with pytest.raises(TransportError):
            counter.READ()

    assert isinstance(link, SocketLink)


def test_blocking_clients_mirror_asyncio_clients() -> None:
    counter = COUNTER_V3.SyncClient(COUNTER_V3.Client(MemoryLink([Counter()])))

    assert COUNTER_V3.Client.blocking is COUNTER_V3.SyncClient
    assert counter.version is COUNTER_V3
    assert counter.with_options(timeout=1.0).ADD(5) == 5


@pytest.mark.parametrize("netid", ["tcp", "udp"])
def test_call_has_its_own_deadline(netid: str) -> None:
    with behaving(netid, silent) as place, dialed(netid, place, timeout=60.0) as link:
        counter = COUNTER_V3.SyncClient(COUNTER_V3.Client(link)).with_options(timeout=SHORT)

        with pytest.raises(CallTimeout):
            counter.READ()


@pytest.mark.parametrize("netid", ["tcp", "udp"])
def test_flushed_shorthand_is_replaced_by_full_credential(netid: str) -> None:
    header, flavors = 0 if netid == "udp" else 4, list[int]()

    def forgetful(sock: socket.socket) -> None:
        for reply in (words(1, 0, 2, 4, b"tok.", 0, 7), words(1, 1, 1, 2), REPLY + words(8)):
            call, client = sock.recvfrom(65536)
            flavors.append(call[header + 27])
            message = call[header : header + 4] + reply
            sock.sendto(message, client) if netid == "udp" else sock.sendall(encode_record(message))
        sock.recv(65536)

    with (
        behaving(netid, forgetful) as (host, port),
        sync.connect(
            host, COUNTER_V3.Client, transport=netid, port=port, auth=auth_sys()
        ) as counter,
    ):
        assert [counter.READ(), counter.READ()] == [7, 8]

    assert flavors == [1, 2, 1]


@pytest.mark.skipif(os.geteuid() != 0, reason="needs a privilege")
def test_a_reserved_port_is_below_1024() -> None:
    with behaving("tcp", silent) as place:
        link = sync.run(sync.dial("tcp", *place, reserved_port=True))

        with link:
            assert 600 <= link.sock.getsockname()[1] < 1024


def test_client_shows_where_it_leads() -> None:
    with (
        behaving("tcp", answering(Counter(), datagrams=False)) as (host, port),
        sync.connect(host, COUNTER_V3.Client, port=port) as counter,
    ):
        shown = repr(counter)

    place = f"{host} port {port} over tcp"
    assert shown == f"<COUNTER_V3.SyncClient over <SocketLink to {place}>>"
    assert repr(counter) == f"<COUNTER_V3.SyncClient over <SocketLink to {place}, broken>>"
