"""Known datagrams: answered with the same bytes as by the service, and counted."""

from __future__ import annotations

import socket
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oncrpc.addr import transport
from oncrpc.aio.datagram_batch import SLOTS
from oncrpc.aio.guard import Guard, NoGuard, SourceRights
from oncrpc.aio.known_datagrams import MAX_IDENTITY
from oncrpc.aio.limits import Limits
from oncrpc.aio.udp import UdpEndpoint
from oncrpc.net.sockets import listen
from oncrpc.rpc import Call, Caller, pure, reply_cache
from oncrpc.rpc.dispatch import Dispatcher
from oncrpc.rpc.reply_cache import ReplyCache
from oncrpc.testing import ManualClock
from support.batch_service import Desk, asks, changes, desk, tells
from support.datagrams import Client, Subject
from support.echo import ECHO_V1, call
from support.loops import run
from support.words import words


class Limited:
    """A guard that trusts no source and gives all together a number of replies."""

    generation = 0

    def __init__(self, tokens: int) -> None:
        self.tokens = tokens

    def rights(self, caller: Caller) -> SourceRights:  # the same for all
        return SourceRights(trusted=False, bucket=self)

    def open_to(self, caller: Caller) -> bool:
        return True

    def take(self, now: float) -> bool:  # no token is ever added
        self.tokens -= 1
        return self.tokens >= 0


def test_the_second_call_is_answered_without_dispatching() -> None:
    async def scenario() -> None:
        with desk() as made:
            replies = [made.answer((0, asks(xid)))[0] for xid in range(3)]
            assert replies == [[tells(xid)] for xid in range(3)]
            assert (made.ledger.ran, len(made.endpoint.known)) == (1, 1)

    run(scenario())


def test_another_client_of_the_host_needs_no_dispatch() -> None:
    async def scenario() -> None:
        with desk() as made:
            replies = made.answer((0, asks(1)), (1, asks(2)))
            assert replies == [[tells(1)], [tells(2)], []]
            assert (made.ledger.ran, len(made.endpoint.known)) == (1, 1)

    run(scenario())


def test_a_changed_subject_empties_the_known_datagrams() -> None:
    async def scenario() -> None:
        with desk() as made:
            made.answer((0, asks(1)))
            made.ledger.generation += 1
            replies, *_ = made.answer((0, asks(2)), (0, asks(3)))
            assert replies == [tells(2, changes=1), tells(3, changes=1)]

    run(scenario())


def test_later_calls_of_a_batch_see_a_change() -> None:
    async def scenario() -> None:
        with desk() as made:
            made.answer((0, asks(1)))
            replies, *_ = made.answer((0, asks(3)), (0, changes(4)), (0, asks(5)), (0, asks(6)))
            assert replies[0] == tells(3)
            assert replies[2:] == [tells(5, changes=1), tells(6, changes=1)]

    run(scenario())


class Telling(ECHO_V1.Service):
    """WHOAMI says whether the call was sent to many."""

    @pure
    def WHOAMI(self, call: Call) -> bytes:
        return b"many" if call.caller.to_group else b"one!"


def test_broadcast_calls_have_replies_of_their_own() -> None:
    async def scenario() -> None:
        answering = Dispatcher([Telling()], clock=ManualClock(), reply_cache=ReplyCache(Subject()))
        made = UdpEndpoint(listen(transport("udp"), "0.0.0.0", 0), "udp", answering)
        made.start()
        port = made.sock.getsockname()[1]
        with Client() as client:
            client.sock.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
            for asked in ("127.0.0.1", "127.255.255.255") * 2:
                reply, _ = await client.ask(call(1, ECHO_V1.WHOAMI), asked, port)
                assert reply[-4:] == (b"one!" if asked == "127.0.0.1" else b"many")
        made.close()

    run(scenario())


