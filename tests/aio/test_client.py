"""Links: many calls at once, deadlines, cancellation, and connections that end."""

from __future__ import annotations

import asyncio
import errno
import os
import socket
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from helpers import words
from loops import run, run_by, settle, until
from oncrpc.addr import split_uaddr
from oncrpc.aio import client as client_module
from oncrpc.aio.client import AioLink, connect, dial
from oncrpc.aio.server import Server, serve
from oncrpc.binder import Binder
from oncrpc.errors import (
    CallTimeout,
    HostUnknown,
    NotRegistered,
    ProcedureUnavailable,
    SystemFailure,
    TransportError,
)
from oncrpc.rpc import auth_sys
from oncrpc.rpc.record import RecordReader, encode_record
from oncrpc.testing import ManualClock

from .echo import ECHO_V1, Echo

SUCCESS = words(1, 0, 0, 0, 0)
LOCALHOST = "127.0.0.1"
NETIDS = {"tcp": LOCALHOST, "udp": LOCALHOST, "tcp6": "::1", "udp6": "::1"}


def port_of(server: Server, netid: str) -> int:
    """The port of one of its netids."""
    return split_uaddr(server.addresses[netid])[1]


@asynccontextmanager
async def echoing(netid: str = "tcp") -> AsyncIterator[tuple[Echo, int]]:
    """A server of the program on the loopback interface, and its port."""
    echo = Echo()
    async with serve(echo, netids=[netid], host=NETIDS[netid]) as server:
        try:
            yield echo, port_of(server, netid)
        finally:
            echo.go.set()


class Peer:
    """The other end of a link, which does what the test says; calls and replies are messages."""

    def __init__(self, netid: str) -> None:
        self.datagram = netid == "udp"
        kind = socket.SOCK_DGRAM if self.datagram else socket.SOCK_STREAM
        self.sock = socket.socket(socket.AF_INET, kind)
        self.sock.bind((LOCALHOST, 0))
        self.sock.setblocking(False)
        if not self.datagram:
            self.sock.listen()
        self.port = int(self.sock.getsockname()[1])
        self.link: AioLink | None = None
        self.stream = self.sock
        self.reader = RecordReader()

    async def dial(self, **options: Any) -> AioLink:
        """A link to it."""
        netid = "udp" if self.datagram else "tcp"
        self.link = await dial(netid, LOCALHOST, self.port, **options)
        if not self.datagram:
            self.stream, _ = await asyncio.get_running_loop().sock_accept(self.sock)
        return self.link

    async def call(self) -> bytes:
        """The next call."""
        loop = asyncio.get_running_loop()
        if self.datagram:
            data, self.client = await loop.sock_recvfrom(self.sock, 65536)
            return data
        while not (found := next(self.reader.records(), b"")):
            self.reader.feed(await loop.sock_recv(self.stream, 65536))
        return found

    def send(self, message: bytes) -> None:
        """A message to the link."""
        if self.datagram:
            self.sock.sendto(message, self.client)
        else:
            self.stream.send(encode_record(message))

    def reset(self) -> None:
        """End the connection at once."""
        self.stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("@ii", 1, 0))
        self.stream.close()


@asynccontextmanager
async def peer(netid: str = "tcp") -> AsyncIterator[Peer]:
    """A peer, closed with its link when the test ends."""
    made = Peer(netid)
    try:
        yield made
    finally:
        if made.link is not None:
            made.link.close()
        made.stream.close()
        made.sock.close()
        await settle()


def begin(link: AioLink, argument: bytes = b"") -> asyncio.Task[bytes]:
    """A call under way."""
    return asyncio.ensure_future(link.call(ECHO_V1.ECHO, argument))


def result(call: bytes, value: bytes) -> bytes:
    """The reply to a call: four bytes of opaque data."""
    return call[:4] + SUCCESS + words(4, value)


@pytest.mark.parametrize("netid", NETIDS)
def test_many_calls_at_once_each_get_their_own_result(netid: str) -> None:
    async def scenario() -> None:
        async with (
            echoing(netid) as (_, port),
            connect(NETIDS[netid], ECHO_V1.Client, netid=netid, port=port) as echo,
        ):
            arguments = [b"%d" % number for number in range(60)]
            results = await asyncio.gather(*(echo.ECHO(argument) for argument in arguments))
            assert results == arguments

    run(scenario())


