"""Datagrams that are answered from memory: with the same bytes, and counted."""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oncrpc.addr import transport
from oncrpc.aio import udp
from oncrpc.aio.datagram_batch import MAX_TRAIN, MAX_TRAIN_REPLY, SLOTS, Batch, can_segment
from oncrpc.aio.guard import Guard, NoGuard, Standing
from oncrpc.aio.udp import MAX_READY_CALL, UdpEndpoint
from oncrpc.net.sockets import listen
from oncrpc.rpc import Call, Caller, pure
from oncrpc.rpc import reply_cache as memo
from oncrpc.rpc.dispatch import Dispatcher
from oncrpc.rpc.reply_cache import Memo
from oncrpc.testing import ManualClock
from support.datagrams import Client, Subject
from support.echo import ECHO_V1, call
from support.loops import run, settle
from support.words import words


class Ledger(ECHO_V1.Service):
    """ECHO tells also how often MUCH was called, and is pure; what it is called is counted.

    WHOAMI is pure too, and its reply longer than its call.
    """

    def __init__(self) -> None:
        self.counter = [0]
        self.generation = self.ran = 0

    @pure
    def ECHO(self, call: Call, arg: bytes) -> bytes:
        self.ran += 1
        self.counter[0] += 1
        call.counts.append((self.counter, 0))
        return self.generation.to_bytes(4, "big") + arg

    @pure
    def WHOAMI(self, call: Call) -> bytes:
        return bytes(100)

    def MUCH(self, call: Call, arg: int) -> bytes:  # of the interface
        self.generation += 1
        return b""


class Stingy:
    """Nobody is trusted, and all together may have so many replies."""

    generation = 0

    def __init__(self, tokens: int) -> None:
        self.tokens = tokens

    def standing(self, caller: Caller) -> Standing:  # all are alike
        return Standing(trusted=False, bucket=self)

    def open_to(self, caller: Caller) -> bool:
        return True

    def take(self, now: float) -> bool:  # nothing is added
        self.tokens -= 1
        return self.tokens >= 0


class Desk:
    """An endpoint that answers when it is told to, and some clients."""

    def __init__(
        self, *, remembers: bool = True, clients: int = 3, guard: Guard | None = None
    ) -> None:
        self.ledger = Ledger()
        self.memo = Memo(self.ledger)
        answering = Dispatcher(
            [self.ledger], clock=ManualClock(), memo=self.memo if remembers else None
        )
        sock = listen(transport("udp"), "0.0.0.0", 0)
        self.endpoint = UdpEndpoint(sock, "udp", answering, guard)
        self.port = sock.getsockname()[1]
        self.clients = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(clients)]
        for client in self.clients:
            client.connect(("127.0.0.1", self.port))

    def answer(self, *asked: tuple[int, bytes]) -> list[list[bytes]]:
        """Send what each client asks, have it answered as one batch; the replies of each."""
        for n, message in asked:
            self.clients[n].send(message)
        self.endpoint._drain()
        return [list(waiting(client)) for client in self.clients]


def waiting(sock: socket.socket) -> Iterator[bytes]:
    """What was received already."""
    try:
        while True:
            yield sock.recv(65536, socket.MSG_DONTWAIT)
    except BlockingIOError:
        return


@contextmanager
def desk(*, remembers: bool = True, guard: Guard | None = None) -> Iterator[Desk]:
    made = Desk(remembers=remembers, guard=guard)
    try:
        yield made
    finally:
        made.endpoint.close()
        for client in made.clients:
            client.close()


def asks(xid: int, text: bytes = b"hello") -> bytes:
    return call(xid, ECHO_V1.ECHO, text)


def tells(xid: int, text: bytes = b"hello", changes: int = 0) -> bytes:
    size = 4 + len(text)
    return words(xid, 1, 0, 0, 0, 0, size, changes) + text + bytes(-size % 4)


def changes(xid: int) -> bytes:
    return call(xid, ECHO_V1.MUCH, 0)


class Counting(ECHO_V1.Service):
    """Counts how often it is run; ECHO is pure."""

    def __init__(self) -> None:
        self.counter = [0]
        self.ran = 0

    @pure
    def ECHO(self, call: Call, arg: bytes) -> bytes:
        self.ran += 1
        self.counter[0] += 1
        call.counts.append((self.counter, 0))
        return arg


