"""Whether the port mapper does its work: it answers, and can keep what is registered."""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from typing import TYPE_CHECKING

from oncrpc.programs.rpcb import RPCBPROG, RPCBVERS4
from oncrpc.rpc import Caller

if TYPE_CHECKING:
    from oncrpc.portmap.app import PortMapper

NULL = struct.pack(">10I", 0, 0, 2, RPCBPROG, RPCBVERS4.vers, 0, 0, 0, 0, 0)
"""A call of procedure 0 with neither credential nor verifier (RFC 5531 §9)."""

SUCCESS = struct.pack(">6I", 0, 1, 0, 0, 0, 0)


def faults(app: PortMapper) -> Iterator[str]:
    """The faults; none if the daemon is healthy."""
    if app.daemon.ended.is_set():
        yield "the daemon is ending"
    reply = app.daemon.server.dispatcher.handle(NULL, Caller("local", uid=os.geteuid()))
    if reply != SUCCESS:
        yield "NULL is not answered"
    kept = "" if app.store is None else app.store.fault()
    if kept:
        yield f"registrations cannot be kept: {kept}"
