"""Datagrams that are answered from memory: with the same bytes, and counted."""

from __future__ import annotations

import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpers import words
from loops import run, settle
from oncrpc.addr import transport
from oncrpc.aio import udp
from oncrpc.aio.mmsg import MAX_TRAIN_REPLY, SLOTS, Batch
from oncrpc.aio.sockets import listen
from oncrpc.aio.udp import MAX_READY_CALL, UdpEndpoint
from oncrpc.rpc import Call, pure
from oncrpc.rpc.dispatch import Dispatcher
from oncrpc.rpc.memo import Memo
from oncrpc.testing import ManualClock

from .datagrams import Client, Subject
from .echo import ECHO_V1, call


class Ledger(ECHO_V1.Service):
    """ECHO tells also how often MUCH was called, and is pure; what it is called is counted."""

    def __init__(self) -> None:
        self.counter = [0]
        self.generation = self.ran = 0

    @pure
    def ECHO(self, call: Call, arg: bytes) -> bytes:
        self.ran += 1
        self.counter[0] += 1
        call.counts.append((self.counter, 0))
        return self.generation.to_bytes(4, "big") + arg

    def MUCH(self, call: Call, arg: int) -> bytes:  # of the interface
        self.generation += 1
        return b""


class Desk:
    """An endpoint that answers when it is told to, and some clients."""

    def __init__(self, *, remembers: bool = True, clients: int = 3) -> None:
        self.ledger = Ledger()
        self.memo = Memo(self.ledger)
        answering = Dispatcher(
            [self.ledger], clock=ManualClock(), memo=self.memo if remembers else None
        )
        self.endpoint = UdpEndpoint(listen(transport("udp"), "127.0.0.1", 0), "udp", answering)
        self.clients = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(clients)]
        for client in self.clients:
            client.connect(self.endpoint.sock.getsockname())

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
def desk(*, remembers: bool = True) -> Iterator[Desk]:
    made = Desk(remembers=remembers)
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
    changes(0)[4:], b"junk", b"",
]  # fmt: skip


@given(st.lists(st.lists(st.tuples(st.integers(0, 2), st.sampled_from(MESSAGES)), max_size=20)))
def test_what_is_answered_from_memory_is_what_the_service_would_have_said(
    batches: Sequence[Sequence[tuple[int, bytes]]],
) -> None:
    async def scenario() -> None:
        with desk() as remembering, desk(remembers=False) as forgetful:
            for number, batch in enumerate(batches):
                asked = [(n, words(number << 8 | at) + m) for at, (n, m) in enumerate(batch)]
                assert remembering.answer(*asked) == forgetful.answer(*asked)
            remembering.memo.settle()
            assert remembering.ledger.counter == forgetful.ledger.counter

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


class Refusing(Batch):
    """A batch whose trains the kernel does not take."""

    def send_train(self, first: int, count: int) -> None:
        self.trains = False
        raise OSError(5, "Input/output error")


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
