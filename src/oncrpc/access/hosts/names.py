"""Names of hosts, looked up beside the event loop; one counts if it leads back to the address."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Callable, Collection
from functools import partial
from ipaddress import ip_address

from oncrpc.access.hosts.patterns import PARANOID, UNKNOWN, host_at
from oncrpc.host.threads import Aside

MAX_RUNNING = 16
"""Names that are looked up at a time; further callers have no name for now."""

MAX_NAMES = 4096
"""Names that are remembered; the oldest is forgotten."""

LIFETIME = 60.0
"""Seconds for which a name is remembered, and that there is none."""

DEADLINE = 2.0
"""Seconds for which a caller waits; the name is remembered when it comes later."""

Resolver = Callable[[str], str]
"""The name of an address, UNKNOWN or PARANOID. It may take its time, and never fails."""


class Names:
    """The names of addresses, remembered for a while."""

    def __init__(
        self,
        resolver: Resolver | None = None,
        *,
        clock: Callable[[], float] = time.monotonic,
        deadline: float = DEADLINE,
        running: int = MAX_RUNNING,
    ) -> None:
        self._resolver = resolver or resolve
        self._clock, self._deadline = clock, deadline
        self._aside = Aside[str](running)
        self._names: dict[str, tuple[str, float]] = {}
        self._asking: dict[str, asyncio.Future[str]] = {}

    def known(self, address: str) -> str | None:
        """The name if it is remembered: UNKNOWN if there is none, PARANOID if it is not true."""
        name, until = self._names.get(address, (None, 0.0))
        return name if self._clock() < until else None

    async def name_of(self, address: str) -> str | None:
        """The name as above; None if it could not be learnt in time."""
        name = self.known(address)
        if name is not None:
            return name
        answer = self._asking.get(address) or self._ask(address)
        if answer is None:
            return None
        await asyncio.wait({answer}, timeout=self._deadline)
        return answer.result() if answer.done() and not answer.cancelled() else None

    def _ask(self, address: str) -> asyncio.Future[str] | None:
        answer = self._aside.start(partial(self._resolver, address))
        if answer is not None:
            self._asking[address] = answer
            answer.add_done_callback(partial(self._answered, address))
        return answer

    def _answered(self, address: str, answer: asyncio.Future[str]) -> None:
        del self._asking[address]
        if answer.cancelled():
            return
        self._names.pop(address, None)
        if len(self._names) >= MAX_NAMES:
            del self._names[next(iter(self._names))]
        self._names[address] = answer.result(), self._clock() + LIFETIME


def reverse(address: str) -> str | None:
    """The name that the name service has for the address."""
    try:
        numeric = socket.getaddrinfo(address.encode(), 0, flags=socket.AI_NUMERICHOST)
        return socket.getnameinfo(numeric[0][4], socket.NI_NAMEREQD)[0]
    except (OSError, UnicodeError):
        return None


def forward(name: str) -> Collection[str]:
    """The addresses that the name service has for the name."""
    try:
        # As bytes: for a str Python would import an encoding first, which the user that the
        # daemon became may not be able to read.
        found = socket.getaddrinfo(name.encode(), 0, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        return ()
    return {str(entry[4][0]) for entry in found}


def resolve(
    address: str,
    *,
    reverse: Callable[[str], str | None] = reverse,
    forward: Callable[[str], Collection[str]] = forward,
) -> str:
    """The name of the address if the name has it, PARANOID if not, UNKNOWN if there is none."""
    name = reverse(address)
    if not name:
        return UNKNOWN
    named = host_at(name)
    if named.number is not None or named.number6 is not None:
        return PARANOID  # whoever answers for the address wants to look like another one
    return name if _number(address) in map(_number, forward(name)) else PARANOID


def _number(address: str) -> int:
    return int(ip_address(address.partition("%")[0]))
