"""Where broadcasts of this host go."""

from __future__ import annotations

import socket

import pytest

from oncrpc.net.broadcast import (
    IFF_BROADCAST,
    IFF_LOOPBACK,
    IFF_MULTICAST,
    IFF_UP,
    InterfaceAddress,
    broadcast_socket,
    destinations,
    interfaces,
)


def test_the_loopback_interface_is_found() -> None:
    found = [entry for entry in interfaces() if entry.flags & IFF_LOOPBACK]

    assert any(entry.family == socket.AF_INET for entry in found)


def test_destinations_leave_out_loopback_and_down_interfaces(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    lan = IFF_UP | IFF_BROADCAST | IFF_MULTICAST
    found = [
        InterfaceAddress("lo", lan | IFF_LOOPBACK, socket.AF_INET, "127.255.255.255"),
        InterfaceAddress("lan", lan, socket.AF_INET, "192.0.2.255"),
        InterfaceAddress("lan", lan, socket.AF_INET6, None),
        InterfaceAddress("lan", lan, socket.AF_INET6, None),
        InterfaceAddress("lan", lan, socket.AF_PACKET, None),
        InterfaceAddress("down", IFF_BROADCAST, socket.AF_INET, "198.51.100.255"),
        InterfaceAddress("tunnel", IFF_UP, socket.AF_INET6, None),
    ]
    module = "oncrpc.net.broadcast"
    monkeypatch.setattr(f"{module}.interfaces", lambda: iter(found))
    monkeypatch.setattr(f"{module}.socket.if_nametoindex", lambda name: 7)

    assert [place.sockaddr(111) for place in destinations("ff02::202")] == [
        ("192.0.2.255", 111),
        ("ff02::202", 111, 0, 7),
    ]


@pytest.mark.parametrize("family", [socket.AF_INET, socket.AF_INET6])
def test_a_broadcast_socket_may_send_to_everybody(family: int) -> None:
    with broadcast_socket(family) as sock:
        allowed = sock.getsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST)

        assert bool(allowed) is (family == socket.AF_INET)
