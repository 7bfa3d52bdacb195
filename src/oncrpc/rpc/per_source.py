"""Limits per source: how many calls of each source of datagrams are in progress.

A source is an IPv4 address or an IPv6 /64. Above the limit a datagram of that source is dropped, as
if the network had lost it; the client sends it again. A sender that forges many addresses has the
limit of each of them: a datagram does not prove where it came from.
"""

from __future__ import annotations

from collections.abc import Awaitable
from typing import TypeVar

from oncrpc.rpc.program import Caller, Origin

R = TypeVar("R")


class CallsPerSource:
    """Counts the calls in progress by source, at most ``most`` of each."""

    def __init__(self, *, most: int) -> None:
        self.most = most
        self.in_progress: dict[Origin, int] = {}

    def full(self, caller: Caller) -> bool:
        """Whether no further call of the caller's source may begin."""
        return bool(self.in_progress) and self.in_progress.get(caller.origin, 0) >= self.most

    def counted(self, caller: Caller, reply: Awaitable[R]) -> Awaitable[R]:
        """The same reply; it counts until it is ready or its task is cancelled."""
        source = caller.origin
        self.in_progress[source] = self.in_progress.get(source, 0) + 1
        return self._until(reply, source)

    async def _until(self, reply: Awaitable[R], source: Origin) -> R:
        try:
            return await reply
        finally:
            self.in_progress[source] -= 1
            if not self.in_progress[source]:
                del self.in_progress[source]
