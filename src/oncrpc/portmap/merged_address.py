"""The address that a caller gets for a registration (RFC 1833 §2.2.1: the merged address).

Servers register the wildcard address, and a client needs an address that it can reach. The port is
that of the registration. The host is the one that the client says it contacted, if that is an
address of this host; otherwise the one at which the call arrived, since the client can reach it.
"""

from __future__ import annotations

from collections.abc import Callable

from oncrpc.addr import join_uaddr, split_uaddr
from oncrpc.errors import AddressError
from oncrpc.rpc import Caller


def merged(
    registered: bytes, hint: bytes, caller: Caller, *, is_ours: Callable[[str], bool]
) -> bytes | None:
    """The address for the caller; None if there is nothing to merge.

    That is the case over a local socket, and if the registration or the hint is malformed or of
    another family than the call.
    """
    if caller.local is None:
        return None
    arrived = caller.local[0]
    try:
        host, port = split_uaddr(registered.decode("ascii", "replace"))
        contacted = split_uaddr(hint.decode("ascii", "replace"))[0] if hint else arrived
    except AddressError:
        return None
    if not _same_family(host, arrived) or not _same_family(contacted, arrived):
        return None
    chosen = contacted if contacted == arrived or is_ours(contacted) else arrived
    return join_uaddr(chosen, port).encode()


def _same_family(host: str, other: str) -> bool:
    return (":" in host) == (":" in other)
