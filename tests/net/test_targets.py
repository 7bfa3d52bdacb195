"""Checks of targets, and the sockets of a transport."""

from __future__ import annotations

import errno
import os
import socket

import pytest

from oncrpc import sync
from oncrpc.addr import NC_TPI_COTS, Transport, transport
from oncrpc.errors import AddressError, HostUnknown
from oncrpc.net.targets import (
    RESERVED_PORTS,
    bind_reserved,
    first_of,
    netids_for,
    place_text,
    socket_of,
)


def test_a_family_without_sockets_is_refused() -> None:
    with pytest.raises(AddressError, match="no sockets of family 'x25'"):
        socket_of(Transport("x25", NC_TPI_COTS, True, "x25", "-"))


def test_place_has_host_port_and_transport() -> None:
    assert place_text(transport("udp6"), "::1", 111) == "::1 port 111 over udp6"
    assert place_text(transport("local"), "/run/rpcbind.sock", 0) == "/run/rpcbind.sock over local"


@pytest.mark.parametrize(
    ("netid", "host", "netids"),
    [
        ("tcp", "127.0.0.1", ("tcp",)),
        ("tcp", "::1", ("tcp6",)),
        ("udp", "fe80::1%lo", ("udp6",)),
        ("udp", "host.example", ("udp", "udp6")),
        ("tcp6", "::1", ("tcp6",)),
        ("tcp6", "127.0.0.1", ("tcp6",)),
        ("local", "/run/rpcbind.sock", ("local",)),
        ("nosuch", "host.example", ("nosuch",)),
    ],
)
def test_ipv6_host_is_reached_over_ipv6_netid(
    netid: str, host: str, netids: tuple[str, ...]
) -> None:
    assert netids_for(netid, host) == netids


class Reaching:
    """Reaches over some netids; over the others the host is unknown."""

    def __init__(self, *known: str) -> None:
        self.known = known
        self.tried: list[str] = []

    async def __call__(self, netid: str) -> str:
        self.tried.append(netid)
        if netid not in self.known:
            raise HostUnknown(socket.EAI_NODATA, f"not over {netid}")
        return netid


def test_first_netid_with_an_address_is_used() -> None:
    reaching = Reaching("udp6", "tcp")

    assert sync.run(first_of(("udp", "udp6", "tcp"), reaching)) == "udp6"


def test_without_an_address_first_error_is_raised() -> None:
    reaching = Reaching()

    with pytest.raises(HostUnknown, match=r"not over tcp$"):
        sync.run(first_of(("tcp", "tcp6"), reaching))

    assert reaching.tried == ["tcp", "tcp6"]


@pytest.mark.skipif(os.geteuid() != 0, reason="needs a privilege")
@pytest.mark.parametrize("family", [socket.AF_INET, socket.AF_INET6])
def test_reserved_port_is_in_range_of_bindresvport(family: int) -> None:
    with socket.socket(family, socket.SOCK_DGRAM) as one, socket.socket(family) as two:
        bind_reserved(one)
        bind_reserved(two)

        assert one.getsockname()[1] in RESERVED_PORTS
        assert two.getsockname()[1] in RESERVED_PORTS


class Refusing(socket.socket):
    """A socket on which no port can be had."""

    number = errno.EADDRINUSE

    def bind(self, address: object) -> None:
        raise OSError(self.number, os.strerror(self.number))


@pytest.mark.parametrize("number", [errno.EADDRINUSE, errno.EACCES])
def test_bind_reserved_reports_the_system_error(number: int) -> None:
    sock = Refusing()
    sock.number = number

    with sock, pytest.raises(OSError, match=os.strerror(number)) as caught:
        bind_reserved(sock)

    assert caught.value.errno == number


def test_a_local_socket_has_no_reserved_port() -> None:
    with socket.socket(socket.AF_UNIX) as sock, pytest.raises(ValueError, match="no port"):
        bind_reserved(sock)
