"""Opening sockets, and who sent what to which address."""

from __future__ import annotations

import errno
import os
import socket
import stat
import struct
from pathlib import Path

import pytest

from oncrpc.addr import transport
from oncrpc.aio.sockets import (
    IP_PKTINFO,
    MULTICAST,
    arrival,
    join_group,
    listen,
    listen_local,
    loopback_interfaces,
)

LO = socket.if_nametoindex("lo")
GROUP = socket.inet_pton(socket.AF_INET6, MULTICAST)
LINK_LOCAL = socket.inet_pton(socket.AF_INET6, "fe80::1")
SOURCE = ("::1", 40000, 0)


@pytest.mark.parametrize("netid", ["udp", "tcp", "udp6", "tcp6"])
def test_a_socket_is_bound_and_does_not_block(netid: str) -> None:
    entry = transport(netid)
    with listen(entry, "::1" if netid.endswith("6") else "127.0.0.1", 0) as sock:
        assert sock.getsockname()[1] != 0
        assert not sock.getblocking()
        accepts = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
        assert bool(accepts) == netid.startswith("tcp")


def test_ipv6_and_ipv4_have_the_port_beside_each_other() -> None:
    with listen(transport("udp6"), "::", 0) as six:
        port = six.getsockname()[1]
        with listen(transport("udp"), "0.0.0.0", port) as four:
            assert four.getsockname()[1] == port


def test_a_port_that_is_taken_is_an_error_that_leaves_no_socket() -> None:
    with listen(transport("tcp"), "127.0.0.1", 0) as first:
        with pytest.raises(OSError, match="in use") as raised:
            listen(transport("tcp"), "127.0.0.1", first.getsockname()[1])
        assert raised.value.errno == errno.EADDRINUSE


def test_a_local_socket_is_for_everyone_and_replaces_a_dead_one(tmp_path: Path) -> None:
    path = tmp_path / "sock"
    listen_local(str(path)).close()

    with listen_local(str(path)):
        assert stat.S_IMODE(path.stat().st_mode) == 0o666


def test_what_is_no_socket_is_not_replaced(tmp_path: Path) -> None:
    path = tmp_path / "sock"
    path.write_text("precious")

    with pytest.raises(OSError, match="in use"):
        listen_local(str(path))

    assert path.read_text() == "precious"


def test_a_name_with_an_at_sign_is_abstract() -> None:
    name = f"@oncrpc-test-{os.getpid()}"

    with listen_local(name) as sock:
        assert sock.getsockname() == b"\0" + name[1:].encode()


def test_the_loopback_interface_is_known() -> None:
    assert LO in loopback_interfaces()


def test_groups_are_joined_on_the_interfaces_that_have_them() -> None:
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as sock:
        names = {name for _, name in socket.if_nameindex()}
        assert set(join_group(sock)) <= names
        assert join_group(sock, "::1") == []


def test_a_datagram_without_control_data_has_no_address() -> None:
    with listen(transport("udp"), "127.0.0.1", 0) as sock:
        assert arrival(sock, [], SOURCE) == (None, 0, [])
        assert arrival(sock, [(socket.SOL_SOCKET, 1, b"")], SOURCE) == (None, 0, [])


def test_an_ipv4_reply_leaves_from_the_address_asked_by_any_interface() -> None:
    with listen(transport("udp"), "127.0.0.1", 0) as sock:
        port = sock.getsockname()[1]
        info = struct.pack("@I4s4s", 3, b"\xc0\0\2\1", b"\xc0\0\2\xff")

        where, interface, control = arrival(sock, [(socket.IPPROTO_IP, IP_PKTINFO, info)], SOURCE)

        assert (where, interface) == (("192.0.2.1", port, 0), 3)
        reply = struct.pack("@I4s4s", 0, b"\xc0\0\2\1", bytes(4))
        assert control == [(socket.IPPROTO_IP, IP_PKTINFO, reply)]


def arrived(local: bytes) -> tuple[object, int, list[tuple[int, int, bytes]], int]:
    """What is made of a datagram to an IPv6 address, and the port."""
    with listen(transport("udp6"), "::1", 0) as sock:
        info = struct.pack("@16sI", local, LO)
        control = [(int(socket.IPPROTO_IPV6), socket.IPV6_PKTINFO, info)]
        return *arrival(sock, control, SOURCE), sock.getsockname()[1]


def test_a_link_local_address_keeps_its_interface() -> None:
    where, interface, control, port = arrived(LINK_LOCAL)

    assert (where, interface) == (("fe80::1", port, LO), LO)
    assert control[0][2] == struct.pack("@16sI", LINK_LOCAL, LO)


def test_the_reply_to_a_call_to_the_group_leaves_from_an_own_address_on_that_interface() -> None:
    where, interface, control, port = arrived(GROUP)

    assert (where, interface) == (("::1", port, 0), LO)
    assert control[0][2] == struct.pack("@16sI", bytes(16), LO)


def test_without_a_descriptor_left_a_call_to_the_group_has_no_address(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def none_left(*_: object) -> socket.socket:
        raise OSError(errno.EMFILE, "Too many open files")

    with listen(transport("udp6"), "::1", 0) as sock:
        monkeypatch.setattr(socket, "socket", none_left)
        info = struct.pack("@16sI", GROUP, LO)
        control = [(int(socket.IPPROTO_IPV6), socket.IPV6_PKTINFO, info)]

        assert arrival(sock, control, SOURCE)[0] is None
