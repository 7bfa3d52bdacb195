"""``oncrpc.nfs.nsm.calls``: notices and callbacks over real sockets."""

from __future__ import annotations

import asyncio
import os
import socket
import threading
from functools import partial

import pytest

from oncrpc.aio.link import dial
from oncrpc.client.port_mapper import MapperClient
from oncrpc.errors import (
    CallTimeout,
    NotRegistered,
    OncRpcError,
    PortMapperUnreachable,
    TransportError,
)
from oncrpc.nfs.nsm import calls as calls_module
from oncrpc.nfs.nsm.calls import NetworkCalls, own_names
from oncrpc.nfs.nsm.entries import RestartNotice, RpcMonitor
from oncrpc.programs.sm_inter import SM_VERS, stat_chge
from oncrpc.rpc import Call
from support.fake_mapper import both_ports, port_mapper
from support.loops import in_loop
from support.scripted_server import Server, serving
from support.words import words

PRIV = bytes(range(16))


class Notified(SM_VERS.Service):
    """A status monitor that records notices."""

    def __init__(self) -> None:
        self.notices: list[stat_chge] = []

    def SM_NOTIFY(self, call: Call, arg: stat_chge) -> None:
        self.notices.append(arg)


@pytest.fixture(autouse=True)
def _short_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(calls_module, "TIME", 0.1)
    monkeypatch.setattr(socket, "gethostname", lambda: "server.example")
    monkeypatch.setattr(socket, "getfqdn", lambda name="": name)


def notice(*, host: str = "127.0.0.1", own_host: str = "", my_name: bytes = b"") -> RestartNotice:
    return RestartNotice(host, own_host, my_name, 1000)


@pytest.mark.parametrize("attempt", [0, 1], ids=["udp", "tcp"])
@in_loop
async def test_host_hears_each_name(attempt: int) -> None:
    heard = Notified()
    with Server(serving(heard)) as server, Server(port_mapper(port=both_ports(server))) as mapper:
        calls = NetworkCalls(port=both_ports(mapper))

        await calls.notify(notice(own_host="127.0.0.5"), 0xFFFFFFFF, attempt)

    names = (b"server.example", b"server", b"127.0.0.5")
    assert heard.notices == [stat_chge(name, -1) for name in names]


@in_loop
async def test_notice_goes_over_ipv6_too() -> None:
    heard = Notified()
    with Server(serving(heard)) as server:
        port = both_ports(server, "::1")
        with Server(port_mapper(port=port)) as mapper:
            calls = NetworkCalls(port=both_ports(mapper, "::1"))

            await calls.notify(notice(host="::1", own_host="::1", my_name=b"me"), 7, 0)
            await calls.notify(notice(host="::1", own_host="::1", my_name=b"me"), 7, 1)

    assert heard.notices == [stat_chge(b"me", 7)] * 2


@in_loop
async def test_notice_of_a_program_has_its_name() -> None:
    heard = Notified()
    with Server(serving(heard)) as server, Server(port_mapper(port=both_ports(server))) as mapper:
        calls = NetworkCalls(port=both_ports(mapper))

        await calls.notify(notice(host="localhost", my_name=b"kernel.example"), 7, 0)

    assert heard.notices == [stat_chge(b"kernel.example", 7), stat_chge(b"kernel", 7)]


class Sources:
    """A socket that records where datagrams come from, and answers none."""

    def __enter__(self) -> Sources:
        self.sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.sock.bind(("127.0.0.1", 0))
        self.port: int = self.sock.getsockname()[1]
        return self

    def __exit__(self, *_: object) -> None:
        self.sock.close()

    def first(self) -> tuple[str, int]:
        """The source of the first datagram."""
        self.sock.setblocking(False)
        source: tuple[str, int] = self.sock.recvfrom(9000)[1]
        return source


