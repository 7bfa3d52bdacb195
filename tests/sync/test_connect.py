"""Blocking clients: how they are connected, connected again, and what their errors say."""

from __future__ import annotations

import errno
import re
import socket
import struct
import threading
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from oncrpc import sync
from oncrpc.client.port_mapper import MapperClient
from oncrpc.errors import (
    AddressError,
    CallTimeout,
    ClientClosed,
    HostUnknown,
    NotRegistered,
    ProtocolError,
    TransportError,
)
from oncrpc.rpc.record import RecordReader, encode_record
from oncrpc.sync.connect import ReconnectingLink
from support.fake_resolver import Asked
from support.service import COUNTER_V3, Counter
from support.threaded_servers import answering, behaving, dialed, has_ipv6, silent
from support.words import words

LOCALHOST = "127.0.0.1"
SHORT = 0.05
SUCCESS = words(1, 0, 0, 0, 0)
needs_ipv6 = pytest.mark.skipif(not has_ipv6(), reason="no IPv6 here")


def closed_port(kind: socket.SocketKind) -> int:
    with socket.socket(socket.AF_INET, kind) as sock:
        sock.bind((LOCALHOST, 0))
        return int(sock.getsockname()[1])


@needs_ipv6
@pytest.mark.parametrize("netid", ["tcp", "udp"])
def test_ipv6_address_is_reached_with_an_ipv4_netid(netid: str) -> None:
    server = answering(Counter(), datagrams=netid == "udp")
    with (
        behaving(netid + "6", server) as (host, port),
        sync.connect(host, COUNTER_V3.Client, transport=netid, port=port) as counter,
    ):
        assert counter.ADD(5) == 5


@pytest.mark.parametrize("port", [-1, 70000])
def test_invalid_port_is_refused(port: int) -> None:
    with (
        pytest.raises(AddressError, match=f"invalid port {port}"),
        sync.connect("host.example", COUNTER_V3.Client, port=port),
    ):
        pass


@pytest.mark.parametrize("netid", ["tcp", "udp"])
def test_refused_connection_names_host_port_and_transport(netid: str) -> None:
    port = closed_port(socket.SOCK_DGRAM if netid == "udp" else socket.SOCK_STREAM)
    place = f"{LOCALHOST} port {port} over {netid}"

    with (
        pytest.raises(TransportError, match=f"^{place}: Connection refused$"),
        sync.connect(LOCALHOST, COUNTER_V3.Client, transport=netid, port=port) as counter,
    ):
        counter.NULL()


def test_a_local_socket_that_is_missing_is_named(tmp_path: Path) -> None:
    path = str(tmp_path / "none")

    with pytest.raises(TransportError, match=f"^{path} over local: No such file or directory$"):
        dialed("local", (path, 0))


@pytest.mark.parametrize("netid", ["tcp", "udp"])
def test_timeout_names_host_port_and_transport(netid: str) -> None:
    with (
        behaving(netid, silent) as (host, port),
        sync.connect(host, COUNTER_V3.Client, transport=netid, port=port, timeout=SHORT) as counter,
        pytest.raises(CallTimeout) as raised,
    ):
        counter.READ()

    assert str(raised.value) == (
        f"no reply to COUNTER_V3.READ from {host} port {port} over {netid}"
    )


def test_closed_link_raises_client_closed() -> None:
    with behaving("tcp", silent) as place:
        link = dialed("tcp", place)
        link.close()

        with pytest.raises(ClientClosed, match=r": the client is closed$"):
            sync.run(COUNTER_V3.Client(link).READ())

    assert not link.works


def test_invalid_record_closes_the_link() -> None:
    def boasting(connection: socket.socket) -> None:
        connection.recv(65536)
        connection.sendall(words(0xFFFFFFFF))
        connection.recv(1)

    with behaving("tcp", boasting) as place, dialed("tcp", place) as link:
        counter = COUNTER_V3.Client(link)
        with pytest.raises(
            ProtocolError, match=r"^COUNTER_V3\.READ at .* port .*: a record of over"
        ):
            sync.run(counter.READ())

        with pytest.raises(
            TransportError, match="given up after bytes that are not a record"
        ) as raised:
            sync.run(counter.READ())

    assert raised.value.errno == errno.ECONNABORTED


class Ending:
    """Answers one call on each connection, then ends it; ``seen`` are the connections."""

    def __init__(self) -> None:
        self.seen = 0
        self.ended = threading.Semaphore(0)

    def __call__(self, connection: socket.socket) -> None:
        self.seen += 1
        reader = RecordReader()
        while not (call := next(reader.records(), b"")):
            reader.feed(connection.recv(65536))
        connection.sendall(encode_record(call[:4] + SUCCESS + words(self.seen)))
        connection.close()
        self.ended.release()


def test_call_after_end_of_stream_dials_again() -> None:
    server = Ending()
    with (
        behaving("tcp", server) as (host, port),
        sync.connect(host, COUNTER_V3.Client, port=port, reconnect=True) as counter,
    ):
        for number in (1, 2, 3):
            assert counter.READ() == number
            server.ended.acquire()


def test_without_reconnect_end_of_stream_is_final() -> None:
    server = Ending()
    with (
        behaving("tcp", server) as (host, port),
        sync.connect(host, COUNTER_V3.Client, port=port) as counter,
    ):
        counter.READ()
        server.ended.acquire()

        for _ in range(2):
            with pytest.raises(TransportError):
                counter.READ()