def test_a_call_that_was_answered_before_is_answered_from_memory_until_the_subject_changes() -> (
    None
):
    async def scenario() -> None:
        counting, subject = Counting(), Subject()
        memo = Memo(subject)
        answering = Dispatcher([counting], clock=ManualClock(), memo=memo)
        made = UdpEndpoint(listen(transport("udp"), "127.0.0.1", 0), "udp", answering)
        made.start()
        port = made.sock.getsockname()[1]
        with Client() as client:
            replies = [
                (await client.ask(call(xid, ECHO_V1.ECHO, b"hello"), "127.0.0.1", port))[0]
                for xid in range(4)
            ]
            assert [reply[:4] for reply in replies] == [words(n) for n in range(4)]
            assert {reply[4:] for reply in replies} == {words(1, 0, 0, 0, 0, 5, b"hello\0\0\0")}
            memo.settle()
            assert (counting.ran, counting.counter) == (1, [4])
            subject.generation += 1
            await client.ask(call(9, ECHO_V1.ECHO, b"hello"), "127.0.0.1", port)
            assert (counting.ran, counting.counter) == (2, [5])
        made.close()
        await settle()

    run(scenario())


class Telling(ECHO_V1.Service):
    """Tells whether it was asked as one of many."""

    @pure
    def WHOAMI(self, call: Call) -> bytes:
        return b"many" if call.caller.to_group else b"one!"


def test_what_was_sent_to_many_is_not_answered_with_what_one_was_told() -> None:
    async def scenario() -> None:
        answering = Dispatcher([Telling()], clock=ManualClock(), memo=Memo(Subject()))
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
@pytest.mark.parametrize("tokens", [None, 10, 10**6], ids=["trusted", "limited", "not trusted"])
@given(BATCHES)
def test_what_is_answered_from_memory_is_what_the_service_would_have_said_and_counted_alike(
    tokens: int | None, batches: Sequence[Sequence[tuple[int, bytes, int]]]
) -> None:
    def guard() -> Guard:
        return NoGuard() if tokens is None else Stingy(tokens)

    async def scenario() -> None:
        with (
            desk(guard=guard()) as remembering,
            desk(remembers=False, guard=guard()) as forgetful,
        ):
            for number, batch in enumerate(batches):
                each = [(n, message) for n, message, times in batch for _ in range(times)]
                asked = [(n, words(number << 8 | at) + m) for at, (n, m) in enumerate(each)]
                assert remembering.answer(*asked) == forgetful.answer(*asked)
                assert counted(remembering) == counted(forgetful)

    run(scenario())


def counted(made: Desk) -> tuple[int, ...]:
    """What the service and the endpoint have counted."""
    made.memo.settle()
    endpoint = made.endpoint
    return made.ledger.counter[0], endpoint.dropped, endpoint.overlong, endpoint.malformed


def test_what_a_caller_may_not_have_is_counted_each_time() -> None:
    async def scenario() -> None:
        with desk(guard=Stingy(4)) as made:
            replies, *_ = made.answer(*((0, call(xid, ECHO_V1.WHOAMI)) for xid in range(6)))
            assert replies == [words(xid, 1, 0, 0, 0, 5) for xid in range(4)]
            assert (made.endpoint.overlong, made.endpoint.dropped) == (6, 2)

    run(scenario())


