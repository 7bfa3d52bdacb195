"""Room for members of many sources, so that no source keeps the others out.

A source is an IPv4 address or an IPv6 /64 (``Caller.origin``).
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import Generic, TypeVar

from oncrpc.rpc import Caller
from oncrpc.rpc.program import Origin

M = TypeVar("M", bound=Hashable)


class Room(Generic[M]):
    """At most ``most`` members, and ``per_source`` of one source, each source's oldest first."""

    def __init__(self, *, most: int, per_source: int) -> None:
        self.most, self.per_source = most, per_source
        self._members: dict[Origin, dict[M, None]] = {}

    def __len__(self) -> int:
        return sum(map(len, self._members.values()))

    def members(self) -> list[M]:
        """All members."""
        return [member for own in self._members.values() for member in own]

    def enter(self, source: Origin, member: M) -> None:
        """Add a member, or make it the youngest of its source."""
        own = self._members.setdefault(source, {})
        own.pop(member, None)
        own[member] = None

    def leave(self, source: Origin, member: M) -> None:
        """Remove a member, if it is there."""
        own = self._members.get(source, {})
        own.pop(member, None)
        if not own:
            self._members.pop(source, None)

    def crowded(self, source: Origin) -> Origin:
        """The source that must lose a member before ``source`` gets another; None if there is room.

        It is the largest source if that has at least two members more, else ``source`` itself.
        """
        own = len(self._members.get(source, ()))
        if own >= self.per_source:
            return source
        if len(self) < self.most:
            return None
        largest = max(self._members, key=lambda each: len(self._members[each]))
        return largest if len(self._members[largest]) > own + 1 else source

    def oldest(self, source: Origin) -> M:
        """The member that has been there longest without a new ``enter``.

        If the source has no member, it is one of the largest source.
        """
        own = self._members.get(source) or max(self._members.values(), key=len)
        return next(iter(own))


def client_source(peername: tuple[str, int] | tuple[str, int, int, int] | None) -> Origin:
    """The source of a connection; None if it has ended already."""
    if peername is None:
        return None
    return Caller("tcp", source=(peername[0].partition("%")[0], peername[1], 0)).origin
