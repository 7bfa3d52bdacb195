"""Serving programs: transports, hooks, refusals, and ending cleanly."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import signal
import socket
import struct
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NoReturn

import pytest

from oncrpc.addr import Transport, split_uaddr, transport
from oncrpc.aio.client import connect
from oncrpc.aio.limits import Limits
from oncrpc.aio.serve import serve
from oncrpc.aio.server import Server
from oncrpc.aio.udp import UdpEndpoint
from oncrpc.client.port_mapper import RPCB_MULTICAST
from oncrpc.errors import AddressError, AuthError, SystemFailure
from oncrpc.net.credentials import auth_sys
from oncrpc.net.sockets import listen, listen_local
from oncrpc.net.targets import socket_of
from oncrpc.rpc import Call, Shorthands
from oncrpc.rpc.prot import auth_stat
from oncrpc.rpc.record import encode_record
from support.echo import ECHO_V1, Echo, call, dispatcher, record
from support.loopback_peers import LOCALHOST
from support.loops import run, settle, until
from support.words import words


def test_the_first_local_socket_is_the_address(tmp_path: Path) -> None:
    async def scenario() -> None:
        server = Server(dispatcher(Echo()))
        for name in ("one", "two"):
            server.add(listen_local(str(tmp_path / name)), "local")
        server.add(listen(transport("udp"), LOCALHOST, 0), "udp")
        assert server.addresses["local"] == str(tmp_path / "one")
        assert split_uaddr(server.addresses["udp"])[0] == LOCALHOST
        await server.close()

    run(scenario())


@contextlib.asynccontextmanager
async def started(
    limits: Limits | None = None,
) -> AsyncIterator[tuple[Echo, Server, socket.socket]]:
    """A server on TCP, not yet closed, and a client that is connected to it."""
    echo = Echo()
    server = Server(dispatcher(echo), limits=limits)
    sock = listen(transport("tcp"), LOCALHOST, 0)
    server.add(sock, "tcp")
    server.start()
    with socket.socket() as client:
        client.setblocking(False)
        await asyncio.get_running_loop().sock_connect(client, sock.getsockname())
        await until(lambda: server.pools["tcp"].connections)
        yield echo, server, client


def test_a_server_joins_no_group_by_itself() -> None:
    async def scenario() -> None:
        server = Server(dispatcher(Echo()))
        sock = listen(transport("udp6"), "::1", 0)
        server.add(sock, "udp6")
        server.look_again()
        for index, _ in socket.if_nameindex():
            member = socket.inet_pton(socket.AF_INET6, RPCB_MULTICAST) + struct.pack("@I", index)
            with pytest.raises(OSError, match="assign"):  # EADDRNOTAVAIL: not a member
                sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_LEAVE_GROUP, member)
        await server.close()

    run(scenario())


def test_endpoints_are_hosts_and_ports(tmp_path: Path) -> None:
    async def scenario() -> None:
        path = str(tmp_path / "sock")
        async with serve(Echo(), transports=["tcp", "local"], host=LOCALHOST, path=path) as server:
            port = split_uaddr(server.addresses["tcp"])[1]
            assert server.endpoints == {"tcp": (LOCALHOST, port)}
            shown = f"<Server tcp {LOCALHOST}:{port}, local {path}; connections: 0>"
            assert repr(server) == shown

    run(scenario())


def test_repr_shows_ipv6_in_brackets() -> None:
    async def scenario() -> None:
        async with serve(Echo(), transports=["udp6"], host="::1") as server:
            _, port = server.endpoints["udp6"]
            assert repr(server) == f"<Server udp6 [::1]:{port}; connections: 0>"

    run(scenario())


def test_a_listener_may_have_limits_of_its_own(tmp_path: Path) -> None:
    async def scenario() -> None:
        server = Server(dispatcher(Echo()))
        own = Limits(record=1 << 16, datagram_calls=7)
        for netid in ("tcp", "udp"):
            server.add(listen(transport(netid), LOCALHOST, 0), netid)
            server.add(listen(transport(netid), LOCALHOST, 0), netid, limits=own)
        server.add(listen_local(str(tmp_path / "sock")), "local", limits=own)
        records = [pool.limits.record for pool in server.pools.values()]
        assert records == [1 << 20, 1 << 20, 1 << 16, 1 << 16]
        assert [e.limits for e in server.listeners if isinstance(e, UdpEndpoint)] == [Limits(), own]
        await server.close()

    run(scenario())


def test_serve_takes_limits_by_netid() -> None:
    async def scenario() -> None:
        limits = {"tcp": Limits(record=64)}
        async with serve(Echo(), transports=["tcp"], host=LOCALHOST, limits=limits) as server:
            loop, (_, port) = asyncio.get_running_loop(), split_uaddr(server.addresses["tcp"])
            with socket.socket() as client:
                client.setblocking(False)
                await loop.sock_connect(client, (LOCALHOST, port))
                await loop.sock_sendall(client, record(1, ECHO_V1.ECHO, bytes(100)))
                assert await loop.sock_recv(client, 1) == b""

    run(scenario())


def test_calls_under_way_are_answered_before_the_end() -> None:
    async def scenario() -> None:
        async with started() as (echo, server, client):
            loop = asyncio.get_running_loop()
            await loop.sock_sendall(client, record(1, ECHO_V1.LATER, b""))
            await until(lambda: echo.waiting)
            closing = asyncio.ensure_future(server.close(drain=10))
            await settle()
            echo.go.set()
            await closing
            assert (await loop.sock_recv(client, 1000))[4:12] == words(1, 1)
            assert await loop.sock_recv(client, 1000) == b""

    run(scenario())


def test_calls_that_do_not_end_are_cancelled() -> None:
    async def scenario() -> None:
        async with started() as (echo, server, client):
            loop = asyncio.get_running_loop()
            await loop.sock_sendall(client, record(1, ECHO_V1.LATER, b""))
            await until(lambda: echo.waiting)
            await server.close(drain=0)
            await until(lambda: echo.cancelled)
            assert await loop.sock_recv(client, 1000) == b""

    run(scenario())


def test_a_deaf_peer_does_not_delay_the_end() -> None:
    async def scenario() -> None:
        async with started(Limits(unread=1 << 16)) as (_, server, client):
            loop = asyncio.get_running_loop()
            await loop.sock_sendall(client, record(1, ECHO_V1.MUCH, 16 << 20))
            await until(lambda: server.pools["tcp"].not_reading)
            connection = next(iter(server.pools["tcp"].connections))
            await server.close(drain=0)
            assert connection.lost.done()
            assert not server.pools["tcp"].connections

    run(scenario())


def test_a_connection_being_accepted_is_ended_too() -> None:
    async def scenario() -> None:
        async with started() as (_, server, _):
            loop = asyncio.get_running_loop()
            address = server.listeners[0].sock.getsockname()
            with socket.socket() as late:
                late.setblocking(False)
                await loop.sock_connect(late, address)
                await server.close()
                assert not server.pools["tcp"].connections
                assert await loop.sock_recv(late, 1) == b""

    run(scenario())


def test_connections_are_swept_from_time_to_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("oncrpc.aio.server.SWEEP_EVERY", 0.001)

    async def scenario() -> None:
        async with started(Limits(idle_time=0.0)) as (_, server, client):
            assert await asyncio.get_running_loop().sock_recv(client, 1) == b""
            await server.close()

    run(scenario())


def test_outside_the_main_thread_wait_is_cancelled() -> None:
    async def scenario() -> str:
        async with serve(Echo(), transports=["tcp"], host=LOCALHOST) as server:
            waiting = asyncio.ensure_future(server.wait())
            await settle()
            waiting.cancel()
            await asyncio.wait([waiting])
            return "cancelled" if waiting.cancelled() else "ended"

    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(run, scenario()).result() == "cancelled"


def test_default_transports_follow_the_hosts_family() -> None:
    async def scenario() -> None:
        async with serve(Echo(), host=LOCALHOST) as server:
            assert list(server.addresses) == ["udp", "tcp"]
        async with serve(Echo(), host="localhost") as server:
            assert {"udp", "tcp"} <= set(server.addresses)

    run(scenario())


@pytest.mark.parametrize("error", [OSError(errno.EAFNOSUPPORT, "no IPv6"), AddressError("no tcp6")])
def test_a_missing_transport_is_skipped_unless_named(
    monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def without_ipv6(entry: Transport, host: str, port: int) -> socket.socket:
        if entry.family == "inet6":
            raise error
        return listen(entry, host, port)

    monkeypatch.setattr("oncrpc.aio.serve.listen", without_ipv6)

    async def scenario() -> None:
        async with serve(Echo()) as server:
            assert list(server.addresses) == ["udp", "tcp"]
        with pytest.raises(type(error)):
            async with serve(Echo(), transports=["tcp", "tcp6"]):
                pass

    run(scenario())


@pytest.mark.parametrize("options", [{"host": "nosuchhost.invalid"}, {"transports": []}])
def test_a_server_without_a_transport_is_a_mistake(options: dict[str, Any]) -> None:
    async def scenario() -> None:
        with pytest.raises(AddressError, match="no transport to serve"):
            async with serve(Echo(), **options):
                pass

    run(scenario())


def test_hook_wraps_every_call() -> None:
    seen: list[str] = []

    @contextlib.contextmanager
    def logged(call: Call) -> Iterator[None]:
        seen.append(f"{call.procedure!r} from {call.caller.host}")
        try:
            yield
        except Exception as error:
            seen.append(type(error).__name__)
            raise

    async def scenario() -> None:
        async with serve(Echo(), transports=["tcp"], host=LOCALHOST, hooks=[logged]) as server:
            _, port = split_uaddr(server.addresses["tcp"])
            async with connect(LOCALHOST, ECHO_V1.Client, port=port) as echo:
                await echo.NULL()
                with pytest.raises(SystemFailure):
                    await echo.call(ECHO_V1.FAIL)

    run(scenario())
    assert seen == [
        "ECHO_V1.NULL from 127.0.0.1", "ECHO_V1.FAIL from 127.0.0.1", "ZeroDivisionError",
    ]  # fmt: skip


def test_a_server_may_issue_shorthands() -> None:
    async def scenario() -> None:
        judge = Shorthands(random=os.urandom)
        async with serve(Echo(), transports=["tcp"], host=LOCALHOST, auth=judge) as server:
            _, port = split_uaddr(server.addresses["tcp"])
            async with connect(LOCALHOST, ECHO_V1.Client, port=port, auth=auth_sys()) as echo:
                for _ in range(3):
                    await echo.NULL()
        assert len(judge) == 1

    run(scenario())


def test_slow_calls_over_udp_are_limited_per_source() -> None:
    async def scenario() -> None:
        echo = Echo()
        server = Server(dispatcher(echo))
        server.add(listen(transport("udp"), LOCALHOST, 0), "udp")
        server.start()
        address = LOCALHOST, split_uaddr(server.addresses["udp"])[1]
        greedy, honest = (socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(2))
        with greedy, honest:
            greedy.bind(("127.0.0.2", 0))
            for xid in range(1000):
                greedy.sendto(call(xid, ECHO_V1.LATER, b""), address)
                if xid % 50 == 0:
                    await settle()
            await settle()
            assert echo.waiting == Limits().datagram_calls_per_source
            honest.setblocking(False)
            honest.sendto(call(7, ECHO_V1.LATER, b""), address)
            await until(lambda: echo.waiting == Limits().datagram_calls_per_source + 1)
            echo.go.set()
            reply = await asyncio.get_running_loop().sock_recv(honest, 100)
            assert reply[:4] == words(7)
            await server.close()

    run(scenario())


def test_udp_calls_are_answered_before_the_end() -> None:
    async def scenario() -> None:
        echo = Echo()
        server = Server(dispatcher(echo))
        server.add(listen(transport("udp"), LOCALHOST, 0), "udp")
        server.start()
        _, port = split_uaddr(server.addresses["udp"])
        async with connect(LOCALHOST, ECHO_V1.Client, transport="udp", port=port) as client:
            under_way = asyncio.ensure_future(client.LATER(b"late"))
            await until(lambda: echo.waiting)
            closing = asyncio.ensure_future(server.close(drain=10))
            await settle()
            echo.go.set()
            assert await under_way == b"late"
            await closing

    run(scenario())


NULL_CALL = words(
    0x11223344,      # xid
    0, 2,            # CALL, rpcvers
    ECHO_V1.prog, 1, 0,
    0, 0, 0, 0,      # cred AUTH_NONE, verf AUTH_NONE
)  # fmt: skip
ACCEPTED = words(0x11223344, 1, 0, 0, 0)  # REPLY, MSG_ACCEPTED, verf AUTH_NONE
DENIED = words(0x11223344, 1, 1)  # REPLY, MSG_DENIED


def with_word(at: int, value: int, call: bytes = NULL_CALL) -> bytes:
    """The call with another word at that place."""
    return call[: 4 * at] + words(value) + call[4 * at + 4 :]


RAW_REFUSALS = {
    "RPC_MISMATCH": (with_word(2, 3), DENIED + words(0, 2, 2)),
    "AUTH_BADCRED": (with_word(6, 1), DENIED + words(1, 1)),
    "AUTH_REJECTEDCRED": (with_word(6, 2), DENIED + words(1, 2)),
    "AUTH_FAILED": (with_word(6, 3), DENIED + words(1, 7)),
    "AUTH_TOOWEAK": (with_word(5, 2) + words(0), DENIED + words(1, 5)),
    "PROG_UNAVAIL": (with_word(3, 7), ACCEPTED + words(1)),
    "PROG_MISMATCH": (with_word(4, 2), ACCEPTED + words(2, 1, 1)),
    "PROC_UNAVAIL": (with_word(5, 99), ACCEPTED + words(3)),
    "GARBAGE_ARGS": (with_word(5, 1) + words(5), ACCEPTED + words(4)),
    "SYSTEM_ERR": (with_word(5, 5), ACCEPTED + words(5)),
}


class Refusing(Echo):
    """LATER wants a better credential."""

    def LATER(self, call: Call, arg: bytes) -> NoReturn:
        raise AuthError(auth_stat.AUTH_TOOWEAK)


@pytest.mark.parametrize("name", RAW_REFUSALS)
@pytest.mark.parametrize("netid", ["udp", "tcp", "local"])
def test_each_refusal_has_its_reply_on_every_transport(
    netid: str, name: str, tmp_path: Path
) -> None:
    message, refusal = RAW_REFUSALS[name]
    path = str(tmp_path / "sock")

    async def scenario() -> None:
        async with serve(Refusing(), transports=[netid], host=LOCALHOST, path=path) as server:
            sent = message if netid == "udp" else encode_record(message)
            expected = refusal if netid == "udp" else encode_record(refusal)
            place = path if netid == "local" else split_uaddr(server.addresses[netid])
            with socket_of(transport(netid)) as client:
                client.setblocking(False)
                loop = asyncio.get_running_loop()
                await loop.sock_connect(client, place)
                await loop.sock_sendall(client, sent)
                assert await loop.sock_recv(client, 1000) == expected

    run(scenario())


@pytest.mark.parametrize("netid", ["tcp", "udp"])
def test_a_handler_cancelled_from_within_is_a_failure(
    netid: str, caplog: pytest.LogCaptureFixture
) -> None:
    class Deserted(Echo):
        async def LATER(self, call: Call, arg: bytes) -> bytes:
            raise asyncio.CancelledError

    async def scenario() -> None:
        async with serve(Deserted(), transports=[netid], host=LOCALHOST) as server:
            port = split_uaddr(server.addresses[netid])[1]
            async with connect(LOCALHOST, ECHO_V1.Client, transport=netid, port=port) as client:
                with pytest.raises(SystemFailure):
                    await client.LATER(b"")

    run(scenario())
    assert "was cancelled unexpectedly" in caplog.text


def test_a_signal_ends_every_wait_and_is_restored() -> None:
    async def scenario() -> None:
        before = signal.getsignal(signal.SIGTERM)
        servers = [Server(dispatcher(Echo())) for _ in range(3)]
        first, *others = [asyncio.ensure_future(server.wait()) for server in servers]
        await settle()
        first.cancel()
        await settle()

        os.kill(os.getpid(), signal.SIGTERM)
        await asyncio.gather(*others)

        assert signal.getsignal(signal.SIGTERM) is before
        for server in servers:
            await server.close()

    run(scenario())
