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
from oncrpc.aio.stream_socket import Wire
from support.loops import run, settle, until

MOST = 1 << 16
MUCH = bytes(range(256)) * (1 << 14)
"""4 MiB: more than the kernel takes at once."""


class Owner:
    """Remembers what it is told."""

    def __init__(self) -> None:
        self.data, self.events = b"", list[str]()

    def data_received(self, data: bytes) -> None:
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
async def wired() -> AsyncIterator[tuple[Wire, Owner, socket.socket]]:
    """A wire, its owner, and the other end."""
    ours, theirs = socket.socketpair()
    poller, owner = Poller(asyncio.get_running_loop()), Owner()
    for sock in (ours, theirs):
        sock.setblocking(False)
    wire = Wire(ours, owner, poller=poller, most_unsent=MOST)
    with ours, theirs:
        yield wire, owner, theirs
        wire.abort()
    poller.close()


async def drained(sock: socket.socket, count: int) -> bytes:
    """So many bytes, taken slowly."""
    loop, found = asyncio.get_running_loop(), bytearray()
    while len(found) < count:
        found += await loop.sock_recv(sock, 1 << 16)
    return bytes(found)


def test_what_is_there_already_is_read_at_once() -> None:
    async def scenario() -> None:
        async with wired() as (wire, owner, theirs):
            theirs.send(b"early")
            wire.start()
            assert owner.data == b"early"
            theirs.send(b" and late")
            await until(lambda: owner.data == b"early and late")

    run(scenario())


def test_while_it_does_not_read_what_arrives_stays_with_the_kernel() -> None:
    async def scenario() -> None:
        async with wired() as (wire, owner, theirs):
            wire.start()
            wire.pause_reading()
            theirs.send(b"later")
            await settle()
            assert (owner.data, wire.reading) == (b"", False)
            wire.resume_reading()
            await until(lambda: owner.data == b"later")

    run(scenario())


def test_what_the_other_end_has_no_room_for_is_kept_in_order_and_sent_as_there_is() -> None:
    async def scenario() -> None:
        async with wired() as (wire, owner, theirs):
            wire.write(b"first ")
            wire.write(MUCH)
            wire.write(b" last")
            assert owner.events == ["pause"]
            assert len(wire.unsent) > MOST
            assert await drained(theirs, len(MUCH) + 11) == b"first " + MUCH + b" last"
            await until(lambda: not wire.unsent)
            assert owner.events == ["pause", "resume"]

    run(scenario())


def test_closing_sends_what_is_unsent_first() -> None:
    async def scenario() -> None:
        async with wired() as (wire, owner, theirs):
            wire.start()
            wire.write(MUCH)
            wire.close()
            assert wire.closing
            assert "lost" not in owner.events
            theirs.send(b"too late")
            assert await drained(theirs, len(MUCH)) == MUCH
            await until(lambda: owner.events[-1] == "lost")
            assert owner.data == b""

    run(scenario())


def test_the_other_end_may_have_sent_all_and_still_read() -> None:
    async def scenario() -> None:
        async with wired() as (wire, owner, theirs):
            wire.start()
            theirs.shutdown(socket.SHUT_WR)
            await until(lambda: owner.events == ["eof"])
            wire.resume_reading()
            assert not wire.reading
            wire.write(b"reply")
            assert await drained(theirs, 5) == b"reply"

    run(scenario())


@pytest.mark.parametrize("does", ["reads", "writes", "waits to write", "waits"])
def test_a_lost_connection_is_told_once_whatever_was_going_on(does: str) -> None:
    async def scenario() -> None:
        async with wired() as (wire, owner, theirs):
            if does in ("reads", "waits"):
                wire.start()
            if does == "waits":
                wire.pause_reading()
                theirs.send(b"unread")
                wire.sock.send(b"unread")
            if does == "waits to write":
                wire.write(MUCH)
            theirs.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("@ii", 1, 0))
            theirs.close()
            if does == "writes":
                wire.write(b"for nobody")
            await until(lambda: {"lost", "eof"} & set(owner.events))
            wire.abort()
            wire.write(b"for nobody")
            assert owner.events.count("lost") == 1
            assert not wire.unsent

    run(scenario())


def test_what_was_sent_before_the_end_is_read_by_one_that_did_not_read_just_then() -> None:
    async def scenario() -> None:
        async with wired() as (wire, owner, theirs):
            wire.start()
            wire.pause_reading()
            theirs.send(b"last words")
            theirs.close()
            await settle()
            assert owner.events == []
            wire.resume_reading()
            await until(lambda: owner.events == ["eof"])
            assert owner.data == b"last words"

    run(scenario())


def test_a_descriptor_that_was_let_go_of_meanwhile_is_told_nothing() -> None:
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


def test_what_is_watched_for_may_change() -> None:
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


def test_who_sends_all_at_once_and_is_gone_need_not_be_watched(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def scenario() -> None:
        async with wired() as (wire, owner, theirs):
            watched: list[int] = []
            monkeypatch.setattr(wire.poller, "watch", lambda _, events, __: watched.append(events))
            monkeypatch.setattr(owner, "eof_received", wire.close)
            theirs.send(b"a call")
            wire.start()
            theirs.shutdown(socket.SHUT_WR)
            await settle()
            assert (owner.data, owner.events, any(watched)) == (b"a call", ["lost"], False)

    run(scenario())


def test_what_comes_later_is_seen_too() -> None:
    async def scenario() -> None:
        async with wired() as (wire, owner, theirs):
            theirs.send(b"one ")
            wire.start()
            await settle()
            theirs.send(b"another")
            await until(lambda: owner.data == b"one another")

    run(scenario())


def test_a_wire_that_is_lost_before_it_is_looked_at_again_is_not_watched() -> None:
    async def scenario() -> None:
        async with wired() as (wire, owner, _):
            wire.start()
            wire.abort()
            await settle()
            assert owner.events == ["lost"]

    run(scenario())
