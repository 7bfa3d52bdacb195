"""Reading what a daemon sends to those who follow it (``oncrpc.daemon.control.trace``)."""

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
"""Bytes of a line of the daemon."""

LAST = 1000
"""Milliseconds in which the daemon sends the last messages."""

NOTE = b'{"dropped"'
BROKEN_OFF = 1
"""The exit status if the daemon ends before."""

ENDED = "the daemon has ended, or restarts"


class Following:
    """The messages on a socket until ``stop``, or until the daemon closes it.

    ``received`` counts them, ``dropped`` those that the daemon did not send because the others
    were not read fast enough.
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
        """Let ``messages`` end after those that the daemon has sent; for a signal handler."""
        self._stopping = True
        os.eventfd_write(self._wake, 1)

    def check(self) -> None:
        """Say why there are no more messages.

        Raises:
            NoStatus: the daemon has ended.
        """
        if self._ended:
            raise NoStatus(BROKEN_OFF, ENDED)

    def remarks(self) -> Iterator[str]:
        """What is missing."""
        if self.dropped:
            yield f"{self.dropped} messages that came faster than they were read"

    def messages(self, whole: WholeMessages) -> Iterator[RpcMessage]:
        """The messages, each reply with its call.

        Raises:
            NoStatus: the daemon sends something else.
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
        """The lines, as they come."""
        read = b""
        for piece in self._pieces():
            *lines, read = (read + piece).split(b"\n")
            yield from lines
            if len(read) > MAX_LINE:
                raise ValueError(f"a line of more than {MAX_LINE} bytes")

    def _pieces(self) -> Iterator[bytes]:
        """What arrives; standard output is flushed before each wait."""
        poll = select.poll()
        poll.register(self._sock, select.POLLIN)
        poll.register(self._wake, select.POLLIN)
        told = False
        while True:
            if self._stopping and not told:
                # The daemon sends what is left, and closes the connection.
                poll.unregister(self._wake)
                self._sock.shutdown(socket.SHUT_WR)
                told = True
            try:
                piece = self._sock.recv(PIECE)
            except BlockingIOError:
                sys.stdout.flush()
                if not poll.poll(LAST if told else None) and told:
                    return
                continue
            except OSError:
                piece = b""
            if not piece:
                self._ended = not self._stopping
                return
            yield piece
