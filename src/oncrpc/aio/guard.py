"""The guard: decides the rights of a source before an endpoint answers it."""

from __future__ import annotations

from collections.abc import Hashable
from typing import NamedTuple, Protocol

from oncrpc.rpc.program import Caller


class Bucket(Protocol):
    """A rate limit for replies."""

    def take(self, now: float) -> bool:
        """Whether one more reply may be sent at ``now``, in seconds of a monotonic clock."""


class SourceRights(NamedTuple):
    """The rights of a source of datagrams.

    A ``trusted`` source may get replies that are longer than its calls. If ``open`` is true, calls
    may be answered from the reply cache without a check of each call. Each reply is taken from
    the ``bucket``, if there is one.
    """

    trusted: bool = True
    open: bool = True
    bucket: Bucket | None = None


class Guard(Protocol):
    """Decides about sources; a decision is valid until ``generation`` changes."""

    @property
    def generation(self) -> Hashable:
        """Differs after every change of the guard's decisions."""

    def rights(self, caller: Caller) -> SourceRights:
        """The rights of the host of a datagram; the caller's port is 0."""

    def open_to(self, caller: Caller) -> bool:
        """Whether the calls of a connection may be answered from the reply cache."""


class NoGuard:
    """The default guard: trusts every source, no rate limit."""

    generation = 0

    def rights(self, caller: Caller) -> SourceRights:  # noqa: ARG002  # the same for all
        """The same for every caller."""
        return SourceRights()

    def open_to(self, caller: Caller) -> bool:  # noqa: ARG002
        """True for every caller."""
        return True
