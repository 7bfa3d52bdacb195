"""Where a datagram came from and which address it asked, from what the kernel says of it."""

from __future__ import annotations

import errno
import socket
import struct

import pytest

from oncrpc.aio.guard import NoGuard
from oncrpc.aio.udp_route import CONTROL_HEADER, Route, route_of
from oncrpc.net.sockets import IP_PKTINFO
from oncrpc.rpc import Caller

LO, ETHERNET, PORT = 1, 3, 111
FROM_V4 = struct.pack("@H", socket.AF_INET) + struct.pack(">H4s8x", 700, bytes([192, 0, 2, 9]))
HERE = bytes([192, 0, 2, 1])
BROADCAST = bytes([192, 0, 2, 255])
LINK_LOCAL = socket.inet_pton(socket.AF_INET6, "fe80::1")
GLOBAL = socket.inet_pton(socket.AF_INET6, "2001:db8::1")
GROUP = socket.inet_pton(socket.AF_INET6, "ff02::202")


def from_v6(host: str, scope: int = 0) -> bytes:
    """A sockaddr_in6."""
    address = socket.inet_pton(socket.AF_INET6, host)
    return (
        struct.pack("@H", socket.AF_INET6)
        + struct.pack(">HI", 700, 0)
        + address
        + (struct.pack("@I", scope))
    )


def message(level: int, kind: int, data: bytes) -> bytes:
    """A control message as it lies in memory."""
    header = CONTROL_HEADER.pack(CONTROL_HEADER.size + len(data), level, kind)
    return (header + data).ljust(socket.CMSG_SPACE(len(data)), b"\0")


def over_v4(asked: bytes, *, interface: int = ETHERNET) -> Route:
    info = struct.pack("@I4s4s", interface, HERE, asked)
    control = message(socket.IPPROTO_IP, IP_PKTINFO, info)
    return route_of(FROM_V4, control, PORT, loopbacks=frozenset({LO}))


def over_v6(asked: bytes, *, interface: int = ETHERNET, source: str = "2001:db8::9") -> Route:
    info = struct.pack("@16sI", asked, interface)
    control = message(socket.IPPROTO_IPV6, socket.IPV6_PKTINFO, info)
    return route_of(from_v6(source, 3), control, PORT, loopbacks=frozenset({LO}))


def test_ipv4_reply_leaves_from_the_called_address() -> None:
    route = over_v4(HERE)

    assert (route.host, route.local, route.to_group) == ("192.0.2.9", ("192.0.2.1", PORT, 0), False)
    reply = struct.pack("@I4s4s", 0, HERE, bytes(4))
    assert route.control == (socket.IPPROTO_IP, IP_PKTINFO, reply)
    assert route.message == message(socket.IPPROTO_IP, IP_PKTINFO, reply)


def test_broadcast_is_answered_from_the_interface_address() -> None:
    route = over_v4(BROADCAST)

    assert (route.local, route.to_group) == (("192.0.2.1", PORT, 0), True)


@pytest.mark.parametrize(("interface", "inside"), [(LO, True), (ETHERNET, False)])
def test_interface_decides_what_is_loopback(interface: int, *, inside: bool) -> None:
    assert over_v4(HERE, interface=interface).loopback is inside
    assert over_v6(GLOBAL, interface=interface).loopback is inside


def test_a_link_local_address_keeps_its_interface() -> None:
    route = over_v6(LINK_LOCAL, source="fe80::9")

    assert (route.local, route.scope) == (("fe80::1", PORT, ETHERNET), 3)
    assert route.control is not None
    assert route.control[2] == struct.pack("@16sI", LINK_LOCAL, ETHERNET)


def test_another_ipv6_address_is_answered_by_any_interface() -> None:
    route = over_v6(GLOBAL)

    assert route.local == ("2001:db8::1", PORT, 0)
    assert route.control is not None
    assert route.control[2] == struct.pack("@16sI", GLOBAL, 0)


def test_multicast_reply_leaves_from_that_interface() -> None:
    route = over_v6(GROUP, interface=LO, source="::1")

    assert (route.local, route.to_group) == (("::1", PORT, 0), True)
    assert route.control is not None
    assert route.control[2] == struct.pack("@16sI", bytes(16), LO)


def test_multicast_without_descriptor_has_no_address(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def none_left(*_: object) -> socket.socket:
        raise OSError(errno.EMFILE, "Too many open files")

    monkeypatch.setattr(socket, "socket", none_left)

    assert over_v6(GROUP).local is None


@pytest.mark.parametrize("control", [b"", message(socket.SOL_SOCKET, 1, b"")])
def test_a_datagram_without_packet_information_has_no_address(control: bytes) -> None:
    route = route_of(FROM_V4, control, PORT, loopbacks=frozenset({LO}))

    assert (route.local, route.control, route.loopback) == (None, None, False)


def test_caller_has_the_facts_of_its_route() -> None:
    caller = over_v4(BROADCAST).caller("udp", 700)

    assert caller == Caller(
        "udp", ("192.0.2.9", 700, 0), ("192.0.2.1", PORT, 0), datagram=True, to_group=True
    )


def test_without_a_guard_everyone_is_trusted() -> None:
    rights = NoGuard().rights(over_v4(HERE).caller("udp", 0))

    assert (rights.trusted, rights.open, rights.bucket) == (True, True, None)
