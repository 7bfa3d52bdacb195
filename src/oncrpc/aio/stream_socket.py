"""A connected stream socket on the event loop: what arrives goes to its owner, replies go out.

asyncio's transports do the same, but each needs a task to be made, and reads only after the event
loop has polled. Here a connection that brings its call with it is answered as soon as it is
accepted.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol

from oncrpc.aio.epoll import ERROR, READ, WRITE, Poller
from oncrpc.aio.stream_states import RECEIVE, SEND, Event, Receive, Send
from oncrpc.rpc.quick import FileReply

PAUSED, READING, ENDED = Receive
IDLE, WAITING, FULL, CLOSING, CLOSED = Send
READ_SIZE = 64 << 10

READS = 4
"""Reads that are made before others are served, if each filled its place."""

LONG = 16 << 10
"""At this size and above, ``sendmsg`` with several buffers is cheaper than joining them."""


CUT = -1


class FilePart(NamedTuple):
    """The bytes of a file that are to be sent; of a file that was ``CUT`` they are zeros."""

    descriptor: int
    offset: int
    length: int

    @property
    def is_sent(self) -> bool:
        """Whether nothing is left in the file."""
        return not self.length or self.descriptor == CUT


def read_part(descriptor: int, offset: int, length: int) -> bytes:
    """The bytes of a part of a file; zeros follow if it was cut meanwhile."""
    data = os.pread(descriptor, length, offset)
    while len(data) < length and (
        more := os.pread(descriptor, length - len(data), offset + len(data))
    ):
        data += more
    return data.ljust(length, b"\0")


class StreamOwner(Protocol):
    """Reads from and writes to a stream socket."""

    def data_received(self, data: bytes | memoryview) -> None:
        """Called when bytes have arrived; a memoryview is valid until this returns."""

    def eof_received(self) -> None:
        """Called when the peer has sent everything; it may still read."""

    def pause_writing(self) -> None:
        """Called when more than ``most_unsent`` bytes wait for the peer to read."""

    def resume_writing(self) -> None:
        """Called, after ``pause_writing``, when at most a quarter of ``most_unsent`` is left."""

    def connection_lost(self) -> None:
        """Called when the socket is closed, by either end; this is the last call."""


class StreamSocket:
    """Owns a non-blocking socket; ``start`` begins to read from it.

    ``receive`` and ``send`` are the states of its halves (``oncrpc.aio.stream_states``). ``unsent``
    are the bytes that were written and that the kernel had no room for. Above ``most_unsent`` of
    them the owner is asked to pause. At most ``read_size`` bytes are read at a time; or, into the
    memory that ``place`` returns, as many as it has.

    The poller always watches for what the states need: reading, writing, or, when they need
    neither, only for errors, to notice a peer that is gone. A socket that is held is not watched.
    """

    def __init__(
        self,
        sock: socket.SocketType,
        owner: StreamOwner,
        *,
        poller: Poller,
        most_unsent: int,
        read_size: int = READ_SIZE,
        place: Callable[[], memoryview] | None = None,
    ) -> None:
        self.sock, self.owner, self.poller, self.most_unsent = sock, owner, poller, most_unsent
        self.read_size, self._place = read_size, place
        self.unsent = bytearray()
        self._part: FilePart | None = None
        self.receive, self.send = PAUSED, IDLE
        self._descriptor = sock.fileno()

    @property
    def reading(self) -> bool:
        """Whether what arrives is handed to the owner."""
        return self.receive is READING

    @property
    def at_end(self) -> bool:
        """Whether nothing more will be read."""
        return self.receive is ENDED

    @property
    def closing(self) -> bool:
        """Whether ``close`` or ``abort`` was called, or the connection is lost."""
        return self.send is CLOSING or self.send is CLOSED

    def start(self) -> None:
        """Read what has arrived already, then whatever comes.

        Many clients send one call and close; those are never registered with epoll: the socket is
        registered only if it is still open after one more look.
        """
        self._happened(Event.RESUME)
        self._read()
        if self.send is not CLOSED:
            self.poller.soon(self._look_once_more)

    def _look_once_more(self) -> None:
        if self.receive is READING:
            self._read()
        if self.send is not CLOSED:
            self._watch()

    def pause_reading(self) -> None:
        """Stop reading: data that arrives stays in the kernel."""
        if self._happened(Event.PAUSE):
            self._watch()

    def resume_reading(self) -> None:
        """Read data as it arrives."""
        if self.receive is PAUSED:
            self._happened(Event.RESUME)
            self._watch()

    def hold(self) -> None:
        """Leave the socket alone until ``release``: another process may be using it."""
        if self.send is not CLOSED:
            self.poller.watch(self._descriptor, 0, self._ready)

    def release(self) -> None:
        """Continue after ``hold``."""
        if self.send is not CLOSED:
            self._watch()

    def write(self, *parts: bytes) -> None:
        """Send what the kernel takes now, and the rest when it has room."""
        if self.send is CLOSED:
            return
        if len(parts[-1]) < LONG:
            parts = (b"".join(parts),)
        sent = self._sent(*parts) if self.send is IDLE else 0
        if sent < 0 or sent == sum(map(len, parts)):
            return
        self.unsent += b"".join(parts)[sent:]
        if self._happened(Event.LEFT):
            self._watch()
        if len(self.unsent) > self.most_unsent and self._happened(Event.MANY_LEFT):
            self.owner.pause_writing()

    def write_file(self, parts: Sequence[bytes], reply: FileReply) -> None:
        """Send some bytes, a part of a file, and its tail; the part is not copied if possible.

        If the kernel has no room for all of it the owner is asked to pause.
        """
        if self.send is not IDLE:
            data = read_part(reply.descriptor, reply.offset, reply.length)
            self.write(*parts, data, reply.tail)
            return
        head = b"".join(parts)
        sent = self._sent(head, flags=socket.MSG_MORE)
        if sent < 0:
            return
        part = FilePart(reply.descriptor, reply.offset, reply.length)
        if sent < len(head):
            self.unsent += head[sent:] + read_part(*part) + reply.tail
        else:
            done = self._send_at_once(part)
            if done == part.length:
                if reply.tail:
                    self.write(reply.tail)
                return
            rest = self._send_part(
                FilePart(part.descriptor, part.offset + done, part.length - done)
            )
            if self.closing:
                return
            if rest.is_sent:
                if rest.length or reply.tail:
                    self.write(bytes(rest.length) + reply.tail)
                return
            self._part = rest._replace(descriptor=os.dup(rest.descriptor))
            self.unsent += reply.tail
        if self._happened(Event.LEFT):
            self._watch()
        if self._happened(Event.MANY_LEFT):
            self.owner.pause_writing()

    def read_rest(self) -> None:
        """Read the rest of a file that is being sent, to ``unsent``."""
        if self._part is not None:
            self.unsent[:0] = read_part(*self._part)
            self._forget_part()

    def _forget_part(self) -> None:
        if self._part is not None:
            os.close(self._part.descriptor)
            self._part = None

    def _send_at_once(self, part: FilePart) -> int:
        """Send a part of a file with one system call. Returns how many bytes were sent."""
        try:
            return os.sendfile(self._descriptor, *part)
        except OSError:
            return 0  # it is tried again, and fails again

    def _send_part(self, part: FilePart) -> FilePart:
        """Send a part of a file. Returns the rest."""
        descriptor, offset, left = part
        try:
            while left:
                sent = os.sendfile(self._descriptor, descriptor, offset, left)
                if not sent:
                    return FilePart(CUT, offset, left)
                offset, left = offset + sent, left - sent
        except (BlockingIOError, InterruptedError):
            return FilePart(descriptor, offset, left)
        except OSError:
            self.abort()
        return FilePart(descriptor, offset, 0)

    def close(self) -> None:
        """Read nothing more, and close once everything is sent."""
        was_closed = self.send is CLOSED
        self._happened(Event.CLOSE)
        if self.send is CLOSING:
            self._watch()
        elif not was_closed:
            self._finish()

    def abort(self) -> None:
        """Close at once."""
        if self._happened(Event.ABORT):
            self._finish()

    def _finish(self) -> None:
        self.poller.watch(self._descriptor, 0, self._ready)
        self.unsent.clear()
        self._forget_part()
        self.sock.close()
        self.owner.connection_lost()

    def _happened(self, event: Event) -> bool:
        """Follow the tables. Returns whether a state has changed."""
        receive, send = RECEIVE[self.receive].get(event), SEND[self.send].get(event)
        if receive is not None:
            self.receive = receive
        if send is not None:
            self.send = send
        return receive is not None or send is not None

    def _watch(self) -> None:
        events = READ if self.receive is READING else 0
        if self.send is not IDLE:
            events |= WRITE
        self.poller.watch(self._descriptor, events or ERROR, self._ready)

    def _ready(self, events: int) -> None:
        """Read, write, or learn of an error by whichever is being waited for."""
        reading, idle = self.receive is READING, self.send is IDLE
        if not reading and idle:
            self._gone(events)
            return
        if not idle and events & ~READ:
            self._write()
        if self.receive is READING and events & ~WRITE:
            self._read()

    def _gone(self, events: int) -> None:
        """Called if the peer goes while we neither read nor write; its data may still be read."""
        if events & ERROR:
            self.abort()
        else:
            self.poller.watch(self._descriptor, 0, self._ready)

    def _read(self) -> None:
        if self._place is not None:
            self._read_in_place(self._place)
            return
        try:
            data = self.sock.recv(self.read_size)
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            self.abort()
            return
        if data:
            self.owner.data_received(data)
        else:
            self._ended()

    def _read_in_place(self, place: Callable[[], memoryview]) -> None:
        """Read into the place that the owner has; again if there may be more, a few times."""
        for _ in range(READS):
            room = place()
            try:
                count = self.sock.recv_into(room)
            except (BlockingIOError, InterruptedError):
                return
            except OSError:
                self.abort()
                return
            if not count:
                self._ended()
                return
            self.owner.data_received(room[:count])
            if count < len(room) or self.receive is not READING:
                return

    def _ended(self) -> None:
        self._happened(Event.END)
        self.owner.eof_received()
        if self.send is not CLOSED:
            self._watch()

    def _sent(self, *parts: bytes | bytearray, flags: int = 0) -> int:
        """Send. Returns how many bytes the kernel took, -1 if the connection is lost."""
        try:
            if flags:
                return self.sock.send(parts[0], flags)
            return self.sock.send(parts[0]) if len(parts) == 1 else self.sock.sendmsg(parts)
        except (BlockingIOError, InterruptedError):
            return 0
        except OSError:
            self.abort()
            return -1

    def _write(self) -> None:
        if self._part is not None:
            rest = self._send_part(self._part)
            if self.send is CLOSED:
                return
            if not rest.is_sent:
                self._part = rest
                return
            self._forget_part()
            self.unsent[:0] = bytes(rest.length)
        sent = self._sent(self.unsent)
        if sent < 0:
            return
        del self.unsent[:sent]
        if not self.unsent:
            self._all_sent()
        elif len(self.unsent) <= self.most_unsent // 4 and self._happened(Event.FEW_LEFT):
            self.owner.resume_writing()

    def _all_sent(self) -> None:
        """Called when nothing is left: close if requested, else resume a paused owner."""
        was_full = self.send is FULL
        self._happened(Event.ALL_SENT)
        if self.send is CLOSED:
            self._finish()
            return
        self._watch()
        if was_full:
            self.owner.resume_writing()
