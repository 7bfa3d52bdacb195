"""Trace a daemon: send each call and its reply to clients of the control socket.

Without followers the dispatcher and the caches work as usual. While there is a follower, the guard
closes the caches of replies and the fast paths, so that each call goes through the dispatcher, and
the trace wraps the dispatcher.

A follower that reads too slowly loses messages. They are counted; the daemon never waits for it.
"""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Awaitable
from contextlib import suppress
from typing import Protocol

import msgspec

from oncrpc.daemon.control.protocol import TRACE, TracedMessage, TraceNote, answer_line
from oncrpc.daemon.control.server import RefusedRequest
from oncrpc.rpc.dispatch import Dispatcher, Reply
from oncrpc.rpc.program import Caller

MAX_FOLLOWERS = 4
"""Connections that may follow the daemon at a time."""

MAX_QUEUED = 4 << 20
"""Bytes in the queue of a follower; beyond that messages are dropped."""

MAX_TRACED = 1 << 20
"""Bytes of a message that a follower may ask for."""

USUAL_BYTES = 1 << 13
"""Bytes of each message for a follower that does not name a number."""

PIECE = 1 << 16


class CachesGuard(Protocol):
    """Decides whether calls may be answered without the dispatcher."""

    def close_caches(self, closed: bool) -> None:
        """Send all calls to the dispatcher while ``closed``."""
        ...


class CallTrace:
    """Sends the calls of a dispatcher, and their replies, to its followers.

    Between two events, the dispatcher is wrapped and the caches are closed if and only if there are
    followers. ``unseen`` is text: the calls that do not go through the dispatcher.
    """

    def __init__(self, dispatcher: Dispatcher, guard: CachesGuard, *, unseen: str = "") -> None:
        self._dispatcher, self._guard, self._unseen = dispatcher, guard, unseen
        self._followers: list[_Follower] = []
        self._calls = 0

    @property
    def followers(self) -> int:
        """The number of followers."""
        return len(self._followers)

    async def follow(self, sock: socket.socket, about: str) -> None:
        """Send messages to a socket until its peer closes it.

        ``about`` is the number of bytes of each message to send.

        Raises:
            RefusedRequest: that is not a number, or there are too many followers.
        """
        if len(self._followers) >= MAX_FOLLOWERS:
            raise RefusedRequest(f"{MAX_FOLLOWERS} follow already; one of them has to end")
        follower = _Follower(sock, most=_bytes_of(about))
        self._followers.append(follower)
        if len(self._followers) == 1:
            self._begin()
        try:
            follower.send(answer_line(TraceNote(dropped=0, unseen=self._unseen), TRACE))
            with suppress(OSError):
                while await asyncio.get_running_loop().sock_recv(sock, PIECE):
                    pass
        finally:
            follower.close()
            self._followers.remove(follower)
            if not self._followers:
                self._end()

    def _begin(self) -> None:
        # An attribute of the object hides the method. So a call costs nothing more without
        # followers.
        self._dispatcher.handle = self._handle  # type: ignore[method-assign]  # undone by _end
        self._guard.close_caches(True)

    def _end(self) -> None:
        del self._dispatcher.handle
        self._guard.close_caches(False)

    def _handle(self, message: bytes, caller: Caller) -> Reply | Awaitable[Reply]:
        """As ``Dispatcher.handle``, with its errors."""
        self._calls += 1
        number = self._calls
        self._note(number, message, caller, is_call=True)
        reply = type(self._dispatcher).handle(self._dispatcher, message, caller)
        if isinstance(reply, bytes):
            self._note(number, reply, caller, is_call=False)
            return reply
        return None if reply is None else self._finished(reply, number, caller)

    async def _finished(self, reply: Awaitable[Reply], number: int, caller: Caller) -> Reply:
        found = await reply
        if found is not None:
            self._note(number, found, caller, is_call=False)
        return found

    def _note(self, number: int, message: bytes, caller: Caller, *, is_call: bool) -> None:
        """Send a message to all followers."""
        now = time.time_ns()
        for follower in self._followers:
            follower.take(
                TracedMessage(
                    call=number,
                    is_call=is_call,
                    time=now,
                    netid=caller.netid,
                    source=_place(caller.source),
                    target=_place(caller.local),
                    uid=caller.uid,
                    pid=caller.pid,
                    length=len(message),
                    body=message[: follower.most],
                )
            )


class _Follower:
    """Sends messages to a socket, those of one iteration of the event loop together."""

    def __init__(self, sock: socket.socket, *, most: int) -> None:
        self.most = most
        self._sock, self._loop = sock, asyncio.get_running_loop()
        self._queued = bytearray()
        self._dropped = self._told = 0
        self._waits = self._closed = False

    def take(self, message: TracedMessage) -> None:
        """Send a message, or count it as dropped."""
        if len(self._queued) > MAX_QUEUED:
            self._dropped += 1
        else:
            self.send(msgspec.json.encode(message) + b"\n")

    def send(self, line: bytes) -> None:
        """Queue a line, and send the queue at the end of this iteration of the loop."""
        self._queued += line
        if not self._waits:
            self._waits = True
            self._loop.call_soon(self._flush)

    def close(self) -> None:
        """Send what the socket accepts at once, and drop the rest."""
        self._flush()
        self._closed = True
        self._loop.remove_writer(self._sock.fileno())

    def _flush(self) -> None:
        """Send until the socket is full; continue when it accepts more."""
        if self._closed:
            return
        try:
            sent = self._sock.send(self._queued)
        except BlockingIOError:
            sent = 0
        except OSError:  # the peer is gone; follow() ends
            self._queued.clear()
            return
        del self._queued[:sent]
        if self._queued:
            self._loop.add_writer(self._sock.fileno(), self._flush)
        elif self._dropped > self._told:
            self._told = self._dropped
            self._queued += msgspec.json.encode(TraceNote(dropped=self._dropped)) + b"\n"
            self._loop.add_writer(self._sock.fileno(), self._flush)
        else:
            self._waits = False
            self._loop.remove_writer(self._sock.fileno())


def _place(found: tuple[str, int, int] | None) -> tuple[str, int] | None:
    return None if found is None else found[:2]


def _bytes_of(about: str) -> int:
    if not about:
        return USUAL_BYTES
    number = int(about) if about.isdecimal() and about.isascii() and len(about) < 10 else -1
    if not 0 <= number <= MAX_TRACED:
        raise RefusedRequest(f"invalid number of bytes {about!r}: must be 0 to {MAX_TRACED}")
    return number
