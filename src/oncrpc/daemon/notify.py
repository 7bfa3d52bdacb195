"""Telling the service manager how we are: sd_notify(3), and its store of descriptors."""

from __future__ import annotations

import array
import logging
import os
import socket
import time
from collections.abc import Mapping

log = logging.getLogger("oncrpc.daemon")


class Notifier:
    """Sends to the socket that the environment names; without one to nobody."""

    def __init__(self, environ: Mapping[str, str] = os.environ) -> None:
        place = environ.get("NOTIFY_SOCKET", "")
        self._address = "\0" + place[1:] if place.startswith("@") else place

    def __bool__(self) -> bool:
        return bool(self._address)

    def ready(self, status: str) -> None:
        """We serve."""
        self._tell("READY=1", f"STATUS={status}")

    def reloading(self, status: str) -> None:
        """We are about to be ready again; the time is the one that systemd compares."""
        now = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
        self._tell("RELOADING=1", f"MONOTONIC_USEC={now}", f"STATUS={status}")

    def stopping(self) -> None:
        """We are ending."""
        self._tell("STOPPING=1", "STATUS=")

    def store(self, sock: socket.socket, name: str) -> None:
        """Have the manager keep a socket: it comes back when we are started again.

        It is not polled, so that no error of a socket takes it out of the store.
        """
        rights = array.array("i", [sock.fileno()])
        fields = ("FDSTORE=1", f"FDNAME={name}", "FDPOLL=0")
        self._tell(*fields, control=[(socket.SOL_SOCKET, socket.SCM_RIGHTS, rights)])

    def _tell(
        self, *fields: str, control: list[tuple[int, int, array.array[int]]] | None = None
    ) -> None:
        if not self._address:
            return
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
                sock.connect(self._address)
                sock.sendmsg(["\n".join(fields).encode()], control or [])
        except OSError as error:
            log.warning("cannot tell the service manager: %s", error.strerror)
