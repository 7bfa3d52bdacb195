"""What is bound on this host: ports, local sockets, addresses; read a bit at a time.

What is read belongs to the daemon's own network namespace, and may be read by any user.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import os
import socket
from collections.abc import Collection, Iterator

from msgspec import Struct, field

from oncrpc.host import sockdiag
from oncrpc.host.procnet import parse_inet, parse_unix, whole_lines
from oncrpc.host.sockdiag import BoundSocket

log = logging.getLogger("oncrpc.host")

SLICE = 0.001
"""Seconds of reading or judging after which everything else that waits has its turn."""

FILES = "/proc/self/net"
PIECE = 64 << 10
LOCAL = ("local", "unix")
TABLES = {
    "tcp": (socket.AF_INET, socket.IPPROTO_TCP, sockdiag.LISTEN),
    "udp": (socket.AF_INET, socket.IPPROTO_UDP, sockdiag.ALL),
    "tcp6": (socket.AF_INET6, socket.IPPROTO_TCP, sockdiag.LISTEN),
    "udp6": (socket.AF_INET6, socket.IPPROTO_UDP, sockdiag.ALL),
}
"""Family, protocol and states of the sockets that serve a netid."""

NEEDED = {"tcp": ("tcp", "tcp6"), "udp": ("udp", "udp6"), "tcp6": ("tcp6",), "udp6": ("udp6",)}
"""The tables in which a netid's server may be: a socket of IPv6 may take IPv4 too."""

MAPPED = bytes(10) + b"\xff\xff"
"""How an address of IPv4 begins that is written as one of IPv6."""

ANY = bytes(4)


class Bound(Struct):
    """Places by netid, and the names of local sockets; what is missing could not be read.

    A place is the two octets of a port, with and without a packed address: nothing that the garbage
    collector would count, since there may be many.
    """

    places: dict[str, set[bytes]] = field(default_factory=dict)
    paths: set[bytes] | None = None

    def add(self, netid: str, found: BoundSocket) -> None:
        """A socket of that netid; one that takes IPv4 too is another netid's as well."""
        port, address, dual = found
        self._add(netid, port, address)
        if dual or address.startswith(MAPPED):
            self._add(netid.removesuffix("6"), port, ANY if dual else address[len(MAPPED) :])

    def _add(self, netid: str, port: int, address: bytes) -> None:
        places, place = self.places.setdefault(netid, set()), port.to_bytes(2, "big")
        places.add(place)
        places.add(place + address)


class Slices:
    """Work on the event loop that is cut into slices of time."""

    def __init__(self) -> None:
        self._clock = asyncio.get_running_loop().time
        self._until = self._clock() + SLICE

    async def rest(self) -> None:
        """Let everything else have its turn, if the slice is over."""
        if self._clock() >= self._until:
            await asyncio.sleep(0)
            self._until = self._clock() + SLICE


class Reader:
    """Reads what is bound: each table from the kernel's list, where it has none from a file."""

    def __init__(self, files: str = FILES) -> None:
        self.files = files
        self._from_file: set[str] = set()
        self._missing: set[str] = set()

    def prepare(self) -> None:
        """Ask for each list once: that may make the kernel load a module, which takes a moment."""
        for name, (family, protocol, _) in TABLES.items():
            try:
                list(sockdiag.listed(family, protocol, 0))
            except OSError as error:
                log.debug("%s: no sock_diag, reading files: %s", name, error.strerror)
                self._from_file.add(name)

    async def __call__(self, netids: Collection[str]) -> Bound:
        """What is bound of these netids."""
        bound, slices = Bound(), Slices()
        unread = set()
        for name in dict.fromkeys(name for netid in netids for name in NEEDED.get(netid, ())):
            bound.places.setdefault(name, set())
            try:
                await self._read(name, bound, slices)
            except OSError as error:
                self._report(name, error)
                unread |= {netid for netid, names in NEEDED.items() if name in names}
        for netid in unread:
            bound.places.pop(netid, None)
        if not set(LOCAL).isdisjoint(netids):
            bound.paths = await self._local(slices)
        return bound

    async def _read(self, name: str, bound: Bound, slices: Slices) -> None:
        for found in self._batches(name):
            for each in found:
                bound.add(name, each)
            await slices.rest()

    def _batches(self, name: str) -> Iterator[list[BoundSocket]]:
        family, protocol, states = TABLES[name]
        if name not in self._from_file:
            yield from sockdiag.listed(family, protocol, states)
            return
        for lines in self._lines(name):
            yield list(parse_inet(lines, listening=states == sockdiag.LISTEN))

    async def _local(self, slices: Slices) -> set[bytes] | None:
        names = set[bytes]()
        try:
            for lines in self._lines("unix"):
                names.update(parse_unix(lines))
                await slices.rest()
        except OSError as error:
            self._report("unix", error)
            return None
        return names

    def _lines(self, name: str) -> Iterator[bytes]:
        """A file's lines, some at a time; a host without IPv6 has no file, and no sockets of it."""
        try:
            descriptor = os.open(f"{self.files}/{name}", os.O_RDONLY | os.O_CLOEXEC)
        except OSError as error:
            if error.errno == errno.ENOENT and name.endswith("6"):
                return
            raise
        try:
            yield from whole_lines(iter(lambda: os.read(descriptor, PIECE), b""))
        finally:
            os.close(descriptor)

    def _report(self, name: str, error: OSError) -> None:
        """Say once that a table cannot be read."""
        if name not in self._missing:
            self._missing.add(name)
            log.warning(
                "cannot list the %s sockets of this host: %s",
                name,
                (error.strerror or "").lower(),
            )
