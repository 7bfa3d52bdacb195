"""A flood from ever new sources takes bounded memory, and others are answered as before."""

from __future__ import annotations

import socket
from collections.abc import Awaitable, Iterator
from contextlib import contextmanager

import pytest

from oncrpc.access import admission, udp_limits
from oncrpc.access.admission import Admission
from oncrpc.access.call_lines import CallLog
from oncrpc.access.udp_limits import UdpLimits
from oncrpc.addr import transport
from oncrpc.aio.limits import Limits
from oncrpc.aio.udp import UdpEndpoint
from oncrpc.net.sockets import listen
from oncrpc.portmap.config import SCHEMA
from oncrpc.portmap.procedures import Mapper
from oncrpc.portmap.registry import Registry
from oncrpc.portmap.vocabulary import VOCABULARY
from oncrpc.programs.portmap import PMAP_VERS, mapping
from oncrpc.rpc import Call
from oncrpc.rpc.calls import Calls
from oncrpc.rpc.dispatch import Dispatcher
from oncrpc.testing import ManualClock
from support.batch_service import drain, received
from support.callers import counted
from support.loops import run

BOUND, SOURCES = 32, 1000
HONEST = "127.200.0.1"


def call(prog: int) -> bytes:
    """A GETPORT."""
    calls = Calls(first_xid=prog, retransmit=False)
    asked = mapping(prog, 1, 17, 0)
    return calls.start(PMAP_VERS.PMAPPROC_GETPORT, (asked,), now=0, timeout=1).message


class Counted(Dispatcher):
    """A dispatcher that counts calls."""

    handled = 0

    def handle(self, message: bytes, caller: object) -> object:  # type: ignore[override]
        self.handled += 1
        return super().handle(message, caller)  # type: ignore[arg-type]


class Desk:
    """A port mapper that takes the hosts of 127.0.0.0/8 for hosts of the network."""

    def __init__(self) -> None:
        self.mapper = Mapper(Registry())
        self.admission = Admission(CallLog(VOCABULARY))
        rule = '[[rule]]\nfrom = ["192.0.2.0/24"]\nthen = "deny"'
        self.admission.configure(SCHEMA.parse(rule, "policy").rule)
        self.limits = UdpLimits(self.admission, replies=1e-9, burst=50)
        self.dispatcher = Counted(
            self.mapper.services(),
            clock=ManualClock(),
            before=self.before,
            reply_cache=self.mapper.reply_cache,
        )
        sock = listen(transport("udp"), "127.0.0.1", 0)
        self.address = sock.getsockname()
        bounds = Limits(routes=BOUND, known_datagrams=BOUND)
        self.endpoint = UdpEndpoint(sock, "udp", self.dispatcher, self.limits, limits=bounds)
        self.endpoint.known.loopbacks = frozenset()

    def before(self, call: Call) -> Awaitable[None] | None:
        """Count and judge a call, as a daemon does."""
        counted(self.mapper, call)
        return self.admission.before(call)

    def ask(self, host: str, message: bytes) -> bytes | None:
        """The reply to a call from an address."""
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
            client.bind((host, 0))
            client.sendto(message, self.address)
            drain(self.endpoint, [message])
            replies = received(client, self.endpoint.sock)
            return replies[0] if replies else None


@contextmanager
def desk() -> Iterator[Desk]:
    made = Desk()
    try:
        yield made
    finally:
        made.endpoint.close()


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    """The bounds of modules, made small."""
    monkeypatch.setattr(udp_limits, "MAX_BUCKETS", BOUND)
    monkeypatch.setattr(admission, "MAX_CALLERS", BOUND)


def source(n: int) -> str:
    """An address of a network of its own."""
    return f"127.{n >> 8}.{n & 255}.1"


def test_ever_new_sources_take_bounded_memory() -> None:
    async def scenario() -> None:
        with desk() as made:
            for n in range(SOURCES):
                assert made.ask(source(n), call(7)) is not None
                known = made.endpoint.known
                assert max(known.routes, len(known)) <= BOUND
                assert made.limits.buckets <= 2 * BOUND  # recent ones, and those of routes

    run(scenario())


def test_ever_new_sources_leave_the_reply_cache_alone() -> None:
    async def scenario() -> None:
        with desk() as made:
            for n in range(SOURCES):
                made.ask(source(n), call(7))
            assert made.dispatcher.handled == 1

    run(scenario())


def test_new_sources_do_not_empty_caches() -> None:
    async def scenario() -> None:
        with desk() as made:
            made.ask(HONEST, call(7))
            for n in range(SOURCES):
                made.ask(source(n), call(1000 + n))
            before = made.dispatcher.handled
            assert made.ask(HONEST, call(7)) is not None
            assert made.dispatcher.handled == before

    run(scenario())


def test_a_flood_does_not_refill_an_empty_bucket() -> None:
    async def scenario() -> None:
        with desk() as made:
            replies = [made.ask(HONEST, call(7)) for _ in range(51)]
            assert (replies.count(None), replies[-1]) == (1, None)
            for n in range(BOUND - 2):
                made.ask(source(n), call(7))
            assert made.ask(HONEST, call(7)) is None

    run(scenario())
