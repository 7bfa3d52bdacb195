"""How many calls of each source of datagrams are under way, so that none has all there may be.

A source is an IPv4 address or an IPv6 /64. What comes while its share is spent gets no reply, as if
it had been lost: a client sends it again. Who forges many sources has many shares; a datagram
proves nothing of where it came from.
"""

from __future__ import annotations

from collections.abc import Awaitable
from typing import TypeVar

from oncrpc.rpc.program import Caller, Origin

R = TypeVar("R")
MAX_PER_SOURCE = 64
"""A quarter of the calls that an endpoint has under way at most (``oncrpc.aio.udp``)."""


class Shares:
    """Calls under way by source, each source at most ``most``."""

    def __init__(self, *, most: int = MAX_PER_SOURCE) -> None:
        self.most = most
        self.under_way: dict[Origin, int] = {}

    def spent(self, caller: Caller) -> bool:
        """Whether so many of the caller's are under way that no further one may begin."""
        return bool(self.under_way) and self.under_way.get(caller.origin, 0) >= self.most

    def counted(self, caller: Caller, reply: Awaitable[R]) -> Awaitable[R]:
        """The same reply, which counts from now on until it is there, or its task is cancelled."""
        source = caller.origin
        self.under_way[source] = self.under_way.get(source, 0) + 1
        return self._until(reply, source)

    async def _until(self, reply: Awaitable[R], source: Origin) -> R:
        try:
            return await reply
        finally:
            self.under_way[source] -= 1
            if not self.under_way[source]:
                del self.under_way[source]
