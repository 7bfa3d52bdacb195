"""The duplicate-request cache of NFS: calls that come again while the first one runs."""

from __future__ import annotations

import asyncio

import pytest

from oncrpc.nfs.server.duplicates import MAX_RUNNING, NfsDuplicates
from oncrpc.rpc import Caller
from support.callers import changed
from support.loops import in_loop
from support.repeated_calls import (
    CALL,
    REPLY,
    UDP,
    Client,
    found,
    is_empty,
)


@pytest.fixture
def cache() -> NfsDuplicates:
    return NfsDuplicates()


@pytest.fixture
def client() -> Client:
    return Client()


def test_repetition_on_the_same_connection_is_dropped(cache: NfsDuplicates, client: Client) -> None:
    connection = client.connect()
    call = cache.begin(connection, CALL)

    assert cache.find(connection, CALL, 0.0) is call
    assert cache.repeated(call, connection) is None


def test_repeated_datagram_is_dropped(cache: NfsDuplicates) -> None:
    call = cache.begin(UDP, CALL)

    assert cache.repeated(call, changed(UDP)) is None


class Slow:
    """A call that takes until ``reply`` is set, carried out by the cache."""

    def __init__(self, cache: NfsDuplicates, caller: Caller) -> None:
        self.cache, self.caller = cache, caller
        self.reply: asyncio.Future[bytes | None] = asyncio.get_running_loop().create_future()
        self.entry = cache.begin(caller, CALL)
        self.answer = asyncio.ensure_future(cache.carry_out(self.entry, self._outcome()))

    async def _outcome(self) -> bytes | None:
        try:
            reply = await self.reply
        except asyncio.CancelledError:
            self.cache.abandon(self.entry)
            raise
        self.cache.finish(self.entry, reply, 0.0)
        return reply

    def repeat(self, caller: Caller) -> asyncio.Future[bytes | None] | None:
        """The same call over another connection."""
        again = self.cache.find(caller, CALL, 0.0)
        assert again is self.entry
        answer = self.cache.repeated(again, caller)
        return None if answer is None else asyncio.ensure_future(answer)


@in_loop
async def test_new_connection_waits_for_the_outcome(cache: NfsDuplicates, client: Client) -> None:
    first, second = client.connect(), client.connect()
    slow = Slow(cache, first)
    client.close(first)
    slow.answer.cancel()

    again = slow.repeat(second)
    assert again is not None
    assert slow.repeat(second) is None
    await asyncio.sleep(0)
    slow.reply.set_result(REPLY)

    assert await again == REPLY
    kept = cache.find(second, CALL, 0.0)
    assert kept is not None
    assert kept.reply == REPLY
    assert not cache.running


@in_loop
async def test_connection_from_the_same_port_waits_too(
    cache: NfsDuplicates, client: Client
) -> None:
    first, second = client.connect(port=800), client.connect(port=800)
    slow = Slow(cache, first)
    client.close(first)

    again = slow.repeat(second)
    assert again is not None
    slow.reply.set_result(REPLY)

    assert await again == REPLY


@in_loop
async def test_waiting_connection_may_end_too(cache: NfsDuplicates, client: Client) -> None:
    first, second, third = (client.connect() for _ in range(3))
    slow = Slow(cache, first)
    client.close(first)
    again = slow.repeat(second)
    assert again is not None
    await asyncio.sleep(0)
    client.close(second)
    again.cancel()
    await asyncio.wait([again])

    last = slow.repeat(third)
    assert last is not None
    slow.reply.set_result(REPLY)

    assert await last == REPLY


@in_loop
async def test_second_live_connection_does_not_wait(cache: NfsDuplicates, client: Client) -> None:
    slow = Slow(cache, client.connect())

    assert not found(cache, client.connect())
    slow.reply.set_result(REPLY)
    await slow.answer


@in_loop
async def test_call_without_reply_leaves_its_repetition_without(
    cache: NfsDuplicates, client: Client
) -> None:
    first = client.connect()
    slow = Slow(cache, first)
    client.close(first)
    again = slow.repeat(client.connect())
    assert again is not None
    slow.reply.set_result(None)

    assert await again is None
    assert is_empty(cache)


@in_loop
async def test_cancelled_call_leaves_its_repetition_without(
    cache: NfsDuplicates, client: Client
) -> None:
    first = client.connect()
    slow = Slow(cache, first)
    client.close(first)
    again = slow.repeat(client.connect())
    assert again is not None
    await asyncio.sleep(0)
    for task in cache.running:
        task.cancel()

    assert await again is None
    assert is_empty(cache)
    assert slow.answer.cancelled()


@in_loop
async def test_calls_beyond_the_limit_end_with_their_connection(
    cache: NfsDuplicates, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("oncrpc.nfs.server.duplicates.MAX_RUNNING", 0)
    first, second = client.connect(), client.connect()
    slow = Slow(cache, first)
    await asyncio.sleep(0)
    client.close(first)

    assert slow.repeat(second) is None
    slow.answer.cancel()
    await asyncio.wait([slow.answer])
    assert not found(cache, second)
    assert is_empty(cache)
    assert MAX_RUNNING > 0


@in_loop
async def test_replaced_call_in_progress_is_not_kept(cache: NfsDuplicates, client: Client) -> None:
    connection = client.connect()
    slow = Slow(cache, connection)
    other = cache.begin(connection, CALL + b"else")
    slow.reply.set_result(REPLY)
    await slow.answer

    assert len(cache) == 0
    cache.abandon(other)
    assert is_empty(cache)


@in_loop
async def test_moved_call_replaces_one_in_progress(cache: NfsDuplicates, client: Client) -> None:
    first, second = client.connect(), client.connect()
    slow = Slow(cache, first)
    replaced = cache.begin(second, CALL + b"else")
    client.close(first)
    again = slow.repeat(second)
    assert again is not None
    cache.finish(replaced, REPLY, 0.0)
    slow.reply.set_result(REPLY)

    assert await again == REPLY
    assert len(cache) == 1


# Restart in place
