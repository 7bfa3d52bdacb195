"""Forwarding calls to a program on the loopback interface."""

from __future__ import annotations

import asyncio
import errno
import os
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from msgspec.structs import replace

from oncrpc.errors import (
    AuthError,
    CallError,
    GarbageArguments,
    ProcedureUnavailable,
    ProgramMismatch,
    ProgramUnavailable,
    SystemFailure,
)
from oncrpc.portmap.forward import (
    LIFETIME,
    MAX_ARGUMENTS,
    MAX_PENDING,
    MAX_PER_SOURCE,
    Forwarder,
    ForwardKey,
    ForwardTarget,
)
from oncrpc.rpc import Caller, NoReply
from oncrpc.rpc.dispatch import refuse
from oncrpc.rpc.prot import auth_flavor, auth_stat, authsys_parms, call_body
from oncrpc.testing import ManualClock
from oncrpc.xdr import codec
from support.loops import run, run_by, settle, until
from support.words import words

NOW = 1_700_000_000.5
ACCEPTED = words(1, 0, 0, 0, 0)  # REPLY, MSG_ACCEPTED, verf AUTH_NONE, SUCCESS
PROG, VERS, PROC = 400001, 1, 7


class Program:
    """A program's UDP socket: the calls that it got, and replies when the test says so."""

    def __init__(self, host: str) -> None:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self.sock = socket.socket(family, socket.SOCK_DGRAM)
        self.sock.bind((host, 0))
        self.sock.setblocking(False)
        self.port = int(self.sock.getsockname()[1])

    async def call(self) -> tuple[bytes, tuple[str, int]]:
        """The next call, and whom to answer."""
        loop = asyncio.get_running_loop()
        message, source = await loop.sock_recvfrom(self.sock, 65536)
        return message, source

    def answer(self, message: bytes, to: tuple[str, int], results: bytes = b"") -> None:
        """Carry out a call."""
        self.sock.sendto(message[:4] + ACCEPTED + results, to)

    @property
    def target(self) -> ForwardTarget:
        """The program as the forwarder knows it."""
        family = "inet6" if self.sock.family == socket.AF_INET6 else "inet"
        return ForwardTarget(PROG, VERS, PROC, family, self.port)


@asynccontextmanager
async def forwarding(host: str = "127.0.0.1") -> AsyncIterator[tuple[Forwarder, Program]]:
    """A forwarder, and a program that it can reach."""
    forwarder = Forwarder(now=lambda: NOW, families=("inet", "inet6"))
    forwarder.start()
    program = Program(host)
    try:
        yield forwarder, program
    finally:
        forwarder.close()
        program.sock.close()
        await settle()


def key_of(number: int = 1, host: str = "192.0.2.1") -> ForwardKey:
    """The call of that number of a host."""
    return ForwardKey(number, Caller("udp", (host, 700, 0), datagram=True), PROG, VERS, PROC)


def begin(
    forwarder: Forwarder,
    target: ForwardTarget,
    key: ForwardKey | None = None,
    arguments: bytes = b"",
) -> asyncio.Task[bytes]:
    """A call under way."""
    return asyncio.ensure_future(forwarder.call(key or key_of(), target, arguments, None))


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_call_is_forwarded_and_results_return(host: str) -> None:
    async def scenario() -> None:
        async with forwarding(host) as (forwarder, program):
            call = begin(forwarder, program.target, arguments=b"argument")
            message, source = await program.call()
            assert message[4:] == words(
                0, 2,  # CALL, rpcvers
                PROG, VERS, PROC,
                0, 0, 0, 0,  # cred AUTH_NONE, verf AUTH_NONE
                b"argument",
            )  # fmt: skip
            program.answer(message, source, b"result!\0")
            assert await call == b"result!\0"
            assert len(forwarder) == 0

    run(scenario())


