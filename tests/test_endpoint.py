"""Sockets of a transport, and who is at the other end."""

from __future__ import annotations

import errno
import os
import socket
from pathlib import Path

import pytest

from oncrpc import sync
from oncrpc.addr import NC_TPI_COTS, Transport, transport
from oncrpc.aio.sockets import listen_local
from oncrpc.binder import Binder
from oncrpc.endpoint import (
    RESERVED_PORTS,
    bind_reserved,
    local_address,
    look_up,
    peer_of,
    peer_uid,
    socket_of,
)
from oncrpc.errors import AddressError, HostUnknown, TransportError

NOBODY = 65534


def test_a_family_without_sockets_is_refused() -> None:
    with pytest.raises(AddressError, match="no sockets of family 'x25'"):
        socket_of(Transport("x25", NC_TPI_COTS, True, "x25", "-"))


def test_an_at_sign_names_an_abstract_socket() -> None:
    assert local_address("@name") == "\0name"
    assert local_address("/run/rpcbind.sock") == "/run/rpcbind.sock"


def test_a_local_transport_needs_no_look_up() -> None:
    assert look_up(transport("local"), "@name", 0) == "\0name"


@pytest.mark.parametrize("host", ["nosuchhost.invalid", "a" * 70 + ".example", "::1"])
def test_a_name_without_an_address_of_the_family_is_unknown(host: str) -> None:
    with pytest.raises(HostUnknown):
        look_up(transport("tcp"), host, 111)


def test_the_peer_of_a_local_socket_is_known() -> None:
    one, two = socket.socketpair()
    with one, two:
        assert peer_uid(one) == os.geteuid()


def test_a_peer_that_has_gone_is_a_transport_error() -> None:
    with socket.socket() as sock, pytest.raises(TransportError) as caught:
        peer_of(sock, "127.0.0.1")

    assert caught.value.errno == errno.ENOTCONN


def squatted(name: str) -> socket.socket:
    """An abstract socket on which another user than root listens."""
    os.seteuid(NOBODY)
    try:
        return listen_local(name)
    finally:
        os.seteuid(0)


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to be two users")
def test_an_abstract_socket_of_another_user_is_not_told_what_we_register(tmp_path: Path) -> None:
    name = f"@{tmp_path}/squatted"

    with squatted(name), pytest.raises(TransportError, match="another user than root") as caught:
        sync.run(sync.dial("local", name, 0))

    assert caught.value.errno == errno.EACCES


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to be two users")
def test_registration_passes_over_an_abstract_socket_of_another_user(tmp_path: Path) -> None:
    name, path = f"@{tmp_path}/squatted", str(tmp_path / "sock")

    with squatted(name), listen_local(path):
        link = sync.run(Binder(sync.dial, sockets=(name, path))._dial_local())

    assert link.peer == path
    link.close()


@pytest.mark.skipif(os.geteuid() != 0, reason="needs a privilege")
@pytest.mark.parametrize("family", [socket.AF_INET, socket.AF_INET6])
def test_a_reserved_port_is_one_of_bindresvport(family: int) -> None:
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
def test_without_a_port_or_a_privilege_there_is_an_error(number: int) -> None:
    sock = Refusing()
    sock.number = number

    with sock, pytest.raises(OSError, match=os.strerror(number)) as caught:
        bind_reserved(sock)

    assert caught.value.errno == number


def test_a_local_socket_has_no_reserved_port() -> None:
    with socket.socket(socket.AF_UNIX) as sock, pytest.raises(ValueError, match="no port"):
        bind_reserved(sock)
