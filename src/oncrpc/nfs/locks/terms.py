"""The words of locking: clients, owners, ranges, locks and their outcomes.

A lock covers bytes of a file, is shared or exclusive, and belongs to a process of a client.
"""

from __future__ import annotations

import enum
from typing import NamedTuple

END = 1 << 64
"""The end of a range that goes on to the end of the file, however long that grows."""


class LockClient(NamedTuple):
    """A host that has locks: the address that it calls from, and the name that it gives itself.

    The name tells hosts apart that share an address.
    """

    host: str
    name: bytes


class LockOwner(NamedTuple):
    """A process of a client: the number and the opaque name by which the client knows it."""

    client: LockClient
    svid: int
    oh: bytes


class LockedFile(NamedTuple):
    """A file: the tag of its export, and its id."""

    tag: int
    file: bytes


class ByteRange(NamedTuple):
    """The bytes from ``start`` up to, but not including, ``end``. It is never empty."""

    start: int
    end: int

    def overlaps(self, other: ByteRange) -> bool:
        """Whether a byte is in both."""
        return self.start < other.end and other.start < self.end

    def covers(self, other: ByteRange) -> bool:
        """Whether all bytes of the other are in this one."""
        return self.start <= other.start and other.end <= self.end


class Lock(NamedTuple):
    """A lock that is held or asked for."""

    owner: LockOwner
    range: ByteRange
    exclusive: bool

    def conflicts(self, other: Lock) -> bool:
        """Whether both cannot be held at the same time."""
        return (
            self.owner != other.owner
            and (self.exclusive or other.exclusive)
            and self.range.overlaps(other.range)
        )


class LockOutcome(enum.Enum):
    """What becomes of a request for a lock."""

    GRANTED = "granted"
    DENIED = "denied"
    BLOCKED = "blocked"
    """It is kept, and granted when it is possible."""

    DEADLOCK = "deadlock"
    NO_ROOM = "no room"
    """The client, or all clients together, have too many locks; or they cannot be kept on disk."""

    READ_ONLY = "read-only"
    """An exclusive lock, and the file cannot be opened for writing on this host."""

    GRACE = "grace"
    """The server has restarted: only claims of earlier locks are granted."""


class LocalHolder(NamedTuple):
    """A process of this host that has a lock on the file."""

    pid: int
    range: ByteRange
    exclusive: bool
