"""Parsing ``/proc/net``: local sockets, and all others on a host without sock_diag(7)."""

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

    The file does not say whether an IPv6 wildcard socket serves IPv4, too; it is taken to.
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
    """The names of the serving local sockets in whole lines of ``unix``."""
    for flags, kind, name in re.findall(_UNIX, lines):
        if int(flags, 16) & ACCEPTS or kind == DATAGRAMS:
            yield name


def whole_lines(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Join pieces so that each ends at the end of a line."""
    rest = b""
    for piece in pieces:
        lines, newline, begun = (rest + piece).rpartition(b"\n")
        rest = begun
        yield lines + newline
    yield rest
