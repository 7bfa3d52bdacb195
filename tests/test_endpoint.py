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
from oncrpc.endpoint import local_address, look_up, peer_of, peer_uid, socket_of
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
