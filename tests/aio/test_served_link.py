"""Calls that leave from a served UDP socket."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest

from oncrpc.aio.limits import Limits
from oncrpc.aio.serve import serve
from oncrpc.aio.served_link import ServedLink
from oncrpc.aio.server import Server
from oncrpc.aio.udp import UdpEndpoint
from oncrpc.errors import ClientClosed
from oncrpc.rpc import Call, Caller, idempotent
from support.echo import ECHO_V1, Echo
from support.loopback_peers import LOCALHOST
from support.loops import run, settle, until
from support.words import words

ECHOED = words(1, 0, 0, 0, 0, 0)  # REPLY, MSG_ACCEPTED, verf AUTH_NONE, SUCCESS, no bytes


class Calling(Echo):
    """ECHO asks the caller's program for what it returns, at the port that the call came from."""

    server: Server

    @idempotent
    async def ECHO(self, call: Call, arg: bytes) -> bytes:  # type: ignore[override]  # it waits
        self.callers.append(call.caller)
        link = self.server.link_from("udp", (call.caller.host, call.caller.port))
        try:
            return b"asked " + await ECHO_V1.Client(link).LATER(arg)
        finally:
            link.close()


@asynccontextmanager
async def program(limits: Limits | None = None) -> AsyncIterator[Calling]:
    service = Calling()
    options = {"transports": ["udp"], "host": LOCALHOST, "drain": 0.0}
    async with serve(service, limits=limits, **options) as service.server:  # type: ignore[arg-type]
        service.go.set()
        yield service


@asynccontextmanager
async def peer() -> AsyncIterator[tuple[socket.socket, Callable[[], asyncio.Future[bytes]]]]:
    """A peer that answers by hand, and what it receives."""
    loop = asyncio.get_running_loop()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.setblocking(False)
        sock.bind((LOCALHOST, 0))
        yield sock, lambda: asyncio.ensure_future(loop.sock_recv(sock, 1000))


def port_of(service: Calling) -> int:
    return service.server.endpoints["udp"][1]


def endpoint_of(service: Calling) -> UdpEndpoint:
    (listener,) = service.server.listeners
    assert isinstance(listener, UdpEndpoint)
    return listener


def test_two_programs_call_each_other_from_their_ports() -> None:
    async def scenario() -> None:
        async with program() as one, program() as other:
            link = one.server.link_from("udp", (LOCALHOST, port_of(other)))

            assert await ECHO_V1.Client(link).ECHO(b"me") == b"asked me"

            caller: Caller = other.callers[0]
            assert (caller.host, caller.port) == (LOCALHOST, port_of(one))

    run(scenario())


def test_a_reply_comes_though_too_many_calls_wait() -> None:
    async def scenario() -> None:
        async with program(Limits(datagram_calls=1)) as one, program() as other:
            link = other.server.link_from("udp", (LOCALHOST, port_of(one)))

            assert await ECHO_V1.Client(link).ECHO(b"me") == b"asked me"

    run(scenario())


def test_a_reply_of_another_sender_is_not_taken() -> None:
    async def scenario() -> None:
        async with program() as one, peer() as (sock, received), peer() as (forger, _):
            link = one.server.link_from("udp", sock.getsockname())
            asked = asyncio.ensure_future(ECHO_V1.Client(link).NULL())
            xid = (await received())[:4]
            to = (LOCALHOST, port_of(one))

            forger.sendto(xid + words(1, 0, 0, 0, 5), to)  # SYSTEM_ERR
            await until(lambda: endpoint_of(one).malformed == 1)
            assert not asked.done()

            sock.sendto(xid + words(1, 0, 0, 0, 0), to)
            await asked

    run(scenario())


def test_a_reply_that_nothing_waits_for_is_dropped() -> None:
    async def scenario() -> None:
        async with program() as one, peer() as (sock, received):
            link = one.server.link_from("udp", sock.getsockname())
            sock.sendto(words(7) + ECHOED, (LOCALHOST, port_of(one)))
            sock.sendto(words(7) + ECHOED + bytes(10_000), (LOCALHOST, port_of(one)))
            asked = asyncio.ensure_future(ECHO_V1.Client(link).NULL())
            xid = (await received())[:4]  # the call, not an answer to a reply
            sock.sendto(xid + words(1, 0, 0, 0, 0), (LOCALHOST, port_of(one)))
            await asked

    run(scenario())


def test_the_end_of_the_server_ends_its_links() -> None:
    async def scenario() -> None:
        async with peer() as (sock, received):
            async with program() as one:
                link = one.server.link_from("udp", sock.getsockname())
                assert link.works
                asked = asyncio.ensure_future(ECHO_V1.Client(link).NULL())
                await received()
            with pytest.raises(ClientClosed):
                await asked
            assert not link.works

    run(scenario())


def test_one_peer_has_one_link_at_a_time() -> None:
    async def scenario() -> None:
        async with program() as one:
            link = one.server.link_from("udp", (LOCALHOST, 9))
            with pytest.raises(ValueError, match="is open already"):
                one.server.link_from("udp", (LOCALHOST, 9))
            link.close()
            one.server.link_from("udp", (LOCALHOST, 9)).close()
            await settle()

    run(scenario())


def test_a_link_local_peer_is_of_one_interface() -> None:
    async def scenario() -> None:
        async with serve(Echo(), transports=["udp6"], host="::1") as server:
            link = server.link_from("udp6", ("fe80::1%lo", 9))
            assert isinstance(link, ServedLink)
            assert link.key == ("fe80::1", 9, socket.if_nametoindex("lo"))
            link.close()
            await settle()

    run(scenario())


@pytest.mark.parametrize(
    ("netid", "host", "reason"),
    [
        ("tcp", LOCALHOST, "netid tcp has no UDP socket that is served"),
        ("udp", "localhost", "does not look up names"),
    ],
)
def test_a_link_that_cannot_be_is_refused(netid: str, host: str, reason: str) -> None:
    async def scenario() -> None:
        async with program() as one:
            with pytest.raises(ValueError, match=reason):
                one.server.link_from(netid, (host, 9))

    run(scenario())