def test_results_are_passed_on_unchanged() -> None:
    async def scenario() -> None:
        async with forwarding() as (forwarder, program):
            call = begin(forwarder, program.target)
            message, source = await program.call()
            program.answer(message, source, b"abc")
            assert await call == b"abc"

    run(scenario())


def test_forwarded_credential_is_rebuilt() -> None:
    async def scenario() -> None:
        async with forwarding() as (forwarder, program):
            said = authsys_parms(0x01020304, b"client", 1000, 100, [4, 24])
            call = asyncio.ensure_future(forwarder.call(key_of(), program.target, b"", said))
            message, source = await program.call()
            body, _ = codec(call_body).decode_from(message, 8)
            assert body.cred.flavor == auth_flavor.AUTH_SYS
            assert codec(authsys_parms).decode(body.cred.body) == authsys_parms(
                int(NOW), b"client", 1000, 100, [4, 24]
            )
            assert body.verf.body == b""
            program.answer(message, source)
            await call

    run(scenario())


def test_call_under_way_is_not_repeated() -> None:
    async def scenario() -> None:
        async with forwarding() as (forwarder, program):
            first = begin(forwarder, program.target)
            message, source = await program.call()
            with pytest.raises(NoReply):
                await forwarder.call(key_of(), program.target, b"", None)
            program.answer(message, source)
            await first
            again = begin(forwarder, program.target)
            message, source = await program.call()
            program.answer(message, source)
            await again

    run(scenario())


def test_forged_call_does_not_stop_the_honest_one() -> None:
    async def scenario() -> None:
        async with forwarding() as (forwarder, program):
            source = ("127.0.0.1", 700, 0)
            forged, honest = (
                Caller("udp", source, loopback=loopback, datagram=True)
                for loopback in (False, True)
            )

            calls = [
                begin(forwarder, program.target, ForwardKey(7, caller, PROG, VERS, PROC))
                for caller in (forged, honest)
            ]

            for _ in calls:
                program.answer(*await program.call())
            assert await asyncio.gather(*calls) == [b"", b""]

    run(scenario())


def test_full_table_drops_the_oldest_call() -> None:
    async def scenario() -> None:
        async with forwarding() as (forwarder, program):
            keys = [key_of(host=f"192.0.2.{number}") for number in range(MAX_PENDING + 1)]
            calls = [begin(forwarder, program.target, key) for key in keys]
            await settle()
            assert len(forwarder) == MAX_PENDING
            with pytest.raises(NoReply):
                await calls[0]
            assert not any(call.done() for call in calls[1:])
            begin_again = begin(forwarder, program.target, keys[0])
            await settle()
            assert not begin_again.done()
            for call in (*calls[1:], begin_again):
                call.cancel()

    run(scenario())


@pytest.mark.parametrize(
    ("host", "same"),
    [("192.0.2.1", "192.0.2.1"), ("2001:db8::1", "2001:db8::ffff"), ("fe80::1", "fe80::2")],
)
def test_source_over_its_share_loses_its_oldest(host: str, same: str) -> None:
    async def scenario() -> None:
        async with forwarding() as (forwarder, program):
            keys = [key_of(number, host) for number in range(MAX_PER_SOURCE)]
            other = begin(forwarder, program.target, key_of(host="198.51.100.1"))
            calls = [begin(forwarder, program.target, key) for key in keys]
            await settle()

            calls.append(begin(forwarder, program.target, key_of(MAX_PER_SOURCE, same)))
            await settle()

            with pytest.raises(NoReply):
                await calls[0]
            assert not any(call.done() for call in (other, *calls[1:]))
            assert len(forwarder) == MAX_PER_SOURCE + 1
            for call in (other, *calls[1:]):
                call.cancel()

    run(scenario())


