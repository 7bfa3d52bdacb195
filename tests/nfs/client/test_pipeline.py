"""Calls outlive their connection: they are sent again with the same xid."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from itertools import chain, repeat

import pytest

from oncrpc.errors import (
    AuthError,
    CallTimeout,
    ClientClosed,
    LimitExceeded,
    ProtocolError,
    TransportError,
)
from oncrpc.nfs.client.aio_pipeline import AioPipeline, dial_aio
from oncrpc.nfs.client.blocking_pipeline import BlockingPipeline, dial_blocking
from oncrpc.nfs.client.pipeline import FIRST_PAUSE, MAX_STRAY_REPLIES
from oncrpc.programs.nfs3 import NFS_V3
from oncrpc.rpc.auth import AUTH_NONE, Flavor
from oncrpc.rpc.blocking import run as run_blocking
from oncrpc.rpc.prot import auth_stat, opaque_auth
from oncrpc.rpc.record import RecordReader, encode_record
from support.loops import in_loop, run, until
from support.scripted_server import HANG_UP, Server
from support.words import words

NULL = NFS_V3.NFSPROC3_NULL
LOCALHOST = "127.0.0.1"
Answer = Callable[[bytes], bytes | None]


def success(call: bytes) -> bytes:
    """The reply to a call of NULL."""
    return call[:4] + words(1, 0, 0, 0, 0)


class Peer:
    """A server that answers the calls of each connection by the next of its ``answers``.

    An answer of no bytes closes the connection, None leaves the call without a reply.
    """

    def __init__(self, *answers: Answer) -> None:
        self.answers = list(answers)
        self.calls: list[bytes] = []
        self.connected = self.open = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one connection."""
        answer = self.answers[min(self.connected, len(self.answers) - 1)]
        self.connected += 1
        self.open += 1
        try:
            await self._answer(answer, reader, writer)
        finally:
            writer.close()
            self.open -= 1

    async def _answer(
        self, answer: Answer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        records = RecordReader(max_record=2 << 20)
        while data := await reader.read(65536):
            records.feed(data)
            for record in records.records():
                self.calls.append(record)
                reply = answer(record)
                if reply == HANG_UP:
                    return
                if reply is not None:
                    writer.write(reply)


@asynccontextmanager
async def connected(peer: Peer, *, timeout: float = 5.0) -> AsyncIterator[AioPipeline]:
    """A pipeline to the peer that connects again."""
    server = await asyncio.start_server(peer.serve, LOCALHOST, 0)
    port = server.sockets[0].getsockname()[1]
    pipeline = await dial_aio("tcp", LOCALHOST, port, timeout=timeout)

    async def reopen(seconds: float) -> socket.socket:
        return (await dial_aio("tcp", LOCALHOST, port, timeout=seconds)).detach()

    pipeline.reopen = reopen
    async with server:
        try:
            yield pipeline
        finally:
            pipeline.close()
            await until(lambda: not peer.open)


def replied(call: bytes) -> bytes:
    return encode_record(success(call))


def hung_up(_: bytes) -> bytes:
    return HANG_UP


def silent(_: bytes) -> None:
    return None


@in_loop
async def test_calls_are_sent_again_with_their_xid() -> None:
    peer = Peer(hung_up, hung_up, replied)
    async with connected(peer) as pipeline:
        started = [pipeline.start(NULL) for _ in range(3)]
        for each in started:
            await pipeline.result(each)

    sent = {call[:4] for call in peer.calls}
    assert peer.connected == 3
    assert len(sent) == 3


@in_loop
async def test_idle_connection_that_ended_is_replaced() -> None:
    peer = Peer(replied)
    async with connected(peer) as pipeline:
        await pipeline.call(NULL)
        assert pipeline.sock is not None
        pipeline.sock.shutdown(socket.SHUT_RD)
        await pipeline.call(NULL)

    assert peer.connected == 2


@in_loop
async def test_silent_server_ends_in_a_timeout() -> None:
    async with connected(Peer(silent)) as pipeline:
        with pytest.raises(CallTimeout):
            await pipeline.call(NULL, timeout=0.01)
        assert "0 calls" in repr(pipeline)


@in_loop
async def test_timeout_names_the_failed_connection() -> None:
    async with connected(Peer(hung_up), timeout=0.05) as pipeline:

        async def refused(seconds: float) -> socket.socket:
            raise TransportError(111, "Connection refused")

        pipeline.reopen = refused
        with pytest.raises(CallTimeout, match="Connection refused"):
            await pipeline.call(NULL)


@in_loop
async def test_pauses_grow_until_a_reply_comes() -> None:
    peer, pauses = Peer(hung_up, hung_up, hung_up, hung_up, replied), list[float]()
    async with connected(peer) as pipeline:

        async def sleep(seconds: float) -> None:
            pauses.append(seconds)

        pipeline.sleep = sleep  # type: ignore[method-assign]
        await pipeline.call(NULL)
        assert pauses == [FIRST_PAUSE, FIRST_PAUSE * 2, FIRST_PAUSE * 4]

        assert pipeline.sock is not None
        pipeline.sock.shutdown(socket.SHUT_RD)
        await pipeline.call(NULL)
        assert (peer.connected, len(pauses)) == (6, 3)


@in_loop
async def test_without_reopening_calls_fail() -> None:
    async with connected(Peer(hung_up)) as pipeline:
        pipeline.reopen = None
        with pytest.raises(TransportError):
            await pipeline.call(NULL)
        with pytest.raises(TransportError):
            await pipeline.call(NULL)


@in_loop
async def test_cancelled_call_leaves_the_others() -> None:
    def late(call: bytes) -> bytes | None:
        calls.append(call)
        return b"".join(map(replied, calls)) if len(calls) == 2 else None

    calls = list[bytes]()
    async with connected(Peer(late)) as pipeline:
        cancelled = asyncio.create_task(pipeline.call(NULL))
        await asyncio.sleep(0)
        cancelled.cancel()

        await pipeline.call(NULL)


@in_loop
async def test_closing_fails_calls_in_progress() -> None:
    async with connected(Peer(silent)) as pipeline:
        call = asyncio.create_task(pipeline.call(NULL))
        await asyncio.sleep(0)
        pipeline.close()

        with pytest.raises(ClientClosed):
            await call
        with pytest.raises(ClientClosed):
            await pipeline.call(NULL)


@pytest.mark.parametrize(
    ("reply", "error"),
    [
        (words(0xFFFFFFFF), LimitExceeded),
        (encode_record(words(1, 1)) * (MAX_STRAY_REPLIES + 1), LimitExceeded),
    ],
    ids=["oversized", "stray"],
)
def test_invalid_stream_fails_the_calls(reply: bytes, error: type[Exception]) -> None:
    @in_loop
    async def scenario() -> None:
        async with connected(Peer(lambda _: reply, replied)) as pipeline:
            with pytest.raises(error):
                await pipeline.call(NULL)
            await pipeline.call(NULL)  # over a new connection

    scenario()


@in_loop
async def test_malformed_reply_fails_only_its_call() -> None:
    answers = iter([lambda call: encode_record(call[:4] + words(1, 0, 0)), replied])
    async with connected(Peer(lambda call: next(answers)(call))) as pipeline:
        with pytest.raises(ProtocolError):
            await pipeline.call(NULL)
        await pipeline.call(NULL)


class Renewing(Flavor):
    """A flavor that asks for a second attempt."""

    def rejected(self, cred: opaque_auth, stat: auth_stat) -> bool:
        return True


@in_loop
async def test_refused_credential_begins_again() -> None:
    def rejected(call: bytes) -> bytes:
        return encode_record(call[:4] + words(1, 1, 1, 1))  # MSG_DENIED, AUTH_ERROR, AUTH_BADCRED

    answers = iter([rejected, replied, rejected, rejected])
    async with connected(Peer(lambda call: next(answers)(call))) as pipeline:
        await pipeline.call(NULL, auth=Renewing(AUTH_NONE))
        with pytest.raises(AuthError):
            await pipeline.call(NULL, auth=Renewing(AUTH_NONE))


@in_loop
async def test_large_calls_wait_for_a_slow_peer() -> None:
    data = bytes(1 << 20)
    peer = Peer(lambda call: encode_record(success(call)))
    async with connected(peer) as pipeline:
        started = [pipeline.start(NULL, payload=data[:-1]) for _ in range(8)]
        for each in started:
            await pipeline.result(each)

    assert [len(call) - len(data) for call in peer.calls] == [40] * 8


def test_uvloop_carries_calls_too() -> None:
    async def scenario() -> None:
        async with connected(Peer(hung_up, replied)) as pipeline:
            for each in [pipeline.start(NULL, payload=bytes(1 << 20)) for _ in range(4)]:
                await pipeline.result(each)

    run(scenario(), on="uvloop")


@in_loop
async def test_connection_that_fails_at_once_is_tried_again() -> None:
    peer = Peer(hung_up, replied)
    async with connected(peer) as pipeline:
        reopen = pipeline.reopen

        async def unconnected(seconds: float) -> socket.socket:
            pipeline.reopen = reopen
            return socket.socket()

        pipeline.reopen = unconnected
        await pipeline.call(NULL)


def test_blocking_calls_are_sent_again_too() -> None:
    answers = chain([hung_up], repeat(success))
    with Server(lambda call: next(answers)(call)) as server:
        port = server.tcp()
        pipeline = run_blocking(dial_blocking("tcp", LOCALHOST, port, timeout=5.0))

        async def reopen(seconds: float) -> socket.socket:
            return (await dial_blocking("tcp", LOCALHOST, port, timeout=seconds)).detach()

        pipeline.reopen = reopen
        run_blocking(two_calls(pipeline))
        pipeline.close()

    assert server.calls[0] in server.calls[1:]


async def two_calls(pipeline: BlockingPipeline) -> None:
    started = [pipeline.start(NULL), pipeline.start(NULL)]
    for each in started:
        await pipeline.result(each)


def test_blocking_call_ends_at_its_deadline() -> None:
    with Server(lambda _: None) as server:
        pipeline = run_blocking(dial_blocking("tcp", LOCALHOST, server.tcp()))
        with pytest.raises(CallTimeout):
            run_blocking(pipeline.call(NULL, timeout=0.01))
        pipeline.close()
