"""The states of a stream socket: the tables, and random events against a model."""

from __future__ import annotations

from typing import cast

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from oncrpc.aio.epoll import ERROR, READ, WRITE, Poller, Ready
from oncrpc.aio.stream_socket import StreamSocket
from oncrpc.aio.stream_states import RECEIVE, SEND, Event, Receive, Send

MOST = 40
DESCRIPTOR = 7


@pytest.mark.parametrize("state", [*Receive, *Send])
def test_every_state_has_a_row(state: Receive | Send) -> None:
    assert state in (RECEIVE if isinstance(state, Receive) else SEND)


@pytest.mark.parametrize("final", [Receive.ENDED, Send.CLOSED])
def test_final_states_are_never_left(final: Receive | Send) -> None:
    assert (RECEIVE if isinstance(final, Receive) else SEND)[final] == {}  # type: ignore[index]  # of its table


@pytest.mark.parametrize("state", Send)
def test_an_abort_always_closes(state: Send) -> None:
    assert SEND[state].get(Event.ABORT, state) is Send.CLOSED


class MemorySocket:
    """The kernel's side: ``room`` bytes can be sent, ``arrived`` can be read, None is the end."""

    def __init__(self) -> None:
        self.room, self.arrived = 0, list[bytes | None]()
        self.sent = b""
        self.broken = self.is_closed = False

    def fileno(self) -> int:
        return -1 if self.is_closed else DESCRIPTOR

    def recv(self, size: int) -> bytes:
        assert not self.is_closed
        if self.broken:
            raise ConnectionResetError
        if not self.arrived:
            raise BlockingIOError
        return self.arrived.pop(0) or b""

    def send(self, data: bytes) -> int:
        assert not self.is_closed
        if self.broken:
            raise BrokenPipeError
        if not self.room:
            raise BlockingIOError
        taken = min(self.room, len(data))
        self.room -= taken
        self.sent += bytes(data[:taken])
        return taken

    def close(self) -> None:
        self.is_closed = True


class MemoryPoller:
    """What is watched for, and what is called then."""

    def __init__(self) -> None:
        self.events = 0

    def watch(self, descriptor: int, events: int, ready: Ready) -> None:
        assert descriptor == DESCRIPTOR
        self.events, self.ready = events, ready


class Sockets(RuleBasedStateMachine):
    """Events in any order; the model is what was written, read and asked of the owner."""

    def __init__(self) -> None:
        super().__init__()
        self.kernel, self.poller = MemorySocket(), MemoryPoller()
        self.made = StreamSocket(
            self.kernel,  # type: ignore[arg-type]  # a fake
            self,
            poller=cast(Poller, self.poller),
            most_unsent=MOST,
        )
        self.written, self.received = b"", b""
        self.paused = self.wants_to_read = self.was_closing = False
        self.lost = self.ends = 0

    def data_received(self, data: bytes | memoryview) -> None:
        assert self.wants_to_read
        self.received += data

    def eof_received(self) -> None:
        self.ends += 1

    def pause_writing(self) -> None:
        assert not self.paused
        self.paused = True

    def resume_writing(self) -> None:
        assert self.paused
        self.paused = False

    def connection_lost(self) -> None:
        self.lost += 1

    @rule()
    def resume(self) -> None:
        self.wants_to_read = True
        self.made.resume_reading()

    @rule()
    def pause(self) -> None:
        self.wants_to_read = False
        self.made.pause_reading()

    @rule(data=st.binary(min_size=1, max_size=60))
    def write(self, data: bytes) -> None:
        if self.made.send is not Send.CLOSED:
            self.written += data
        self.made.write(data)

    @rule()
    def close(self) -> None:
        self.was_closing = True
        self.made.close()

    @rule()
    def abort(self) -> None:
        self.was_closing = True
        self.made.abort()

    @rule(room=st.integers(1, 60))
    def take(self, room: int) -> None:
        self.kernel.room += room

    @rule(data=st.binary(min_size=1, max_size=9) | st.none())
    def arrive(self, data: bytes | None) -> None:
        if None not in self.kernel.arrived and not self.ends:
            self.kernel.arrived.append(data)

    @rule()
    def fail(self) -> None:
        self.kernel.broken = True

    @precondition(lambda self: self.poller.events & (READ | WRITE))
    @rule(error=st.booleans())
    def ready(self, *, error: bool) -> None:
        self.poller.ready(self.poller.events | (ERROR if error else 0))

    @rule()
    def hold_and_release(self) -> None:
        self.made.hold()
        assert self.poller.events == 0
        self.made.release()

    @invariant()
    def what_is_watched_follows_from_the_states(self) -> None:
        made = self.made
        wanted = READ if made.receive is Receive.READING else 0
        wanted |= WRITE if made.unsent else 0
        closed = made.send is Send.CLOSED
        assert self.poller.events in ({0} if closed else {wanted} if wanted else {ERROR, 0})

    @invariant()
    def no_byte_is_lost_or_doubled(self) -> None:
        if self.made.send is not Send.CLOSED:
            assert self.kernel.sent + bytes(self.made.unsent) == self.written
        assert self.written.startswith(self.kernel.sent)

    @invariant()
    def the_states_are_what_they_say(self) -> None:
        made = self.made
        assert (made.send in (Send.IDLE, Send.CLOSED)) == (not made.unsent)
        assert made.send is not Send.FULL or self.paused
        assert not self.paused or made.closing or made.send is Send.FULL
        assert self.lost == self.kernel.is_closed == (made.send is Send.CLOSED)
        assert not made.closing or made.receive is Receive.ENDED
        assert self.ends <= 1
        assert not (self.was_closing and not made.closing)

    @invariant()
    def only_a_reader_reads(self) -> None:
        assert not self.made.reading or self.wants_to_read


TestSockets = Sockets.TestCase
TestSockets.settings = settings(max_examples=200, stateful_step_count=30, deadline=None)
