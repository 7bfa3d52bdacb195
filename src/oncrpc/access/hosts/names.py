"""Names of hosts, looked up in threads, and valid only if they resolve back to the address."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Callable, Collection
from functools import partial
from ipaddress import ip_address

from oncrpc.access.hosts.patterns import PARANOID, UNKNOWN, host_at
from oncrpc.caching import Bounded
from oncrpc.host.threads import Threads

MAX_RUNNING = 16
"""Names that are looked up at the same time; further callers have no name for now."""

MAX_NAMES = 4096
"""Names that are cached; the oldest is removed."""

LIFETIME = 60.0
"""Seconds for which a name, or the lack of one, is cached."""

DEADLINE = 2.0
"""Seconds that a caller waits for its name; a name that comes later is cached all the same."""

Resolver = Callable[[str], str]
"""Returns the name of an address, UNKNOWN or PARANOID; it may block, and never raises."""


class Names:
    """Looks up the names of addresses and caches them.

    The key of the cache is the address, its bound ``MAX_NAMES``; an entry is valid for ``LIFETIME``
    seconds, and the oldest is removed when the cache is full. Lookups that run are in ``_asking``,
    at most ``running`` of them; a second caller waits for the same lookup.
    """

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
        self._threads = Threads[str](running)
        self._names = Bounded[str, tuple[str, float]](MAX_NAMES)
        self._asking: dict[str, asyncio.Future[str]] = {}

    def known(self, address: str) -> str | None:
        """The cached name, if any: UNKNOWN without a name, PARANOID if it does not resolve back."""
        name, until = self._names.get(address, (None, 0.0))
        return name if self._clock() < until else None

    async def name_of(self, address: str) -> str | None:
        """The name as above; None if it did not come in time."""
        name = self.known(address)
        if name is not None:
            return name
        answer = self._asking.get(address) or self._ask(address)
        if answer is None:
            return None
        await asyncio.wait({answer}, timeout=self._deadline)
        return answer.result() if answer.done() and not answer.cancelled() else None

    def _ask(self, address: str) -> asyncio.Future[str] | None:
        answer = self._threads.start(partial(self._resolver, address))
        if answer is not None:
            self._asking[address] = answer
            answer.add_done_callback(partial(self._answered, address))
        return answer

    def _answered(self, address: str, answer: asyncio.Future[str]) -> None:
        del self._asking[address]
        if answer.cancelled():
            return
        self._names.keep(address, (answer.result(), self._clock() + LIFETIME))


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
        # As bytes: for a str Python would first import an encoding, whose file the daemon's user
        # may not be able to read.
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
    """The name if it resolves back to the address, else PARANOID; UNKNOWN without a name."""
    name = reverse(address)
    if not name:
        return UNKNOWN
    named = host_at(name)
    if named.number is not None or named.number6 is not None:
        return PARANOID  # a name that reads as an address could imitate another host
    return name if _number(address) in map(_number, forward(name)) else PARANOID


def _number(address: str) -> int:
    return int(ip_address(address.partition("%")[0]))