def test_a_slow_call_does_not_hold_up_the_others() -> None:
    async def scenario() -> None:
        async with (
            echoing() as (service, port),
            connect(LOCALHOST, ECHO_V1.Client, port=port) as echo,
        ):
            slow = asyncio.ensure_future(echo.LATER(b"slow"))
            assert await echo.ECHO(b"fast") == b"fast"
            service.go.set()
            assert await slow == b"slow"

    run(scenario())


def test_over_a_local_socket(tmp_path: Path) -> None:
    path = str(tmp_path / "sock")

    async def scenario() -> None:
        service = Echo()
        async with serve(service, netids=["local"], path=path) as server:
            assert server.addresses == {"local": path}
            async with connect(path, ECHO_V1.Client, netid="local") as echo:
                assert await echo.ECHO(b"hello") == b"hello"
                assert isinstance(echo.link, AioLink)
                assert echo.link.peer == path
                assert service.callers[0].uid == os.geteuid()

    run(scenario())


def test_over_an_abstract_socket() -> None:
    path = f"@oncrpc-test-client-{os.getpid()}"

    async def scenario() -> None:
        async with serve(Echo(), netids=["local"], path=path) as server:
            assert server.addresses == {"local": path}
            async with connect(path, ECHO_V1.Client, netid="local") as echo:
                assert await echo.ECHO(b"hello") == b"hello"

    run(scenario())


@pytest.mark.parametrize("netid", ["tcp", "udp"])
def test_a_cancelled_call_leaves_the_link_usable_and_its_late_reply_is_dropped(netid: str) -> None:
    async def scenario() -> None:
        async with peer(netid) as other:
            link = await other.dial()
            first = begin(link)
            call = await other.call()
            first.cancel()
            await settle()
            assert len(link.calls) == 0
            second = begin(link)
            again = await other.call()
            other.send(result(call, b"late"))
            other.send(result(again, b"next"))
            assert await second == b"next"

    run(scenario())


@pytest.mark.parametrize("netid", ["tcp", "udp"])
def test_a_call_that_is_not_answered_times_out_and_the_link_goes_on(netid: str) -> None:
    clock = ManualClock()

    async def scenario() -> None:
        async with peer(netid) as other:
            link = await other.dial(timeout=5.0)
            first = begin(link)
            call = await other.call()
            clock.advance(5)
            await settle()
            assert isinstance(first.exception(), CallTimeout)
            other.send(result(call, b"late"))
            second = begin(link)
            while (again := await other.call())[:4] == call[:4]:
                pass
            other.send(result(again, b"next"))
            assert await second == b"next"

    run_by(clock, scenario())


def test_over_udp_a_call_is_sent_again_until_it_is_answered() -> None:
    clock = ManualClock()

    async def scenario() -> None:
        async with peer("udp") as other:
            link = await other.dial()
            call = begin(link)
            first = await other.call()
            clock.advance(0.5)
            second = await other.call()
            assert first == second
            other.send(result(second, b"done"))
            assert await call == b"done"
            assert link.calls.next_deadline() is None

    run_by(clock, scenario())


def test_over_tcp_a_call_is_sent_once() -> None:
    clock = ManualClock()

    async def scenario() -> None:
        async with peer() as other:
            link = await other.dial()
            call = begin(link)
            first = await other.call()
            clock.advance(9)
            await settle()
            other.stream.setblocking(False)
            with pytest.raises(BlockingIOError):
                other.stream.recv(1)
            other.send(result(first, b"done"))
            assert await call == b"done"

    run_by(clock, scenario())


def test_an_earlier_deadline_is_kept_beside_a_later_one() -> None:
    clock = ManualClock()

    async def scenario() -> None:
        async with peer() as other:
            link = await other.dial(timeout=100)
            late = begin(link)
            await settle()
            link.timeout = 1
            early = begin(link)
            await settle()
            clock.advance(1)
            await settle()
            assert isinstance(early.exception(), CallTimeout)
            assert not late.done()
            clock.advance(99)
            await settle()
            assert isinstance(late.exception(), CallTimeout)

    run_by(clock, scenario())


def test_a_reset_connection_fails_the_calls_under_way_and_later_ones() -> None:
    async def scenario() -> None:
        async with peer() as other:
            link = await other.dial()
            calls = [begin(link) for _ in range(3)]
            await other.call()
            other.reset()
            for call in calls:
                with pytest.raises(TransportError) as raised:
                    await call
                assert raised.value.errno == errno.ECONNRESET
            for _ in range(2):
                with pytest.raises(TransportError):
                    await link.call(ECHO_V1.NULL)

    run(scenario())


