"""The route of a datagram: the host that sent it, and the address of ours that it was sent to.

Data derived from a route is computed with its first datagram: the control message that makes
replies leave from the address that was called, whether the caller is on this host, and its rights.
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Hashable

from oncrpc.aio.guard import Bucket
from oncrpc.net.sockets import IP_PKTINFO
from oncrpc.rpc.program import Caller

Address = tuple[str, int, int]
Control = tuple[int, int, bytes]
CONTROL_HEADER = struct.Struct("@Nii")
NOTHING: Control = (0, 0, b"")
PKTINFO = struct.Struct("@I4s4s")
PKTINFO6 = struct.Struct("@16sI")


class Route:
    """A source host, an address of ours that it calls, and the data derived from them.

    ``control`` is the control message of the replies, None if the address is not known, and
    ``message`` the same in the kernel's layout. ``circumstances`` is the key of the route in the
    reply cache, None if its calls may not be answered from there. ``trusted`` and ``bucket`` are
    its rights (``oncrpc.aio.guard.SourceRights``).
    """

    __slots__ = (
        "bucket", "circumstances", "control", "host", "local", "loopback", "message", "scope",
        "to_group", "trusted",
    )  # fmt: skip

    def __init__(
        self,
        host: str,
        scope: int,
        local: Address | None,
        loopback: bool,
        to_group: bool,
        control: Control | None,
        *,
        trusted: bool = True,
    ) -> None:
        self.host, self.scope, self.local, self.control = host, scope, local, control
        self.loopback, self.to_group, self.trusted = loopback, to_group, trusted
        self.bucket: Bucket | None = None
        self.circumstances: Hashable = None
        level, kind, data = control or NOTHING
        header = CONTROL_HEADER.pack(CONTROL_HEADER.size + len(data), level, kind)
        self.message = (header + data).ljust(socket.CMSG_SPACE(len(data)), b"\0")

    def caller(self, netid: str, port: int) -> Caller:
        """The caller that sends from a port."""
        return Caller(
            netid, (self.host, port, 0), self.local,
            loopback=self.loopback, datagram=True, to_group=self.to_group,
        )  # fmt: skip


def route_of(address: bytes, control: bytes, port: int, *, loopbacks: frozenset[int]) -> Route:
    """The route of a datagram: its source's sockaddr and its control messages, as received.

    The reply leaves from the address that was called. If that is a broadcast or multicast address,
    the kernel picks one of ours on the interface of arrival. ``port`` is that of our socket.
    """
    host, scope = _host(address)
    level, kind, data = _first(control)
    if (level, kind) == (socket.IPPROTO_IP, IP_PKTINFO):
        index, local, asked = PKTINFO.unpack_from(data)
        reply = PKTINFO.pack(0, local, bytes(4))
        here = (socket.inet_ntop(socket.AF_INET, local), port, 0)
        return Route(host, scope, here, index in loopbacks, asked != local, (level, kind, reply))
    if (level, kind) == (socket.IPPROTO_IPV6, socket.IPV6_PKTINFO):
        asked, index = PKTINFO6.unpack_from(data)
        inside = index in loopbacks
        if asked[0] == 0xFF:
            reply = PKTINFO6.pack(bytes(16), index)
            near = _nearest((host, 9, 0, scope), port)
            return Route(host, scope, near, inside, True, (level, kind, reply))
        on = index if asked[:1] == b"\xfe" else 0
        reply = PKTINFO6.pack(asked, on)
        near = (socket.inet_ntop(socket.AF_INET6, asked), port, on)
        return Route(host, scope, near, inside, False, (level, kind, reply))
    return Route(host, scope, None, False, False, None)


def _host(address: bytes) -> tuple[str, int]:
    """Host and scope of a sockaddr."""
    if struct.unpack_from("@H", address)[0] == socket.AF_INET6:
        scope = struct.unpack_from("@I", address, 24)[0]
        return socket.inet_ntop(socket.AF_INET6, address[8:24]), scope
    return socket.inet_ntop(socket.AF_INET, address[4:8]), 0


def _first(control: bytes) -> Control:
    if len(control) < CONTROL_HEADER.size:
        return NOTHING
    length, level, kind = CONTROL_HEADER.unpack_from(control)
    return level, kind, control[CONTROL_HEADER.size : length]


def _nearest(source: tuple[str, int, int, int], port: int) -> Address | None:
    """This host's address on the way to a source that sent to a multicast group."""
    try:
        with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as probe:
            probe.connect(source)
            host, _, _, scope = probe.getsockname()
    except OSError:  # no route, or no descriptor left
        return None
    return host.partition("%")[0], port, scope
