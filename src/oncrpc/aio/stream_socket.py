"""A connected stream socket on the event loop: what arrives goes to its owner, replies go out.

asyncio's own transports do this too, but are made by a task, keep what they have not sent to
themselves, and read only when the event loop has been asked. Here a connection that brings its
call with it is answered as soon as it is accepted.
"""

from __future__ import annotations

import socket
from typing import Protocol

from oncrpc.aio.epoll import ERROR, READ, WRITE, Poller

READ_SIZE = 64 << 10
LONG = 16 << 10
"""From so many bytes on it is dearer to copy them than to hand them over with what precedes."""


class Owner(Protocol):
    """Who reads and writes over a wire."""

    def data_received(self, data: bytes) -> None:
        """Bytes have arrived."""

    def eof_received(self) -> None:
        """The other end has sent all; it may still read."""

    def pause_writing(self) -> None:
        """More than ``most_unsent`` bytes wait for the other end to take them."""

    def resume_writing(self) -> None:
        """Few do by now."""

    def connection_lost(self) -> None:
        """The socket is closed, by either end; nothing more will be told."""


class Wire:
    """Owns a non-blocking socket; ``start`` begins to read from it.

    While it is ``reading`` what arrives is taken, once it is ``closing`` nothing more is. That the
    other end is gone is seen in between too.
    ``unsent`` are the bytes that were written and that the other end has no room for yet; at most
    ``most_unsent`` of them before the owner is asked to pause. ``read_size`` bytes are taken at a
    time.
    """

    def __init__(
        self,
        sock: socket.SocketType,
        owner: Owner,
        *,
        poller: Poller,
        most_unsent: int,
        read_size: int = READ_SIZE,
    ) -> None:
        self.sock, self.owner, self.poller, self.most_unsent = sock, owner, poller, most_unsent
        self.read_size = read_size
        self.unsent = bytearray()
        self.closing = self.reading = False
        self._writing = self._full = self._at_end = self._closed = self._held = False
        self._descriptor = sock.fileno()

    def start(self) -> None:
        """Take what is there already, then whatever comes.

        Many ask one thing and are gone when they were told: they need not be watched.
        """
        self.reading = True
        self._read()
        if not self._closed:
            self.poller.soon(self._look_again)

    def _look_again(self) -> None:
        if self.reading:
            self._read()
        if not self._closed:
            self._watch()

    def pause_reading(self) -> None:
        """Leave what arrives with the kernel."""
        if self.reading:
            self.reading = False
            self._watch()

    def resume_reading(self) -> None:
        """Take what arrives."""
        if not (self.reading or self.closing or self._at_end):
            self.reading = True
            self._watch()

    def hold(self, *, held: bool) -> None:
        """Leave what is unsent where it is: somebody else may be sending it; or no longer."""
        self._held = held
        if not self._closed:
            self._watch()

    def write(self, *parts: bytes) -> None:
        """Send, now as much as can be and the rest as soon as it can."""
        if self._closed:
            return
        if len(parts[-1]) < LONG:
            parts = (b"".join(parts),)  # else it is not copied here
        sent = 0 if self._writing else self._sent(*parts)
        if sent < 0 or sent == sum(map(len, parts)):
            return
        self.unsent += b"".join(parts)[sent:]
        if not self._writing:
            self._writing = True
            self._watch()
        if len(self.unsent) > self.most_unsent and not self._full:
            self._full = True
            self.owner.pause_writing()

    def close(self) -> None:
        """Read nothing more, and close once everything is sent."""
        self.closing = True
        if not self.unsent:
            self.abort()
            return
        self.pause_reading()
        self.hold(held=False)

    def abort(self) -> None:
        """Close at once."""
        if self._closed:
            return
        self.reading = self._writing = False
        self.closing = self._closed = True
        self._watch()
        self.unsent.clear()
        self.sock.close()
        self.owner.connection_lost()

    def _watch(self) -> None:
        events = (READ if self.reading else 0) | (WRITE if self._writing and not self._held else 0)
        if not (events or self.closing or self._held):
            events = ERROR
        self.poller.watch(self._descriptor, events, self._ready)

    def _ready(self, events: int) -> None:
        """Read, write, or learn of an error by whichever is being waited for."""
        if not (self.reading or self._writing):
            self._gone(events)
            return
        if self._writing and events & ~READ:
            self._write()
        if self.reading and events & ~WRITE:
            self._read()

    def _gone(self, events: int) -> None:
        """The other end is not there while neither is waited for; what it has sent may still be."""
        if events & ERROR:
            self.abort()
        else:
            self.poller.watch(self._descriptor, 0, self._ready)

    def _read(self) -> None:
        try:
            data = self.sock.recv(self.read_size)
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            self.abort()
            return
        if data:
            self.owner.data_received(data)
            return
        self._at_end = True
        self.owner.eof_received()
        self.pause_reading()

    def _sent(self, *parts: bytes | bytearray) -> int:
        """How many bytes the kernel took; -1 if the connection is lost."""
        try:
            return self.sock.send(parts[0]) if len(parts) == 1 else self.sock.sendmsg(parts)
        except (BlockingIOError, InterruptedError):
            return 0
        except OSError:
            self.abort()
            return -1

    def _write(self) -> None:
        sent = self._sent(self.unsent)
        if sent < 0:
            return
        del self.unsent[:sent]
        if not self.unsent:
            self._writing = False
            self._watch()
            if self.closing:
                self.abort()
                return
        if self._full and len(self.unsent) <= self.most_unsent // 4:
            self._full = False
            self.owner.resume_writing()
