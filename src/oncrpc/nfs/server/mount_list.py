"""The mount list: which hosts have mounted which directories (RFC 1813 §5.2.2).

It is a hint, as in every server: a client may crash, or be cut off, without UMNT. It has two uses:
DUMP shows it, and UDP replies to the hosts that are in it may be longer than their calls.

The list has a bound in entries and in bytes. Hosts that mounted over UDP only are dropped first,
since their addresses may be forged; among them the one that was silent for longest. A host that was
silent for ``MAX_AGE`` is dropped in any case. One host cannot displace all others: it has at most
``MAX_OF_HOST`` entries.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator
from ipaddress import IPv6Address, ip_address
from typing import NamedTuple

from oncrpc.xdr.nodes import padded

MAX_MOUNTS = 4096
"""Entries of the mount list, and hosts in it."""

MAX_BYTES = 512 << 10
"""Bytes of the mount list in the reply of DUMP."""

MAX_OF_HOST = 64
"""Entries of one host in the mount list."""

MAX_AGE = 30 * 86400.0
"""Seconds for which a host in the mount list may be silent."""

NOTICED = 3600.0
"""Seconds between two changes of a host's time of activity: each one is written to the disk."""

MOUNT_ENTRY = 12
"""Bytes of an entry in DUMP besides host and directory: two lengths, and that there is one more."""


class Mount(NamedTuple):
    """An entry of the list."""

    host: str
    directory: bytes


class MountingHost:
    """A host, its mounts, the oldest first, and when it was last active.

    ``proven`` says that it mounted over a connection, which nobody can make in the name of another.
    """

    __slots__ = ("directories", "proven", "seen")

    def __init__(self, seen: float, *, proven: bool) -> None:
        self.seen, self.proven = seen, proven
        self.directories: dict[bytes, None] = {}


class MountList:
    """The mount list.

    ``_hosts`` is ordered by the last activity, the host that was silent for longest first.
    ``_count`` and ``size`` are the entries of all hosts, and their bytes in DUMP; all three change
    together, in ``restore`` and ``_forget``. After each public method they are within ``most``,
    ``most_bytes`` and ``most_of_host``. A host without entries has unmounted everything; it stays
    known until it is dropped for its age, or for the bounds. ``generation`` grows with each change,
    and ``changed`` is called after it.
    """

    def __init__(
        self,
        *,
        most: int = MAX_MOUNTS,
        most_bytes: int = MAX_BYTES,
        most_of_host: int = MAX_OF_HOST,
        max_age: float = MAX_AGE,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.most, self.most_bytes, self.most_of_host = most, most_bytes, most_of_host
        self.max_age, self.clock = max_age, clock
        self.changed: Callable[[], None] = lambda: None
        self.generation = self.size = 0
        self._count = 0
        self._hosts: OrderedDict[str, MountingHost] = OrderedDict()

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[Mount]:
        """The entries, those of the host that was silent for longest first."""
        for host, known in self._hosts.items():
            for directory in known.directories:
                yield Mount(host, directory)

    def hosts(self) -> Iterable[tuple[str, MountingHost]]:
        """The known hosts, the one that was silent for longest first."""
        return self._hosts.items()

    def has(self, host: str) -> bool:
        """Whether a host has mounted something, and was active in the last ``max_age`` seconds.

        UMNT does not change it: anybody can send one over UDP in the name of another.
        """
        known = self._hosts.get(plain(host))
        return known is not None and self.clock() - known.seen <= self.max_age

    def proved(self, host: str) -> bool:
        """Whether ``has`` a host that mounted over a connection: its address is not forged."""
        return self.has(host) and self._hosts[plain(host)].proven

    def touch(self, host: str) -> None:
        """Note that a host is active; one that has mounted nothing is ignored."""
        host, now = plain(host), self.clock()
        known = self._hosts.get(host)
        if known is not None and now - known.seen >= NOTICED:
            known.seen = now
            self._hosts.move_to_end(host)
            self._change()

    def add(self, host: str, directory: bytes, *, proven: bool) -> None:
        """Add a mount, or note that it was made again; ``proven``: over a connection."""
        self.restore(host, [directory], proven=proven, seen=self.clock())

    def restore(
        self, host: str, directories: Iterable[bytes], *, proven: bool, seen: float
    ) -> None:
        """Add a host with its mounts; ``seen`` is when it was last active."""
        host = plain(host)
        known = self._hosts.setdefault(host, MountingHost(seen, proven=False))
        known.seen, known.proven = seen, known.proven or proven
        self._hosts.move_to_end(host)
        for directory in directories:
            self._forget(host, known, directory)
            known.directories[directory] = None
            self._count += 1
            self.size += _size(host, directory)
            if len(known.directories) > self.most_of_host:
                self._forget(host, known, next(iter(known.directories)))
        self._make_room()
        self._change()

    def remove(self, host: str, directory: bytes) -> bool:
        """Remove one mount of a host (UMNT); False if there is none."""
        host = plain(host)
        known = self._hosts.get(host)
        if known is None or directory not in known.directories:
            return False
        self._forget(host, known, directory)
        self._change()
        return True

    def remove_all(self, host: str) -> int:
        """Remove all mounts of a host (UMNTALL); returns their number."""
        host = plain(host)
        known = self._hosts.get(host)
        if known is None or not known.directories:
            return 0
        removed = len(known.directories)
        for directory in list(known.directories):
            self._forget(host, known, directory)
        self._change()
        return removed

    def drop_old(self) -> int:
        """Drop the hosts that were silent for too long; returns their number."""
        oldest, dropped = self.clock() - self.max_age, 0
        while self._hosts and next(iter(self._hosts.values())).seen < oldest:
            self._drop(next(iter(self._hosts)))
            dropped += 1
        if dropped:
            self._change()
        return dropped

    def _make_room(self) -> None:
        """Drop hosts until the bounds hold; it may be the one that was just added."""
        while max(self._count, len(self._hosts)) > self.most or self.size > self.most_bytes:
            unproven = (host for host, known in self._hosts.items() if not known.proven)
            self._drop(next(unproven, next(iter(self._hosts))))

    def _drop(self, host: str) -> None:
        known = self._hosts[host]
        for directory in list(known.directories):
            self._forget(host, known, directory)
        del self._hosts[host]

    def _forget(self, host: str, known: MountingHost, directory: bytes) -> None:
        if directory in known.directories:
            del known.directories[directory]
            self._count -= 1
            self.size -= _size(host, directory)

    def _change(self) -> None:
        self.generation += 1
        self.changed()


def plain(host: str) -> str:
    """A host's address; an IPv4 one if it is one in the form of IPv6 (``::ffff:192.0.2.1``)."""
    if not host.startswith("::ffff:"):
        return host
    try:
        address = ip_address(host)
    except ValueError:
        return host
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return str(mapped or address)


def _size(host: str, directory: bytes) -> int:
    return MOUNT_ENTRY + padded(len(host)) + padded(len(directory))
