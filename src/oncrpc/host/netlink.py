"""Notices when interfaces or addresses of this host change: rtnetlink(7).

The messages are not read: the callback asks for what it needs. Since changes come in groups, it is
called once, a moment after the first of them.
"""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Callable

log = logging.getLogger("oncrpc.host")

GROUPS = 0x1 | 0x10 | 0x100
"""RTMGRP_LINK, RTMGRP_IPV4_IFADDR and RTMGRP_IPV6_IFADDR."""

MOMENT = 0.1
"""Seconds from the first change to the call, for further changes to arrive."""

MAX_MESSAGE = 65536
"""Bytes of a message of the kernel about a change of interfaces."""


class InterfaceWatch:
    """Calls ``changed`` after changes, from ``start`` to ``close``."""

    def __init__(self, changed: Callable[[], None]) -> None:
        self.changed = changed
        self._sock: socket.socket | None = None
        self._soon: asyncio.TimerHandle | None = None

    @property
    def pending(self) -> bool:
        """Whether a change was noticed for which ``changed`` is yet to be called."""
        return self._soon is not None and not self._soon.cancelled()

    @property
    def listening(self) -> bool:
        """Whether changes are noticed."""
        return self._sock is not None

    def start(self) -> None:
        """Start listening; if the kernel refuses, that is logged."""
        try:
            self._sock = _listening()
        except OSError as error:
            log.info("changes of interfaces are not noticed: %s", error.strerror)
        else:
            asyncio.get_running_loop().add_reader(self._sock.fileno(), self._drain)

    def close(self) -> None:
        """Stop listening."""
        if self._soon is not None:
            self._soon.cancel()
        if self._sock is not None:
            asyncio.get_running_loop().remove_reader(self._sock.fileno())
            self._sock.close()
            self._sock = None

    def _drain(self) -> None:
        """Take a message; an overrun, after which messages are missing, is a change as well."""
        assert self._sock is not None
        try:
            self._sock.recv(MAX_MESSAGE)
        except BlockingIOError:
            return
        except OSError as error:
            log.debug("netlink: %s", error.strerror)
        if self._soon is None:
            self._soon = asyncio.get_running_loop().call_later(MOMENT, self._tell)

    def _tell(self) -> None:
        self._soon = None
        self.changed()


def _listening() -> socket.socket:
    sock = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE)
    try:
        sock.setblocking(False)
        sock.bind((0, GROUPS))
    except OSError:
        sock.close()
        raise
    return sock