LONG, TOO_LONG = b"l" * 600, b"t" * 2000
MESSAGES = [
    *(asks(0, text)[4:] for text in (b"", b"hello", b"hullo", LONG, TOO_LONG)),
    call(0, ECHO_V1.WHOAMI)[4:], changes(0)[4:], words(0), b"junk", b"",
]  # fmt: skip
BATCHES = st.lists(
    st.lists(
        st.tuples(st.integers(0, 2), st.sampled_from(MESSAGES), st.integers(1, 8)), max_size=12
    ),
    max_size=6,
)


@pytest.mark.slow
@pytest.mark.parametrize("tokens", [None, 10, 10**6], ids=["trusted", "limited", "untrusted"])
@given(BATCHES)
def test_known_datagrams_get_the_replies_of_the_service(
    tokens: int | None, batches: Sequence[Sequence[tuple[int, bytes, int]]]
) -> None:
    def guard() -> Guard:
        return NoGuard() if tokens is None else Limited(tokens)

    async def scenario() -> None:
        with desk(guard=guard()) as caching, desk(caching=False, guard=guard()) as plain:
            for number, batch in enumerate(batches):
                each = [(n, message) for n, message, times in batch for _ in range(times)]
                asked = [(n, words(number << 8 | at) + m) for at, (n, m) in enumerate(each)]
                assert caching.answer(*asked) == plain.answer(*asked)
                assert counted(caching) == counted(plain)

    run(scenario())


def counted(made: Desk) -> tuple[int, ...]:
    """What the service and the endpoint have counted."""
    made.cache.settle()
    endpoint = made.endpoint
    counts = endpoint.dropped, endpoint.overlong, endpoint.malformed
    return made.ledger.counter.count, *counts


def test_each_refused_and_each_dropped_reply_is_counted() -> None:
    async def scenario() -> None:
        with desk(guard=Limited(4)) as made:
            replies, *_ = made.answer(*((0, call(xid, ECHO_V1.WHOAMI)) for xid in range(6)))
            assert replies == [words(xid, 1, 0, 0, 0, 5) for xid in range(4)]
            assert (made.endpoint.overlong, made.endpoint.dropped) == (6, 2)

    run(scenario())


def test_replies_that_made_room_were_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reply_cache, "MAX_CIRCUMSTANCES", 1)

    async def scenario() -> None:
        with desk() as made:
            made.answer((0, asks(1)), (0, asks(2)), (0, asks(3)))
            made.clients[1].connect(("127.0.0.2", made.port))
            replies, *_ = made.answer((0, asks(4)), (1, asks(1)), (0, asks(5)), (0, asks(6)))
            assert replies == [tells(4), tells(5), tells(6)]
            made.cache.settle()
            assert made.ledger.counter.count == 7

    run(scenario())


def test_batch_of_one_client_is_answered_in_order() -> None:
    async def scenario() -> None:
        with desk() as made:
            made.answer((0, asks(1)))
            replies, *_ = made.answer(*((0, asks(xid)) for xid in range(SLOTS)))
            assert replies == [tells(xid) for xid in range(SLOTS)]
            assert made.ledger.ran == 1

    run(scenario())


def test_neighbours_from_different_ports_get_their_own() -> None:
    async def scenario() -> None:
        with desk() as made:
            made.answer((0, asks(1)))
            replies = made.answer(*((xid % 3, asks(xid)) for xid in range(30)))
            assert replies == [[tells(xid) for xid in range(n, 30, 3)] for n in range(3)]

    run(scenario())


def test_the_oldest_known_datagram_makes_room() -> None:
    async def scenario() -> None:
        with desk(limits=Limits(known_datagrams=4)) as made:
            for xid in range(20):
                made.answer((0, asks(xid, b"%d" % xid)))
                assert len(made.endpoint.known) == min(xid + 1, 4)

    run(scenario())


def test_long_calls_do_not_become_known_datagrams() -> None:
    async def scenario() -> None:
        with desk() as made:
            text = b"x" * MAX_IDENTITY
            replies, *_ = made.answer((0, asks(1, text)), (0, asks(2, text)))
            assert replies == [tells(1, text), tells(2, text)]
            assert (len(made.endpoint.known), made.ledger.ran) == (0, 1)

    run(scenario())
