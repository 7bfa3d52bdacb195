"""The one table of registrations and its rules (RFC 1833 §2.2, §3.2).

A registration is (program, version, netid) -> (universal address, owner), in order of registration.
Version 2 sees those of netid ``tcp`` and ``udp``, so that the versions never disagree. Netids are
compared without case. What is registered must be usable: a known netid, an address of its form.
"""

from __future__ import annotations

from collections.abc import Iterator

from oncrpc.addr import is_netid, split_uaddr, transports
from oncrpc.errors import AddressError
from oncrpc.programs.portmap import IPPROTO_TCP, IPPROTO_UDP, mapping
from oncrpc.programs.rpcb import rpcb

SUPERUSER = b"superuser"
UNKNOWN = b"unknown"
MAX_REGISTRATIONS = 65536
MAX_PATH = 255
NETIDS = {IPPROTO_TCP: b"tcp", IPPROTO_UDP: b"udp"}
"""The netids that version 2 can name, by protocol number."""

PROTOCOLS = {netid: number for number, netid in NETIDS.items()}
Key = tuple[int, int, bytes]


class Registry:
    """The table. ``generation`` grows with every change."""

    def __init__(self, *, limit: int = MAX_REGISTRATIONS) -> None:
        self.limit = limit
        self.generation = 0
        self._entries: dict[Key, rpcb] = {}
        self._versions: dict[tuple[int, bytes], dict[int, rpcb]] = {}

    def __len__(self) -> int:
        return len(self._entries)

    def __iter__(self) -> Iterator[rpcb]:
        """All registrations in order (DUMP of versions 3 and 4)."""
        return iter(self._entries.values())

    def mappings(self) -> Iterator[mapping]:
        """What version 2 sees of them, in order."""
        for entry in self:
            prot = PROTOCOLS.get(entry.r_netid.lower())
            if prot is not None:
                yield mapping(entry.r_prog, entry.r_vers, prot, port_of(entry.r_addr))

    def set(self, entry: rpcb) -> bool:
        """Register. False if the triple has another address, or the registration is unusable.

        The same address again is True, and the owner stays who it was.
        """
        key = _key(entry.r_prog, entry.r_vers, entry.r_netid)
        present = self._entries.get(key)
        if present is not None:
            return present.r_addr == entry.r_addr
        if len(self) >= self.limit or not usable(entry.r_netid, entry.r_addr):
            return False
        self._entries[key] = entry
        self._versions.setdefault((entry.r_prog, key[2]), {})[entry.r_vers] = entry
        self.generation += 1
        return True

    def unset(self, prog: int, vers: int, netid: bytes, owner: bytes) -> bool:
        """Take back the registration of a netid, or of every netid if that is empty.

        All or nothing: False, and no change, if one of them is somebody else's. Nothing to take
        back is True: a server that starts asks for it before it registers.
        """
        found = self._of(prog, vers, netid)
        if owner != SUPERUSER and any(self._entries[key].r_owner != owner for key in found):
            return False
        for key in found:
            del self._entries[key]
            versions = self._versions[prog, key[2]]
            del versions[vers]
            if not versions:
                del self._versions[prog, key[2]]
        self.generation += len(found)
        return True

    def _of(self, prog: int, vers: int, netid: bytes) -> list[Key]:
        if netid:
            key = _key(prog, vers, netid)
            return [key] if key in self._entries else []
        return [key for key in self._entries if key[:2] == (prog, vers)]

    def find(self, prog: int, vers: int, netid: bytes) -> rpcb | None:
        """The registration of that version, else the program's last on the netid, else None.

        Clients rely on the second: one asks for version 0 to learn the versions that there are.
        """
        versions = self._versions.get((prog, netid.lower()))
        if versions is None:
            return None
        return versions.get(vers) or next(reversed(versions.values()))

    def find_exactly(self, prog: int, vers: int, netid: bytes) -> rpcb | None:
        """The registration of that version, else None."""
        return self._entries.get(_key(prog, vers, netid))

    def every(self, prog: int, vers: int) -> list[rpcb]:
        """The registrations of a version on all netids, in order."""
        return [self._entries[key] for key in self._of(prog, vers, b"")]

    def range_of(self, prog: int, netid: bytes) -> tuple[int, int]:
        """The lowest and highest version of a program that is registered on the netid."""
        versions = self._versions[prog, netid.lower()]
        return min(versions), max(versions)


def _key(prog: int, vers: int, netid: bytes) -> Key:
    return prog, vers, netid.lower()


def port_of(uaddr: bytes) -> int:
    """The port of an IPv4 or IPv6 universal address, 0 if it has none."""
    try:
        return split_uaddr(uaddr.decode("ascii", "replace"))[1]
    except AddressError:
        return 0


def usable(netid: bytes, uaddr: bytes) -> bool:
    """Whether the netid is known and the address has its form (RFC 5665 §5.2.3)."""
    name, text = netid.decode("ascii", "replace").lower(), uaddr.decode("ascii", "replace")
    if not is_netid(name):
        return False
    family = _family(name)
    if family is None:
        return 0 < len(text) <= MAX_PATH and text.isprintable() and text.isascii()
    try:
        host, _ = split_uaddr(text)
    except AddressError:
        return False
    return (":" in host) == (family == "inet6")


def _family(netid: str) -> str | None:
    """``inet`` or ``inet6`` if the netid's addresses end in a port, else None."""
    entry = transports().get(netid)
    if entry is not None:
        return entry.family if entry.proto in ("tcp", "udp") else None
    if netid.startswith(("tcp", "udp", "sctp", "dccp", "rdma")):
        return "inet6" if netid.endswith("6") else "inet"
    return None
