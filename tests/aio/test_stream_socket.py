"""A connected socket on the event loop, and the poller that watches many."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

import pytest

from oncrpc.aio.epoll import READ, WRITE, Poller
from oncrpc.aio.stream_socket import StreamSocket
from support.loops import run, settle, until

MOST = 1 << 16
MUCH = bytes(range(256)) * (1 << 14)
"""4 MiB: more than the kernel takes at once."""


class Owner:
    """Remembers what it is told."""

    def __init__(self) -> None:
        self.data, self.events = b"", list[str]()

    def data_received(self, data: bytes | memoryview) -> None:
        self.data += data

    def eof_received(self) -> None:
        self.events.append("eof")

    def pause_writing(self) -> None:
        self.events.append("pause")

    def resume_writing(self) -> None:
        self.events.append("resume")

    def connection_lost(self) -> None:
        self.events.append("lost")


@asynccontextmanager
async def connected() -> AsyncIterator[tuple[StreamSocket, Owner, socket.socket]]:
    """A stream socket, its owner, and the other end."""
    ours, theirs = socket.socketpair()
    poller, owner = Poller(asyncio.get_running_loop()), Owner()
    for sock in (ours, theirs):
        sock.setblocking(False)
    stream = StreamSocket(ours, owner, poller=poller, most_unsent=MOST)
    with ours, theirs:
        yield stream, owner, theirs
        stream.abort()
    poller.close()


async def drained(sock: socket.socket, count: int) -> bytes:
    """So many bytes, taken slowly."""
    loop, found = asyncio.get_running_loop(), bytearray()
    while len(found) < count:
        found += await loop.sock_recv(sock, 1 << 16)
    return bytes(found)


def test_early_bytes_are_read_at_once() -> None:
    async def scenario() -> None:
        async with connected() as (stream, owner, theirs):
            theirs.send(b"early")
            stream.start()
            assert owner.data == b"early"
            theirs.send(b" and late")
            await until(lambda: owner.data == b"early and late")

    run(scenario())


def test_a_paused_socket_leaves_bytes_with_the_kernel() -> None:
    async def scenario() -> None:
        async with connected() as (stream, owner, theirs):
            stream.start()
            stream.pause_reading()
            theirs.send(b"later")
            await settle()
            assert (owner.data, stream.reading) == (b"", False)
            stream.resume_reading()
            await until(lambda: owner.data == b"later")

    run(scenario())


def test_unsent_bytes_are_kept_in_order() -> None:
    async def scenario() -> None:
        async with connected() as (stream, owner, theirs):
            stream.write(b"first ")
            stream.write(MUCH)
            stream.write(b" last")
            assert owner.events == ["pause"]
            assert len(stream.unsent) > MOST
            assert await drained(theirs, len(MUCH) + 11) == b"first " + MUCH + b" last"
            await until(lambda: not stream.unsent)
            assert owner.events == ["pause", "resume"]

    run(scenario())


def test_closing_sends_unsent_bytes_first() -> None:
    async def scenario() -> None:
        async with connected() as (stream, owner, theirs):
            stream.start()
            stream.write(MUCH)
            stream.close()
            assert stream.closing
            assert "lost" not in owner.events
            theirs.send(b"too late")
            assert await drained(theirs, len(MUCH)) == MUCH
            await until(lambda: owner.events[-1] == "lost")
            assert owner.data == b""

    run(scenario())


def test_a_peer_at_its_end_still_reads() -> None:
    async def scenario() -> None:
        async with connected() as (stream, owner, theirs):
            stream.start()
            theirs.shutdown(socket.SHUT_WR)
            await until(lambda: owner.events == ["eof"])
            stream.resume_reading()
            assert not stream.reading
            stream.write(b"reply")
            assert await drained(theirs, 5) == b"reply"

    run(scenario())


@pytest.mark.parametrize("does", ["reads", "writes", "waits to write", "waits"])
def test_a_lost_connection_is_reported_once(does: str) -> None:
    async def scenario() -> None:
        async with connected() as (stream, owner, theirs):
            if does in ("reads", "waits"):
                stream.start()
            if does == "waits":
                stream.pause_reading()
                theirs.send(b"unread")
                stream.sock.send(b"unread")
            if does == "waits to write":
                stream.write(MUCH)
            theirs.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("@ii", 1, 0))
            theirs.close()
            if does == "writes":
                stream.write(b"for nobody")
            await until(lambda: {"lost", "eof"} & set(owner.events))
            stream.abort()
            stream.write(b"for nobody")
            assert owner.events.count("lost") == 1
            assert not stream.unsent

    run(scenario())


def test_last_bytes_are_read_after_a_pause() -> None:
    async def scenario() -> None:
        async with connected() as (stream, owner, theirs):
            stream.start()
            stream.pause_reading()
            theirs.send(b"last words")
            theirs.close()
            await settle()
            assert owner.events == []
            stream.resume_reading()
            await until(lambda: owner.events == ["eof"])
            assert owner.data == b"last words"

    run(scenario())


def test_an_unwatched_descriptor_gets_no_event() -> None:
    async def scenario() -> None:
        poller = Poller(asyncio.get_running_loop())
        pairs = [socket.socketpair() for _ in range(2)]
        told: list[int] = []

        def tell_of(descriptor: int, _: int) -> None:
            told.append(descriptor)
            for ours, _theirs in pairs:
                poller.watch(ours.fileno(), 0, print)

        for ours, theirs in pairs:
            poller.watch(ours.fileno(), READ, partial(tell_of, ours.fileno()))
            theirs.send(b"x")
        await until(lambda: told)
        await settle()
        assert len(told) == 1
        poller.close()
        poller.close()
        for ours, theirs in pairs:
            ours.close()
            theirs.close()

    run(scenario())


def test_watched_events_may_change() -> None:
    async def scenario() -> None:
        poller, told = Poller(asyncio.get_running_loop()), list[int]()
        ours, theirs = socket.socketpair()
        with ours, theirs:
            poller.watch(ours.fileno(), READ, told.append)
            await settle()
            assert told == []
            poller.watch(ours.fileno(), WRITE, told.append)
            await until(lambda: told)
            assert set(told) == {WRITE}
            poller.watch(ours.fileno(), 0, told.append)
            poller.watch(ours.fileno(), 0, told.append)
        poller.close()

    run(scenario())


def test_a_client_of_one_call_is_never_watched(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def scenario() -> None:
        async with connected() as (stream, owner, theirs):
            watched: list[int] = []
            monkeypatch.setattr(
                stream.poller, "watch", lambda _, events, __: watched.append(events)
            )
            monkeypatch.setattr(owner, "eof_received", stream.close)
            theirs.send(b"a call")
            stream.start()
            theirs.shutdown(socket.SHUT_WR)
            await settle()
            assert (owner.data, owner.events, any(watched)) == (b"a call", ["lost"], False)

    run(scenario())


def test_later_bytes_are_read_too() -> None:
    async def scenario() -> None:
        async with connected() as (stream, owner, theirs):
            theirs.send(b"one ")
            stream.start()
            await settle()
            theirs.send(b"another")
            await until(lambda: owner.data == b"one another")

    run(scenario())


def test_a_socket_lost_early_is_not_watched() -> None:
    async def scenario() -> None:
        async with connected() as (stream, owner, _):
            stream.start()
            stream.abort()
            await settle()
            assert owner.events == ["lost"]

    run(scenario())
