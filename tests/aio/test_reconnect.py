"""A link that is dialed again: what works, what fails, and with which error."""

from __future__ import annotations

import asyncio
import errno
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest

from oncrpc.aio.link import AioLink
from oncrpc.aio.reconnect import ReconnectingLink
from oncrpc.errors import CallTimeout, NotRegistered, TransportError
from oncrpc.testing import ManualClock
from support.echo import ECHO_V1
from support.loopback_peers import LOCALHOST, Peer, peer, result
from support.loops import run, run_by, settle, until


class Redialing:
    """A link to a peer that dials the peer again; ``dials`` are counted, or ``fails``, or waits."""

    def __init__(self, other: Peer) -> None:
        self.other = other
        self.dials = 0
        self.fails: Exception | None = None
        self.go = asyncio.Event()
        self.go.set()
        self.link: ReconnectingLink

    async def dial(self, seconds: float) -> AioLink:
        self.dials += 1
        await self.go.wait()
        if self.fails is not None:
            raise self.fails
        if self.other.stream is not self.other.sock:
            self.other.stream.close()
        return await self.other.dial()

    def begin(self, argument: bytes = b"", **options: float) -> asyncio.Task[bytes]:
        """A call under way."""
        return asyncio.ensure_future(self.link.call(ECHO_V1.ECHO, argument, **options))  # type: ignore[arg-type]  # only a timeout

    async def dialed(self) -> None:
        """Wait until there is a link that works."""
        await until(lambda: self.link.link.broken is None and not self.link.link.doubtful)

    async def answer(self) -> None:
        """Answer the next call."""
        await self.dialed()
        self.other.send(result(await self.other.call(), b"done"))


@asynccontextmanager
async def redialing(netid: str = "tcp") -> AsyncIterator[Redialing]:
    """A link that has been dialed once."""
    async with peer(netid) as other:
        made = Redialing(other)
        made.link = ReconnectingLink(await made.dial(5.0), made.dial, timeout=5.0)
        try:
            yield made
        finally:
            made.link.close()


def by(clock: ManualClock | None, scenario: Callable[[], Awaitable[None]]) -> None:
    """Run a scenario, by a manual clock if there is one."""

    async def main() -> None:
        await scenario()

    run(main()) if clock is None else run_by(clock, main())


def test_a_call_after_the_connection_broke_dials_again() -> None:
    async def scenario() -> None:
        async with redialing() as made:
            under_way = made.begin()
            await made.other.call()
            made.other.reset()
            with pytest.raises(TransportError) as raised:
                await under_way
            assert raised.value.errno == errno.ECONNRESET
            after = made.begin()
            await settle()
            await made.answer()
            assert await after == b"done"
            assert made.dials == 2

    by(None, scenario)


def test_unreported_end_of_stream_makes_next_call_dial() -> None:
    async def scenario() -> None:
        async with redialing() as made:
            made.other.stream.close()
            call = made.begin()
            await until(lambda: made.dials == 2)
            await made.answer()
            assert await call == b"done"

    by(None, scenario)


def test_reply_before_end_of_stream_is_received() -> None:
    async def scenario() -> None:
        async with redialing() as made:
            first = made.begin()
            reply = result(await made.other.call(), b"done")
            made.other.send(reply)
            made.other.stream.close()
            second = made.begin()
            assert await first == b"done"
            with pytest.raises(TransportError):
                await second

    by(None, scenario)


def test_concurrent_calls_wait_for_one_dial() -> None:
    async def scenario() -> None:
        async with redialing() as made:
            made.link.link.close()
            made.go.clear()
            calls = [made.begin() for _ in range(5)]
            await settle()
            calls[0].cancel()
            await settle()
            made.go.set()
            for _ in calls[1:]:
                await made.answer()
            assert await asyncio.gather(*calls[1:]) == [b"done"] * 4
            assert made.dials == 3  # that of the cancelled call was given up

    by(None, scenario)


@pytest.mark.parametrize(
    "failure", [TransportError.number(errno.ECONNREFUSED), NotRegistered("gone")]
)
def test_call_after_a_failed_dial_tries_again(failure: Exception) -> None:
    async def scenario() -> None:
        async with redialing() as made:
            made.link.link.close()
            made.fails = failure
            with pytest.raises(type(failure)):
                await made.begin()
            made.fails = None
            call = made.begin()
            await made.answer()
            assert await call == b"done"

    by(None, scenario)


def test_dialing_is_limited_by_the_timeout() -> None:
    clock = ManualClock()

    async def scenario() -> None:
        async with redialing() as made:
            made.link.link.close()
            made.go.clear()
            hurried, patient = made.begin(timeout=1.0), made.begin()
            await settle()
            clock.advance(1)
            await settle()
            assert isinstance(hurried.exception(), CallTimeout)
            place = f"{LOCALHOST} port {made.other.port} over tcp"
            assert str(hurried.exception()) == f"no connection to {place} for ECHO_V1.ECHO"
            assert not patient.done()
            clock.advance(4)
            await settle()
            assert isinstance(patient.exception(), CallTimeout)

    by(clock, scenario)


def test_dialing_time_counts_against_the_timeout() -> None:
    clock = ManualClock()

    async def scenario() -> None:
        async with redialing() as made:
            made.link.link.close()
            made.go.clear()
            call = made.begin()
            await settle()
            clock.advance(4)
            made.go.set()
            await made.dialed()
            await made.other.call()
            clock.advance(1)
            await settle()
            assert isinstance(call.exception(), CallTimeout)

    by(clock, scenario)


def test_closed_udp_port_makes_next_call_dial() -> None:
    async def scenario() -> None:
        async with redialing("udp") as made:
            first = made.link.link
            made.other.sock.close()
            with pytest.raises(TransportError):
                await made.begin()
            made.other = Peer("udp")
            call = made.begin()
            await made.answer()
            assert await call == b"done"
            assert first.broken
            made.other.sock.close()

    by(None, scenario)


def test_closed_link_is_not_dialed_again() -> None:
    async def scenario() -> None:
        async with redialing() as made:
            made.link.close()
            with pytest.raises(TransportError) as raised:
                await made.begin()
            assert raised.value.errno == errno.ECONNABORTED
            assert made.dials == 1

    by(None, scenario)


def test_closing_while_dialing_closes_the_new_link() -> None:
    async def scenario() -> None:
        async with redialing() as made:
            made.link.link.close()
            made.go.clear()
            call = made.begin()
            await settle()
            made.link.close()
            made.go.set()
            with pytest.raises(TransportError) as raised:
                await call
            assert raised.value.errno == errno.ECONNABORTED
            assert made.link.link.broken

    by(None, scenario)
