"""The sockets that are bound on this host: ports, addresses and local sockets.

They are those of the process's network namespace, which any user may list. Long lists are read in
slices, so that the event loop is not blocked.
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
"""Seconds of work after which the event loop gets control."""

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
"""The tables that can have a server of a netid: an IPv6 socket may serve IPv4, too."""

MAPPED = bytes(10) + b"\xff\xff"
"""The first bytes of an IPv4-mapped IPv6 address."""

ANY = bytes(4)


class Bound(Struct):
    """Bound places by netid, and names of local sockets; a table that is missing was unreadable.

    A place is a port in two octets, followed by a packed address or not. Bytes, since there may be
    many, and the garbage collector does not track them.
    """

    places: dict[str, set[bytes]] = field(default_factory=dict)
    paths: set[bytes] | None = None

    def add(self, netid: str, found: BoundSocket) -> None:
        """Add a socket of a netid; one that serves IPv4, too, is added to both netids."""
        port, address, dual = found
        self._add(netid, port, address)
        if dual or address.startswith(MAPPED):
            self._add(netid.removesuffix("6"), port, ANY if dual else address[len(MAPPED) :])

    def _add(self, netid: str, port: int, address: bytes) -> None:
        places, place = self.places.setdefault(netid, set()), port.to_bytes(2, "big")
        places.add(place)
        places.add(place + address)


class Slices:
    """Cuts work on the event loop into slices of time."""

    def __init__(self) -> None:
        self._clock = asyncio.get_running_loop().time
        self._until = self._clock() + SLICE

    async def rest(self) -> None:
        """Give control to the event loop if the slice is over."""
        if self._clock() >= self._until:
            await asyncio.sleep(0)
            self._until = self._clock() + SLICE


class Reader:
    """Reads the tables of sockets from sock_diag(7), or from /proc where that is missing."""

    def __init__(self, files: str = FILES) -> None:
        self.files = files
        self._from_file: set[str] = set()
        self._missing: set[str] = set()

    def prepare(self) -> None:
        """Ask for each table once, since the kernel may have to load a module for it."""
        for name, (family, protocol, _) in TABLES.items():
            try:
                list(sockdiag.listed(family, protocol, 0))
            except OSError as error:
                log.debug("%s: no sock_diag, reading files: %s", name, error.strerror)
                self._from_file.add(name)

    async def __call__(self, netids: Collection[str]) -> Bound:
        """The bound sockets of these netids."""
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
        """Some lines of a file at a time; a host without IPv6 has no file and no sockets of it."""
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
        """Log once that a table is unreadable."""
        if name not in self._missing:
            self._missing.add(name)
            log.warning(
                "cannot list the %s sockets of this host: %s",
                name,
                (error.strerror or "").lower(),
            )
