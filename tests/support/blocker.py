"""A function that blocks a worker thread."""

from __future__ import annotations

import threading

DEADLINE = 10.0


class Blocker:
    """A function that blocks its thread until it is opened."""

    def __init__(self, name: object = None) -> None:
        self.name = name
        self.begun, self.go = threading.Event(), threading.Event()

    def __call__(self) -> object:
        self.begun.set()
        assert self.go.wait(DEADLINE)
        return self.name
