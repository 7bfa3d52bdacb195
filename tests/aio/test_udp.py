"""The UDP endpoint, over the loopback interface."""

from __future__ import annotations

import socket

import pytest

from oncrpc.addr import transport
from oncrpc.aio.datagram_batch import SLOTS, Batch
from oncrpc.aio.guard import NoGuard, SourceRights
from oncrpc.aio.limits import Limits
from oncrpc.aio.serve import serve
from oncrpc.aio.udp import UdpEndpoint, fitting
from oncrpc.errors import SystemFailure
from oncrpc.net.sockets import listen
from oncrpc.rpc import Caller
from oncrpc.rpc.dispatch import LARGEST_DATAGRAM, refuse
from oncrpc.rpc.reply_cache import ReplyCache
from support.datagrams import Client, Subject, endpoint, guarded
from support.echo import ECHO_V1, Echo, call, dispatcher
from support.loops import run, settle, until
from support.words import words

HEADER = 24
DATAGRAM = Limits().datagram


def test_a_call_is_answered() -> None:
    async def scenario() -> None:
        async with endpoint() as (_, _, port):
            with Client() as client:
                reply, _ = await client.ask(call(7, ECHO_V1.ECHO, b"hello"), "127.0.0.1", port)
                assert reply == words(7, 1, 0, 0, 0, 0, 5, b"hello\0\0\0")

    run(scenario())


@pytest.mark.parametrize("asked", ["127.0.0.1", "127.0.0.2"])
def test_the_reply_leaves_from_the_called_address(asked: str) -> None:
    async def scenario() -> None:
        async with endpoint() as (echo, _, port):
            with Client() as client:
                _, source = await client.ask(call(1, ECHO_V1.WHOAMI), asked, port)
                assert source == asked
                assert echo.callers[0].local == (asked, port, 0)
                assert echo.callers[0].loopback
                assert echo.callers[0].datagram

    run(scenario())


def test_over_ipv6_too() -> None:
    async def scenario() -> None:
        async with endpoint("udp6", "::") as (echo, _, port):
            with Client(socket.AF_INET6) as client:
                _, source = await client.ask(call(1, ECHO_V1.WHOAMI), "::1", port)
                assert source == "::1"
                assert echo.callers[0].local == ("::1", port, 0)
                assert echo.callers[0].loopback

    run(scenario())


@pytest.mark.parametrize(
    "junk",
    [
        b"",
        b"abc",
        words(1, 0),
        call(1, ECHO_V1.NULL)[:-1],
        words(1, 1, 0, 0, 0, 0),  # a reply
        words(1, 0, 2, 400001, 1, 0, 0, 401) + bytes(401),  # too long a credential
    ],
    ids=["empty", "short", "zeros", "cut", "reply", "credential"],
)
def test_junk_is_dropped_and_the_next_call_answered(junk: bytes) -> None:
    async def scenario() -> None:
        async with endpoint() as (_, _, port):
            with Client() as client:
                client.sock.sendto(junk, ("127.0.0.1", port))
                reply, _ = await client.ask(call(2, ECHO_V1.NULL), "127.0.0.1", port)
                assert reply[:4] == words(2)

    run(scenario())


