"""The UDP endpoint, over the loopback interface."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from helpers import words
from loops import run, settle, until
from oncrpc.addr import transport
from oncrpc.aio import udp
from oncrpc.aio.sockets import listen
from oncrpc.aio.udp import BATCH, MAX_CALL, MAX_REPLY, MAX_WAITING, UdpEndpoint
from oncrpc.errors import SystemFailure
from oncrpc.rpc.dispatch import refuse

from .echo import ECHO_V1, Echo, call, dispatcher

HEADER = 24


@asynccontextmanager
async def endpoint(
    netid: str = "udp", host: str = "0.0.0.0"
) -> AsyncIterator[tuple[Echo, UdpEndpoint, int]]:
    """An endpoint that serves, its service, and its port."""
    echo = Echo()
    made = UdpEndpoint(listen(transport(netid), host, 0), netid, dispatcher(echo))
    made.start()
    try:
        yield echo, made, made.sock.getsockname()[1]
    finally:
        made.close()
        await settle()


class Client:
    """A UDP socket that sends to an address and sees from which one the reply came."""

    def __init__(self, family: int = socket.AF_INET) -> None:
        self.sock = socket.socket(family, socket.SOCK_DGRAM)
        self.sock.setblocking(False)

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.sock.close()

    async def ask(self, message: bytes, *to: object) -> tuple[bytes, str]:
        """Send, and wait for a reply: its bytes and where it came from."""
        self.sock.sendto(message, to)
        return await self.reply()

    async def reply(self) -> tuple[bytes, str]:
        """Wait for a reply."""
        loop = asyncio.get_running_loop()
        data, source = await loop.sock_recvfrom(self.sock, 65536)
        return data, source[0]


def test_a_call_is_answered() -> None:
    async def scenario() -> None:
        async with endpoint() as (_, _, port):
            with Client() as client:
                reply, _ = await client.ask(call(7, ECHO_V1.ECHO, b"hello"), "127.0.0.1", port)
                assert reply == words(7, 1, 0, 0, 0, 0, 5, b"hello\0\0\0")

    run(scenario())


@pytest.mark.parametrize("asked", ["127.0.0.1", "127.0.0.2"])
def test_the_reply_leaves_from_the_address_that_was_asked(asked: str) -> None:
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
        call(1, ECHO_V1.ECHO, bytes(MAX_CALL)),
    ],
    ids=["empty", "short", "zeros", "cut", "reply", "credential", "too-long"],
)
def test_what_is_no_call_is_dropped_and_the_next_answered(junk: bytes) -> None:
    async def scenario() -> None:
        async with endpoint() as (_, _, port):
            with Client() as client:
                client.sock.sendto(junk, ("127.0.0.1", port))
                reply, _ = await client.ask(call(2, ECHO_V1.NULL), "127.0.0.1", port)
                assert reply[:4] == words(2)

    run(scenario())


def test_a_reply_beyond_what_clients_have_room_for_is_a_system_error() -> None:
    async def scenario() -> None:
        async with endpoint() as (_, _, port):
            with Client() as client:
                most = MAX_REPLY - HEADER - 4
                longest, _ = await client.ask(call(1, ECHO_V1.MUCH, most), "127.0.0.1", port)
                refused, _ = await client.ask(call(2, ECHO_V1.MUCH, most + 1), "127.0.0.1", port)
                assert len(longest) == MAX_REPLY
                assert refused == refuse(words(2), SystemFailure())

    run(scenario())


def test_a_sender_that_cannot_be_answered_does_not_end_the_endpoint() -> None:
    async def scenario() -> None:
        async with endpoint() as (_, made, port):
            nowhere = ("127.0.0.1", 0)
            made._send(bytes(4), bytes(4), [], nowhere)  # type: ignore[arg-type]  # IPv4
            with Client() as gone:
                gone.sock.sendto(call(1, ECHO_V1.LATER, b""), ("127.0.0.1", port))
            with Client() as client:
                reply, _ = await client.ask(call(2, ECHO_V1.NULL), "127.0.0.1", port)
                assert reply[:4] == words(2)

    run(scenario())


def test_an_error_of_the_socket_does_not_end_the_endpoint() -> None:
    class Failing:
        """A socket whose first receipts fail."""

        def __init__(self, sock: socket.socket) -> None:
            self.sock, self.failures = sock, 3

        def __getattr__(self, name: str) -> object:
            return getattr(self.sock, name)

        def recvmsg(self, *sizes: int) -> object:
            if self.failures:
                self.failures -= 1
                raise ConnectionRefusedError(111, "Connection refused")
            return self.sock.recvmsg(*sizes)

    async def scenario() -> None:
        async with endpoint() as (_, made, port):
            made.sock = Failing(made.sock)  # type: ignore[assignment]  # it is like a socket
            with Client() as client:
                reply, _ = await client.ask(call(2, ECHO_V1.NULL), "127.0.0.1", port)
                assert reply[:4] == words(2)

    run(scenario())


def test_more_datagrams_than_a_batch_are_all_answered() -> None:
    async def scenario() -> None:
        async with endpoint() as (_, _, port):
            with Client() as client:
                client.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
                for xid in range(BATCH + 10):
                    client.sock.sendto(call(xid, ECHO_V1.NULL), ("127.0.0.1", port))
                replies = [(await client.reply())[0] for _ in range(BATCH + 10)]
                assert [reply[:4] for reply in replies] == [words(n) for n in range(BATCH + 10)]

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
                await until(lambda: not made.waiting)

    run(scenario())


def test_while_too_many_handlers_wait_datagrams_are_dropped(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(udp, "MAX_WAITING", 2)
    assert MAX_WAITING > 2

    async def scenario() -> None:
        async with endpoint() as (echo, made, port):
            with Client() as client:
                for xid in range(4):
                    client.sock.sendto(call(xid, ECHO_V1.LATER, b""), ("127.0.0.1", port))
                await until(lambda: echo.waiting == 2)
                await settle()
                assert len(made.waiting) == 2
                echo.go.set()
                replies = [(await client.reply())[0][:4] for _ in range(2)]
                assert replies == [words(0), words(1)]
                after, _ = await client.ask(call(9, ECHO_V1.LATER, b""), "127.0.0.1", port)
                assert after[:4] == words(9)

    run(scenario())


def test_calls_that_wait_when_it_closes_are_cancelled_even_if_they_have_not_begun() -> None:
    async def scenario() -> None:
        async with endpoint() as (echo, made, port):
            with Client() as client:
                client.sock.sendto(call(1, ECHO_V1.LATER, b""), ("127.0.0.1", port))
                await until(lambda: made.waiting)
        assert echo.cancelled == 1
        assert not made.waiting

    run(scenario())