@pytest.mark.parametrize(
    ("own_host", "source"),
    [("127.0.0.5", "127.0.0.5"), ("192.0.2.77", "127.0.0.1"), ("2001:db8::1", "127.0.0.1")],
)
@in_loop
async def test_notice_comes_from_the_address_called(own_host: str, source: str) -> None:
    with Sources() as sources, Server(port_mapper(port=sources.port)) as mapper:
        calls = NetworkCalls(port=both_ports(mapper))

        with pytest.raises(OncRpcError):
            await calls.notify(notice(own_host=own_host), 7, 0)

        assert sources.first()[0] == source


@in_loop
async def test_notice_comes_from_any_port_without_privilege(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("oncrpc.aio.link.bind_reserved", refuse)
    heard = Notified()
    with Server(serving(heard)) as server, Server(port_mapper(port=both_ports(server))) as mapper:
        calls = NetworkCalls(port=both_ports(mapper))

        await calls.notify(notice(), 7, 0)

    assert heard.notices


@in_loop
async def test_host_without_monitor_is_not_told() -> None:
    with Server(port_mapper(port=0)) as mapper:
        calls = NetworkCalls(port=both_ports(mapper))

        with pytest.raises(NotRegistered):
            await calls.notify(notice(), 7, 0)


@in_loop
async def test_host_without_port_mapper_is_not_told() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    calls = NetworkCalls(port=port)

    with pytest.raises(PortMapperUnreachable):
        await calls.notify(notice(), 7, 1)


MONITOR = RpcMonitor(b"192.0.2.5", b"host", 100021, 3, 16, PRIV, 0xFFFFFFFF, 7)
"""What Linux asks for: procedure 16 of version 3."""


def local_mapper(server: Server) -> MapperClient:
    return MapperClient(partial(dial, timeout=1.0), port=both_ports(server))


@in_loop
async def test_bytes_of_a_callback() -> None:
    called: list[bytes] = []

    def lockd(message: bytes) -> bytes:
        called.append(message)
        return message[:4] + words(1, 0, 0, 0, 0)  # REPLY, MSG_ACCEPTED, AUTH_NONE, SUCCESS

    with Server(lockd) as server, Server(port_mapper(port=server.udp())) as mapper:
        await NetworkCalls(local_mapper(mapper)).call_back(MONITOR)

    assert called[0][4:] == words(
        0, 2,                            # CALL, rpcvers
        100021, 3, 16,                   # NLM, version 3, the private procedure
        0, 0, 0, 0,                      # cred AUTH_NONE, verf AUTH_NONE
        9, b"192.0.2.5", b"\0\0\0",      # mon_name
        -1,                              # state
        PRIV,
    )  # fmt: skip


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, for ports below 1024")
@in_loop
async def test_callback_comes_from_a_reserved_port() -> None:
    with Sources() as sources, Server(port_mapper(port=sources.port)) as mapper:
        with pytest.raises(CallTimeout):
            await NetworkCalls(local_mapper(mapper)).call_back(MONITOR)

        host, port = sources.first()

    assert host == "127.0.0.1"
    assert port < 1024


@in_loop
async def test_names_are_looked_up_once(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def look_up(name: str) -> str:
        asked.append(name)
        return name

    monkeypatch.setattr(socket, "getfqdn", look_up)
    server = Server(serving(Notified()))
    with server, Server(port_mapper(port=both_ports(server))) as mapper:
        calls = NetworkCalls(port=both_ports(mapper))
        notices = (calls.notify(notice(own_host=f"127.0.0.{n}"), 7, 0) for n in range(2, 9))
        await asyncio.gather(*notices)

    assert asked == ["server.example"]


@in_loop
async def test_notice_waits_for_a_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: object) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refuse)

    with pytest.raises(TransportError):
        await NetworkCalls().notify(notice(), 7, 0)


def test_names_have_short_ones() -> None:
    assert own_names() == (b"server.example", b"server")


def test_odd_name_of_this_host_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    monkeypatch.setattr(socket, "gethostname", lambda: "a..\udcff")

    assert own_names() == (b"a..\xff", b"a")


def test_name_of_every_host_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "gethostname", lambda: "server")
    monkeypatch.setattr(socket, "getfqdn", lambda _: "localhost.localdomain")

    assert own_names() == (b"server",)
