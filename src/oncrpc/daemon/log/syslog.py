"""Writing to syslog: datagrams to /dev/log, as RFC 3164 §4.1 has them, without waiting for it.

A line that cannot be sent now is kept, and sent when whoever listens at /dev/log is there again or
has read what it has. Only when too many are kept is the oldest lost, and how many were is a line of
its own. The C library's syslog(3) would wait, or forget.
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import time
from collections import deque
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import NamedTuple

PLACE = "/dev/log"
TAG = "portmap"
MAX_KEPT = 1024
"""Lines that wait to be sent."""

RETRY = 1.0
"""Seconds between two attempts to send them, while nothing more is logged."""

AUTH, DAEMON = 4, 3
"""Facilities (RFC 3164 §4.1.1)."""

SEVERITIES = (
    (logging.CRITICAL, 2),
    (logging.ERROR, 3),
    (logging.WARNING, 4),
    (logging.INFO, 6),
    (logging.NOTSET, 7),
)
"""The severity from each level of Python's on."""

Lines = Callable[[logging.LogRecord], Iterable[str]]
"""The lines that are written for a record."""


def severity_of(level: int) -> int:
    """The severity, 0 to 7, as syslog and systemd count."""
    return next(severity for least, severity in SEVERITIES if level >= least)


class Message(NamedTuple):
    """A line with what stands before it."""

    priority: int
    created: float
    text: str

    def encoded(self) -> bytes:
        """The datagram."""
        at = time.strftime("%b %e %H:%M:%S", time.localtime(self.created))
        said = f"<{self.priority}>{at} {TAG}[{os.getpid()}]: {self.text}"
        return said.encode("utf-8", "backslashreplace")


class Syslog(logging.Handler):
    """Sends what is logged to a socket; what the ``private`` loggers say as facility auth."""

    def __init__(self, lines: Lines, *, private: Iterable[str] = (), place: str = PLACE) -> None:
        super().__init__()
        self.lines, self.private, self.place = lines, frozenset(private), place
        self._waiting: deque[Message] = deque()
        self._lost = 0
        self._socket: socket.socket | None = None
        self._timer: asyncio.TimerHandle | None = None

    def emit(self, record: logging.LogRecord) -> None:
        """Send a record, or keep it."""
        facility = AUTH if record.name in self.private else DAEMON
        priority = facility * 8 + severity_of(record.levelno)
        for text in self.lines(record):
            if len(self._waiting) >= MAX_KEPT:
                self._waiting.popleft()
                self._lost += 1
            self._waiting.append(Message(priority, record.created, text))
        self._send_all()

    def flush(self) -> None:
        """Try to send what is kept."""
        self.acquire()
        try:
            self._send_all()
        finally:
            self.release()

    def close(self) -> None:
        """Send what can be sent, and let go of the socket."""
        self.flush()
        self._disconnect()
        super().close()

    def _send_all(self) -> None:
        if self._lost and self._send(self._about_lost()):
            self._lost = 0
        while self._waiting and self._send(self._waiting[0]):
            self._waiting.popleft()
        if self._waiting:
            self._try_again_later()

    def _about_lost(self) -> Message:
        priority = DAEMON * 8 + severity_of(logging.WARNING)
        return Message(priority, time.time(), f"{self._lost} lines of the log were lost before")

    def _send(self, message: Message) -> bool:
        """Whether it was sent. A socket whose other end is gone is made anew, once."""
        data = message.encoded()
        for _ in range(2):
            try:
                self._connected().send(data)
            except BlockingIOError:
                return False
            except OSError:
                self._disconnect()
            else:
                return True
        return False

    def _connected(self) -> socket.socket:
        if self._socket is None:
            made = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
            try:
                made.setblocking(False)
                made.connect(self.place)
            except OSError:
                made.close()
                raise
            self._socket = made
        return self._socket

    def _disconnect(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _try_again_later(self) -> None:
        """By the event loop, where one runs; else the next line tries."""
        with suppress(RuntimeError):
            if self._timer is None:
                self._timer = asyncio.get_running_loop().call_later(RETRY, self._try_again)

    def _try_again(self) -> None:
        self._timer = None
        self.flush()
