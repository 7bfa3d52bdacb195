"""The limits of a server: connections, calls, bytes and seconds."""

from __future__ import annotations

from typing import NamedTuple


class Limits(NamedTuple):
    """The bounds of a listener: counts, bytes, and seconds.

    Listeners share those of their server, and one pool of connections for TCP and one for local
    sockets, unless ``Server.add`` is given others. Immutable; change a field with
    ``Limits(record=1 << 16)`` or ``limits._replace(...)``.
    """

    connections: int = 1000
    """Open connections. Beyond this a new connection replaces another one."""

    per_source: int = 250
    """Connections of one source: an address, or the user at a local socket."""

    record: int = 1 << 20
    """Bytes of a call on a stream; a longer record ends its connection."""

    calls: int = 64
    """Calls of a connection in progress. At the bound nothing more is read from it."""

    call_bytes: int = 4 << 20
    """Bytes of those calls. At the bound nothing more is read from the connection."""

    unanswered_by_all: int = 64 << 20
    """Bytes of all calls that are incomplete or in progress, of all connections together.

    These are bytes as they arrive. Decoded arguments are Python objects: a list of small structures
    takes up to about 30 times its bytes, so 20 calls of 1 MB took 650 MB. Programs that take such
    lists should lower this, or ``record``.
    """

    unread: int = 64 << 10
    """Bytes of replies that a peer has not read. At the bound nothing more is read from it."""

    unread_by_all: int = 64 << 20
    """The same of all connections that are at their own bound."""

    record_time: float = 30.0
    """Seconds in which a record must arrive."""

    call_time: float = 30.0
    """Seconds for which calls in progress protect a silent connection from being replaced."""

    write_time: float = 30.0
    """Seconds in which a peer must read its replies."""

    idle_time: float | None = 300.0
    """Seconds for which a connection may be silent; None for any time."""

    batch_calls: int = 32
    """Calls of a connection that are answered before another source is served."""

    batch_bytes: int = 64 << 10
    """Bytes of replies after which another source is served."""

    batch_fragments: int = 256
    """Fragments, of records that have several, after which another source is served."""

    datagram_calls: int = 256
    """Calls of a UDP socket in progress. At the bound datagrams are dropped."""

    datagram_calls_per_source: int = 64
    """The same of one source: an IPv4 address, or an IPv6 /64."""

    datagram: int = 9000
    """Bytes of a call or a reply over UDP, at most 65,507. C clients have room for 9,000."""

    datagram_batches: int = 4
    """Batches of datagrams that are answered before streams and timers are served."""

    routes: int = 4096
    """Routes that are remembered: pairs of a source and a local address."""

    known_datagrams: int = 4096
    """Datagrams whose reply is found by their bytes alone."""


LOCAL_LIMITS = Limits(idle_time=None)
"""The default for local sockets: the kernel keeps one open for as long as it serves NFS."""
