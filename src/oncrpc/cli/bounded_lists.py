"""Lists from a port mapper that may be hostile: bounded in bytes and in entries.

A reply is refused when a record mark announces too much, before its data is read. A list within
that limit could still be a million empty entries, each of which takes more memory than its bytes:
entries are decoded one at a time, and decoding stops at the limit.
"""

from __future__ import annotations

from typing import Any, Generic, TypeVar, TypeVarTuple

from oncrpc import sync
from oncrpc.errors import LimitExceeded, XdrError
from oncrpc.programs.portmap import PMAP_VERS, mapping
from oncrpc.programs.rpcb import RPCBVERS, RPCBVERS4, rpcb, rpcb_entry
from oncrpc.rpc import Procedure
from oncrpc.rpc.record import RecordReader
from oncrpc.sync import SocketLink
from oncrpc.xdr import Bool, codec

E = TypeVar("E")
A = TypeVarTuple("A")

MAX_REPLY = 16 << 20
"""Bytes of a reply."""

MAX_ENTRIES = 1 << 17
"""Entries of a list: twice as many as ``portmap`` registers at most."""


async def dial_bounded(netid: str, host: str, port: int, *, timeout: float) -> SocketLink:
    """``sync.dial`` with a limit on each reply; raises the same errors."""
    link = await sync.dial(netid, host, port, timeout=timeout)
    link.reader = RecordReader(max_record=MAX_REPLY)
    return link


class BoundedList(Procedure[list[E], *A], Generic[E, *A]):
    """A procedure whose result is a linked list of ``entry``, decoded one entry at a time."""

    def __init__(self, procedure: Procedure[Any, *A], entry: type[E]) -> None:
        super().__init__(procedure.number, *procedure.arguments)
        self.version, self.name, self.entry = procedure.version, procedure.name, entry

    def decode_result(self, message: bytes, offset: int) -> list[E]:
        """The entries, without the links between them (RFC 4506 §4.19)."""
        entries: list[E] = []
        follows, entry = codec(Bool), codec(self.entry)
        more, offset = follows.decode_from(message, offset)
        while more:
            if len(entries) == MAX_ENTRIES:
                raise LimitExceeded(f"a list of over {MAX_ENTRIES} entries")
            found, offset = entry.decode_from(message, offset)
            entries.append(found)
            more, offset = follows.decode_from(message, offset)
        if offset != len(message):
            raise XdrError(self.name, offset, f"{len(message) - offset} bytes left over")
        return entries


PMAP_DUMP = BoundedList(PMAP_VERS.PMAPPROC_DUMP, mapping)
RPCB_DUMP_3 = BoundedList(RPCBVERS.RPCBPROC_DUMP, rpcb)
RPCB_DUMP_4 = BoundedList(RPCBVERS4.RPCBPROC_DUMP, rpcb)
GETADDRLIST = BoundedList(RPCBVERS4.RPCBPROC_GETADDRLIST, rpcb_entry)
