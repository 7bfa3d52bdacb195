"""Connecting clients: by port or port mapper, over every transport."""

from __future__ import annotations

import asyncio
import errno
import os
import socket
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from oncrpc import rpc, sync
from oncrpc.aio.client import connect
from oncrpc.aio.link import AioLink, dial
from oncrpc.aio.serve import serve
from oncrpc.client.port_mapper import MapperClient
from oncrpc.errors import AddressError, CallTimeout, NotRegistered, TransportError
from oncrpc.net.credentials import auth_sys
from oncrpc.rpc import Call
from support.echo import ECHO_V1, Echo
from support.loopback_peers import LOCALHOST, NETIDS, echoing, port_of
from support.loops import LOOPS, run


@pytest.mark.parametrize("loop", LOOPS)
@pytest.mark.parametrize("netid", NETIDS)
def test_concurrent_calls_each_get_their_result(netid: str, loop: str) -> None:
    async def scenario() -> None:
        async with (
            echoing(netid) as (_, port),
            connect(NETIDS[netid], ECHO_V1.Client, transport=netid, port=port) as echo,
        ):
            arguments = [b"%d" % number for number in range(60)]
            results = await asyncio.gather(*(echo.ECHO(argument) for argument in arguments))
            assert results == arguments

    run(scenario(), on=loop)


def test_slow_call_does_not_delay_others() -> None:
    async def scenario() -> None:
        async with (
            echoing() as (service, port),
            connect(LOCALHOST, ECHO_V1.Client, port=port) as echo,
        ):
            slow = asyncio.ensure_future(echo.LATER(b"slow"))
            assert await echo.ECHO(b"fast") == b"fast"
            service.go.set()
            assert await slow == b"slow"

    run(scenario())


def test_over_a_local_socket(tmp_path: Path) -> None:
    path = str(tmp_path / "sock")

    async def scenario() -> None:
        service = Echo()
        async with serve(service, transports=["local"], path=path) as server:
            assert server.addresses == {"local": path}
            async with connect(path, ECHO_V1.Client, transport="local") as echo:
                assert await echo.ECHO(b"hello") == b"hello"
                assert isinstance(echo.link, AioLink)
                assert echo.link.peer == path
                assert service.callers[0].uid == os.geteuid()
                assert service.callers[0].pid == os.getpid()

    run(scenario())


@pytest.mark.parametrize("loop", LOOPS)
def test_over_an_abstract_socket(loop: str) -> None:
    path = f"@oncrpc-test-client-{os.getpid()}"

    async def scenario() -> None:
        async with serve(Echo(), transports=["local"], path=path) as server:
            assert server.addresses == {"local": path}
            async with connect(path, ECHO_V1.Client, transport="local") as echo:
                assert await echo.ECHO(b"hello") == b"hello"

    run(scenario(), on=loop)


def test_without_a_port_the_port_mapper_is_asked() -> None:
    class Told(MapperClient):
        """Knows a port, or none."""

        answer: int | None = None

        async def getport(self, host: str, prog: int, vers: int, netid: str) -> int:
            assert (host, prog, vers, netid) == (LOCALHOST, ECHO_V1.prog, ECHO_V1.vers, "tcp")
            if self.answer is None:
                raise NotRegistered
            return self.answer

    async def scenario() -> None:
        mapper = Told(dial)
        with pytest.raises(NotRegistered):
            async with connect(LOCALHOST, ECHO_V1.Client, mapper=mapper):
                pass
        async with (
            echoing() as (_, mapper.answer),
            connect(LOCALHOST, ECHO_V1.Client, mapper=mapper) as echo,
        ):
            assert await echo.ECHO(b"hello") == b"hello"

    run(scenario())


