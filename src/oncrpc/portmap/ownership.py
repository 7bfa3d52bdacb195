"""Permission to register, and the owner of a registration."""

from __future__ import annotations

from collections.abc import Iterable

from msgspec import Struct

from oncrpc.portmap.registry import SUPERUSER, UNKNOWN, has_port, port_of
from oncrpc.programs.portmap import PMAP_PROG
from oncrpc.programs.rpcb import rpcb
from oncrpc.rpc import Caller

LOOPBACK_HOSTS = frozenset({"127.0.0.1", "::1", "::ffff:127.0.0.1"})
RESERVED_PORTS = 1024


def owner_of(
    caller: Caller,
    *,
    insecure: bool = False,
    reserved: int = RESERVED_PORTS,
    local_only: bool = False,
) -> bytes | None:
    """The owner as which the caller may register and unregister, None if it may not.

    The kernel tells the user at the other end of a local socket. Over the loopback interface a port
    below ``reserved``, the first port that any user may bind, proves the superuser; other callers
    there are all ``unknown``. Callers from elsewhere may register only with ``insecure``. With
    ``local_only`` callers over a local socket are the only ones.
    """
    if caller.source is None:
        return SUPERUSER if caller.uid == 0 else str(caller.uid).encode()
    if local_only:
        return None
    host, port, _ = caller.source
    if caller.loopback and host in LOOPBACK_HOSTS:
        return SUPERUSER if port < reserved else UNKNOWN
    return UNKNOWN if insecure else None


class Rules(Struct):
    """Further rules of the configuration; the superuser obeys only the first.

    ``local_only``: a registration has to come over a local socket. ``reserved_ports``: it may not
    have a port below 1024. Without ``foreign_versions``: no version of its program may have another
    owner.
    """

    local_only: bool = False
    reserved_ports: bool = False
    foreign_versions: bool = True

    def refusal(self, entry: rpcb, owners: Iterable[bytes]) -> str | None:
        """Why the owner may not register this, or None; ``owners`` are those of the program now."""
        if entry.r_owner == SUPERUSER:
            return None
        if entry.r_prog == PMAP_PROG:
            return "only root registers the port mapper"
        if self.reserved_ports and has_port(entry.r_netid):
            port = port_of(entry.r_addr)
            if 0 < port < RESERVED_PORTS:
                return f"port {port} is reserved for root"
        if not self.foreign_versions and any(owner != entry.r_owner for owner in owners):
            return "another owner has the program"
        return None
