"""Links: many calls at once, deadlines, cancellation, credentials, and peers that do not read."""

from __future__ import annotations

import asyncio
import os
import socket
from pathlib import Path
from typing import Any

import pytest

from oncrpc.aio.link import MAX_UNREAD, StreamLink, dial
from oncrpc.aio.serve import serve
from oncrpc.errors import CallTimeout, TransportError
from oncrpc.rpc import auth_sys
from oncrpc.rpc.record import encode_record
from oncrpc.testing import ManualClock
from support.echo import ECHO_V1, Echo
from support.loopback_peers import LOCALHOST, begin, echoing, peer, port_of, result
from support.loops import run, run_by, settle, until
from support.words import words

ROOT_ONLY = pytest.mark.skipif(os.geteuid() != 0, reason="needs a privilege")


@pytest.mark.parametrize("netid", ["tcp", "udp"])
def test_late_reply_to_cancelled_call_is_dropped(netid: str) -> None:
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
def test_link_works_after_a_timeout(netid: str) -> None:
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


def test_udp_call_is_retransmitted_until_answered() -> None:
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


def test_earlier_deadline_of_two_is_kept() -> None:
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


def test_the_credential_goes_with_every_call() -> None:
    async def scenario() -> None:
        async with peer() as other:
            cred = auth_sys(b"here", 1000, 100)
            link = await other.dial(auth=cred)
            call = begin(link)
            message = await other.call()
            assert message[24:28] == words(1)
            assert cred.body in message
            other.send(result(message, b"done"))
            await call

    run(scenario())


def test_many_calls_share_one_timer(monkeypatch: pytest.MonkeyPatch) -> None:
    async def scenario() -> None:
        async with peer() as other:
            link = await other.dial()
            timers: list[float] = []

            def call_at(when: float, *due: Any) -> asyncio.TimerHandle:
                timers.append(when)
                return real(when, *due)

            real = link.loop.call_at
            monkeypatch.setattr(link.loop, "call_at", call_at)
            calls = [begin(link) for _ in range(2000)]
            await until(lambda: len(link.calls) == 2000)
            assert len(timers) == 1
            link.close()
            await asyncio.gather(*calls, return_exceptions=True)

    run(scenario())


@pytest.mark.parametrize("netid", ["tcp", "udp"])
def test_call_has_its_own_deadline_and_credential(netid: str) -> None:
    clock = ManualClock()

    async def scenario() -> None:
        async with peer(netid) as other:
            link = await other.dial(timeout=100)
            client = ECHO_V1.Client(link).with_options(timeout=1, auth=auth_sys(b"me", 1, 2))
            call = asyncio.ensure_future(client.ECHO(b""))
            assert (await other.call())[24:28] == words(1)
            clock.advance(1)
            await settle()
            assert isinstance(call.exception(), CallTimeout)

    run_by(clock, scenario())


REJECTED = words(1, 1, 1, 2)  # REPLY, MSG_DENIED, AUTH_ERROR, AUTH_REJECTEDCRED


@pytest.mark.parametrize("netid", ["tcp", "udp"])
def test_flushed_shorthand_is_replaced_by_full_credential(netid: str) -> None:
    async def scenario() -> None:
        async with peer(netid) as other:
            link = await other.dial(auth=auth_sys(b"me", 1, 2))
            first = begin(link)
            message = await other.call()
            assert message[24:28] == words(1)
            issued = words(1, 0, 2, 4, b"tok.", 0)  # REPLY, MSG_ACCEPTED, AUTH_SHORT, SUCCESS
            other.send(message[:4] + issued + words(4, b"done"))
            assert await first == b"done"
            second = begin(link)
            message = await other.call()
            assert message[24:36] == words(2, 4, b"tok.")
            other.send(message[:4] + REJECTED)
            again = await other.call()
            assert again[24:28] == words(1)
            other.send(result(again, b"fine"))
            assert await second == b"fine"

    run(scenario())


def test_unsent_calls_that_end_are_dropped() -> None:
    size = MAX_UNREAD // 4

    async def scenario() -> None:
        async with peer() as other:
            link = await other.dial()
            assert isinstance(link, StreamLink)
            assert link.transport is not None
            for sock in (other.stream, link.transport.get_extra_info("socket")):
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 14)
            calls = [begin(link, bytes(size)) for _ in range(200)]
            await settle(20)
            assert link.transport.get_write_buffer_size() <= MAX_UNREAD + size + 100
            assert link.unsent
            for call in calls:
                call.cancel()
            await settle()
            assert not link.unsent
            last = begin(link, b"last")
            while b"last" not in (message := await other.call()):
                calls.pop()
            assert len(calls) > 50
            other.send(result(message, b"done"))
            assert await last == b"done"

    run(scenario())