def test_reconnecting_asks_the_port_mapper_again() -> None:
    ports: list[int] = []

    class Told(MapperClient):
        async def getport(self, host: str, prog: int, vers: int, netid: str) -> int:
            return ports[-1]

    async def scenario() -> None:
        async with AsyncExitStack() as first:
            _, port = await first.enter_async_context(echoing())
            ports.append(port)
            async with connect(
                LOCALHOST, ECHO_V1.Client, mapper=Told(dial), reconnect=True
            ) as echo:
                assert await echo.ECHO(b"before") == b"before"
                await first.aclose()
                for _ in range(2):
                    with pytest.raises(TransportError):
                        await echo.ECHO(b"between")
                async with echoing() as (_, port):
                    ports.append(port)
                    assert await echo.ECHO(b"after") == b"after"

    run(scenario())


def test_without_reconnect_a_restart_is_final() -> None:
    async def scenario() -> None:
        async with AsyncExitStack() as server:
            _, port = await server.enter_async_context(echoing())
            async with connect(LOCALHOST, ECHO_V1.Client, port=port) as echo:
                await echo.NULL()
                await server.aclose()
                for _ in range(3):
                    with pytest.raises(TransportError):
                        await echo.NULL()

    run(scenario())


@pytest.mark.skipif(os.geteuid() != 0, reason="needs a privilege")
@pytest.mark.parametrize("netid", NETIDS)
def test_a_reserved_port_is_below_1024(netid: str) -> None:
    async def scenario() -> None:
        async with (
            echoing(netid) as (service, port),
            connect(
                NETIDS[netid], ECHO_V1.Client, transport=netid, port=port, reserved_port=True
            ) as echo,
        ):
            await echo.ECHO(b"")
            assert 600 <= service.callers[0].port < 1024

    run(scenario())


def test_a_credential_goes_with_every_call() -> None:
    class Asking(Echo):
        def WHOAMI(self, call: Call) -> bytes:
            return repr(call.credential).encode()

    async def scenario() -> None:
        async with (
            serve(Asking(), transports=["tcp"], host=LOCALHOST) as server,
            connect(
                LOCALHOST, ECHO_V1.Client, port=port_of(server, "tcp"), auth=auth_sys(uid=77)
            ) as echo,
        ):
            assert b"uid=77" in await echo.call(ECHO_V1.WHOAMI)
            nobody = echo.with_options(auth=rpc.AUTH_NONE)
            assert await nobody.call(ECHO_V1.WHOAMI) == b"None"

    run(scenario())


@pytest.mark.parametrize(("netid", "host"), [("tcp", "::1"), ("udp", "::1")])
def test_ipv6_address_is_reached_with_an_ipv4_netid(netid: str, host: str) -> None:
    async def scenario() -> None:
        async with (
            echoing(netid + "6") as (_, port),
            connect(host, ECHO_V1.Client, transport=netid, port=port) as echo,
        ):
            assert await echo.ECHO(b"hello") == b"hello"

    run(scenario())


def test_ipv6_host_is_looked_up_over_tcp6() -> None:
    asked: list[str] = []

    class Told(MapperClient):
        async def getport(self, host: str, prog: int, vers: int, netid: str) -> int:
            asked.append(netid)
            raise NotRegistered

    async def scenario() -> None:
        with pytest.raises(NotRegistered):
            async with connect("::1", ECHO_V1.Client, mapper=Told(dial)):
                pass

    run(scenario())
    assert asked == ["tcp6"]