def test_call_after_a_broken_one_dials_again() -> None:
    seen: list[socket.socket] = []

    def resetting_once(connection: socket.socket) -> None:
        seen.append(connection)
        if len(seen) == 1:
            connection.recv(65536)
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            return
        answering(Counter(), datagrams=False)(connection)

    with (
        behaving("tcp", resetting_once) as (host, port),
        sync.connect(host, COUNTER_V3.Client, port=port, reconnect=True) as counter,
    ):
        with pytest.raises(TransportError) as raised:
            counter.ADD(5)

        assert raised.value.errno == errno.ECONNRESET
        assert counter.ADD(6) == 6


class Told(MapperClient):
    """Knows where the program is: the ``ports`` in turn, or for 0 that it is not registered."""

    ports: list[int]

    async def getport(self, host: str, prog: int, vers: int, netid: str) -> int:
        port = self.ports.pop(0)
        if not port:
            raise NotRegistered("gone")
        return port


@pytest.mark.parametrize("netid", ["tcp", "udp"])
def test_dialing_again_asks_the_port_mapper_again(netid: str) -> None:
    server = answering(Counter(), datagrams=True) if netid == "udp" else Ending()
    mapper = Told(sync.dial)
    with ExitStack() as first, behaving(netid, server) as (host, second_port):
        _, first_port = first.enter_context(behaving(netid, server))
        mapper.ports = [first_port, 0, second_port]
        with sync.connect(
            host, COUNTER_V3.Client, transport=netid, mapper=mapper, reconnect=True
        ) as counter:
            counter.READ()
            first.close()
            if netid == "udp":  # nobody tells that a port is closed before it is called
                with pytest.raises(TransportError):
                    counter.READ()
            with pytest.raises(NotRegistered):
                counter.READ()
            counter.READ()

    assert mapper.ports == []


def test_closed_client_is_not_dialed_again() -> None:
    with behaving("tcp", silent) as (host, port):
        with sync.connect(host, COUNTER_V3.Client, port=port, reconnect=True) as counter:
            pass

        with pytest.raises(ClientClosed):
            counter.READ()


@pytest.mark.parametrize("netid", ["tcp", "udp"])
def test_looking_up_a_name_is_within_the_timeout(netid: str, no_name_server: Asked) -> None:
    name = f"looking up slow.example port 111 over {netid}: no name server answered in time"

    with (
        pytest.raises(TransportError, match=f"^{name}$") as raised,
        sync.connect("slow.example", COUNTER_V3.Client, transport=netid, port=111, timeout=SHORT),
    ):
        pass

    assert no_name_server.is_set()
    assert raised.value.errno == errno.ETIMEDOUT


def test_a_timeout_may_be_infinite() -> None:
    with (
        behaving("tcp", answering(Counter(), datagrams=False)) as (_, port),
        sync.connect("localhost", COUNTER_V3.Client, port=port, timeout=float("inf")) as counter,
    ):
        assert counter.ADD(5) == 5


def test_dialing_is_part_of_the_timeout() -> None:
    limits: list[float] = []
    now = [100.0]

    class Link:
        """Notes the timeout of each call."""

        broken = False

        @property
        def works(self) -> bool:
            return not self.broken

        def close(self) -> None:
            pass

        async def call(self, *_: Any, timeout: float, **__: Any) -> None:
            limits.append(timeout)

    async def dial(limit: float) -> Any:
        limits.append(limit)
        now[0] += 3.0
        return Link()

    first: Any = Link()
    first.broken = True
    counter = COUNTER_V3.SyncClient(
        COUNTER_V3.Client(ReconnectingLink(first, dial, timeout=10.0, clock=lambda: now[0]))
    )
    counter.NULL()
    counter.with_options(timeout=2.0).NULL()

    assert limits == [10.0, 7.0, 2.0]


def test_connection_timeout_names_the_place() -> None:
    with socket.socket() as listener, ExitStack() as waiting:
        listener.bind((LOCALHOST, 0))
        listener.listen(0)
        for _ in range(4):
            sock = waiting.enter_context(socket.socket())
            sock.setblocking(False)
            sock.connect_ex(listener.getsockname())
        place = f"{LOCALHOST} port {listener.getsockname()[1]} over tcp"

        with pytest.raises(TransportError, match=re.escape(f"{place}: Connection timed out")):
            dialed("tcp", listener.getsockname(), timeout=SHORT)


def test_two_calls_at_once_are_an_error() -> None:
    with behaving("tcp", silent) as place, dialed("tcp", place) as link:
        link.calls.start(COUNTER_V3.READ, (), now=0.0, timeout=1.0)

        with pytest.raises(RuntimeError, match="each thread needs its own"):
            sync.run(COUNTER_V3.Client(link).READ())


@pytest.mark.parametrize("timeout", [0.0, -1.0])
def test_timeout_of_zero_or_less_is_refused(timeout: float) -> None:
    with pytest.raises(ValueError, match=r"^timeout is a number of seconds above 0, not "):
        sync.run(sync.dial("tcp", LOCALHOST, 1, timeout=timeout))
    with pytest.raises(ValueError, match=r"^timeout is a number of seconds above 0, not "):
        sync.connect(LOCALHOST, COUNTER_V3.Client, port=1, timeout=timeout).__enter__()


def test_unknown_named_port_mapper_says_what_it_is() -> None:
    opened = sync.connect("files.example", COUNTER_V3.Client, mapper="127.0.0.1..x")

    with pytest.raises(
        HostUnknown, match=r"\(this is the port mapper that mapper= or ONCRPC_MAPPER"
    ):
        opened.__enter__()
