"""Registering with a port mapper, and again when that has lost it."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from oncrpc.addr import split_uaddr, transport
from oncrpc.aio.link import dial
from oncrpc.aio.server import Server
from oncrpc.client.port_mapper import MapperClient
from oncrpc.net.sockets import listen, listen_local
from oncrpc.nfs.daemon import registration
from oncrpc.nfs.daemon.registration import (
    EVERY,
    FIRST_PAUSE,
    LONGEST_PAUSE,
    Registrar,
    mapper_listens,
    places_of,
)
from oncrpc.nfs.daemon.rivals import ProgramPlace
from oncrpc.portmap.procedures import Mapper
from oncrpc.portmap.registry import SUPERUSER, Registry
from oncrpc.programs.nfs3 import NFS_V3
from oncrpc.programs.rpcb import rpcb
from oncrpc.rpc.dispatch import Dispatcher
from oncrpc.testing import ManualClock
from support.loops import run, until

LOCALHOST = "127.0.0.1"
ADDRESSES = {"tcp": "0.0.0.0.8.1", "udp": "0.0.0.0.8.1"}
PLACES = list(places_of([NFS_V3], ADDRESSES))


@asynccontextmanager
async def port_mapper() -> AsyncIterator[tuple[Registry, MapperClient]]:
    """Our port mapper, and a client of it."""
    registry = Registry()
    server = Server(Dispatcher(Mapper(registry).services(), clock=ManualClock()))
    server.add(listen(transport("tcp"), LOCALHOST, 0), "tcp")
    server.start()
    _, port = split_uaddr(server.addresses["tcp"])
    try:
        yield registry, MapperClient(dial, port=port, sockets=(), hosts=(LOCALHOST,))
    finally:
        await server.close()


def listed(registry: Registry) -> list[tuple[str, bytes]]:
    return sorted((entry.r_netid.decode(), entry.r_addr) for entry in registry)


def other(netid: str, *, owner: bytes = b"unknown") -> rpcb:
    """A registration of the same program by another server."""
    return rpcb(NFS_V3.prog, NFS_V3.vers, netid.encode(), b"0.0.0.0.9.1", owner)


def test_places_are_those_of_each_transport() -> None:
    assert [
        ProgramPlace(100003, 3, "tcp", "0.0.0.0.8.1"),
        ProgramPlace(100003, 3, "udp", "0.0.0.0.8.1"),
    ] == PLACES


def test_registrations_of_a_former_process_are_replaced() -> None:
    async def scenario() -> None:
        async with port_mapper() as (registry, client):
            registry.set(other("tcp"))
            registrar = Registrar(client, PLACES)
            assert registrar.fault is None
            assert await registrar.attempt() == EVERY
            assert registrar.fault == ""
            assert listed(registry) == [("tcp", b"0.0.0.0.8.1"), ("udp", b"0.0.0.0.8.1")]

    run(scenario())


async def answers(place: ProgramPlace) -> bool:
    """The other server answers over TCP only."""
    return place.netid == "tcp"


def test_server_that_answers_keeps_its_registration() -> None:
    async def scenario() -> None:
        async with port_mapper() as (registry, client):
            registry.set(other("tcp"))
            registry.set(other("udp"))
            registrar = Registrar(client, PLACES, answers=answers)
            await registrar.attempt()
            assert listed(registry) == [("tcp", b"0.0.0.0.9.1"), ("udp", b"0.0.0.0.8.1")]
            assert (registrar.fault or "").startswith(
                "nfs is registered at port 2305 of 0.0.0.0, by another"
            )

    run(scenario())


@pytest.mark.parametrize("taken", [True, False])
def test_server_goes_on_once_registered(taken: bool) -> None:
    async def scenario() -> None:
        told: list[int] = []
        async with port_mapper() as (registry, client):
            if taken:
                registry.set(other("tcp"))
            registrar = Registrar(
                client, PLACES, answers=answers, then=lambda: told.append(len(registry))
            )
            for _ in range(2):
                await registrar.attempt()
        assert told == [2]

    run(scenario())


def test_server_goes_on_without_port_mapper(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registration, "LONGEST_WAIT", 0.01)

    async def scenario() -> None:
        with listen(transport("tcp"), LOCALHOST, 0) as free:
            port = free.getsockname()[1]
        told: list[None] = []
        client = MapperClient(dial, port=port, sockets=(), hosts=(LOCALHOST,))
        registrar = Registrar(client, PLACES, then=lambda: told.append(None))
        await registrar.attempt()
        assert told == []
        registrar.start()
        await until(lambda: bool(told))
        await registrar.stop()

    run(scenario())


def test_lost_registrations_are_made_again() -> None:
    async def scenario() -> None:
        async with port_mapper() as (registry, client):
            registrar = Registrar(client, PLACES)
            await registrar.attempt()
            for entry in list(registry):
                registry.drop(entry)
            await registrar.attempt()
            assert len(registry) == 2

    run(scenario())


def test_later_server_keeps_its_registration(caplog: pytest.LogCaptureFixture) -> None:
    async def scenario() -> None:
        async with port_mapper() as (registry, client):
            registrar = Registrar(client, PLACES)
            await registrar.attempt()
            registry.drop(next(iter(registry)))
            registry.set(other("tcp"))
            assert await registrar.attempt() == FIRST_PAUSE
            assert "is registered at port 2305 of 0.0.0.0, by another server" in (
                registrar.fault or ""
            )
            assert ("tcp", b"0.0.0.0.9.1") in listed(registry)

    run(scenario())

    assert "stops the kernel's); trying again" in caplog.text


def test_refusal_is_reported_once(caplog: pytest.LogCaptureFixture) -> None:
    async def scenario() -> None:
        async with port_mapper() as (registry, client):
            registry.set(other("tcp", owner=SUPERUSER))
            registrar = Registrar(client, PLACES)
            for _ in range(3):
                await registrar.attempt()

    run(scenario())

    assert caplog.text.count("it refused program 100003 version 3 on tcp") == 1


def test_refusal_of_one_leaves_the_others() -> None:
    async def scenario() -> None:
        async with port_mapper() as (registry, client):
            registry.set(other("tcp", owner=SUPERUSER))
            await Registrar(client, PLACES).attempt()
            assert ("udp", b"0.0.0.0.8.1") in listed(registry)

    run(scenario())


def test_silent_port_mapper_is_asked_ever_less() -> None:
    async def scenario() -> None:
        with listen(transport("tcp"), LOCALHOST, 0) as free:
            port = free.getsockname()[1]
        client = MapperClient(dial, port=port, sockets=(), hosts=(LOCALHOST,))
        registrar = Registrar(client, PLACES)
        pauses = [await registrar.attempt() for _ in range(9)]
        assert pauses == [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, LONGEST_PAUSE, 60.0, 60.0]
        assert registrar.fault == f"127.0.0.1 port {port} over tcp: Connection refused"

    run(scenario())


def test_end_removes_only_our_registrations() -> None:
    async def scenario() -> None:
        async with port_mapper() as (registry, client):
            registrar = Registrar(client, PLACES)
            registrar.start()
            await until(lambda: registrar.fault == "")
            registry.drop(next(entry for entry in registry if entry.r_netid == b"udp"))
            registry.set(other("udp"))
            await registrar.stop()
            assert listed(registry) == [("udp", b"0.0.0.0.9.1")]

    run(scenario())


def test_end_removes_registrations_that_were_found() -> None:
    async def scenario() -> None:
        async with port_mapper() as (registry, client):
            await Registrar(client, PLACES).attempt()
            next_image = Registrar(client, PLACES)
            await next_image.attempt()
            await next_image.stop()
            assert listed(registry) == []

    run(scenario())


def test_end_before_an_answer_is_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registration, "PATIENCE", 0.01)

    async def scenario() -> None:
        with listen(transport("tcp"), LOCALHOST, 0) as silent:
            port = silent.getsockname()[1]
            client = MapperClient(dial, port=port, sockets=(), hosts=(LOCALHOST,))
            registrar = Registrar(client, PLACES)
            registrar.start()
            await asyncio.sleep(0)
            await registrar.stop()

    run(scenario())


def test_listening_port_mapper_is_seen(tmp_path: Path) -> None:
    path, abstract = str(tmp_path / "sock"), f"@oncrpc-test-{tmp_path.name}"
    with listen(transport("tcp"), LOCALHOST, 0) as free:
        port = free.getsockname()[1]
        assert mapper_listens((path, abstract), port=port)

    assert not mapper_listens((path, abstract), port=port)
    for place in (path, abstract):
        with listen_local(place):
            assert mapper_listens((path, abstract), port=port)


def test_host_without_ipv6_has_no_port_mapper_there(monkeypatch: pytest.MonkeyPatch) -> None:
    def none(*_: object) -> socket.socket:
        raise OSError(97, "Address family not supported")

    monkeypatch.setattr(registration.socket, "socket", none)  # type: ignore[attr-defined]  # socket

    assert not mapper_listens((), port=1)