def test_a_call_that_is_too_long_is_refused(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def scenario() -> None:
        async with endpoint() as (echo, _, port):
            with Client() as client:
                refused, _ = await client.ask(
                    call(1, ECHO_V1.ECHO, bytes(DATAGRAM)), "127.0.0.1", port
                )
                assert refused == refuse(words(1), SystemFailure())
                assert not echo.callers

    run(scenario())
    assert caplog.messages == [f"udp: a call from 127.0.0.1 is over {DATAGRAM} bytes"]


def test_reply_beyond_the_limit_is_system_error() -> None:
    async def scenario() -> None:
        async with endpoint() as (_, _, port):
            with Client() as client:
                most = DATAGRAM - HEADER - 4
                longest, _ = await client.ask(call(1, ECHO_V1.MUCH, most), "127.0.0.1", port)
                refused, _ = await client.ask(call(2, ECHO_V1.MUCH, most + 1), "127.0.0.1", port)
                assert len(longest) == DATAGRAM
                assert refused == refuse(words(2), SystemFailure())

    run(scenario())


LARGE = Limits(datagram=LARGEST_DATAGRAM)


@pytest.mark.parametrize("size", [32 << 10, LARGEST_DATAGRAM])
@pytest.mark.parametrize(("netid", "host"), [("udp", "127.0.0.1"), ("udp6", "::1")])
def test_a_program_can_have_large_datagrams(netid: str, host: str, size: int) -> None:
    """A call of that size, and a reply of that size, which is a multiple of 4."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET

    async def scenario() -> None:
        async with endpoint(netid, host, limits=LARGE) as (_, _, port):
            with Client(family) as client:
                text = bytes(range(256)) * (size // 256 - 1)
                asked = call(1, ECHO_V1.ECHO, text) + bytes(size)
                echoed, _ = await client.ask(asked[:size], host, port)
                most = size // 4 * 4
                longest, _ = await client.ask(call(2, ECHO_V1.MUCH, most - 28), host, port)
                assert echoed[28 : 28 + len(text)] == text
                assert (longest[:4], len(longest)) == (words(2), most)

    run(scenario())


def test_repeated_large_call_gets_the_same_reply() -> None:
    async def scenario() -> None:
        limits = {"udp": LARGE}
        async with serve(Echo(), transports=("udp",), host="127.0.0.1", limits=limits) as server:
            port = server.endpoints["udp"][1]
            asked = call(1, ECHO_V1.MUCH, 40_000)
            with Client() as client:
                replies = [(await client.ask(asked, "127.0.0.1", port))[0] for _ in range(2)]
                assert [len(reply) for reply in replies] == [40_028] * 2

    run(scenario())


@pytest.mark.parametrize("size", [0, LARGEST_DATAGRAM + 1])
def test_a_datagram_limit_that_cannot_be_is_refused(size: int) -> None:
    async def scenario() -> None:
        with (
            listen(transport("udp"), "127.0.0.1", 0) as sock,
            pytest.raises(ValueError, match=f"invalid datagram limit {size}"),
        ):
            UdpEndpoint(sock, "udp", dispatcher(Echo()), limits=Limits(datagram=size))

    run(scenario())


class Failing:
    """A batch that fails to receive or to send a number of times."""

    def __init__(self, batch: Batch, *, receipts: int = 0, sendings: int = 0) -> None:
        self.batch, self.receipts, self.sendings = batch, receipts, sendings

    def __getattr__(self, name: str) -> object:
        return getattr(self.batch, name)

    def receive(self) -> int:
        if self.receipts:
            self.receipts -= 1
            raise ConnectionRefusedError(111, "Connection refused")
        return self.batch.receive()

    def send(self, first: int, count: int) -> int:
        if self.sendings:
            self.sendings -= 1
            raise OSError(22, "Invalid argument")
        return self.batch.send(first, count)


def test_an_unsendable_reply_does_not_end_the_endpoint() -> None:
    async def scenario() -> None:
        async with endpoint() as (_, made, port):
            made.batch = Failing(made.batch, sendings=1)  # type: ignore[assignment]  # it is like one
            with Client() as client:
                client.sock.sendto(call(1, ECHO_V1.NULL), ("127.0.0.1", port))
                reply, _ = await client.ask(call(2, ECHO_V1.NULL), "127.0.0.1", port)
                assert reply[:4] == words(2)

    run(scenario())


def test_an_unsendable_late_reply_does_not_end_it() -> None:
    class Sending:
        """A socket that sends nothing."""

        def __init__(self, sock: socket.socket) -> None:
            self.sock = sock

        def __getattr__(self, name: str) -> object:
            return getattr(self.sock, name)

        def sendmsg(self, *_: object) -> int:
            raise OSError(22, "Invalid argument")

    async def scenario() -> None:
        async with endpoint() as (echo, made, port):
            with Client() as client:
                made.sock = Sending(made.sock)  # type: ignore[assignment]  # it is like a socket
                client.sock.sendto(call(1, ECHO_V1.LATER, b""), ("127.0.0.1", port))
                await until(lambda: made.in_progress)
                echo.go.set()
                await until(lambda: not made.in_progress)
                reply, _ = await client.ask(call(2, ECHO_V1.NULL), "127.0.0.1", port)
                assert reply[:4] == words(2)

    run(scenario())


def test_a_socket_error_does_not_end_the_endpoint() -> None:
    async def scenario() -> None:
        async with endpoint() as (_, made, port):
            made.batch = Failing(made.batch, receipts=3)  # type: ignore[assignment]  # it is like one
            with Client() as client:
                reply, _ = await client.ask(call(2, ECHO_V1.NULL), "127.0.0.1", port)
                assert reply[:4] == words(2)

    run(scenario())


def test_more_datagrams_than_a_batch_are_all_answered() -> None:
    async def scenario() -> None:
        async with endpoint() as (_, _, port):
            with Client() as client:
                client.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
                for xid in range(SLOTS + 10):
                    client.sock.sendto(call(xid, ECHO_V1.NULL), ("127.0.0.1", port))
                replies = [(await client.reply())[0] for _ in range(SLOTS + 10)]
                assert [reply[:4] for reply in replies] == [words(n) for n in range(SLOTS + 10)]

    run(scenario())


def test_handlers_that_wait_are_answered_as_they_finish() -> None:
    async def scenario() -> None:
        async with endpoint() as (echo, made, port):
            with Client() as client:
                client.sock.sendto(call(1, ECHO_V1.LATER, b"late"), ("127.0.0.1", port))
                first, _ = await client.ask(call(2, ECHO_V1.NULL), "127.0.0.1", port)
                echo.go.set()
                second, _ = await client.reply()
                assert (first[:4], second[:4]) == (words(2), words(1))
                await until(lambda: not made.in_progress)

    run(scenario())


def test_while_too_many_handlers_wait_datagrams_are_dropped() -> None:
    async def scenario() -> None:
        async with endpoint(limits=Limits(datagram_calls=2)) as (echo, made, port):
            with Client() as client:
                for xid in range(4):
                    client.sock.sendto(call(xid, ECHO_V1.LATER, b""), ("127.0.0.1", port))
                await until(lambda: echo.waiting == 2)
                await settle()
                assert len(made.in_progress) == 2
                assert made.busy == 2
                echo.go.set()
                replies = [(await client.reply())[0][:4] for _ in range(2)]
                assert replies == [words(0), words(1)]
                after, _ = await client.ask(call(9, ECHO_V1.LATER, b""), "127.0.0.1", port)
                assert after[:4] == words(9)

    run(scenario())


def test_closing_cancels_calls_that_have_not_begun() -> None:
    async def scenario() -> None:
        async with endpoint() as (echo, made, port):
            with Client() as client:
                client.sock.sendto(call(1, ECHO_V1.LATER, b""), ("127.0.0.1", port))
                await until(lambda: made.in_progress)
        assert echo.cancelled == 1
        assert not made.in_progress

    run(scenario())


class Strict(NoGuard):
    """A guard that trusts no source, with one bucket for all of them."""

    generation = 0

    def __init__(self, replies: int = 1000) -> None:
        self.left = replies

    def rights(self, caller: Caller) -> SourceRights:
        return SourceRights(trusted=False, bucket=self)

    def take(self, now: float) -> bool:
        self.left -= 1
        return self.left >= 0


def test_an_untrusted_source_gets_no_longer_reply() -> None:
    async def scenario() -> None:
        async with guarded(Strict()) as made:
            port = made.sock.getsockname()[1]
            with Client() as client:
                asked = call(1, ECHO_V1.MUCH, 16)
                as_long, _ = await client.ask(asked, "127.0.0.1", port)
                refused, _ = await client.ask(call(2, ECHO_V1.MUCH, 17), "127.0.0.1", port)
                assert len(as_long) == len(asked)
                assert refused == refuse(words(2), SystemFailure())

    run(scenario())


def test_a_refusal_that_is_longer_is_not_sent() -> None:
    async def scenario() -> None:
        async with guarded(Strict()) as made:
            port = made.sock.getsockname()[1]
            with Client() as client:
                client.sock.sendto(words(1, 0, 3), ("127.0.0.1", port))  # RPC version 3, 12 bytes
                reply, _ = await client.ask(call(2, ECHO_V1.NULL), "127.0.0.1", port)
                assert reply[:4] == words(2)

    run(scenario())


def test_late_reply_is_not_longer_than_call() -> None:
    found = fitting(bytes(41), bytes(40), trusted=False, most=9000)
    assert found == refuse(bytes(4), SystemFailure())


@pytest.mark.parametrize("cached", [True, False])
def test_an_empty_bucket_drops_and_counts_calls(*, cached: bool) -> None:
    async def scenario() -> None:
        cache = ReplyCache(Subject()) if cached else None
        async with guarded(Strict(2), cache) as made:
            port = made.sock.getsockname()[1]
            with Client() as client:
                for xid in range(5):
                    client.sock.sendto(call(xid, ECHO_V1.NULL), ("127.0.0.1", port))
                replies = [(await client.reply())[0][:4] for _ in range(2)]
                await until(lambda: made.dropped == 3)
                assert replies == [words(0), words(1)]

    run(scenario())


def test_junk_in_a_batch_leaves_the_other_replies() -> None:
    async def scenario() -> None:
        async with endpoint() as (_, made, port):
            made.stop()
            with Client() as client:
                for xid in range(6):
                    junk = xid in (0, 3)
                    message = b"junk" if junk else call(xid, ECHO_V1.NULL)
                    client.sock.sendto(message, ("127.0.0.1", port))
                made.start()
                replies = [(await client.reply())[0][:4] for _ in range(4)]
                assert replies == [words(1), words(2), words(4), words(5)]

    run(scenario())
