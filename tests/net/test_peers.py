"""The peer of a connected socket."""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from oncrpc import sync
from oncrpc.client.port_mapper import MapperClient
from oncrpc.errors import TransportError
from oncrpc.net.peers import (
    SO_PEERPIDFD,
    TCP_ESTABLISHED,
    is_connected,
    peer_of,
    peer_of_new,
    peer_pid,
    peer_pidfd,
    peer_uid,
)
from oncrpc.net.sockets import listen_local

NOBODY = 65534


def test_uid_of_a_local_peer_is_known() -> None:
    one, two = socket.socketpair()
    with one, two:
        assert peer_uid(one) == os.geteuid()


def test_peer_of_unconnected_socket_is_transport_error() -> None:
    with socket.socket() as sock, pytest.raises(TransportError) as caught:
        peer_of(sock, "127.0.0.1")

    assert caught.value.errno == errno.ENOTCONN


def test_connection_that_broke_at_once_is_closed() -> None:
    with socket.socket() as sock:
        with pytest.raises(TransportError, match=r"files\.example: .*not connected"):
            peer_of_new(sock, "127.0.0.1", place="files.example")

        assert sock.fileno() == -1


def tcp_pair() -> tuple[socket.socket, socket.socket]:
    """Two ends of a connection over the loopback interface."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        client = socket.create_connection(server.getsockname())
        return client, server.accept()[0]


@pytest.mark.parametrize("pair", [socket.socketpair, tcp_pair])
def test_open_connection_is_connected(
    pair: Callable[[], tuple[socket.socket, socket.socket]],
) -> None:
    one, two = pair()

    with one, two:
        two.send(b"data that is not read yet")
        assert is_connected(one)


@pytest.mark.parametrize("pair", [socket.socketpair, tcp_pair])
def test_peer_that_closed_is_not_connected(
    pair: Callable[[], tuple[socket.socket, socket.socket]],
) -> None:
    one, two = pair()
    two.send(b"data that is not read yet")
    two.close()

    with one:
        assert not is_connected(one)


@pytest.mark.parametrize("pair", [socket.socketpair, tcp_pair])
def test_closed_socket_is_not_connected(
    pair: Callable[[], tuple[socket.socket, socket.socket]],
) -> None:
    one, two = pair()
    one.close()

    with two:
        assert not is_connected(one)


class Unacknowledged(socket.socket):
    """A socket that has sent something again and again."""

    def getsockopt(self, *_: object) -> Any:
        return bytes((TCP_ESTABLISHED, 4, 2))


def test_peer_that_does_not_acknowledge_is_not_connected() -> None:
    with Unacknowledged() as sock:
        assert not is_connected(sock)


def squatted(name: str) -> socket.socket:
    """An abstract socket on which another user than root listens."""
    os.seteuid(NOBODY)
    try:
        return listen_local(name)
    finally:
        os.seteuid(0)


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to be two users")
def test_abstract_socket_of_another_user_is_refused(tmp_path: Path) -> None:
    name = f"@{tmp_path}/squatted"

    with squatted(name), pytest.raises(TransportError, match="another user than root") as caught:
        sync.run(sync.dial("local", name, 0))

    assert caught.value.errno == errno.EACCES


async def reached(mapper: MapperClient) -> str:
    """The local socket at which this host's port mapper is reached."""
    async with mapper.local() as link:
        return link.peer


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to be two users")
def test_registration_skips_abstract_socket_of_another_user(tmp_path: Path) -> None:
    name, path = f"@{tmp_path}/squatted", str(tmp_path / "sock")

    with squatted(name), listen_local(path):
        assert sync.run(reached(MapperClient(sync.dial, sockets=(name, path)))) == path


def test_peer_pidfd_raises_other_errors() -> None:
    with socket.socket() as sock, pytest.raises(OSError, match=r"."):
        peer_pidfd(sock)


class OldKernel(socket.socket):
    """A socket of a kernel before 6.5, which has only the peer's number."""

    def getsockopt(self, *asked: Any) -> Any:
        if asked == (socket.SOL_SOCKET, SO_PEERPIDFD):
            raise OSError(errno.ENOPROTOOPT, os.strerror(errno.ENOPROTOOPT))
        return super().getsockopt(*asked)


def test_old_kernel_has_only_the_peer_number() -> None:
    ours, theirs = socket.socketpair()
    with theirs, OldKernel(fileno=ours.detach()) as sock:
        assert peer_pidfd(sock) is None
        assert peer_pid(sock) == os.getpid()


def test_peer_pidfd_is_of_the_peer() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        try:
            pidfd = peer_pidfd(ours)
        except OSError:
            pytest.skip("this kernel gives no pidfd")
        if pidfd is None:
            pytest.skip("this kernel is older than 6.5")

    about = Path(f"/proc/self/fdinfo/{pidfd}").read_text()
    os.close(pidfd)
    assert f"Pid:\t{os.getpid()}\n" in about
