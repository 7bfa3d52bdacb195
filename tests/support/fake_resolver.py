"""A resolver that blocks until the test lets it reply."""

from __future__ import annotations

import socket
import threading


class Asked(threading.Event):
    """Set when a name is looked up."""

    def __init__(self) -> None:
        super().__init__()
        self._go = threading.Event()
        self._threads: list[threading.Thread] = []

    def getaddrinfo(self, *_: object) -> list[object]:
        """Replaces ``socket.getaddrinfo``."""
        self._threads.append(threading.current_thread())
        self.set()
        self._go.wait()
        raise socket.gaierror(socket.EAI_AGAIN, "no answer")

    def answers(self) -> None:
        """Reply, and wait until the waiting threads have received it."""
        self._go.set()
        for thread in self._threads:
            thread.join()
