"""The lines of ``/proc/net``: local sockets, and others where there is no sock_diag(7)."""

from __future__ import annotations

import re
import struct
from collections.abc import Iterable, Iterator

from oncrpc.host.sockdiag import BoundSocket

TCP_LISTEN = b"0A"
ACCEPTS = 0x10000
"""The flag of a local socket that listens; connections that it accepted have its name too."""

DATAGRAMS = b"0002"
_INET = (
    rb"(?m)^ *\d+: ([0-9A-F]{32}|[0-9A-F]{8}):([0-9A-F]{4})"
    rb" [0-9A-F]+:[0-9A-F]{4} ([0-9A-F]{2}) "
)
_UNIX = rb"(?m)^\w+: [0-9A-F]{8} [0-9A-F]{8} ([0-9A-F]{8}) ([0-9A-F]{4}) [0-9A-F]{2} +\d+ (.+)$"


def parse_inet(lines: bytes, *, listening: bool) -> Iterator[BoundSocket]:
    """The sockets of whole lines of ``tcp``, ``tcp6``, ``udp`` or ``udp6``.

    Whether a socket at every IPv6 address is for IPv4 too is not told there: it is taken to be.
    """
    for address, port, state in re.findall(_INET, lines):
        if not listening or state == TCP_LISTEN:
            packed = _packed(address)
            yield BoundSocket(int(port, 16), packed, dual=len(packed) == 16 and not any(packed))


def _packed(address: bytes) -> bytes:
    """Words of four octets each, written as numbers of this machine's byte order."""
    words = [int(address[at : at + 8], 16) for at in range(0, len(address), 8)]
    return struct.pack(f"={len(words)}I", *words)


def parse_unix(lines: bytes) -> Iterator[bytes]:
    """The names of the local sockets of whole lines of ``unix`` at which somebody serves."""
    for flags, kind, name in re.findall(_UNIX, lines):
        if int(flags, 16) & ACCEPTS or kind == DATAGRAMS:
            yield name


def whole_lines(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """The same bytes, cut only at the ends of lines."""
    rest = b""
    for piece in pieces:
        lines, newline, begun = (rest + piece).rpartition(b"\n")
        rest = begun
        yield lines + newline
    yield rest