def test_the_error_of_a_broken_link_does_not_grow() -> None:
    async def scenario() -> None:
        async with peer() as other:
            link = await other.dial()
            link.close()
            depths = []
            for _ in range(3):
                with pytest.raises(TransportError) as raised:
                    await link.call(ECHO_V1.NULL)
                depths.append(len(raised.traceback))
            assert depths[0] == depths[2]

    run(scenario())


def test_a_peer_that_hangs_up_fails_the_calls_under_way() -> None:
    async def scenario() -> None:
        async with peer() as other:
            link = await other.dial()
            call = begin(link)
            await other.call()
            other.stream.close()
            with pytest.raises(TransportError, match="reset"):
                await call

    run(scenario())


def test_bytes_that_are_no_record_end_the_link() -> None:
    async def scenario() -> None:
        async with peer() as other:
            link = await other.dial()
            call = begin(link)
            await other.call()
            other.stream.send(words(0xFFFFFFFF))
            with pytest.raises(TransportError):
                await call

    run(scenario())


def test_junk_within_records_is_dropped() -> None:
    async def scenario() -> None:
        async with peer() as other:
            link = await other.dial()
            call = begin(link)
            message = await other.call()
            for junk in (b"", b"abc", message, words(0, 1)):
                other.send(junk)
            other.send(result(message, b"true"))
            assert await call == b"true"

    run(scenario())


def test_a_refusal_is_raised() -> None:
    async def scenario() -> None:
        async with echoing() as (_, port):
            link = await dial("tcp", LOCALHOST, port)
            with pytest.raises(SystemFailure):
                await link.call(ECHO_V1.FAIL)
            link.close()

    run(scenario())


def test_a_procedure_that_is_not_there_is_raised() -> None:
    class Bare(ECHO_V1.Service):
        """Has NULL alone."""

    async def scenario() -> None:
        async with serve(Bare(), netids=["tcp"], host=LOCALHOST) as server:
            link = await dial("tcp", LOCALHOST, port_of(server, "tcp"))
            with pytest.raises(ProcedureUnavailable):
                await link.call(ECHO_V1.ECHO, b"")
            link.close()

    run(scenario())


def test_over_udp_a_port_where_nobody_listens_refuses() -> None:
    async def scenario() -> None:
        async with peer("udp") as other:
            link = await other.dial()
            other.sock.close()
            with pytest.raises(TransportError) as raised:
                await link.call(ECHO_V1.NULL)
            assert raised.value.errno == errno.ECONNREFUSED

    run(scenario())


class Failing:
    """A socket whose sends or receipts fail."""

    def __init__(self, sock: socket.socket, *errors: OSError) -> None:
        self.sock, self.errors = sock, list(errors)

    def __getattr__(self, name: str) -> object:
        return getattr(self.sock, name)

    def send(self, data: bytes) -> int:
        if self.errors:
            raise self.errors.pop(0)
        return self.sock.send(data)


def test_over_udp_a_send_that_fails_is_raised() -> None:
    async def scenario() -> None:
        async with peer("udp") as other:
            link = await other.dial()
            assert link.sock is not None
            link.sock = Failing(link.sock, OSError(errno.EMSGSIZE, "Message too long"))  # type: ignore[assignment]  # it is like a socket
            with pytest.raises(TransportError, match="too long"):
                await link.call(ECHO_V1.NULL)
            assert len(link.calls) == 0

    run(scenario())


def test_over_udp_a_full_buffer_is_a_datagram_lost() -> None:
    clock = ManualClock()

    async def scenario() -> None:
        async with peer("udp") as other:
            link = await other.dial()
            assert link.sock is not None
            link.sock = Failing(link.sock, BlockingIOError())  # type: ignore[assignment]  # it is like a socket
            call = begin(link)
            await settle()
            clock.advance(0.5)
            message = await other.call()
            other.send(result(message, b"done"))
            assert await call == b"done"

    run_by(clock, scenario())


def test_over_udp_a_retransmission_that_fails_ends_its_call() -> None:
    clock = ManualClock()

    async def scenario() -> None:
        async with peer("udp") as other:
            link = await other.dial()
            call = begin(link)
            await other.call()
            assert link.sock is not None
            link.sock = Failing(link.sock, OSError(errno.ENETUNREACH, "Network is unreachable"))  # type: ignore[assignment]  # it is like a socket
            clock.advance(0.5)
            await settle()
            assert isinstance(call.exception(), TransportError)

    run_by(clock, scenario())