def test_what_was_counted_is_kept_when_tables_make_room_for_that_of_another_address(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(memo, "MAX_TABLES", 1)

    async def scenario() -> None:
        with desk() as made:
            made.answer((0, asks(1)), (0, asks(2)), (0, asks(3)))
            made.clients[1].connect(("127.0.0.2", made.port))
            replies, *_ = made.answer((0, asks(4)), (1, words(1, 0)), (0, asks(5)), (0, asks(6)))
            assert replies == [tells(4), tells(5), tells(6)]
            made.memo.settle()
            assert made.ledger.counter == [6]

    run(scenario())


def test_a_whole_batch_of_one_client_is_answered_in_order_with_its_xids() -> None:
    async def scenario() -> None:
        with desk() as made:
            made.answer((0, asks(1)), (0, asks(2)))
            replies, *_ = made.answer(*((0, asks(xid)) for xid in range(SLOTS)))
            assert replies == [tells(xid) for xid in range(SLOTS)]
            assert made.ledger.ran == 1

    run(scenario())


def test_neighbours_from_different_ports_each_get_their_own() -> None:
    async def scenario() -> None:
        with desk() as made:
            made.answer((0, asks(1)), (0, asks(2)))
            replies = made.answer(*((xid % 3, asks(xid)) for xid in range(30)))
            assert replies == [[tells(xid) for xid in range(n, 30, 3)] for n in range(3)]

    run(scenario())


def test_a_change_in_the_middle_of_a_batch_is_seen_by_those_after_it() -> None:
    async def scenario() -> None:
        with desk() as made:
            made.answer((0, asks(1)), (0, asks(2)))
            replies, *_ = made.answer((0, asks(3)), (0, changes(4)), (0, asks(5)), (0, asks(6)))
            assert replies[0] == tells(3)
            assert replies[2:] == [tells(5, changes=1), tells(6, changes=1)]

    run(scenario())


def test_an_answer_that_is_ready_is_not_used_once_it_was_forgotten() -> None:
    async def scenario() -> None:
        with desk() as made:
            made.answer((0, asks(1)), (0, asks(2)))
            made.ledger.generation += 1
            assert made.answer((0, asks(3)), (0, asks(4)))[0][1] == tells(4, changes=1)

    run(scenario())


class Watched(Batch):
    """A batch that remembers how long its trains were."""

    def __init__(self, sock: socket.socket) -> None:
        super().__init__(sock)
        self.trains, self.tried = True, list[int]()

    def send_train(self, first: int, count: int) -> None:
        self.tried.append(count)
        super().send_train(first, count)


class Refusing(Watched):
    """A batch whose trains the kernel does not take; ``number`` is the error."""

    number = errno.EIO

    def send_train(self, first: int, count: int) -> None:  # none of them goes
        self.tried.append(count)
        raise OSError(self.number, os.strerror(self.number))


@pytest.mark.parametrize("text", [b"hello", b"x" * (MAX_TRAIN_REPLY + 1)], ids=["short", "long"])
@pytest.mark.parametrize("kind", [Batch, Refusing])
def test_where_replies_cannot_be_sent_together_they_are_sent_one_by_one(
    kind: type[Batch], text: bytes
) -> None:
    async def scenario() -> None:
        with desk() as made:
            made.endpoint.batch = kind(made.endpoint.sock)
            made.answer((0, asks(1, text)), (0, asks(2, text)))
            replies, *_ = made.answer(*((0, asks(xid, text)) for xid in range(16)))
            assert replies == [tells(xid, text) for xid in range(16)]

    run(scenario())


@pytest.mark.parametrize(
    ("number", "tried"),
    [(errno.EMSGSIZE, [8, 8]), (errno.EINVAL, [8, 8]), (errno.EAGAIN, [8, 8, 8])],
    ids=["too small", "no way", "full"],
)
def test_replies_that_cannot_go_together_are_not_tried_again_others_are(
    number: int, tried: list[int]
) -> None:
    async def scenario() -> None:
        with desk() as made:
            made.endpoint.batch = batch = Refusing(made.endpoint.sock)
            batch.number = number
            for text in (b"one", b"two"):
                made.answer((0, asks(1, text)), (0, asks(2, text)))
            for text in (b"one", b"one", b"two"):
                replies, *_ = made.answer(*((0, asks(xid, text)) for xid in range(8)))
                assert replies == [tells(xid, text) for xid in range(8)]
            assert batch.tried == tried

    run(scenario())


def test_a_train_is_not_longer_than_a_short_queue_has_room_for() -> None:
    text = b"x" * 400
    fit = MAX_TRAIN // len(tells(0, text))

    async def scenario() -> None:
        with desk() as made:
            if not can_segment(made.endpoint.sock):
                pytest.skip("the kernel knows no trains")
            made.endpoint.batch = batch = Watched(made.endpoint.sock)
            made.answer((0, asks(1, text)), (0, asks(2, text)))
            for count in (fit, fit + 1):
                replies, *_ = made.answer(*((0, asks(xid, text)) for xid in range(count)))
                assert replies == [tells(xid, text) for xid in range(count)]
            assert batch.tried == [fit]

    run(scenario())


def test_what_is_ready_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(udp, "MAX_READY", 4)

    async def scenario() -> None:
        with desk() as made:
            for xid in range(20):
                made.answer((0, asks(xid, b"%d" % xid)), (0, asks(xid, b"%d" % xid)))
                assert len(made.endpoint._ready) <= 4
            made.answer((0, asks(0, b"x" * MAX_READY_CALL)), (0, asks(0, b"x" * MAX_READY_CALL)))
            assert max(map(len, made.endpoint._ready)) <= MAX_READY_CALL

    run(scenario())
