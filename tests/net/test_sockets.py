"""Opening sockets."""

from __future__ import annotations

import errno
import os
import socket
import stat
from pathlib import Path

import pytest

from oncrpc.addr import transport
from oncrpc.net import sockets
from oncrpc.net.sockets import (
    join_group,
    listen,
    listen_local,
    loopback_interfaces,
)
from support.words import words

LO = socket.if_nametoindex("lo")


@pytest.mark.parametrize("netid", ["udp", "tcp", "udp6", "tcp6"])
def test_a_socket_is_bound_and_does_not_block(netid: str) -> None:
    entry = transport(netid)
    with listen(entry, "::1" if netid.endswith("6") else "127.0.0.1", 0) as sock:
        assert sock.getsockname()[1] != 0
        assert not sock.getblocking()
        accepts = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
        assert bool(accepts) == netid.startswith("tcp")


def test_ipv6_and_ipv4_share_a_port() -> None:
    with listen(transport("udp6"), "::", 0) as six:
        port = six.getsockname()[1]
        with listen(transport("udp"), "0.0.0.0", port) as four:
            assert four.getsockname()[1] == port


def test_a_taken_port_leaves_no_socket() -> None:
    with listen(transport("tcp"), "127.0.0.1", 0) as first:
        with pytest.raises(OSError, match="in use") as raised:
            listen(transport("tcp"), "127.0.0.1", first.getsockname()[1])
        assert raised.value.errno == errno.EADDRINUSE


def test_a_local_socket_replaces_a_dead_one(tmp_path: Path) -> None:
    path = tmp_path / "sock"
    listen_local(str(path)).close()

    with listen_local(str(path)):
        assert stat.S_IMODE(path.stat().st_mode) == 0o666


def test_file_that_is_not_a_socket_stays(tmp_path: Path) -> None:
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


def test_groups_are_joined_on_every_interface() -> None:
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as sock:
        names = {name for _, name in socket.if_nameindex()}
        assert set(join_group(sock, "ff02::202")) <= names
        assert join_group(sock, "::1") == []


@pytest.mark.parametrize(("netid", "host"), [("udp", "127.0.0.1"), ("udp6", "::1")])
def test_only_calls_reach_the_datagram_queue(netid: str, host: str) -> None:
    with listen(transport(netid), host, 0) as ours, socket.socket(ours.family, ours.type) as sender:
        for message in (b"", words(1), words(1, 1, 0), words(1, 2), words(2, 0)[:7], words(3, 0)):
            sender.sendto(message, ours.getsockname())

        ours.settimeout(5)
        assert ours.recv(100) == words(3, 0)
        ours.setblocking(False)
        with pytest.raises(BlockingIOError):
            ours.recv(100)


def test_more_calls_wait_than_by_default() -> None:
    with listen(transport("udp"), "127.0.0.1", 0) as ours, socket.socket(type=ours.type) as plain:
        queue = [s.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF) for s in (plain, ours)]
        assert queue[1] > queue[0]


def test_a_socket_serves_without_the_filter(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sockets, "SO_ATTACH_FILTER", -1)
    monkeypatch.setattr(sockets, "SO_RCVBUFFORCE", -1)

    with listen(transport("udp"), "127.0.0.1", 0) as ours, socket.socket(type=ours.type) as sender:
        sender.sendto(b"junk", ours.getsockname())
        ours.settimeout(5)
        assert ours.recv(100) == b"junk"
