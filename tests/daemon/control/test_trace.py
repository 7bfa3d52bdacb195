"""Following a daemon: every call and reply, also those of caches, and readers that are slow."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable
from contextlib import ExitStack, asynccontextmanager, closing
from pathlib import Path

import msgspec
import pytest

from oncrpc.aio.link import dial
from oncrpc.daemon.control import trace
from oncrpc.daemon.control.protocol import TracedMessage, TraceNote
from oncrpc.daemon.control.trace import MAX_FOLLOWERS, CallTrace
from oncrpc.programs.portmap import PMAP_VERS
from oncrpc.rpc import Caller
from support.daemons import Daemon, serving, stateful
from support.echo import ECHO_V1, Echo, dispatcher
from support.echo import call as call_of
from support.loops import LOOPS, run, run_on, until
from support.trace_reader import TraceReader
from support.words import words


@asynccontextmanager
async def followed(folder: Path, about: str = "") -> AsyncIterator[tuple[Daemon, TraceReader]]:
    """A port mapper and a reader that follows it."""
    async with serving(stateful(folder)) as daemon:
        with closing(TraceReader(folder / "state")) as reader:
            assert await reader.begin(about) == b'{"protocol":1,"trace":{"dropped":0}}'
            yield daemon, reader


async def call(daemon: Daemon, netid: str, *, times: int = 1) -> None:
    """Call the port mapper from one place."""
    server = daemon.server
    host, port = server.endpoints.get(netid, (server.addresses[netid], 0))
    with closing(await dial(netid, host, port, timeout=10.0)) as link:
        for _ in range(times):
            await PMAP_VERS.Client(link).PMAPPROC_DUMP()


@pytest.mark.parametrize("loop", LOOPS)
@pytest.mark.parametrize("netid", ["udp", "tcp6", "local"])
def test_calls_and_replies_are_sent(tmp_path: Path, netid: str, loop: str) -> None:
    async def scenario() -> None:
        async with followed(tmp_path) as (daemon, reader):
            await call(daemon, netid)
            sent, answered = await reader.message(), await reader.message()

        assert (sent.call, sent.is_call, sent.netid) == (1, True, netid)
        assert sent.body[4:24] == words(0, 2, 100000, 2, 4)
        assert (answered.call, answered.is_call) == (1, False)
        assert answered.body[:8] == sent.body[:4] + words(1)
        assert answered.time >= sent.time
        assert (sent.source is None) == (sent.uid is not None) == (netid == "local")

    run_on(loop, scenario())


@pytest.mark.parametrize("netid", ["udp", "tcp"])
def test_cached_replies_are_followed_too(tmp_path: Path, netid: str) -> None:
    async def scenario() -> None:
        async with serving(stateful(tmp_path)) as daemon:
            await call(daemon, netid, times=3)
            with closing(TraceReader(tmp_path / "state")) as reader:
                await reader.begin()
                await call(daemon, netid, times=3)

                sent = [await reader.message() for _ in range(6)]

        assert [each.is_call for each in sent] == [True, False] * 3

    run(scenario())


def test_caches_answer_again_afterwards(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with followed(tmp_path) as (daemon, reader):
            cache = daemon.app.reply_cache
            assert cache is not None
            await call(daemon, "udp", times=3)
            during = cache.size
            reader.close()
            await until(lambda: "handle" not in vars(daemon.server.dispatcher))
            await call(daemon, "udp", times=3)

            assert during == 0
            assert cache.size > 0

    run(scenario())


def test_only_wanted_bytes_are_sent(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with followed(tmp_path, "24") as (daemon, reader):
            await call(daemon, "udp")
            sent = await reader.message()

        assert (len(sent.body), sent.length) == (24, 40)

    run(scenario())


def test_slow_reader_loses_messages_that_are_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trace, "MAX_QUEUED", 1 << 12)

    async def scenario() -> None:
        async with followed(tmp_path) as (daemon, reader):
            reader.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
            await call(daemon, "tcp", times=2000)

            seen = 0
            while b"is_call" in (line := await reader.line()):
                seen += 1

        dropped = msgspec.json.decode(line, type=TraceNote).dropped
        assert dropped > 0
        assert seen + dropped == 4000

    run(scenario())


@pytest.mark.parametrize("about", ["many", "-1", "1048577", "9" * 30])
def test_invalid_number_of_bytes_is_refused(tmp_path: Path, about: str) -> None:
    async def scenario() -> None:
        async with serving(stateful(tmp_path)) as daemon:
            with closing(TraceReader(tmp_path / "state")) as reader:
                answer = await reader.begin(about)

            assert b"invalid number of bytes" in answer
            assert "handle" not in vars(daemon.server.dispatcher)

    run(scenario())


def test_one_follower_too_many_is_refused(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with serving(stateful(tmp_path)):
            with ExitStack() as stack:
                found = (TraceReader(tmp_path / "state") for _ in range(MAX_FOLLOWERS + 1))
                readers = [stack.enter_context(closing(reader)) for reader in found]
                *_, last = [await reader.begin() for reader in readers]

            assert last == b'{"protocol":1,"error":"4 follow already; one of them has to end"}'

    run(scenario())


class NoCaches:
    """A guard without caches."""

    def close_caches(self, closed: bool) -> None:
        """Nothing is to be closed."""


def test_later_reply_is_sent_when_it_comes() -> None:
    async def scenario() -> None:
        ours, theirs = socket.socketpair()
        with ours, theirs:
            ours.setblocking(False)
            theirs.setblocking(False)
            echo, loop = Echo(), asyncio.get_running_loop()
            served = dispatcher(echo)
            following = asyncio.ensure_future(CallTrace(served, NoCaches()).follow(ours, ""))
            await loop.sock_recv(theirs, 1 << 16)
            reply = served.handle(call_of(7, ECHO_V1.LATER, b"late"), Caller("local"))
            assert isinstance(reply, Awaitable)
            before = await loop.sock_recv(theirs, 1 << 16)

            echo.go.set()
            answer = await reply
            after = await loop.sock_recv(theirs, 1 << 16)

            theirs.shutdown(socket.SHUT_RDWR)
            await following
        assert [line.count(b"\n") for line in (before, after)] == [1, 1]
        assert msgspec.json.decode(after, type=TracedMessage).body == answer

    run(scenario())
