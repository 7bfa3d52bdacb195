"""A fake /dev/log: receives the lines that the daemon sends to syslog."""

from __future__ import annotations

import socket
from pathlib import Path


class FakeSyslog:
    """A datagram socket at a path, from ``start`` to ``stop``; it can be started again."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.start()

    def start(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.sock.setblocking(False)
        self.sock.bind(str(self.path))

    def stop(self) -> None:
        self.sock.close()
        self.path.unlink()

    def close(self) -> None:
        self.sock.close()

    def lines(self) -> list[str]:
        """The received messages."""
        found = []
        while True:
            try:
                found.append(self.sock.recv(1 << 16).decode())
            except BlockingIOError:
                return found