def test_closing_fails_the_calls_under_way() -> None:
    async def scenario() -> None:
        for netid in ("tcp", "udp"):
            async with peer(netid) as other:
                link = await other.dial()
                call = begin(link)
                await other.call()
                link.close()
                with pytest.raises(TransportError, match="abort"):
                    await call

    run(scenario())


def test_a_port_where_nobody_listens_is_a_transport_error() -> None:
    async def scenario() -> None:
        with socket.socket() as unused:
            unused.bind((LOCALHOST, 0))
            with pytest.raises(TransportError) as raised:
                await dial("tcp", LOCALHOST, unused.getsockname()[1])
        assert raised.value.errno == errno.ECONNREFUSED

    run(scenario())


def test_a_host_without_an_address_is_unknown() -> None:
    async def scenario() -> None:
        with pytest.raises(HostUnknown):
            await dial("tcp", "::1", 1)
        with pytest.raises(HostUnknown):
            await dial("tcp", "x" * 300, 1)

    run(scenario())


def never(*_: object) -> asyncio.Future[None]:
    """A connect that does not end."""
    return asyncio.get_running_loop().create_future()


@pytest.fixture
def no_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asyncio.SelectorEventLoop, "sock_connect", never)


@pytest.mark.usefixtures("no_answer")
def test_a_host_that_does_not_answer_times_out() -> None:
    clock = ManualClock()

    async def scenario() -> None:
        link = asyncio.ensure_future(dial("tcp", LOCALHOST, 1, timeout=3.0))
        while not link.done():
            clock.advance(1)
            await asyncio.sleep(0)
        failed = link.exception()
        assert isinstance(failed, TransportError)
        assert failed.errno == errno.ETIMEDOUT

    run_by(clock, scenario())


@pytest.mark.usefixtures("no_answer")
def test_a_dial_that_is_cancelled_closes_its_socket() -> None:
    async def scenario() -> None:
        link = asyncio.ensure_future(dial("local", "/nowhere", 0))
        await settle()
        link.cancel()
        with pytest.raises(asyncio.CancelledError):
            await link

    run(scenario())


def test_a_connection_that_is_reset_at_once_is_a_transport_error(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def gone(*_: object) -> str:
        raise TransportError.number(errno.ENOTCONN)

    async def scenario() -> None:
        async with peer() as other:
            monkeypatch.setattr(client_module, "peer_of", gone)
            with pytest.raises(TransportError, match="not connected"):
                await other.dial()

    run(scenario())


def test_the_credential_goes_with_every_call() -> None:
    async def scenario() -> None:
        async with peer() as other:
            cred = auth_sys(b"here", 1000, 100)
            link = await other.dial(cred=cred)
            call = begin(link)
            message = await other.call()
            assert message[24:28] == words(1)
            assert cred.body in message
            other.send(result(message, b"done"))
            await call

    run(scenario())


def test_without_a_port_the_port_mapper_is_asked() -> None:
    class Told(Binder):
        """Knows a port, or none."""

        answer: int | None = None

        async def getport(self, host: str, prog: int, vers: int, netid: str) -> int:
            assert (host, prog, vers, netid) == (LOCALHOST, ECHO_V1.prog, ECHO_V1.vers, "tcp")
            if self.answer is None:
                raise NotRegistered
            return self.answer

    async def scenario() -> None:
        binder = Told(dial)
        with pytest.raises(NotRegistered):
            async with connect(LOCALHOST, ECHO_V1.Client, binder=binder):
                pass
        async with (
            echoing() as (_, binder.answer),
            connect(LOCALHOST, ECHO_V1.Client, binder=binder) as echo,
        ):
            assert await echo.ECHO(b"hello") == b"hello"

    run(scenario())


def test_many_calls_under_way_cost_no_more_than_one_timer() -> None:
    async def scenario() -> None:
        async with peer() as other:
            link = await other.dial()
            calls = [begin(link) for _ in range(2000)]
            await until(lambda: len(link.calls) == 2000)
            first = link._timer
            calls.append(begin(link))
            await settle()
            assert link._timer is first
            link.close()
            await asyncio.gather(*calls, return_exceptions=True)

    run(scenario())
