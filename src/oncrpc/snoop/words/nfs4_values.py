"""The words for values of NFS 4: states, owners, names, kinds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from oncrpc.programs import nfs4
from oncrpc.snoop.words.cursor import adler_hash
from oncrpc.snoop.words.text import shortened

STABLE = {0: "ASYNC", 1: "DSYNC", 2: "FSYNC"}
SHARES = {0: "N", 1: "R", 2: "W", 3: "RW"}
SHARE_BITS = 3
"""The bits of a share; those above say which delegation is wanted (RFC 8881 §18.16.3)."""

LOCKS = {1: "RD", 2: "WR", 3: "RDW", 4: "WRW"}
KINDS = {1: "REG", 2: "DIR", 3: "BLK", 4: "CHR", 5: "LNK", 6: "SOCK", 7: "FIFO"}
HOW = {0: "U", 1: "G", 2: "E", 3: "E1"}
CLAIMS = {0: "N", 1: "P", 2: "DC", 3: "DP", 4: "FH", 5: "DCFH", 6: "DPFH"}
DELEGATIONS = {0: "N", 1: "R", 2: "W", 3: "NX"}
ACCESS = {1: "rd", 2: "lk", 4: "mo", 8: "ext", 16: "dl", 32: "exc"}
FLAVORS = {0: "AUTH_NONE", 1: "AUTH_SYS", 3: "AUTH_DH", 6: "RPCSEC_GSS"}
MAX_WORDS = 8
"""Words of a bitmap, or elements of a list, that a line shows."""


def word_of(names: Mapping[int, str], value: int) -> str:
    """The word for a number; ``?`` if it has none."""
    return names.get(value, "?")


def state(stateid: nfs4.stateid4, prefix: str = "ST") -> str:
    """A state, and how often it has changed; the two that every client may use have names."""
    if stateid.seqid == 0 and not any(stateid.other):
        return f"{prefix}=SPC0"
    if stateid.seqid == 0xFFFFFFFF and stateid.other == b"\xff" * 12:
        return f"{prefix}=SPC1"
    return f"{prefix}={adler_hash(stateid.other):04X}:{stateid.seqid}"


def handle(data: bytes) -> str:
    """A file handle."""
    return f"FH={adler_hash(data):04X}"


def owner(prefix: str, value: nfs4.state_owner4) -> str:
    """The owner of opens or locks."""
    return f"{prefix}={adler_hash(value.owner):04X}"


def client(number: int) -> str:
    """A client."""
    return f"CL={number:x}"


def session(number: bytes) -> str:
    """A session of NFS 4.1."""
    return f"SE={adler_hash(number):04X}"


def name(data: bytes) -> str:
    """A name or a path."""
    return shortened(data)


def bitmap(bits: Sequence[int]) -> str:
    """The words of a set of attributes."""
    more = " ..." if len(bits) > MAX_WORDS else ""
    return " ".join(f"{word:x}" for word in bits[:MAX_WORDS]) + more


def access(bits: int) -> str:
    """The rights of ACCESS."""
    return ",".join(word for bit, word in ACCESS.items() if bits & bit)


def share(prefix: str, bits: int) -> str:
    """An access or a denial of OPEN."""
    return f"{prefix}={word_of(SHARES, bits & SHARE_BITS)}"


def region(offset: int, length: int) -> str:
    """A range of bytes that is locked."""
    return f"{offset}:{length}"


def at(offset: int, count: int) -> str:
    """A range of bytes that is read or written."""
    return f"at {offset} for {count}"