def test_a_call_that_is_never_taken_times_out() -> None:
    clock = ManualClock()

    async def scenario() -> None:
        async with peer() as other:
            link = await other.dial(timeout=5.0)
            assert isinstance(link, StreamLink)
            link.pause_writing()
            call = begin(link)
            await settle()
            clock.advance(5)
            await settle()
            assert isinstance(call.exception(), CallTimeout)
            link.resume_writing()
            last = begin(link, b"last")
            message = await other.call()
            assert b"last" in message
            other.send(result(message, b"done"))
            assert await last == b"done"

    run_by(clock, scenario())


def test_closing_does_not_wait_for_the_peer() -> None:
    async def scenario() -> None:
        async with peer() as other:
            link = await other.dial()
            calls = [begin(link, bytes(1 << 20)) for _ in range(10)]
            await settle()
            assert isinstance(link, StreamLink)
            assert link.transport is not None
            sock = link.transport.get_extra_info("socket")
            link.close()
            await settle()
            assert sock.fileno() == -1
            assert all(call.done() for call in calls)
            await asyncio.gather(*calls, return_exceptions=True)

    run(scenario())


@pytest.mark.slow
def test_ten_thousand_calls_share_one_connection() -> None:
    many = 10_000

    async def scenario() -> None:
        async with peer() as other:
            link = await other.dial(timeout=60)
            calls = [begin(link, b"%04d" % number) for number in range(many)]
            messages = [await other.call() for _ in range(many)]
            assert len(link.calls) == many
            replies = [encode_record(result(m, m[-4:])) for m in reversed(messages)]
            loop = asyncio.get_running_loop()
            await loop.sock_sendall(other.stream, b"".join(replies))
            results = await asyncio.gather(*calls)
            assert results == [b"%04d" % number for number in range(many)]
            assert len(link.calls) == 0

    run(scenario())


@pytest.mark.slow
@pytest.mark.parametrize("netid", ["tcp", "local"])
def test_ten_thousand_calls_to_a_limited_server(netid: str, tmp_path: Path) -> None:
    many = 10_000

    async def scenario() -> None:
        echo, path = Echo(), str(tmp_path / "sock")
        async with serve(echo, transports=[netid], host=LOCALHOST, path=path) as server:
            place = (path, 0) if netid == "local" else (LOCALHOST, port_of(server, netid))
            link = await dial(netid, *place, timeout=60)
            client = ECHO_V1.Client(link)
            calls = [asyncio.ensure_future(client.LATER(b"%d" % n)) for n in range(many)]
            await until(lambda: echo.waiting == 64)
            echo.go.set()
            assert await asyncio.gather(*calls) == [b"%d" % number for number in range(many)]
            link.close()

    run(scenario())


def test_dialing_is_cancelled_at_any_moment(tmp_path: Path) -> None:
    async def dialling(path: str) -> None:
        while True:
            (await dial("local", path, 0)).close()

    async def scenario() -> None:
        path = str(tmp_path / "sock")
        async with serve(Echo(), transports=["local"], path=path):
            for steps in range(12):
                task = asyncio.ensure_future(dialling(path))
                for _ in range(steps):
                    await asyncio.sleep(0)
                task.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await task

    run(scenario())


@pytest.mark.parametrize("reserved", [False, pytest.param(True, marks=ROOT_ONLY)])
@pytest.mark.parametrize("netid", ["tcp", "udp"])
def test_call_comes_from_the_chosen_address(netid: str, reserved: bool) -> None:
    async def scenario() -> None:
        async with echoing(netid) as (service, port):
            link = await dial(netid, LOCALHOST, port, own_host="127.0.0.7", reserved_port=reserved)
            await link.call(ECHO_V1.ECHO, b"")
            link.close()
            assert service.callers[0].host == "127.0.0.7"
            assert (service.callers[0].port < 1024) is reserved

    run(scenario())


def test_call_from_the_address_of_another_fails() -> None:
    async def scenario() -> None:
        with pytest.raises(TransportError, match="assign requested address"):
            await dial("udp", LOCALHOST, 9, own_host="192.0.2.1")

    run(scenario())
