"""The one table of registrations and its rules (RFC 1833 §2.2, §3.2).

A registration is (program, version, netid) -> (universal address, owner), in order of registration.
Version 2 sees those of netid ``tcp`` and ``udp``, so that the versions never disagree. Netids are
compared without case. Only known netids with an address of their form can be registered.

The registry knows no files. Its observers do: see ``RegistryObserver``.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Protocol, TypeVar

from oncrpc.addr import is_netid, split_uaddr, transports
from oncrpc.daemon.state.records import TableOperation
from oncrpc.errors import AddressError
from oncrpc.portmap.config import MAX_PER_OWNER, MAX_REGISTRATIONS
from oncrpc.programs.portmap import IPPROTO_TCP, IPPROTO_UDP, mapping
from oncrpc.programs.rpcb import rpcb

SUPERUSER = b"superuser"
UNKNOWN = b"unknown"
MAX_PATH = 255
"""Characters of a registered address, or of a path (netid ``local`` and the like)."""

NETIDS = {IPPROTO_TCP: b"tcp", IPPROTO_UDP: b"udp"}
"""The netids that version 2 can name, by protocol number."""

PROTOCOLS = {netid: number for number, netid in NETIDS.items()}
Key = tuple[int, int, bytes]
K = TypeVar("K")
Item = TypeVar("Item")


class RegistryObserver(Protocol):
    """Follows the changes of a registry.

    ``store.StoreWriter`` writes them to the disk, ``ages.Ages`` notes their time.
    """

    def changing(self, operation: TableOperation, entries: Sequence[rpcb]) -> None:
        """Called before entries are registered or removed.

        Raises:
            OSError: the change must not be made.
        """


class Registry:
    """The table. ``generation`` grows with every change.

    Every change passes all ``observers`` in order before it is made. The first OSError of one ends
    the change: later observers do not hear of it, the table stays as it is, and the error goes to
    the caller. So an observer that can fail comes first.

    ``_entries`` is the table, in order of registration. The others are indexes of it: ``_versions``
    by program and netid, ``_netids`` by program and version, ``_owned`` counts by owner,
    ``_owners`` by program and owner. All five change together.
    """

    def __init__(
        self,
        observers: Sequence[RegistryObserver] = (),
        *,
        limit: int = MAX_REGISTRATIONS,
        owner_limit: int = MAX_PER_OWNER,
    ) -> None:
        self.limit, self.owner_limit = limit, owner_limit
        self.observers = list(observers)
        self._owned: Counter[bytes] = Counter()
        self._owners: dict[int, Counter[bytes]] = {}
        self.generation = 0
        self._entries: dict[Key, rpcb] = {}
        self._versions: dict[tuple[int, bytes], dict[int, rpcb]] = {}
        self._netids: dict[tuple[int, int], dict[bytes, rpcb]] = {}

    @contextmanager
    def without_limits(self) -> Iterator[None]:
        """Lift the limits, for registrations that were acknowledged under former ones."""
        limits = self.limit, self.owner_limit
        self.limit = self.owner_limit = sys.maxsize
        try:
            yield
        finally:
            self.limit, self.owner_limit = limits

    def __len__(self) -> int:
        return len(self._entries)

    def __iter__(self) -> Iterator[rpcb]:
        """All registrations in order (DUMP of versions 3 and 4)."""
        return iter(self._entries.values())

    def mappings(self) -> Iterator[mapping]:
        """The registrations that version 2 can see, in order."""
        for entry in self:
            prot = PROTOCOLS.get(entry.r_netid.lower())
            if prot is not None:
                yield mapping(entry.r_prog, entry.r_vers, prot, port_of(entry.r_addr))

    def set(self, entry: rpcb) -> bool:
        """Register; False if there is a ``refusal``.

        Registering the same address again returns True and does not change the owner.
        """
        if self.refusal(entry) is not None:
            return False
        key = key_of(entry)
        if key in self._entries:
            return True
        self._observe(TableOperation.SET, (entry,))
        self._owned[entry.r_owner] += 1
        self._owners.setdefault(entry.r_prog, Counter())[entry.r_owner] += 1
        self._entries[key] = entry
        prog, vers, netid = key
        self._versions.setdefault((prog, netid), {})[vers] = entry
        self._netids.setdefault((prog, vers), {})[netid] = entry
        self.generation += 1
        return True

    def refusal(self, entry: rpcb) -> str | None:
        """Why an entry cannot be registered, or None."""
        present = self._entries.get(key_of(entry))
        if present is not None:
            return None if present.r_addr == entry.r_addr else "it has another address already"
        if not usable(entry.r_netid, entry.r_addr):
            return "the transport has no such address"
        return None if self._has_room(entry.r_owner) else "too many registrations"

    def _has_room(self, owner: bytes) -> bool:
        """Whether an owner may have one more; half of the table is kept for the superuser."""
        if owner == SUPERUSER:
            return len(self) < self.limit
        others = len(self) - self._owned[SUPERUSER]
        return self._owned[owner] < self.owner_limit and others < self.limit // 2

    def unset(self, prog: int, vers: int, netids: Iterable[bytes], *, owner: bytes) -> bool:
        """Remove the registrations of some netids, as one change; an empty netid is every netid.

        An empty netid is all or nothing: it removes nothing if a registration has another owner.
        True if the owner could remove one of the netids, also if it was not registered: a server
        sends UNSET before it registers.
        """
        found = [self._owned_by(owner, prog, vers, netid) for netid in netids]
        self._forget([entry for entries in found for entry in entries or ()])
        return any(entries is not None for entries in found)

    def is_anothers(self, prog: int, vers: int, netids: Iterable[bytes], *, owner: bytes) -> bool:
        """Whether all these netids are registered to other owners, so that UNSET is refused."""
        return all(self._owned_by(owner, prog, vers, netid) is None for netid in netids)

    def _owned_by(self, owner: bytes, prog: int, vers: int, netid: bytes) -> list[rpcb] | None:
        """The entries of a netid, or of all; None if one has another owner."""
        present = self._netids.get((prog, vers), {})
        found = [entry for name, entry in present.items() if not netid or netid.lower() == name]
        if owner != SUPERUSER and any(entry.r_owner != owner for entry in found):
            return None
        return found

    def drop(self, entry: rpcb) -> bool:
        """Remove exactly this registration; False if it is missing or has changed."""
        if self._entries.get(key_of(entry)) != entry:
            return False
        self._forget([entry])
        return True

    def _observe(self, operation: TableOperation, entries: Sequence[rpcb]) -> None:
        for observer in self.observers:
            observer.changing(operation, entries)

    def _forget(self, entries: Sequence[rpcb]) -> None:
        if not entries:
            return
        self._observe(TableOperation.UNSET, entries)
        for entry in entries:
            self._remove(key_of(entry))
        self.generation += len(entries)

    def _remove(self, key: Key) -> None:
        entry = self._entries.pop(key)
        prog, vers, netid = key
        _take_one(self._owned, entry.r_owner)
        _take_one(self._owners[prog], entry.r_owner)
        if not self._owners[prog]:
            del self._owners[prog]
        _take(self._versions, (prog, netid), vers)
        _take(self._netids, (prog, vers), netid)

    def find(self, prog: int, vers: int, netid: bytes) -> rpcb | None:
        """The registration of a version, or the program's last one on the netid, or None.

        Clients rely on the second: they ask for version 0 to find out which versions exist.
        """
        versions = self._versions.get((prog, netid.lower()))
        if versions is None:
            return None
        return versions.get(vers) or next(reversed(versions.values()))

    def find_exactly(self, prog: int, vers: int, netid: bytes) -> rpcb | None:
        """The registration of a version, or None."""
        return self._entries.get(_key(prog, vers, netid))

    def every(self, prog: int, vers: int) -> list[rpcb]:
        """The registrations of a version on all netids, in order."""
        return list(self._netids.get((prog, vers), {}).values())

    def owners(self, prog: int) -> Iterable[bytes]:
        """The owners of a program's registrations."""
        return self._owners.get(prog, {}).keys()

    def range_of(self, prog: int, netid: bytes) -> tuple[int, int]:
        """The lowest and highest version of a program that is registered on the netid."""
        versions = self._versions[prog, netid.lower()]
        return min(versions), max(versions)


