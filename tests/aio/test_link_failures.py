"""Links that fail: refusals, bytes that are no reply, dials, and connections that end."""

from __future__ import annotations

import asyncio
import errno
import socket

import pytest

from oncrpc.aio.link import DatagramLink, dial
from oncrpc.aio.serve import serve
from oncrpc.errors import (
    AuthError,
    ClientClosed,
    GarbageArguments,
    HostUnknown,
    OncRpcError,
    ProcedureUnavailable,
    ProgramMismatch,
    ProgramUnavailable,
    ProtocolError,
    RpcMismatch,
    SystemFailure,
    TransportError,
)
from oncrpc.testing import ManualClock
from support.echo import ECHO_V1
from support.fake_resolver import Asked
from support.loopback_peers import LOCALHOST, begin, echoing, peer, port_of, result
from support.loops import run, run_by, settle, until
from support.words import words


def test_reset_fails_current_and_later_calls() -> None:
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


def test_error_of_broken_link_does_not_grow() -> None:
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


def test_hangup_fails_calls_in_progress() -> None:
    async def scenario() -> None:
        async with peer() as other:
            link = await other.dial()
            call = begin(link)
            await other.call()
            other.stream.close()
            with pytest.raises(TransportError, match="reset"):
                await call

    run(scenario())


def test_invalid_records_end_the_link() -> None:
    async def scenario() -> None:
        async with peer() as other:
            link = await other.dial()
            call = begin(link)
            await other.call()
            other.stream.send(words(0xFFFFFFFF))
            with pytest.raises(ProtocolError, match="a record of over") as raised:
                await call
            assert str(raised.value).startswith(f"{link.calls.place}: ")

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
        async with serve(Bare(), transports=["tcp"], host=LOCALHOST) as server:
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
            assert isinstance(link, DatagramLink)
            link.sock = Failing(link.sock, OSError(errno.EMSGSIZE, "Message too long"))  # type: ignore[assignment]  # it is like a socket
            with pytest.raises(TransportError, match="too long"):
                await link.call(ECHO_V1.NULL)
            assert len(link.calls) == 0

    run(scenario())


def test_full_udp_buffer_loses_the_datagram() -> None:
    clock = ManualClock()

    async def scenario() -> None:
        async with peer("udp") as other:
            link = await other.dial()
            assert isinstance(link, DatagramLink)
            link.sock = Failing(link.sock, BlockingIOError())  # type: ignore[assignment]  # it is like a socket
            call = begin(link)
            await settle()
            clock.advance(0.5)
            message = await other.call()
            other.send(result(message, b"done"))
            assert await call == b"done"

    run_by(clock, scenario())


def test_failed_retransmission_ends_its_call() -> None:
    clock = ManualClock()

    async def scenario() -> None:
        async with peer("udp") as other:
            link = await other.dial()
            call = begin(link)
            await other.call()
            assert isinstance(link, DatagramLink)
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
                with pytest.raises(
                    ClientClosed, match=f"^{LOCALHOST} port .*: the client is closed$"
                ):
                    await call


def test_closed_link_reports_closing_over_earlier_errors() -> None:
    async def scenario() -> None:
        async with peer() as other:
            link = await other.dial()
            await settle()
            other.reset()
            with pytest.raises(TransportError, match="reset"):
                await begin(link)
            link.close()
            with pytest.raises(ClientClosed) as raised:
                await begin(link)
            assert raised.value.errno == errno.ECONNABORTED

    run(scenario())


def test_closed_port_is_a_transport_error() -> None:
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


@pytest.mark.parametrize("netid", ["tcp", "udp"])
def test_lookup_is_limited_and_off_the_loop(netid: str, no_name_server: Asked) -> None:
    clock = ManualClock()

    async def scenario() -> None:
        link = asyncio.ensure_future(dial(netid, "slow.example", 111, timeout=3.0))
        await until(no_name_server.is_set)
        clock.advance(2.5)
        await settle()
        assert not link.done()
        clock.advance(0.5)
        with pytest.raises(TransportError) as raised:
            await link
        assert str(raised.value) == (
            f"looking up slow.example port 111 over {netid}: no name server answered in time"
        )
        assert raised.value.errno == errno.ETIMEDOUT

    run_by(clock, scenario())


def test_lookup_may_outlive_the_event_loop(no_name_server: Asked) -> None:
    async def scenario() -> None:
        link = asyncio.ensure_future(dial("tcp", "slow.example", 111))
        await until(no_name_server.is_set)
        link.cancel()
        with pytest.raises(asyncio.CancelledError):
            await link

    run(scenario())
    no_name_server.answers()


def test_failed_lookup_is_a_transport_error(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fails(*_: object) -> None:
        raise OSError(errno.EMFILE, "Too many open files")

    async def scenario() -> None:
        monkeypatch.setattr(socket, "getaddrinfo", fails)
        with pytest.raises(
            TransportError, match=r"^some\.example port 111 .*: Too many open files$"
        ):
            await dial("tcp", "some.example", 111)

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


REFUSALS: list[tuple[bytes, OncRpcError]] = [
    (words(1, 0, 0, 0, 1), ProgramUnavailable()),
    (words(1, 0, 0, 0, 2, 3, 5), ProgramMismatch(3, 5)),
    (words(1, 0, 0, 0, 3), ProcedureUnavailable()),
    (words(1, 0, 0, 0, 4), GarbageArguments()),
    (words(1, 0, 0, 0, 5), SystemFailure()),
    (words(1, 1, 0, 2, 2), RpcMismatch(2, 2)),
    *[(words(1, 1, 1, stat), AuthError(stat)) for stat in range(1, 15)],
    (words(1, 0, 0, 0, 6), ProtocolError()),  # no accept_stat
    (words(1, 2), ProtocolError()),  # no reply_stat
    (words(1, 1, 2), ProtocolError()),  # no reject_stat
    (words(1, 0, 0, 401, bytes(404), 0), ProtocolError()),  # a verifier beyond 400 bytes
    (words(1, 0, 0, 0, 0), ProtocolError()),  # no result
    (words(1, 0, 0, 0, 0, 0xFFFFFFFF), ProtocolError()),  # a result of 4 GiB
    (words(1, 0, 0, 0, 0, 0, 0), ProtocolError()),  # more than the result
]


@pytest.mark.parametrize("netid", ["tcp", "udp"])
def test_link_works_after_every_refusal(netid: str) -> None:
    async def scenario() -> None:
        async with peer(netid) as other:
            link = await other.dial()
            for reply, refusal in REFUSALS:
                call = begin(link)
                other.send((await other.call())[:4] + reply)
                with pytest.raises(type(refusal)) as raised:
                    await call
                told = {**vars(refusal), "procedure": ECHO_V1.ECHO, "place": link.calls.place}
                assert isinstance(refusal, ProtocolError) or vars(raised.value) == told
            last = begin(link)
            other.send(result(await other.call(), b"done"))
            assert await last == b"done"

    run(scenario())
