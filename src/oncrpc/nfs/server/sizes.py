"""How much data a call may carry, by its transport (RFC 1813 §3.3.19)."""

from __future__ import annotations

from typing import NamedTuple

from oncrpc.aio.limits import Limits

STREAM, DATAGRAM = 1 << 20, 32 << 10
"""Bytes of data of a READ or WRITE over TCP and over UDP, at most."""

LISTING = 64 << 10
"""Bytes of a directory listing, at most: longer ones would keep other clients waiting."""

PREFERRED_LISTING = 32 << 10
MULTIPLE = 4096
AROUND = 1024
"""Room for what is around the data: an RPC header with a credential has up to 850 bytes."""

UNANSWERED = 128 << 20
"""Bytes of incomplete calls and calls in progress, over all clients."""

CALL_BYTES = 16 << 20
"""The same of one connection: a client writes some MiB at once."""

UNREAD = 256 << 10
"""Bytes of replies that a client has not read, besides those in the kernel's buffer."""

UNREAD_BY_ALL = 256 << 20
"""The same of all clients: enough for ``UNREAD`` of each connection, and READs of hundreds."""

CALLS = 128
"""Calls of a connection in progress."""


BATCH_CALLS, BATCH_BYTES = 128, 2 << 20
"""Calls of a connection, and bytes of their replies, that are answered before those of another
source: about half a millisecond."""


class TransferSizes(NamedTuple):
    """Bytes of data of one READ or WRITE, at most."""

    stream: int = STREAM
    datagram: int = DATAGRAM

    @classmethod
    def within(cls, *, record: int, datagram: int) -> TransferSizes:
        """The sizes for a server that takes records and datagrams of so many bytes."""
        return cls(
            _rounded(min(STREAM, record - AROUND)), _rounded(min(DATAGRAM, datagram - AROUND))
        )

    def of(self, *, datagram: bool) -> int:
        """The size for a call, by its transport."""
        return self.datagram if datagram else self.stream


def with_room(limits: Limits) -> Limits:
    """The limits with room for transfers of 1 MiB over streams, and of 32 KiB over UDP."""
    return limits._replace(
        record=STREAM + AROUND,
        datagram=DATAGRAM + AROUND,
        unanswered_by_all=UNANSWERED,
        call_bytes=CALL_BYTES,
        unread=UNREAD,
        unread_by_all=UNREAD_BY_ALL,
        calls=CALLS,
        batch_calls=BATCH_CALLS,
        batch_bytes=BATCH_BYTES,
    )


def _rounded(size: int) -> int:
    """A multiple of 4096, or of 512 if that is more than there is."""
    unit = MULTIPLE if size >= MULTIPLE else 512
    return max(512, size // unit * unit)