def test_full_table_takes_from_the_busiest_source() -> None:
    async def scenario() -> None:
        async with forwarding() as (forwarder, program):
            single = begin(forwarder, program.target, key_of(host="198.51.100.1"))
            hosts = [f"192.0.2.{number // MAX_PER_SOURCE}" for number in range(MAX_PENDING - 1)]
            calls = [
                begin(forwarder, program.target, key_of(number, host))
                for number, host in enumerate(hosts)
            ]
            await settle()

            late = begin(forwarder, program.target, key_of(host="198.51.100.2"))
            await settle()

            assert isinstance(calls[0].exception(), NoReply)
            assert not any(call.done() for call in (single, late, *calls[1:]))
            for call in (single, late, *calls[1:]):
                call.cancel()

    run(scenario())


def test_a_call_expires_after_its_lifetime() -> None:
    clock = ManualClock()

    async def scenario() -> None:
        async with forwarding() as (forwarder, program):
            call = begin(forwarder, program.target)
            await settle()
            clock.advance(LIFETIME - 1)
            await settle()
            assert not call.done()
            clock.advance(1)
            await settle()
            assert isinstance(call.exception(), NoReply)
            assert len(forwarder) == 0

    run_by(clock, scenario())


def test_a_late_reply_is_dropped() -> None:
    async def scenario() -> None:
        async with forwarding() as (forwarder, program):
            call = begin(forwarder, program.target)
            message, source = await program.call()
            call.cancel()
            await settle()
            program.answer(message, source)
            await settle()
            assert len(forwarder) == 0

    run(scenario())


def test_reply_from_another_address_is_ignored() -> None:
    async def scenario() -> None:
        async with forwarding() as (forwarder, program):
            call = begin(forwarder, program.target)
            message, source = await program.call()
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
                other.bind(("127.0.0.1", 0))
                other.sendto(message[:4] + ACCEPTED + b"forged!!", source)
            program.answer(message, source, b"true")
            assert await call == b"true"

    run(scenario())


@pytest.mark.parametrize(
    "junk",
    [
        b"",
        words(0),  # CALL: cut below to the xid and this
        words(0, 2, PROG, VERS, PROC, 0, 0, 0, 0),  # a whole call
        words(1),
        words(1, 7),
        words(1, 0, 0, 0, 9),
    ],
    ids=["xid", "call", "whole-call", "short", "stat", "accept-stat"],
)
def test_junk_reply_is_dropped(junk: bytes) -> None:
    async def scenario() -> None:
        async with forwarding() as (forwarder, program):
            call = begin(forwarder, program.target)
            message, source = await program.call()
            program.sock.sendto(message[:4] + junk, source)
            program.sock.sendto(b"", source)
            program.answer(message, source, b"true")
            assert await call == b"true"

    run(scenario())


def test_a_second_reply_changes_nothing() -> None:
    async def scenario() -> None:
        async with forwarding() as (forwarder, program):
            call = begin(forwarder, program.target)
            message, source = await program.call()
            program.answer(message, source, b"one!")
            program.answer(message, source, b"two!")
            assert await call == b"one!"
            await settle()

    run(scenario())


@pytest.mark.parametrize(
    "refusal",
    [
        ProgramUnavailable(),
        ProgramMismatch(2, 3),
        ProcedureUnavailable(),
        GarbageArguments(),
        SystemFailure(),
        AuthError(auth_stat.AUTH_TOOWEAK),
    ],
    ids=lambda refusal: type(refusal).__name__,
)
def test_refusal_of_target_is_a_system_failure(refusal: CallError) -> None:
    async def scenario() -> None:
        async with forwarding() as (forwarder, program):
            call = begin(forwarder, program.target)
            message, source = await program.call()
            program.sock.sendto(refuse(message[:4], refusal), source)
            with pytest.raises(SystemFailure):
                await call

    run(scenario())


def test_oversized_results_are_a_system_failure() -> None:
    async def scenario() -> None:
        async with forwarding() as (forwarder, program):
            call = begin(forwarder, program.target)
            message, source = await program.call()
            program.answer(message, source, bytes(8800))
            with pytest.raises(SystemFailure):
                await call

    run(scenario())


