"""The states of a stream socket, and what leads from one to another.

A socket has two halves: what it receives, and what it sends. The two tables below are the
documentation: an event that a state does not list leaves it as it is.

Invariants, between two events:

- ``Receive.READING`` is the only state in which bytes are taken from the kernel.
- ``Send.IDLE`` and ``Send.CLOSED`` are the states in which nothing is unsent.
- In ``Send.FULL``, and only there, the owner has been asked to pause and not yet to resume; when
  the socket closes from there, the owner is not asked to resume any more.
- ``Receive.ENDED`` and ``Send.CLOSED`` are final. In ``CLOSING`` and ``CLOSED`` nothing is read.
"""

from __future__ import annotations

from enum import Enum, auto


class _State(Enum):
    __hash__ = object.__hash__  # of identity: that of Enum is slow, and looked up for each event


class Receive(_State):
    """The half that reads."""

    PAUSED = auto()
    """Data stays in the kernel, so that TCP's flow control stops the peer."""

    READING = auto()
    """Data is passed to the owner."""

    ENDED = auto()
    """The peer has sent everything, or we close: nothing more is read."""


class Send(_State):
    """The half that writes."""

    IDLE = auto()
    """The kernel took everything."""

    WAITING = auto()
    """Some bytes wait until the kernel has room."""

    FULL = auto()
    """Too many do: the owner was asked to pause."""

    CLOSING = auto()
    """Some bytes wait; with the last one the socket is closed."""

    CLOSED = auto()
    """The socket is closed."""


class Event(_State):
    """The events of a stream socket."""

    RESUME = auto()
    """The owner wants to read."""

    PAUSE = auto()
    """The owner wants to read no more for now."""

    END = auto()
    """The peer has sent everything."""

    LEFT = auto()
    """The kernel did not take all bytes."""

    MANY_LEFT = auto()
    """More bytes than the owner may leave unsent were left."""

    FEW_LEFT = auto()
    """Most of them are sent by now."""

    ALL_SENT = auto()
    """No byte is left."""

    CLOSE = auto()
    """The owner closes the socket once everything is sent."""

    ABORT = auto()
    """The owner closes the socket at once, or it has failed."""


RECEIVE: dict[Receive, dict[Event, Receive]] = {
    Receive.PAUSED: {
        Event.RESUME: Receive.READING,
        Event.CLOSE: Receive.ENDED,
        Event.ABORT: Receive.ENDED,
    },
    Receive.READING: {
        Event.PAUSE: Receive.PAUSED,
        Event.END: Receive.ENDED,
        Event.CLOSE: Receive.ENDED,
        Event.ABORT: Receive.ENDED,
    },
    Receive.ENDED: {},
}
SEND: dict[Send, dict[Event, Send]] = {
    Send.IDLE: {
        Event.LEFT: Send.WAITING,
        Event.MANY_LEFT: Send.FULL,
        Event.CLOSE: Send.CLOSED,
        Event.ABORT: Send.CLOSED,
    },
    Send.WAITING: {
        Event.MANY_LEFT: Send.FULL,
        Event.ALL_SENT: Send.IDLE,
        Event.CLOSE: Send.CLOSING,
        Event.ABORT: Send.CLOSED,
    },
    Send.FULL: {
        Event.FEW_LEFT: Send.WAITING,
        Event.ALL_SENT: Send.IDLE,
        Event.CLOSE: Send.CLOSING,
        Event.ABORT: Send.CLOSED,
    },
    Send.CLOSING: {
        Event.ALL_SENT: Send.CLOSED,
        Event.ABORT: Send.CLOSED,
    },
    Send.CLOSED: {},
}
