"""The lock manager over real sockets, and clients with lock managers of their own."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from oncrpc.aio.link import AioLink
from oncrpc.aio.serve import serve
from oncrpc.nfs.nlm.client_links import ClientLinks
from oncrpc.nfs.nlm.program import NLM_VERSIONS, NlmProgram
from oncrpc.programs import nlm
from oncrpc.programs.nlm import nlm4_stats
from support.exported import OPTIONS
from support.lock_clients import LockClientHost, lock_clients
from support.loops import in_loop, until
from support.nlm_site import NlmSite

ONE, TWO, THREE = "127.0.0.2", "127.0.0.3", "127.0.0.4"
LOCK, UNLOCK, MSG = 2, 4, 5
BLOCKED, DENIED = nlm4_stats.NLM4_BLOCKED, nlm4_stats.NLM4_DENIED


class Caller:
    """A process of a client that locks the file in one version, over one transport."""

    def __init__(self, host: LockClientHost, link: AioLink, vers: int, handle: bytes) -> None:
        self.host, self.link, self.handle = host, link, handle
        self.name = host.host.encode()
        self.version = next(each for each in NLM_VERSIONS if each.vers == vers)
        self.prefix = "nlm4_" if vers == 4 else "nlm_"

    def made(self, name: str, *fields: Any) -> Any:
        """A value of the version's type."""
        return getattr(nlm, self.prefix + name)(*fields)

    @property
    def alock(self) -> Any:
        return self.made("lock", self.name, self.handle, b"oh", 77, 5, 3)

    async def lock(self, *, wait: bool = True, by_message: bool = False) -> int:
        arg = self.made("lockargs", b"ck", wait, True, self.alock, False, 1)
        return await self._call(LOCK + MSG * by_message, arg)

    async def unlock(self) -> int:
        return await self._call(UNLOCK, self.made("unlockargs", b"ck", self.alock))

    async def _call(self, number: int, arg: Any) -> int:
        result = await self.link.call(self.version.procedures[number], arg)
        return -1 if result is None else int(result.stat.stat)


class Serving:
    """A served lock manager, and its clients."""

    def __init__(self, site: NlmSite, server: Any, clients: list[LockClientHost]) -> None:
        self.site, self.server, self.clients = site, server, clients

    async def caller(self, number: int, *, vers: int = 4, netid: str = "tcp") -> Caller:
        client = self.clients[number]
        link = await client.dial(netid, self.server)
        return Caller(client, link, vers, self.site.handle_for(vers))


@asynccontextmanager
async def serving(*hosts: str) -> AsyncIterator[Serving]:
    """A lock manager, with clients at these addresses."""
    async with lock_clients(*hosts) as clients:
        site = NlmSite(OPTIONS._replace(secure=False))
        links = ClientLinks(mapper_port=clients[0].mapper_port)
        program = site.program = NlmProgram(site.shares, site.locks, links=links)
        server = serve(
            *program.services(),
            transports=clients[0].netids,
            host="::1" if ":" in hosts[0] else "127.0.0.1",
            duplicates=site.duplicates,
            drain=0.0,
        )
        async with server as served:
            try:
                yield Serving(site, served, clients)
            finally:
                program.close()


@pytest.mark.parametrize("by_message", [False, True], ids=["call", "message"])
@pytest.mark.parametrize("netid", ["tcp", "udp"])
@pytest.mark.parametrize("vers", [1, 3, 4])
@in_loop
async def test_waiting_client_is_called_back(vers: int, netid: str, by_message: bool) -> None:
    async with serving(ONE, TWO) as site:
        one = await site.caller(0, vers=vers, netid=netid)
        two = await site.caller(1, vers=vers, netid=netid)
        await one.lock()
        outcome = await two.lock(by_message=by_message)
        if by_message:
            await until(lambda: two.host.calls)
            name, result, _ = two.host.calls.pop()
            assert name == "LOCK_RES"
            outcome = result.stat.stat
        assert outcome == BLOCKED

        await one.unlock()
        await until(lambda: two.host.calls)

        name, arg, call = two.host.calls[0]
        assert name == ("GRANTED_MSG" if by_message else "GRANTED")
        assert (arg.exclusive, arg.alock) == (True, two.alock)
        assert (call.caller.host, call.caller.netid) == ("127.0.0.1", netid)
        assert call.procedure.version.vers == vers
        assert site.site.held == [(TWO, 77, 5, 8)]
        if by_message:
            granted = two.made("res", arg.cookie, two.made("stat", 0))
            await two.link.call(two.version.procedures[15], granted)
        await until(lambda: not site.site.program.callbacks)
        assert site.site.held == [(TWO, 77, 5, 8)]


@pytest.mark.parametrize("netid", ["tcp6", "udp6"])
@in_loop
async def test_waiting_client_is_called_over_ipv6(netid: str) -> None:
    """There is one address, so two names of clients."""
    async with serving("::1") as site:
        one, two = [await site.caller(0, netid=netid) for _ in range(2)]
        two.name = b"two"
        await one.lock()
        assert await two.lock() == BLOCKED

        await one.unlock()
        await until(lambda: two.host.calls and not site.site.program.callbacks)

        ((_, arg, call),) = two.host.calls
        assert arg.alock == two.alock
        assert (call.caller.host, call.caller.netid) == ("::1", netid)
        assert site.site.held == [("::1", 77, 5, 8)]


@in_loop
async def test_denied_grant_goes_to_the_next() -> None:
    async with serving(ONE, TWO, THREE) as site:
        one, two, three = [await site.caller(number) for number in range(3)]
        two.host.answer = DENIED
        await one.lock()
        assert await two.lock() == BLOCKED
        assert await three.lock() == BLOCKED

        await one.unlock()
        await until(lambda: three.host.calls)

        await until(lambda: not site.site.program.callbacks)
        assert site.site.held == [(THREE, 77, 5, 8)]


@in_loop
async def test_hung_client_delays_nobody() -> None:
    async with serving(ONE, TWO, THREE) as site:
        one, two, three = [await site.caller(number) for number in range(3)]
        two.host.go.clear()
        await one.lock()
        await two.lock()
        await one.unlock()
        await two.host.arrived.wait()

        assert await one.lock() == BLOCKED
        await two.unlock()
        await until(lambda: one.host.calls)
        assert await three.lock() == BLOCKED
        await one.unlock()
        await until(lambda: three.host.calls)

        assert site.site.held == [(THREE, 77, 5, 8)]


@in_loop
async def test_restarted_lock_manager_is_found() -> None:
    async with serving(ONE, TWO) as site:
        one, two = [await site.caller(number) for number in range(2)]
        for _ in range(2):
            await one.lock()
            await two.lock()
            await one.unlock()
            await until(lambda: not site.site.program.callbacks)
            await two.unlock()
            await two.host.stop_lock_manager()
            await two.host.start_lock_manager()

        assert [name for name, _, _ in two.host.calls] == ["GRANTED", "GRANTED"]


@in_loop
async def test_late_lock_over_next_connection_locks_nothing() -> None:
    async with serving(ONE) as site:
        one = await site.caller(0)
        await one.lock()
        xid = one.link.calls.last_xid
        await one.unlock()
        one.link.close()
        again = await site.caller(0)
        again.link.calls.last_xid = xid - 1

        assert await again.lock() == 0
        assert again.link.calls.last_xid == xid
        assert site.site.held == []