def test_arguments_that_are_too_long_are_not_sent() -> None:
    async def scenario() -> None:
        async with forwarding() as (forwarder, program):
            with pytest.raises(SystemFailure):
                await forwarder.call(key_of(), program.target, bytes(MAX_ARGUMENTS + 1), None)
            assert len(forwarder) == 0

    run(scenario())


def test_closed_port_drops_the_call() -> None:
    clock = ManualClock()

    async def scenario() -> None:
        async with forwarding() as (forwarder, program):
            program.sock.close()
            call = begin(forwarder, program.target)
            await settle()
            clock.advance(LIFETIME)
            await settle()
            assert isinstance(call.exception(), NoReply)

    run_by(clock, scenario())


def test_unsendable_port_means_no_reply() -> None:
    async def scenario() -> None:
        async with forwarding() as (forwarder, program):
            with pytest.raises(NoReply):
                await forwarder.call(key_of(), replace(program.target, port=0), b"", None)
            assert len(forwarder) == 0

    run(scenario())


def test_closing_drops_the_pending_calls() -> None:
    async def scenario() -> None:
        async with forwarding() as (forwarder, program):
            call = begin(forwarder, program.target)
            await settle()
            forwarder.close()
            with pytest.raises(NoReply):
                await call
            with pytest.raises(SystemFailure):
                await forwarder.call(key_of(), program.target, b"", None)

    run(scenario())


def test_a_host_without_ipv6_forwards_over_ipv4(monkeypatch: pytest.MonkeyPatch) -> None:
    class NoIPv6(socket.socket):
        def bind(self, address: object) -> None:
            if self.family == socket.AF_INET6:
                raise OSError(errno.EADDRNOTAVAIL, "Cannot assign requested address")
            super().bind(address)  # type: ignore[arg-type]  # what socket.bind takes

    async def scenario() -> None:
        monkeypatch.setattr(socket, "socket", NoIPv6)
        forwarder = Forwarder(now=lambda: NOW, families=("inet", "inet6"))
        forwarder.start()
        monkeypatch.undo()
        program = Program("127.0.0.1")
        call = begin(forwarder, program.target)
        message, source = await program.call()
        program.answer(message, source, b"true")
        assert await call == b"true"
        with pytest.raises(SystemFailure):
            await forwarder.call(key_of(), ForwardTarget(PROG, VERS, PROC, "inet6", 1), b"", None)
        forwarder.close()
        program.sock.close()

    run(scenario())


def test_no_xid_is_in_use_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = [b"\0\0\0\1", b"\0\0\0\1", b"\0\0\0\2"]

    async def scenario() -> None:
        async with forwarding() as (forwarder, program):
            monkeypatch.setattr(os, "urandom", lambda _: drawn.pop(0))
            calls = [begin(forwarder, program.target, key_of(number)) for number in range(2)]
            xids = [(await program.call())[0][:4] for _ in calls]
            assert xids == [b"\0\0\0\1", b"\0\0\0\2"]
            for call in calls:
                call.cancel()
            await until(lambda: all(call.done() for call in calls))

    run(scenario())


def test_socket_error_does_not_end_forwarding() -> None:
    class Failing:
        """A socket whose first receipt fails."""

        def __init__(self, sock: socket.socket) -> None:
            self.sock, self.failures = sock, 1

        def __getattr__(self, name: str) -> object:
            return getattr(self.sock, name)

        def recvfrom(self, size: int) -> object:
            if self.failures:
                self.failures -= 1
                raise BlockingIOError
            return self.sock.recvfrom(size)

    async def scenario() -> None:
        async with forwarding() as (forwarder, program):
            failing = Failing(forwarder.sockets["inet"])
            forwarder.sockets["inet"] = failing  # type: ignore[assignment]  # it is like a socket
            call = begin(forwarder, program.target)
            message, source = await program.call()
            program.answer(message, source, b"true")
            assert await call == b"true"

    run(scenario())
