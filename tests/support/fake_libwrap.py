"""A fake libwrap that records what it is asked, and the installed library where present."""

from __future__ import annotations

import os
import threading

import pytest

from oncrpc.access.hosts.libwrap import Busy, Libwrap, LibwrapQuestion


class FakeLibwrap(Libwrap):
    """Gives the answers that the test sets, and records the questions."""

    def __init__(self, *, allows: bool = True) -> None:
        self.allows, self.busy = allows, False
        self.broken: OSError | None = None
        self.texts: list[tuple[str, str]] = []
        self.asked: list[LibwrapQuestion] = []
        self.threads: set[threading.Thread] = set()
        self.goes_on = threading.Event()
        self.goes_on.set()

    def read(self, allow: str, deny: str) -> None:
        if self.broken is not None:
            raise self.broken
        if self.busy:
            raise Busy
        self.texts.append((allow, deny))

    def judge(self, asked: LibwrapQuestion) -> bool:
        if self.busy:
            raise Busy
        self.asked.append(asked)
        self.threads.add(threading.current_thread())
        self.goes_on.wait()
        return self.allows

    def close(self) -> None:
        pass


def installed() -> Libwrap:
    """The library; without it the test is skipped, or fails if peers are required."""
    try:
        return Libwrap()
    except OSError as error:
        reason = f"{error}; install libwrap0"
    if os.environ.get("ONCRPC_REQUIRE_PEERS"):
        pytest.fail(reason)
    pytest.skip(reason)
