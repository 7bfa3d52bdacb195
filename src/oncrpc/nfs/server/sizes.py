"""How much data a call may carry, by its transport (RFC 1813 §3.3.19)."""

from __future__ import annotations

from typing import NamedTuple

STREAM, DATAGRAM = 1 << 20, 32 << 10
"""Bytes of data of a READ or WRITE over TCP and over UDP, at most."""

LISTING = 64 << 10
"""Bytes of a directory listing, at most: longer ones would keep other clients waiting."""

PREFERRED_LISTING = 32 << 10
MULTIPLE = 4096
AROUND = 1024
"""Room for what is around the data: an RPC header with a credential has up to 850 bytes."""


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


def _rounded(size: int) -> int:
    """A multiple of 4096, or of 512 if that is more than there is."""
    unit = MULTIPLE if size >= MULTIPLE else 512
    return max(512, size // unit * unit)
