"""Calls that a program answers itself: in order with others, later, and from files."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

from oncrpc.rpc.program import AnyProcedure, Caller
from oncrpc.rpc.quick import FileReply, LaterReply, QuickAnswer
from oncrpc.rpc.record import record_mark
from support.echo import ECHO_V1, record
from support.loops import run, settle
from support.streams import receive, send, serving
from support.words import words

SUCCEEDED = words(1, 0, 0, 0, 0)
BIG = 4 << 20


class Quick:
    """Answers calls by the number of their procedure: NULL at once, ECHO as ``echo`` says."""

    def __init__(self, path: Path | None = None) -> None:
        self.calls, self.batches, self.closed = 0, 0, False
        self.within = self.open = False
        self.later: list[asyncio.Future[None]] = []
        self.descriptor = -1 if path is None else os.open(path, os.O_RDONLY)
        self.length = BIG

    def of(self, _: Caller) -> Quick:
        return self

    def begin(self, now: float) -> bool:
        self.within = True
        self.batches += 1
        return True

    def answer(self, message: bytes, replies: list[bytes]) -> QuickAnswer:
        assert self.within
        self.calls += 1
        number = int.from_bytes(message[20:24], "big")
        reply = message[:4] + SUCCEEDED
        if number == ECHO_V1.NULL.number:
            replies += record_mark(len(reply)), reply
            return len(reply)
        if number != ECHO_V1.ECHO.number:
            return None
        if self.descriptor >= 0:
            head = record_mark(len(reply) + self.length + 4) + reply
            return FileReply(head, self.descriptor, 0, self.length, b"tail")
        self.later.append(asyncio.get_running_loop().create_future())
        return LaterReply(self.later[-1], lambda _: reply)

    def answer_long(self, message: memoryview, replies: list[bytes]) -> QuickAnswer:
        return self.answer(bytes(message), replies)

    def end(self) -> None:
        self.within = False

    def close(self) -> None:
        self.closed = True


def test_quick_and_dispatched_replies_keep_their_order() -> None:
    async def scenario() -> None:
        async with serving() as server:
            quick = Quick()
            server.listener.dispatcher.quick = quick.of
            client = await server.connect()
            kinds: list[AnyProcedure] = [ECHO_V1.NULL, ECHO_V1.WHOAMI, ECHO_V1.NULL]
            await send(client, b"".join(record(xid, each) for xid, each in enumerate(kinds, 1)))
            assert await receive(client, 3) == [1, 2, 3]
            assert quick.calls == 3
            assert not quick.within
            client.close()
            await settle(10)
            assert quick.closed

    run(scenario())


def test_later_replies_are_sent_when_they_are_ready() -> None:
    async def scenario() -> None:
        async with serving() as server:
            quick = Quick()
            server.listener.dispatcher.quick = quick.of
            client = await server.connect()
            await send(client, record(1, ECHO_V1.ECHO, b"") + record(2, ECHO_V1.NULL))
            assert await receive(client, 1) == [2]
            assert len(server.connection().calls) == 1
            quick.later[0].set_result(None)
            assert await receive(client, 1) == [1]
            assert not server.connection().calls

    run(scenario())


def test_cancelled_reply_is_a_refusal() -> None:
    async def scenario() -> None:
        async with serving() as server:
            quick = Quick()
            server.listener.dispatcher.quick = quick.of
            client = await server.connect()
            await send(client, record(1, ECHO_V1.ECHO, b""))
            while not quick.later:
                await asyncio.sleep(0)
            quick.later[0].cancel()
            assert await receive(client, 1) == [1]

    run(scenario())


@pytest.mark.parametrize("cut", [0, 2_000_000])
def test_file_is_sent_between_other_replies(tmp_path: Path, cut: int) -> None:
    content = bytes(range(251)) * (BIG // 251 + 1)
    (tmp_path / "file").write_bytes(content[: BIG - cut])
    expected = content[: BIG - cut] + bytes(cut)

    async def scenario() -> None:
        async with serving() as server:
            quick = Quick(tmp_path / "file")
            server.listener.dispatcher.quick = quick.of
            client = await server.connect()
            kinds: list[AnyProcedure] = [
                ECHO_V1.NULL, ECHO_V1.ECHO, ECHO_V1.NULL, ECHO_V1.ECHO, ECHO_V1.NULL,
            ]  # fmt: skip
            await send(client, b"".join(
                record(xid, each, *([b""] if each is ECHO_V1.ECHO else []))
                for xid, each in enumerate(kinds, 1)
            ))  # fmt: skip
            loop, found = asyncio.get_running_loop(), bytearray()
            small, large = words(0x80000000 | 24), words(0x80000000 | 24 + BIG + 4)
            whole = b"".join(
                large + words(xid) + SUCCEEDED + expected + b"tail"
                if kind is ECHO_V1.ECHO
                else small + words(xid) + SUCCEEDED
                for xid, kind in enumerate(kinds, 1)
            )
            while len(found) < len(whole):
                found += await loop.sock_recv(client, 1 << 18)
            assert bytes(found) == whole
            os.close(quick.descriptor)

    run(scenario())
