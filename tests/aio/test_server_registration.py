"""Serving programs: registering them, and taking that back."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from oncrpc.addr import split_uaddr, transport
from oncrpc.aio.client import connect
from oncrpc.aio.link import dial
from oncrpc.aio.serve import serve
from oncrpc.aio.server import Server
from oncrpc.client.port_mapper import MapperClient
from oncrpc.errors import NotRegistered, TransportError
from oncrpc.net.sockets import listen
from oncrpc.portmap.procedures import Mapper
from oncrpc.portmap.registry import SUPERUSER, UNKNOWN, Registry
from oncrpc.programs.rpcb import rpcb
from oncrpc.rpc.dispatch import Dispatcher
from oncrpc.testing import ManualClock
from support.echo import ECHO_V1, Echo
from support.loopback_peers import LOCALHOST
from support.loops import run, until
from support.service import COUNTER, COUNTER_V3, COUNTER_V5, Counter


@contextlib.asynccontextmanager
async def port_mapper() -> AsyncIterator[tuple[Registry, MapperClient]]:
    """Our own port mapper on a free port of the loopback interface, and who talks to it."""
    registry = Registry()
    mapper = Mapper(registry)
    server = Server(Dispatcher(mapper.services(), clock=ManualClock()))
    server.add(listen(transport("tcp"), LOCALHOST, 0), "tcp")
    server.start()
    _, port = split_uaddr(server.addresses["tcp"])
    try:
        yield registry, MapperClient(dial, port=port, sockets=())
    finally:
        await server.close()


def listed(registry: Registry) -> list[tuple[str, bytes]]:
    """Netids and addresses that are registered."""
    return [(entry.r_netid.decode(), entry.r_addr) for entry in registry]


def test_a_relative_path_is_registered_as_absolute(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def scenario() -> None:
        async with port_mapper() as (registry, mapper):
            async with serve(Echo(), transports=["local"], path="sock", register=mapper):
                assert listed(registry)[-1] == ("local", bytes(tmp_path / "sock"))
            assert "local" not in dict(listed(registry))

    monkeypatch.chdir(tmp_path)
    run(scenario())


def test_a_program_is_registered_while_it_is_served() -> None:
    async def scenario() -> None:
        async with port_mapper() as (registry, mapper):
            async with serve(
                Echo(), transports=["udp", "tcp"], host=LOCALHOST, register=mapper
            ) as server:
                addresses = {netid: uaddr.encode() for netid, uaddr in server.addresses.items()}
                assert listed(registry) == list(addresses.items())
                async with connect(LOCALHOST, ECHO_V1.Client, mapper=mapper) as echo:
                    assert await echo.ECHO(b"hello") == b"hello"
            assert listed(registry) == []

    run(scenario())


def test_registration_is_only_made_when_asked() -> None:
    async def scenario() -> None:
        async with (
            port_mapper() as (registry, _),
            serve(Echo(), transports=["tcp"], host=LOCALHOST),
        ):
            assert listed(registry) == []

    run(scenario())


def test_registration_of_a_former_process_is_replaced() -> None:
    async def scenario() -> None:
        async with port_mapper() as (registry, mapper):
            registry.set(rpcb(ECHO_V1.prog, 1, b"tcp", b"0.0.0.0.0.1", UNKNOWN))
            async with serve(Echo(), transports=["tcp"], host=LOCALHOST, register=mapper) as server:
                assert listed(registry) == [("tcp", server.addresses["tcp"].encode())]

    run(scenario())


def test_a_cancelled_server_removes_its_registration() -> None:
    async def scenario() -> None:
        async with port_mapper() as (registry, mapper):

            async def serving() -> None:
                async with serve(Echo(), transports=["tcp"], host=LOCALHOST, register=mapper):
                    await asyncio.Event().wait()

            task = asyncio.ensure_future(serving())
            await until(lambda: len(registry))
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert listed(registry) == []

    run(scenario())


def test_a_refused_registration_removes_only_ours() -> None:
    async def scenario() -> None:
        async with port_mapper() as (registry, mapper):
            theirs = rpcb(ECHO_V1.prog, 1, b"tcp", b"0.0.0.0.0.1", SUPERUSER)
            registry.set(theirs)
            with pytest.raises(NotRegistered, match="somebody else"):
                async with serve(
                    Echo(),
                    transports=["udp", "tcp"],
                    host=LOCALHOST,
                    register=mapper,
                ):
                    pass
            assert list(registry) == [theirs]

    run(scenario())


def test_a_server_that_cannot_bind_takes_nothing_back() -> None:
    async def scenario() -> None:
        async with port_mapper() as (registry, mapper):
            running = rpcb(ECHO_V1.prog, 1, b"tcp", b"0.0.0.0.0.1", UNKNOWN)
            registry.set(running)
            with (
                listen(transport("tcp"), LOCALHOST, 0) as taken,
                pytest.raises(OSError, match="in use"),
            ):
                async with serve(
                    Echo(),
                    transports=["udp", "tcp"],
                    host=LOCALHOST,
                    port=taken.getsockname()[1],
                    register=mapper,
                ):
                    pass
            assert list(registry) == [running]

    run(scenario())


def test_without_a_port_mapper_registration_fails() -> None:
    async def scenario() -> None:
        with socket.socket() as unused:
            unused.bind((LOCALHOST, 0))
            mapper = MapperClient(dial, port=unused.getsockname()[1], sockets=())
            with pytest.raises(TransportError):
                async with serve(Echo(), transports=["tcp"], host=LOCALHOST, register=mapper):
                    pass

    run(scenario())


def test_a_port_mapper_gone_by_then_is_ignored() -> None:
    async def scenario() -> None:
        async with contextlib.AsyncExitStack() as stack:
            running = contextlib.AsyncExitStack()
            _, mapper = await running.enter_async_context(port_mapper())
            await stack.enter_async_context(
                serve(Echo(), transports=["tcp"], host=LOCALHOST, register=mapper)
            )
            await running.aclose()

    run(scenario())


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_removes_the_registration(number: signal.Signals) -> None:
    before = signal.getsignal(number)

    async def scenario() -> None:
        async with port_mapper() as (registry, mapper):
            async with serve(Echo(), transports=["tcp"], host=LOCALHOST, register=mapper) as server:
                assert len(registry) == 1
                asyncio.get_running_loop().call_soon(os.kill, os.getpid(), number)
                await server.wait()
            assert listed(registry) == []

    run(scenario())
    assert signal.getsignal(number) == before


def test_several_programs_are_registered_together() -> None:
    async def scenario() -> None:
        async with port_mapper() as (registry, mapper):
            async with serve(
                Echo(),
                Counter(),
                COUNTER_V5.Service(),
                transports=["udp", "tcp"],
                host=LOCALHOST,
                register=mapper,
            ):
                assert [(e.r_prog, e.r_vers, e.r_netid) for e in registry] == [
                    (prog, vers, netid)
                    for prog, vers in ((ECHO_V1.prog, 1), (COUNTER, 3), (COUNTER, 5))
                    for netid in (b"udp", b"tcp")
                ]
                async with connect(LOCALHOST, COUNTER_V3.Client, mapper=mapper) as counter:
                    assert await counter.ADD(5) == 5
            assert listed(registry) == []

    run(scenario())


def test_a_transient_program_is_found() -> None:
    async def scenario() -> None:
        async with (
            port_mapper() as (_, mapper),
            serve(Echo(), transports=["tcp"], host=LOCALHOST) as server,
        ):
            prog = await mapper.set_transient(1, server.addresses)
            server.dispatcher.add(Echo(), prog=prog)
            assert await mapper.getaddr(LOCALHOST, prog, 1, "tcp") == server.addresses["tcp"]

    run(scenario())


def test_a_successors_registration_is_kept() -> None:
    async def scenario() -> None:
        async with port_mapper() as (registry, mapper):
            old = contextlib.AsyncExitStack()
            options: dict[str, Any] = {
                "transports": ["udp", "tcp"], "host": LOCALHOST, "register": mapper,
            }  # fmt: skip
            await old.enter_async_context(serve(Echo(), **options))
            async with serve(Echo(), **options) as successor:
                await old.aclose()
                assert dict(listed(registry)) == {
                    netid: uaddr.encode() for netid, uaddr in successor.addresses.items()
                }
                async with connect(LOCALHOST, ECHO_V1.Client, mapper=mapper) as echo:
                    assert await echo.ECHO(b"hello") == b"hello"
            assert listed(registry) == []

    run(scenario())


def test_only_versions_still_ours_are_removed() -> None:
    async def scenario() -> None:
        async with port_mapper() as (registry, mapper):
            theirs = rpcb(COUNTER, 3, b"tcp", b"0.0.0.0.0.1", UNKNOWN)
            async with serve(
                Counter(),
                COUNTER_V5.Service(),
                transports=["tcp"],
                host=LOCALHOST,
                register=mapper,
            ):
                registry.unset(COUNTER, 3, (b"tcp",), owner=UNKNOWN)
                registry.set(theirs)
            assert list(registry) == [theirs]

    run(scenario())


def test_a_registration_is_known_by_its_port() -> None:
    class Merging(MapperClient):
        """Of a port mapper that tells other hosts than it was told."""

        async def dump(self, host: str | None = None) -> list[rpcb]:
            return [
                rpcb(
                    e.r_prog,
                    e.r_vers,
                    e.r_netid,
                    e.r_addr.replace(b"127.0.0.1", b"0.0.0.0"),
                    e.r_owner,
                )
                for e in await super().dump(host)
            ]

    async def scenario() -> None:
        async with port_mapper() as (registry, mapper):
            merging = Merging(dial, port=mapper.port, sockets=())
            async with serve(Echo(), transports=["tcp"], host=LOCALHOST, register=merging):
                assert len(registry) == 1
            assert listed(registry) == []

    run(scenario())


def test_a_local_registration_is_known_by_its_path(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with port_mapper() as (registry, mapper):
            async with serve(
                Echo(), transports=["local"], path=str(tmp_path / "sock"), register=mapper,
            ):  # fmt: skip
                assert [netid for netid, _ in listed(registry)] == ["local"]
            assert listed(registry) == []

    run(scenario())
