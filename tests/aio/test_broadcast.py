"""Broadcasts over asyncio, to port mappers on the loopback interface."""

from __future__ import annotations

import asyncio
import errno
import socket
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest

from oncrpc.addr import split_uaddr, transport
from oncrpc.aio import broadcast as broadcast_module
from oncrpc.aio.broadcast import Heard, broadcast
from oncrpc.aio.server import Server
from oncrpc.errors import AddressError, TransportError, XdrError
from oncrpc.net.broadcast import Destination
from oncrpc.net.sockets import listen
from oncrpc.programs.portmap import PMAP_VERS, call_args, call_result
from oncrpc.programs.rpcb import RPCBVERS, rpcb_rmtcallargs, rpcb_rmtcallres
from oncrpc.rpc import Call, NoReply, Service, idempotent
from oncrpc.rpc.dispatch import Dispatcher
from oncrpc.testing import ManualClock
from support.descriptors import no_descriptors
from support.echo import ECHO_V1
from support.loops import run, run_by, settle, until
from support.words import words

HOSTS = ("127.0.0.1", "127.0.0.2")
EVERYBODY = [Destination(socket.AF_INET, host) for host in HOSTS]


class Mapper3(RPCBVERS.Service):
    """Forwards: echoes the arguments, or answers as it is told."""

    def __init__(self, results: bytes | None = None) -> None:
        self.results = results
        self.asked = 0

    @idempotent
    def RPCBPROC_CALLIT(self, call: Call, arg: rpcb_rmtcallargs) -> rpcb_rmtcallres:
        self.asked += 1
        if arg.prog != ECHO_V1.prog:
            raise NoReply
        uaddr = f"{call.caller.local_host}.8.1".encode()
        return rpcb_rmtcallres(uaddr, arg.args if self.results is None else self.results)


class Mapper2(PMAP_VERS.Service):
    """The same in version 2."""

    def PMAPPROC_CALLIT(self, call: Call, arg: call_args) -> call_result:
        return call_result(2049, arg.args)


@asynccontextmanager
async def mappers(*services: Service) -> AsyncIterator[int]:
    """Port mappers at every loopback address; their port."""
    server = Server(Dispatcher(services, clock=ManualClock()))
    server.add(listen(transport("udp"), "0.0.0.0", 0), "udp")
    server.start()
    try:
        yield split_uaddr(server.addresses["udp"])[1]
    finally:
        await server.close(drain=0)


async def heard(
    port: int, *, count: int, to: Sequence[Destination] = EVERYBODY, **options: Any
) -> list[Heard[bytes]]:
    """The first replies."""
    found = []
    async for reply in broadcast(ECHO_V1.ECHO, b"all", port=port, to=to, **options):
        found.append(reply)
        if len(found) == count:
            break
    return sorted(found)


@pytest.mark.parametrize("services", [[Mapper3()], [Mapper2()], [Mapper2(), Mapper3()]])
def test_broadcast_yields_address_and_result_of_every_host(services: list[Service]) -> None:
    async def scenario() -> None:
        async with mappers(*services) as port:
            assert await heard(port, count=2) == [(host, f"{host}.8.1", b"all") for host in HOSTS]

    run(scenario())


def test_broadcast_yields_each_host_once() -> None:
    clock, mapper = ManualClock(), Mapper3()

    async def scenario() -> None:
        async with mappers(mapper, Mapper2()) as port:
            asking = asyncio.ensure_future(heard(port, count=99, duration=2.0))
            for rounds, pause in enumerate((0.0, 0.5, 0.5, 1.0), 1):
                clock.advance(pause)
                if rounds < 4:
                    await until(lambda: mapper.asked == len(HOSTS) * rounds)  # noqa: B023  # at once
                await settle()
            assert [reply.host for reply in await asking] == list(HOSTS)

    run_by(clock, scenario())


@pytest.mark.parametrize("results", [b"", words(9), words(0, 0)], ids=["none", "cut", "too much"])
def test_malformed_broadcast_results_are_dropped(results: bytes) -> None:
    clock, mapper = ManualClock(), Mapper3(results)

    async def scenario() -> None:
        async with mappers(mapper) as port:
            asking = asyncio.ensure_future(heard(port, count=1, duration=0.5))
            await until(lambda: mapper.asked == len(HOSTS))
            await settle()
            clock.advance(0.5)
            assert await asking == []

    run_by(clock, scenario())


def test_hosts_beyond_the_bound_are_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(broadcast_module, "MAX_HOSTS", 1)

    async def scenario() -> None:
        async with mappers(Mapper3()) as port:
            assert len(await heard(port, count=2, duration=60.0)) == 1

    run(scenario())


def test_broadcast_ends_though_its_queue_is_full(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(broadcast_module, "MAX_HOSTS", 2)
    clock, mapper = ManualClock(), Mapper3()

    async def scenario() -> None:
        async with mappers(mapper, Mapper2()) as port:
            replies = broadcast(ECHO_V1.ECHO, b"", port=port, to=EVERYBODY, duration=0.5)
            await anext(replies)
            await until(lambda: mapper.asked == len(HOSTS))
            await settle(20)
            clock.advance(0.5)
            await settle()
            assert len([reply async for reply in replies]) <= 1

    run_by(clock, scenario())


def test_unreachable_network_is_a_transport_error() -> None:
    async def scenario() -> None:
        with pytest.raises(TransportError, match="unreachable"):
            await heard(9, count=1, to=[Destination(socket.AF_INET, "not an address")])

    run(scenario())


def test_host_with_only_loopback_hears_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(broadcast_module, "destinations", lambda _: [])

    async def scenario() -> list[object]:
        return [found async for found in broadcast(ECHO_V1.ECHO, b"x")]

    assert run(scenario()) == []


def test_arguments_that_do_not_fit_are_not_sent() -> None:
    async def scenario() -> None:
        with pytest.raises(XdrError):
            await anext(broadcast(ECHO_V1.MUCH, -1, to=EVERYBODY))

    run(scenario())


def test_by_default_every_network_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(broadcast_module, "destinations", lambda _: EVERYBODY[:1])

    async def scenario() -> None:
        async with mappers(Mapper3()) as port:
            async for found in broadcast(ECHO_V1.ECHO, b"x", port=port):
                assert found == (HOSTS[0], "127.0.0.1.8.1", b"x")
                break

    run(scenario())


@pytest.mark.parametrize("to", [EVERYBODY, None], ids=["sockets", "networks"])
def test_without_descriptors_a_broadcast_is_a_transport_error(
    to: Sequence[Destination] | None,
) -> None:
    async def scenario() -> None:
        with no_descriptors(), pytest.raises(TransportError, match="Too many open files") as raised:
            await anext(broadcast(ECHO_V1.ECHO, b"", to=to))
        assert raised.value.errno == errno.EMFILE

    run(scenario())


@pytest.mark.parametrize("port", [-1, 65536])
def test_broadcast_to_invalid_port_is_refused(port: int) -> None:
    async def scenario() -> None:
        with pytest.raises(AddressError, match=f"invalid port {port}"):
            await anext(broadcast(ECHO_V1.ECHO, b"", port=port, to=EVERYBODY))

    run(scenario())
