"""Writing to syslog: datagrams to /dev/log (RFC 3164 §4.1), without ever waiting.

A line that cannot be sent now is kept, and sent when the syslog daemon is back or has read its
queue. Beyond ``MAX_KEPT`` lines the oldest is dropped; the number dropped becomes a line of its
own. The C library's syslog(3) would wait, or lose the line.
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
MAX_KEPT = 1024
"""Lines that wait to be sent."""

RETRY = 1.0
"""Seconds between two attempts to send them."""

AUTH, DAEMON = 4, 3
"""Facilities (RFC 3164 §4.1.1)."""

SEVERITIES = (
    (logging.CRITICAL, 2),
    (logging.ERROR, 3),
    (logging.WARNING, 4),
    (logging.INFO, 6),
    (logging.NOTSET, 7),
)
"""The severity for each level of ``logging`` and above."""

Lines = Callable[[logging.LogRecord], Iterable[str]]
"""The lines that are written for a record."""


def severity_of(level: int) -> int:
    """The severity, 0 to 7, of syslog and systemd."""
    return next(severity for least, severity in SEVERITIES if level >= least)


class Message(NamedTuple):
    """A line with its priority, time and tag."""

    priority: int
    created: float
    tag: str
    text: str

    def encoded(self) -> bytes:
        """The datagram."""
        at = time.strftime("%b %e %H:%M:%S", time.localtime(self.created))
        said = f"<{self.priority}>{at} {self.tag}[{os.getpid()}]: {self.text}"
        return said.encode("utf-8", "backslashreplace")


class Syslog(logging.Handler):
    """Sends records to the syslog socket; those of the ``private`` loggers as facility auth."""

    def __init__(
        self, lines: Lines, *, tag: str, private: Iterable[str] = (), place: str = PLACE
    ) -> None:
        super().__init__()
        self.lines, self.private, self.place = lines, frozenset(private), place
        self.tag = tag
        self._waiting: deque[Message] = deque()
        self._lost = 0
        self._socket: socket.socket | None = None
        self._timer: asyncio.TimerHandle | None = None

    @property
    def retry_at(self) -> float | None:
        """The loop's time of the next retry; None without lines that wait for one."""
        return None if self._timer is None else self._timer.when()

    def emit(self, record: logging.LogRecord) -> None:
        """Send a record, or keep it."""
        facility = AUTH if record.name in self.private else DAEMON
        priority = facility * 8 + severity_of(record.levelno)
        for text in self.lines(record):
            if len(self._waiting) >= MAX_KEPT:
                self._waiting.popleft()
                self._lost += 1
            self._waiting.append(Message(priority, record.created, self.tag, text))
        self._send_all()

    def flush(self) -> None:
        """Try to send the waiting lines."""
        self.acquire()
        try:
            self._send_all()
        finally:
            self.release()

    def close(self) -> None:
        """Send what can be sent, and close the socket."""
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
        return Message(
            priority, time.time(), self.tag, f"{self._lost} earlier lines of the log were lost"
        )

    def _send(self, message: Message) -> bool:
        """Whether the message was sent; a broken socket is opened again, once."""
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
        """Let the event loop retry; without a loop the next record does."""
        with suppress(RuntimeError):
            if self._timer is None:
                self._timer = asyncio.get_running_loop().call_later(RETRY, self._try_again)

    def _try_again(self) -> None:
        self._timer = None
        self.flush()
