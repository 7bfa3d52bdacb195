"""Who may register, and as which owner."""

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
    """The name under which the caller may register and unregister, None if it may not.

    The peer of a local socket is known. Over the loopback interface a port below ``reserved``,
    the first that any user may bind, proves the superuser; other callers there share one name. From
    elsewhere only with ``insecure``. With ``local_only`` the local socket is the only place.
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
    """What else a registration has to obey; the superuser's has to obey none but the first.

    ``local_only``: it comes over a local socket. ``reserved_ports``: it has no port below 1024.
    Without ``foreign_versions``: its program has no registration of another owner.
    """

    local_only: bool = False
    reserved_ports: bool = False
    foreign_versions: bool = True

    def refusal(self, entry: rpcb, owners: Iterable[bytes]) -> str | None:
        """Why the owner may not register this, None if it may; ``owners`` has the program now."""
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
