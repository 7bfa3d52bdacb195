"""Who may register, under which name, and what may be called through the port mapper."""

from __future__ import annotations

from oncrpc.portmap.registry import SUPERUSER, UNKNOWN
from oncrpc.programs.portmap import PMAP_PROG
from oncrpc.rpc import Caller

LOOPBACK_HOSTS = frozenset({"127.0.0.1", "::1", "::ffff:127.0.0.1"})
RESERVED_PORTS = 1024
EVERY = None
FORBIDDEN: dict[int, frozenset[int] | None] = {
    100003: EVERY,  # NFS: the server would take the call for a local one
    100004: frozenset({3, 4, 5, 8}),  # NIS: match, first, next, all
    100005: frozenset({1, 3}),  # mount: MNT, UMNT
    100007: frozenset({2}),  # NIS binder: SETDOM
    100009: EVERY,  # NIS passwords
    100011: EVERY,  # remote quotas
}
"""What is never called on behalf of others: procedures by program; NULL always may be."""


def owner_of(
    caller: Caller, *, insecure: bool = False, reserved: int = RESERVED_PORTS
) -> bytes | None:
    """The name under which the caller may register and unregister, None if it may not.

    The peer of a local socket is known. Over the loopback interface a port below ``reserved``,
    the first that any user may bind, proves the superuser; other callers there share one name. From
    elsewhere only with ``insecure``.
    """
    if caller.source is None:
        return SUPERUSER if caller.uid == 0 else str(caller.uid).encode()
    host, port, _ = caller.source
    if caller.loopback and host in LOOPBACK_HOSTS:
        return SUPERUSER if port < reserved else UNKNOWN
    return UNKNOWN if insecure else None


def may_forward(prog: int, proc: int, *, insecure: bool = False) -> bool:
    """Whether CALLIT, BCAST and INDIRECT may call the procedure."""
    if proc == 0:
        return True
    if prog == PMAP_PROG:
        return insecure
    forbidden = FORBIDDEN.get(prog, frozenset())
    return forbidden is not EVERY and proc not in forbidden
