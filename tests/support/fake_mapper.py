"""A fake port mapper with a few registrations, and a program in versions 2 to 4."""

from __future__ import annotations

from oncrpc import rpc
from oncrpc.errors import ProcedureUnavailable
from oncrpc.programs.portmap import PMAP_VERS, mapping, pmaplist
from oncrpc.programs.rpcb import (
    RPCBVERS,
    RPCBVERS4,
    rp__list,
    rpcb,
    rpcb_entry,
    rpcb_entry_list,
    rpcb_stat,
)
from support.scripted_server import Handle, Server, serving


class Mapper2(PMAP_VERS.Service):
    """Version 2: what was set, after one mapping of NFS."""

    def __init__(self, *, full: bool = False) -> None:
        self.mappings = [mapping(100003, 3, 6, 2049)]
        self.full = full

    def PMAPPROC_DUMP(self, call: rpc.Call) -> list[pmaplist]:
        return [pmaplist(entry) for entry in self.mappings]

    def PMAPPROC_SET(self, call: rpc.Call, arg: mapping) -> bool:
        if arg.prog == 666:
            raise ProcedureUnavailable
        if not self.full:
            self.mappings.append(arg)
        return not self.full


class Mapper3(RPCBVERS.Service):
    """Version 3: one registration; UNSET succeeds for it alone."""

    def RPCBPROC_DUMP(self, call: rpc.Call) -> list[rp__list]:
        return [rp__list(rpcb(100003, 3, b"tcp", b"0.0.0.0.8.1", b"superuser"))]

    def RPCBPROC_UNSET(self, call: rpc.Call, arg: rpcb) -> bool:
        return arg.r_prog == 100003


class Mapper4(RPCBVERS4.Service):
    """Version 4: every program is at ``port``."""

    def __init__(self, port: int = 0) -> None:
        self.port = port

    def RPCBPROC_DUMP(self, call: rpc.Call) -> list[rp__list]:
        return [rp__list(rpcb(100003, 4, b"tcp", b"0.0.0.0.8.1", b"superuser"))]

    def RPCBPROC_GETADDR(self, call: rpc.Call, arg: rpcb) -> bytes:
        uaddr = f"127.0.0.1.{self.port >> 8}.{self.port & 255}"
        return uaddr.encode() if self.port else b""

    def RPCBPROC_GETADDRLIST(self, call: rpc.Call, arg: rpcb) -> list[rpcb_entry_list]:
        return [rpcb_entry_list(rpcb_entry(b"127.0.0.1.8.1", arg.r_netid, 3, b"inet", b"tcp"))]

    def RPCBPROC_GETSTAT(self, call: rpc.Call) -> list[rpcb_stat]:
        return [rpcb_stat([1] * 13, 1, 1, [], []) for _ in range(3)]


def port_mapper(*, port: int = 0) -> Handle:
    """A port mapper of all three versions."""
    return serving(Mapper2(), Mapper3(), Mapper4(port))


def both_ports(server: Server, host: str = "127.0.0.1") -> int:
    """Listen and receive on one port, as port mappers do; returns it."""
    while True:
        port = server.tcp(host)
        try:
            return server.udp(host, port)
        except OSError:  # somebody receives there: the next one
            continue