@pytest.mark.parametrize(
    ("options", "kind", "why"),
    [
        ({"host": None}, TypeError, "host is of type str, not None"),
        ({"timeout": None}, TypeError, "timeout is a number of seconds, not None"),
        ({"timeout": "5"}, TypeError, "timeout is a number of seconds, not '5'"),
        ({"timeout": True}, TypeError, "timeout is a number of seconds, not True"),
        ({"timeout": float("nan")}, ValueError, "timeout is a number of seconds, not nan"),
        ({"timeout": -1}, ValueError, "timeout is a number of seconds above 0, not -1"),
        ({"port": 70000}, AddressError, "invalid port 70000: must be 0 to 65535"),
        ({"port": "111"}, TypeError, "port is of type int, not '111'"),
        ({"transport": 7}, TypeError, "transport is of type str, not 7"),
        ({"transport": "carrier-pigeon"}, AddressError,
         "transport: unknown netid 'carrier-pigeon'; this host has tcp, local"),
        ({"mapper": 7}, TypeError, "mapper is of type str or MapperClient, not 7"),
        ({"mapper": "host:0"}, AddressError,
         "invalid port mapper 'host:0': invalid port 0: must be 1 to 65535"),
        ({"auth": 7}, TypeError,
         "auth is a credential or a Flavor, not 7: try oncrpc.auth_sys()"),
    ],
)  # fmt: skip
def test_invalid_argument_is_refused_before_dialing(
    options: dict[str, Any], kind: type[Exception], why: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: dict[str, Any] = {"host": LOCALHOST, "client": ECHO_V1.Client} | options
    monkeypatch.setattr("oncrpc.net.targets.transports", lambda: ("tcp", "local"))
    monkeypatch.setattr(socket, "socket", None)

    async def scenario() -> None:
        async with connect(**given):
            pass

    connecting = scenario()
    with pytest.raises(kind) as raised:
        connecting.send(None)
    with pytest.raises(kind) as blocking, sync.connect(**given):
        pass

    assert str(raised.value) == str(blocking.value) == why


@pytest.mark.parametrize("port", [-1, 70000])
@pytest.mark.parametrize("host", [LOCALHOST, "host.example"])
def test_invalid_port_is_refused(host: str, port: int) -> None:
    async def scenario() -> None:
        with pytest.raises(AddressError, match=f"invalid port {port}"):
            async with connect(host, ECHO_V1.Client, port=port):
                pass

    run(scenario())


def closed_port(kind: socket.SocketKind) -> int:
    with socket.socket(socket.AF_INET, kind) as sock:
        sock.bind((LOCALHOST, 0))
        return int(sock.getsockname()[1])


@pytest.mark.parametrize("netid", ["tcp", "udp"])
def test_refused_connection_names_host_port_and_transport(netid: str) -> None:
    port = closed_port(socket.SOCK_DGRAM if netid == "udp" else socket.SOCK_STREAM)

    async def scenario() -> None:
        with pytest.raises(TransportError) as raised:
            async with connect(LOCALHOST, ECHO_V1.Client, transport=netid, port=port) as echo:
                await echo.NULL()
        assert str(raised.value) == f"{LOCALHOST} port {port} over {netid}: Connection refused"
        assert raised.value.errno == errno.ECONNREFUSED

    run(scenario())


@pytest.mark.parametrize(
    ("name", "why"),
    [("none", "No such file or directory"), ("x" * 200, "AF_UNIX path too long")],
    ids=["none", "long"],
)
def test_unreachable_local_socket_is_named(name: str, why: str, tmp_path: Path) -> None:
    path = str(tmp_path / name)

    async def scenario() -> None:
        with pytest.raises(TransportError) as raised:
            async with connect(path, ECHO_V1.Client, transport="local"):
                pass
        assert str(raised.value) == f"{path} over local: {why}"

    run(scenario())


@pytest.mark.parametrize("netid", ["tcp", "udp"])
def test_timeout_names_host_port_and_transport(netid: str) -> None:
    async def scenario() -> None:
        async with (
            echoing(netid) as (_, port),
            connect(LOCALHOST, ECHO_V1.Client, transport=netid, port=port) as echo,
        ):
            with pytest.raises(CallTimeout) as raised:
                await echo.with_options(timeout=0.01).LATER(b"")
            place = f"{LOCALHOST} port {port} over {netid}"
            assert str(raised.value) == f"no reply to ECHO_V1.LATER from {place}"

    run(scenario())


@pytest.mark.parametrize("client", [ECHO_V1, rpc, ECHO_V1.Service, None])
def test_invalid_client_is_refused_before_dialing(client: Any) -> None:
    async def scenario() -> None:
        async with connect(LOCALHOST, client, port=1):
            pass

    refused = r"is not a client, such as HELLO_V1\.Client"
    with pytest.raises(TypeError, match=refused):
        run(scenario())
    with pytest.raises(TypeError, match=refused), sync.connect(LOCALHOST, client, port=1):
        pass
