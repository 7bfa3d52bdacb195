"""Calls of NFS clients, and the connections over which they come."""

from __future__ import annotations

from oncrpc.nfs.server.duplicates import NfsDuplicates
from oncrpc.rpc import Caller
from oncrpc.rpc.duplicates import OVERHEAD
from support.words import words

CALL = words(
    0x11223344,        # xid
    0, 2,              # CALL, rpcvers
    100003, 3, 12,     # NFS, version 3, REMOVE
    1, 24, 77,         # cred AUTH_SYS, 24 bytes, stamp
    1, b"h\0\0\0",     # machinename
    1000, 100, 0,      # uid, gid, no gids
    0, 0,              # verf AUTH_NONE
    4, b"file",        # the arguments
)  # fmt: skip
LATER_STAMP = CALL[:32] + words(78) + CALL[36:]
OTHER_USER = CALL[:44] + words(1001) + CALL[48:]
OTHER_XID = words(0x11223345) + CALL[4:]
REPLY = words(0x11223344, 1, 0, 0, 0, 0, 0)  # MSG_ACCEPTED, verf AUTH_NONE, SUCCESS, NFS3_OK
SIZE = OVERHEAD + len(REPLY)


class Client:
    """A client's connections, which it may close."""

    def __init__(self, host: str = "192.0.2.1", *, netid: str = "tcp") -> None:
        self.host, self.netid, self.port = host, netid, 700
        self.closed: set[Caller] = set()

    def connect(self, *, port: int | None = None) -> Caller:
        """Another connection, from another port."""
        self.port += 1
        source = (self.host, port or self.port, 0)
        caller = Caller(self.netid, source, ("192.0.2.9", 2049, 0))
        caller.connected = lambda: caller not in self.closed
        return caller

    def close(self, caller: Caller) -> None:
        self.closed.add(caller)


UDP = Caller("udp", ("192.0.2.1", 700, 0), ("192.0.2.9", 2049, 0), datagram=True)


def ran(
    cache: NfsDuplicates, caller: Caller, message: bytes = CALL, *, reply: bytes | None = REPLY,
    now: float = 0.0,
) -> None:  # fmt: skip
    """A call that has ended."""
    cache.finish(cache.begin(caller, message), reply, now)


def found(cache: NfsDuplicates, caller: Caller, message: bytes = CALL, now: float = 0.0) -> bool:
    return cache.find(caller, message, now) is not None


def is_empty(cache: NfsDuplicates) -> bool:
    """Whether nothing is left in any of the tables."""
    return not (cache.in_progress or cache.alike or cache.clients or cache.size)
