"""Which address a caller should be given (RFC 1833 §2.2.1: the merged address).

Servers register the wildcard address; a client needs one that it can reach. The port is that of the
registration. The host is the one that the client says it contacted, if it is this host's; else the
one that the call arrived at, which the client can reach, since it just did.
"""

from __future__ import annotations

import socket
import time
from collections import OrderedDict
from collections.abc import Callable

from oncrpc.addr import join_uaddr, split_uaddr
from oncrpc.errors import AddressError
from oncrpc.rpc import Caller


def merged(
    registered: bytes, hint: bytes, caller: Caller, *, is_ours: Callable[[str], bool]
) -> bytes | None:
    """The address for the caller; None if the registration or the hint does not allow one.

    Over a local socket, or for an address of another family, there is nothing to merge.
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


class OwnAddresses:
    """Whether an address is this host's: asked of the kernel by a bind, remembered for a while."""

    def __init__(self, *, lifetime: float = 5.0, most: int = 256) -> None:
        self.lifetime, self.most = lifetime, most
        self._known: OrderedDict[str, tuple[bool, float]] = OrderedDict()

    def forget(self) -> None:
        """Ask anew: addresses have changed."""
        self._known.clear()

    def __call__(self, host: str) -> bool:
        """True if a socket of this host can be bound to the address."""
        now = time.monotonic()
        known = self._known.get(host)
        if known is not None and now < known[1]:
            return known[0]
        ours = _can_bind(host)
        self._known[host] = (ours, now + self.lifetime)
        self._known.move_to_end(host)
        if len(self._known) > self.most:
            self._known.popitem(last=False)
        return ours


def _can_bind(host: str) -> bool:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        address = socket.inet_pton(family, host)
        if not any(address) or _is_group(address):
            return False
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.bind((host, 0))
            probe.connect((host, 9))  # refused for a subnet's broadcast address; sends nothing
    except OSError:
        return False
    return True


def _is_group(address: bytes) -> bool:
    """Multicast or broadcast: bindable, but nobody's own."""
    return address[0] == 0xFF or (len(address) == 4 and address[0] >= 224)
