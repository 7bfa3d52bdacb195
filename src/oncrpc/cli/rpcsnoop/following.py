"""Read the messages that a traced daemon sends (``oncrpc.daemon.control.trace``)."""

from __future__ import annotations

import os
import select
import socket
import sys
from collections.abc import Iterator

import msgspec

from oncrpc.cli.command import safe_text
from oncrpc.cli.daemons.control_client import UNKNOWN, UNREADABLE, NoStatus
from oncrpc.daemon.control.protocol import TracedMessage, TraceNote
from oncrpc.snoop.messages import RpcMessage
from oncrpc.snoop.streams.whole import WholeMessages

PIECE = 1 << 18
MAX_LINE = 4 << 20
"""Bytes of a line from the daemon, at most."""

LAST = 1000
"""Milliseconds to wait for the last messages after ``stop``."""

NOTE = b'{"dropped"'
BROKEN_OFF = 1
"""The exit status if the daemon ends before ``stop``."""

ENDED = "the daemon has ended, or restarts"


class Following:
    """The messages on a socket until ``stop``, or until the daemon closes it.

    ``received`` counts them. ``dropped`` counts those that the daemon did not send, because this
    process did not read fast enough.
    """

    def __init__(self, sock: socket.socket) -> None:
        sock.setblocking(False)
        self._sock, self._wake = sock, os.eventfd(0)
        self._stopping = self._ended = False
        self.received = self.dropped = 0

    def close(self) -> None:
        """Close the socket."""
        self._sock.close()
        os.close(self._wake)

    def stop(self) -> None:
        """End ``messages`` after those already sent; may be called in a signal handler."""
        self._stopping = True
        os.eventfd_write(self._wake, 1)

    def check(self) -> None:
        """Check that ``stop`` ended the messages.

        Raises:
            NoStatus: the daemon has ended.
        """
        if self._ended:
            raise NoStatus(BROKEN_OFF, ENDED)

    def remarks(self) -> Iterator[str]:
        """Remarks on missing messages."""
        if self.dropped:
            yield f"{self.dropped} messages that came faster than they were read"

    def messages(self, whole: WholeMessages) -> Iterator[RpcMessage]:
        """The messages, each reply with its call.

        Raises:
            NoStatus: the daemon sends a line that is not a message.
        """
        try:
            for line in self._lines():
                if line.startswith(NOTE):
                    self.dropped = msgspec.json.decode(line, type=TraceNote).dropped
                    continue
                self.received += 1
                yield from whole.take(msgspec.json.decode(line, type=TracedMessage))
        except (ValueError, RecursionError) as error:
            raise NoStatus(UNKNOWN, f"{UNREADABLE}: {safe_text(str(error))}") from None
        yield from whole.rest()

    def _lines(self) -> Iterator[bytes]:
        """The lines as they arrive."""
        read = b""
        for piece in self._pieces():
            *lines, read = (read + piece).split(b"\n")
            yield from lines
            if len(read) > MAX_LINE:
                raise ValueError(f"a line of more than {MAX_LINE} bytes")

    def _pieces(self) -> Iterator[bytes]:
        """The bytes that arrive; standard output is flushed before each wait."""
        poll = select.poll()
        poll.register(self._sock, select.POLLIN)
        poll.register(self._wake, select.POLLIN)
        shut = False
        while True:
            if self._stopping and not shut:
                # The daemon then sends the rest, and closes the connection.
                poll.unregister(self._wake)
                self._sock.shutdown(socket.SHUT_WR)
                shut = True
            try:
                piece = self._sock.recv(PIECE)
            except BlockingIOError:
                sys.stdout.flush()
                if not poll.poll(LAST if shut else None) and shut:
                    return
                continue
            except OSError:
                piece = b""
            if not piece:
                self._ended = not self._stopping
                return
            yield piece
