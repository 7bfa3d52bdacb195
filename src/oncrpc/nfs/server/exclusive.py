"""The verifier of an exclusive CREATE, kept in the times of the new file (RFC 1813 §3.3.8).

A client that got no reply sends its CREATE again, perhaps to a server that was restarted meanwhile.
The file's times tell whether it is the one that this client has created::

    verifier    bit 0    | bits 1 to 31 || bit 32   | bits 33 to 63
                half a   | seconds      || half a   | seconds
                second   | of atime     || second   | of mtime

Seconds have 31 bits, so that they are the same on file systems that count from 1901 to 2038. The
other two bits are half a second each. A file system that stores whole seconds loses those; times
are compared as it stores them.
"""

from __future__ import annotations

from oncrpc.nfs.filesystem import Attributes, NewAttributes
from oncrpc.nfs.server.attributes import SECOND
from oncrpc.programs.nfs3 import ftype3

HALF = SECOND // 2


def times_of(verifier: bytes) -> tuple[int, int]:
    """The atime and the mtime, in nanoseconds, that stand for a verifier."""
    return _time_of(verifier[:4]), _time_of(verifier[4:])


def _time_of(half: bytes) -> int:
    number = int.from_bytes(half, "big")
    return (number & 0x7FFFFFFF) * SECOND + (number >> 31) * HALF


def attributes_for(verifier: bytes) -> NewAttributes:
    """The attributes of the new file. Until the client sets its mode, only the owner may use it."""
    atime, mtime = times_of(verifier)
    return NewAttributes(mode=0, atime=atime, mtime=mtime)


def is_created_by(verifier: bytes, attributes: Attributes, *, time_delta: int) -> bool:
    """Whether a file is the one that a call with this verifier has created."""
    if attributes.kind is not ftype3.NF3REG or attributes.size:
        return False
    found = attributes.atime, attributes.mtime
    return all(
        stored // time_delta == time // time_delta
        for stored, time in zip(found, times_of(verifier), strict=True)
    )
