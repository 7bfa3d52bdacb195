"""A resolver that blocks until the test lets it reply."""

from __future__ import annotations

import socket
import threading


class Asked(threading.Event):
    """Set once a name was asked for."""

    def __init__(self) -> None:
        super().__init__()
        self._go = threading.Event()
        self._threads: list[threading.Thread] = []

    def getaddrinfo(self, *_: object) -> list[object]:
        """In place of the resolver's."""
        self._threads.append(threading.current_thread())
        self.set()
        self._go.wait()
        raise socket.gaierror(socket.EAI_AGAIN, "no answer")

    def answers(self) -> None:
        """Answer, and wait until those who asked have taken it."""
        self._go.set()
        for thread in self._threads:
            thread.join()