def _take(index: dict[K, dict[Item, rpcb]], key: K, item: Item) -> None:
    """Remove an item from an index, and the key if it was the last."""
    del index[key][item]
    if not index[key]:
        del index[key]


def _take_one(counter: Counter[bytes], owner: bytes) -> None:
    """Count one less, and remove the owner at 0."""
    counter[owner] -= 1
    if not counter[owner]:
        del counter[owner]


def _key(prog: int, vers: int, netid: bytes) -> Key:
    return prog, vers, netid.lower()


def key_of(entry: rpcb) -> Key:
    """The key of a registration."""
    return _key(entry.r_prog, entry.r_vers, entry.r_netid)


def port_of(uaddr: bytes) -> int:
    """The port of an IPv4 or IPv6 universal address, 0 if it has none."""
    try:
        return split_uaddr(uaddr.decode("ascii", "replace"))[1]
    except AddressError:
        return 0


def usable(netid: bytes, uaddr: bytes) -> bool:
    """Whether the netid is known and the address has its form (RFC 5665 §5.2.3)."""
    name, text = netid.decode("ascii", "replace").lower(), uaddr.decode("ascii", "replace")
    if not is_netid(name) or len(text) > MAX_PATH:
        return False
    family = _family(name)
    if family is None:
        return bool(text) and text.isprintable() and text.isascii()
    try:
        host, _ = split_uaddr(text)
    except AddressError:
        return False
    return (":" in host) == (family == "inet6")


def has_port(netid: bytes) -> bool:
    """Whether addresses of the netid end in a port."""
    return _family(netid.decode("ascii", "replace").lower()) is not None


def _family(netid: str) -> str | None:
    """``inet`` or ``inet6`` if the netid's addresses end in a port, else None."""
    entry = transports().get(netid)
    if entry is not None:
        return entry.family if entry.has_port else None
    if netid.startswith(("tcp", "udp", "sctp", "dccp", "rdma")):
        return "inet6" if netid.endswith("6") else "inet"
    return None
