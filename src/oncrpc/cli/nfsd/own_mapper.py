"""The port mapper in the process of ``nfsd``, where this host has none.

It is the one of ``oncrpc.portmap`` with the programs of this process. Nobody can change the list:
only callers over a local socket may, and it has none.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from oncrpc.access.call_lines import CallLog
from oncrpc.host.addresses import OwnAddresses
from oncrpc.nfs.daemon.rivals import ProgramPlace
from oncrpc.portmap.ownership import Rules
from oncrpc.portmap.procedures import Mapper
from oncrpc.portmap.registry import SUPERUSER, Registry
from oncrpc.programs.rpcb import rpcb
from oncrpc.rpc import Service


class OwnMapper:
    """Implements ``EmbeddedMapper``."""

    def __init__(self, call_log: CallLog) -> None:
        self._registry, self._own_addresses = Registry(), OwnAddresses()
        self._mapper = Mapper(
            self._registry,
            rules=Rules(local_only=True),
            is_ours=self._own_addresses,
            call_log=call_log,
        )

    def services(self) -> Sequence[Service]:
        """Versions 2, 3 and 4."""
        return self._mapper.services()

    def register(self, places: Iterable[ProgramPlace]) -> None:
        """List these programs."""
        for prog, vers, netid, uaddr in places:
            self._registry.set(rpcb(prog, vers, netid.encode(), uaddr.encode(), SUPERUSER))

    def interfaces_changed(self) -> None:
        """Forget the addresses of this host."""
        self._own_addresses.forget()
