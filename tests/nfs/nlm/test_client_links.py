"""Links to the lock managers of clients, over the loopback interface."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from oncrpc.errors import CallTimeout, ClientClosed, NotRegistered, OncRpcError, TransportError
from oncrpc.nfs.nlm.client_links import IDLE, QUIET, ClientLinks, ClientPlace, place_of
from oncrpc.programs.nlm import NLM4_VERS, nlm4_lock, nlm4_res, nlm4_stat, nlm4_stats, nlm4_testargs
from oncrpc.rpc import AUTH_NONE, Call, Caller
from oncrpc.testing import ManualClock
from support.lock_clients import LockClientHost, lock_clients
from support.loops import in_loop, run_by, settle, until

OWN = "127.0.0.1"
GRANTED = NLM4_VERS.NLMPROC4_GRANTED
GRANTED_MSG = NLM4_VERS.NLMPROC4_GRANTED_MSG
ARGUMENT = nlm4_testargs(b"ck", True, nlm4_lock(b"n", b"fh", b"oh", 1, 0, 0))
TIMEOUT = 5.0


def place(client: LockClientHost, netid: str = "tcp") -> ClientPlace:
    return ClientPlace(client.host, OWN, netid, 4)


@asynccontextmanager
async def linked(
    *hosts: str, max_links: int = 8
) -> AsyncIterator[tuple[ClientLinks, list[LockClientHost]]]:
    """Clients, and the links to them."""
    async with lock_clients(*(hosts or ("127.0.0.2",))) as clients:
        links = ClientLinks(mapper_port=clients[0].mapper_port, max_links=max_links)
        try:
            yield links, clients
        finally:
            links.close()


def called(
    source: tuple[str, int, int] | None,
    local: tuple[str, int, int] | None = ("192.0.2.1", 2049, 0),
    **options: Any,
) -> Call:
    caller = Caller("tcp", source, local, **options)
    return Call(1, NLM4_VERS.NLMPROC4_LOCK, None, AUTH_NONE, caller, b"", 0)


@pytest.mark.parametrize(
    ("call", "expected"),
    [
        (called(("192.0.2.9", 700, 0)), ClientPlace("192.0.2.9", "192.0.2.1", "tcp", 4)),
        (
            called(("192.0.2.9", 700, 0), datagram=True),
            ClientPlace("192.0.2.9", "192.0.2.1", "udp", 4),
        ),
        (
            called(("2001:db8::9", 700, 0), ("2001:db8::1", 2049, 0)),
            ClientPlace("2001:db8::9", "2001:db8::1", "tcp6", 4),
        ),
        (
            called(("fe80::9", 700, 3), ("fe80::1", 2049, 3), datagram=True),
            ClientPlace("fe80::9%3", "fe80::1%3", "udp6", 4),
        ),
        (
            called(("192.0.2.9", 700, 0), datagram=True, to_group=True),
            ClientPlace("192.0.2.9", "", "udp", 4),
        ),
        (called(None, None, uid=0), None),
    ],
)
def test_client_is_called_as_it_calls(call: Call, expected: ClientPlace | None) -> None:
    assert place_of(call) == expected


@pytest.mark.parametrize("netid", ["tcp", "udp"])
@in_loop
async def test_client_is_called_over_its_transport(netid: str) -> None:
    async with linked() as (links, (client,)):
        result = await links.call(place(client, netid), GRANTED, ARGUMENT, timeout=TIMEOUT)

        assert result == nlm4_res(b"ck", nlm4_stat(nlm4_stats.NLM4_GRANTED))
        ((name, arg, call),) = client.calls
        assert (name, arg) == ("GRANTED", ARGUMENT)
        assert (call.caller.netid, call.caller.host) == (netid, OWN)
        assert (call.caller.port < 1024) is (os.geteuid() == 0)
        assert (client.mapper.asked[0].vers, len(client.mapper.asked)) == (4, 1)


@in_loop
async def test_port_and_link_are_used_again() -> None:
    async with linked() as (links, (client,)):
        for _ in range(3):
            await links.call(place(client), GRANTED, ARGUMENT, timeout=TIMEOUT)

        assert len(client.mapper.asked) == 1
        assert len({call.caller.port for _, _, call in client.calls}) == 1
        assert len(links) == 1


@pytest.mark.parametrize("netid", ["tcp", "udp"])
@in_loop
async def test_restarted_client_is_looked_up_again(netid: str) -> None:
    async with linked() as (links, (client,)):
        await links.call(place(client, netid), GRANTED, ARGUMENT, timeout=TIMEOUT)
        await client.stop_lock_manager()
        with pytest.raises(OncRpcError):
            await links.call(place(client, netid), GRANTED, ARGUMENT, timeout=TIMEOUT)
        await client.start_lock_manager()
        await links.call(place(client, netid), GRANTED, ARGUMENT, timeout=TIMEOUT)

        assert len(client.calls) == 2


@in_loop
async def test_client_without_lock_manager_is_not_registered() -> None:
    async with linked() as (links, (client,)):
        await client.stop_lock_manager()

        with pytest.raises(NotRegistered):
            await links.call(place(client), GRANTED, ARGUMENT, timeout=TIMEOUT)
        assert len(links) == 0


def test_silent_port_mapper_is_left_alone_awhile() -> None:
    clock = ManualClock(1000.0)
    nobody = ClientPlace("127.0.0.3", OWN, "tcp", 4)

    async def scenario() -> None:
        async with linked() as (links, _):
            for error in (TransportError, NotRegistered, NotRegistered):
                with pytest.raises(error):
                    await links.call(nobody, GRANTED, ARGUMENT, timeout=TIMEOUT)
            clock.advance(QUIET)
            with pytest.raises(TransportError):
                await links.call(nobody, GRANTED, ARGUMENT, timeout=TIMEOUT)

    run_by(clock, scenario())


@in_loop
async def test_calls_share_a_connection_being_made() -> None:
    async with linked() as (links, (client,)):
        calls = [links.call(place(client), GRANTED, ARGUMENT, timeout=TIMEOUT) for _ in range(3)]
        await asyncio.gather(*calls)

        assert len(client.mapper.asked) == 1


@in_loop
async def test_prepared_link_is_used() -> None:
    async with linked() as (links, (client,)):
        links.prepare(place(client))
        links.prepare(place(client))
        await until(lambda: client.mapper.asked)
        await links.call(place(client), GRANTED, ARGUMENT, timeout=TIMEOUT)

        assert len(client.mapper.asked) == 1


@in_loop
async def test_failed_preparation_is_made_up_for() -> None:
    async with linked() as (links, (client,)):
        await client.stop_lock_manager()
        links.prepare(place(client))
        await until(lambda: client.mapper.asked)
        await settle(50)
        await client.start_lock_manager()

        assert await links.call(place(client), GRANTED, ARGUMENT, timeout=TIMEOUT)


@in_loop
async def test_cancelled_call_does_not_stop_the_others() -> None:
    async with linked() as (links, (client,)):
        first, second = (
            asyncio.ensure_future(links.call(place(client), GRANTED, ARGUMENT, timeout=TIMEOUT))
            for _ in range(2)
        )
        await settle(2)
        first.cancel()

        assert (await second).cookie == b"ck"


@in_loop
async def test_silence_is_a_failure() -> None:
    async with linked() as (links, (client,)):
        client.go.clear()

        with pytest.raises(CallTimeout):
            await links.call(place(client), GRANTED, ARGUMENT, timeout=0.01)
        assert len(links) == 0


@pytest.mark.parametrize("netid", ["tcp", "udp"])
@in_loop
async def test_message_needs_no_reply(netid: str) -> None:
    async with linked() as (links, (client,)):
        client.silent_to_messages = True

        await links.call(place(client, netid), GRANTED_MSG, ARGUMENT, timeout=0.05)
        assert client.calls[0][0] == "GRANTED_MSG"
        assert len(links) == 1


@in_loop
async def test_hung_client_does_not_delay_others() -> None:
    async with linked("127.0.0.2", "127.0.0.3") as (links, (hung, other)):
        hung.go.clear()
        waiting = asyncio.ensure_future(links.call(place(hung), GRANTED, ARGUMENT, timeout=TIMEOUT))
        await hung.arrived.wait()

        assert await links.call(place(other), GRANTED, ARGUMENT, timeout=TIMEOUT)
        assert not waiting.done()
        hung.go.set()
        assert await waiting


@in_loop
async def test_links_are_bounded() -> None:
    hosts = [f"127.0.0.{number}" for number in range(2, 6)]
    async with linked(*hosts, max_links=2) as (links, clients):
        for client in [*clients, clients[0]]:
            await links.call(place(client), GRANTED, ARGUMENT, timeout=TIMEOUT)
            assert len(links) <= 2

        assert len(clients[0].calls) == 2


@in_loop
async def test_new_client_displaces_a_hung_one() -> None:
    async with linked("127.0.0.2", "127.0.0.3", max_links=1) as (links, (hung, other)):
        hung.go.clear()
        waiting = asyncio.ensure_future(links.call(place(hung), GRANTED, ARGUMENT, timeout=TIMEOUT))
        await hung.arrived.wait()

        assert await links.call(place(other), GRANTED, ARGUMENT, timeout=TIMEOUT)
        with pytest.raises(ClientClosed):
            await waiting


@in_loop
async def test_unused_link_goes_before_a_busy_one() -> None:
    hosts = "127.0.0.2", "127.0.0.3", "127.0.0.4"
    async with linked(*hosts, max_links=2) as (links, (busy, unused, third)):
        busy.go.clear()
        waiting = asyncio.ensure_future(links.call(place(busy), GRANTED, ARGUMENT, timeout=TIMEOUT))
        await busy.arrived.wait()
        for client in (unused, third):
            await links.call(place(client), GRANTED, ARGUMENT, timeout=TIMEOUT)

        busy.go.set()
        assert await waiting


@in_loop
async def test_close_ends_calls_in_progress() -> None:
    async with linked() as (links, (client,)):
        client.go.clear()
        established = asyncio.ensure_future(
            links.call(place(client), GRANTED, ARGUMENT, timeout=TIMEOUT)
        )
        await client.arrived.wait()
        dialing = asyncio.ensure_future(
            links.call(place(client, "udp"), GRANTED, ARGUMENT, timeout=TIMEOUT)
        )
        await settle(1)
        links.close()

        for each in (established, dialing):
            with pytest.raises(ClientClosed):
                await each


def test_unused_link_is_closed_after_a_while() -> None:
    clock = ManualClock()

    async def scenario() -> None:
        async with linked() as (links, (client,)):
            await links.call(place(client), GRANTED, ARGUMENT, timeout=TIMEOUT)
            clock.advance(IDLE / 2)
            await links.call(place(client), GRANTED, ARGUMENT, timeout=TIMEOUT)
            clock.advance(IDLE / 2)
            await settle()
            assert len(links) == 1
            clock.advance(IDLE)
            await until(lambda: len(links) == 0)
            await links.call(place(client), GRANTED, ARGUMENT, timeout=TIMEOUT)
            assert len(client.mapper.asked) == 1

    run_by(clock, scenario())
