"""Whether an address is this host's own, as the kernel routes it: rtnetlink(7).

An address is the host's own if its route has the type ``local``. Two simpler tests are wrong:

- binding a socket to it works for any address where ``ip_nonlocal_bind`` is set;
- connecting to it and comparing the source address fails for all but the first address of an
  interface, since the kernel reaches the others from the first.
"""

from __future__ import annotations

import socket
import struct
import time
from collections.abc import Callable
from ipaddress import IPv4Address, IPv6Address, ip_address

from oncrpc.caching import Bounded

RTM_NEWROUTE, RTM_GETROUTE = 24, 26
NLM_F_REQUEST = 1
RTA_DST = 1
RTN_LOCAL = 2

_HEADER = struct.Struct("=IHHII")
_ROUTE = struct.Struct("=8BI")
"""Family, destination length, source length, tos, table, protocol, scope, type; flags (rtmsg)."""

_ATTRIBUTE = struct.Struct("=HH")
MAX_ANSWER = 4096
"""Bytes of the kernel's answer about a route; it has some 100."""


def is_local(host: str) -> bool:
    """Ask the kernel whether an address is this host's own; False if it does not tell.

    A link-local address without its zone is never own: it may be another host's on another link.
    """
    address = _unmapped(ip_address(host))
    if address.is_unspecified:
        return False
    try:
        with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE) as kernel:
            kernel.setblocking(False)  # the kernel answers before send() returns
            kernel.sendto(_request(address), (0, 0))
            return route_type(kernel.recv(MAX_ANSWER)) == RTN_LOCAL
    except OSError:
        return False


def _unmapped(address: IPv4Address | IPv6Address) -> IPv4Address | IPv6Address:
    return getattr(address, "ipv4_mapped", None) or address


def _request(address: IPv4Address | IPv6Address) -> bytes:
    """The message that asks for the route to an address."""
    family = socket.AF_INET if address.version == 4 else socket.AF_INET6
    route = _ROUTE.pack(family, address.max_prefixlen, 0, 0, 0, 0, 0, 0, 0)
    packed = address.packed
    body = route + _ATTRIBUTE.pack(_ATTRIBUTE.size + len(packed), RTA_DST) + packed
    return _HEADER.pack(_HEADER.size + len(body), RTM_GETROUTE, NLM_F_REQUEST, 1, 0) + body


def route_type(answer: bytes) -> int | None:
    """The type of the route in an answer; None if there is no route."""
    if len(answer) < _HEADER.size + _ROUTE.size:
        return None
    _, kind, *_ = _HEADER.unpack_from(answer)
    return int(_ROUTE.unpack_from(answer, _HEADER.size)[7]) if kind == RTM_NEWROUTE else None


class OwnAddresses:
    """Remembers which addresses are this host's own.

    The key of the cache is the address, its bound ``most`` entries, of which the oldest is removed.
    An entry is valid for ``lifetime`` seconds; ``forget`` removes all, and has to be called when
    addresses change (``oncrpc.host.netlink``).
    """

    def __init__(
        self,
        *,
        lifetime: float = 5.0,
        most: int = 256,
        ask: Callable[[str], bool] = is_local,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.lifetime, self.ask, self.clock = lifetime, ask, clock
        self._known = Bounded[str, tuple[bool, float]](most)

    def forget(self) -> None:
        """Empty the cache."""
        self._known.clear()

    def __call__(self, host: str) -> bool:
        """Whether an address, written as a number, is this host's own."""
        now = self.clock()
        known = self._known.get(host)
        if known is not None and now < known[1]:
            return known[0]
        own = self.ask(host)
        self._known.keep(host, (own, now + self.lifetime))
        return own
