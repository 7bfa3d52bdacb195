"""Notifying the service manager: sd_notify(3), and its store of descriptors."""

from __future__ import annotations

import array
import logging
import os
import socket
import time
from collections.abc import Mapping

log = logging.getLogger("oncrpc.daemon")


class Notifier:
    """Sends to the socket in ``NOTIFY_SOCKET``; without the variable it does nothing."""

    def __init__(self, environ: Mapping[str, str] = os.environ) -> None:
        place = environ.get("NOTIFY_SOCKET", "")
        self._address = "\0" + place[1:] if place.startswith("@") else place

    def __bool__(self) -> bool:
        return bool(self._address)

    def ready(self, status: str) -> None:
        """The daemon serves."""
        self._send("READY=1", f"STATUS={status}")

    def reloading(self, status: str) -> None:
        """The daemon reloads; ``ready`` follows. systemd compares the time that is sent."""
        now = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
        self._send("RELOADING=1", f"MONOTONIC_USEC={now}", f"STATUS={status}")

    def stopping(self) -> None:
        """The daemon ends."""
        self._send("STOPPING=1", "STATUS=")

    def store(self, sock: socket.socket, name: str) -> None:
        """Let the manager keep a socket, and pass it to the next start.

        The manager does not poll it: an error on the socket would remove it from the store.
        """
        rights = array.array("i", [sock.fileno()])
        fields = ("FDSTORE=1", f"FDNAME={name}", "FDPOLL=0")
        self._send(*fields, control=[(socket.SOL_SOCKET, socket.SCM_RIGHTS, rights)])

    def _send(
        self, *fields: str, control: list[tuple[int, int, array.array[int]]] | None = None
    ) -> None:
        if not self._address:
            return
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
                sock.connect(self._address)
                sock.sendmsg(["\n".join(fields).encode()], control or [])
        except OSError as error:
            log.warning("cannot notify the service manager: %s", error.strerror)
