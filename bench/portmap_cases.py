"""The cases of the port mapper's benchmark: what is called, how, and what the ratio should be."""

from __future__ import annotations

from dataclasses import dataclass

from oncrpc.programs.portmap import IPPROTO_UDP, PMAP_VERS, mapping
from oncrpc.programs.rpcb import RPCBVERS, RPCBVERS4, rpcb
from oncrpc.rpc import Procedure
from oncrpc.rpc.calls import Calls

ECHO = "echo"
PROG, VERS = 0x20000001, 1
"""The program that is looked up, the first one that is registered."""

SCRATCH = rpcb(0x20FFFFFF, 1, b"udp", b"0.0.0.0.9.9", b"superuser")


def hexadecimal(procedure: Procedure[object], *arguments: object) -> str:
    """The bytes of a call in hexadecimal; the load generator fills in the xid."""
    calls = Calls(first_xid=0, retransmit=False)
    return calls.start(procedure, arguments, now=0, timeout=1).message.hex()


CALLS = {
    "NULL": hexadecimal(PMAP_VERS.PMAPPROC_NULL),
    "GETPORT": hexadecimal(PMAP_VERS.PMAPPROC_GETPORT, mapping(PROG, VERS, IPPROTO_UDP, 0)),
    "GETADDR v3": hexadecimal(RPCBVERS.RPCBPROC_GETADDR, rpcb(PROG, VERS, b"udp", b"", b"")),
    "GETADDR v4": hexadecimal(RPCBVERS4.RPCBPROC_GETADDR, rpcb(PROG, VERS, b"udp", b"", b"")),
    "DUMP v2": hexadecimal(PMAP_VERS.PMAPPROC_DUMP),
    "DUMP v3": hexadecimal(RPCBVERS.RPCBPROC_DUMP),
    "SET+UNSET": hexadecimal(RPCBVERS.RPCBPROC_SET, SCRATCH)
    + ","
    + hexadecimal(RPCBVERS.RPCBPROC_UNSET, SCRATCH),
}


@dataclass(frozen=True)
class Case:
    """A call over a transport, with a number of calls in progress and of registrations.

    ``measure`` is ``rate``, calls a second, or ``p50``, microseconds; or for daemons as such:
    ``start``, milliseconds to the first reply, and ``idle`` or ``connections``, MiB of memory.
    """

    call: str
    transport: str
    outstanding: int = 1
    entries: int = 30
    measure: str = "rate"
    target: str = ""
    sources: int = 1
    quick: bool = False

    @property
    def name(self) -> str:
        """The case in words."""
        if not self.transport:
            return f"{self.call}, {self.entries} entries"
        many = f"{self.outstanding} outstanding" if self.outstanding > 1 else "one at a time"
        sources = f", {self.sources} sources" if self.sources > 1 else ""
        return f"{self.call} {self.transport}, {many}{sources}, {self.entries} entries"

    @property
    def unit(self) -> str:
        """The unit of the value."""
        return {"rate": "calls/s", "p50": "p50 us", "start": "ms"}.get(self.measure, "MiB")

    def fits(self, daemon: str) -> bool:
        """Whether the daemon can be measured in this case; the echo only handles datagrams."""
        return daemon != ECHO or (self.transport == "udp" and self.measure == "rate")


CASES = [
    *(Case(call, "udp", 64, target=target, quick=True)
      for call, target in (("NULL", ">= 4x"), ("GETPORT", ">= 4x"), ("GETADDR v3", ">= 7x"),
                           ("GETADDR v4", ">= 7x"))),
    Case("GETPORT", "udp", 64, 1000),
    Case("GETPORT", "udp", 64, 10_000, target=">= 6x"),
    Case("GETADDR v4", "udp", 64, 10_000, target=">= 9x"),
    Case("GETPORT", "udp", 16),
    Case("GETPORT", "udp", 64, sources=8),
    Case("GETPORT", "udp", 1, measure="p50", target="<= 1.0x", quick=True),
    Case("GETADDR v4", "udp", 1, measure="p50", target="<= 1.0x"),
    Case("DUMP v2", "udp", 16),
    Case("GETPORT", "tcp", 32),
    Case("GETPORT", "tcp", 64, target=">= 4x", quick=True),
    Case("GETADDR v4", "tcp", 64, target=">= 7x", quick=True),
    Case("GETPORT", "tcp", 1, measure="p50", target="<= 1.2x", quick=True),
    Case("GETPORT", "local", 64, target=">= 1x", quick=True),
    Case("GETPORT", "local", 1, measure="p50", target="<= 1.2x"),
    Case("GETPORT", "connect", 64, target=">= 0.7x", quick=True),
    Case("DUMP v2", "tcp", 1, 10_000, target=">= 2x"),
    Case("DUMP v3", "tcp", 1, 10_000, target=">= 5x"),
    Case("SET+UNSET", "local", 1),
    Case("start to first reply", "", entries=0, measure="start", quick=True),
    Case("memory, idle", "", entries=0, measure="idle", quick=True),
    Case("memory", "", entries=10_000, measure="idle"),
    Case("memory with 900 connections", "", entries=0, measure="connections"),
]  # fmt: skip
