"""The user at the other end of a connection."""

from __future__ import annotations

import os
import socket
import struct
import subprocess
import sys
from collections.abc import Iterator

import pytest

from oncrpc.host import connection_owner as module
from oncrpc.host.connection_owner import answer, connection_owner, question

HERE, THERE = ("127.0.0.1", 700), ("127.0.0.1", 2049)
CONNECT = (
    "import os, socket, sys\n"
    "host, port = sys.argv[1], int(sys.argv[2])\n"
    "family, *_, place = socket.getaddrinfo(host, port)[0]\n"
    "os.setuid(12345)\n"
    "sock = socket.socket(family)\n"
    "sock.connect(place)\n"
    "sock.recv(1)\n"
)


@pytest.fixture(params=["127.0.0.1", "::1"])
def listener(request: pytest.FixtureRequest) -> Iterator[socket.socket]:
    family = socket.AF_INET6 if ":" in request.param else socket.AF_INET
    with socket.socket(family) as made:
        made.bind((request.param, 0))
        made.listen()
        made.settimeout(20)
        yield made


def test_own_connection_is_of_this_user(listener: socket.socket) -> None:
    place = listener.getsockname()[:2]
    with socket.create_connection(place) as ours:
        accepted, source = listener.accept()
        with accepted:
            assert connection_owner(source[:2], place) == os.geteuid()
            assert connection_owner((place[0], 1), place) is None
        assert ours.getsockname()[:2] == source[:2]


@pytest.mark.slow
@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_connection_of_another_user_is_told(listener: socket.socket) -> None:
    host, port = place = listener.getsockname()[:2]
    with subprocess.Popen([sys.executable, "-c", CONNECT, host, str(port)]) as other:
        accepted, source = listener.accept()
        with accepted:
            assert connection_owner(source[:2], place) == 12345
        other.wait(20)


def test_closed_connection_has_no_owner(listener: socket.socket) -> None:
    place = listener.getsockname()[:2]
    ours = socket.create_connection(place)
    accepted, source = listener.accept()
    with accepted:
        ours.close()

        assert connection_owner(source[:2], place) is None  # the kernel reports user 0


def test_listening_socket_is_not_a_connection(listener: socket.socket) -> None:
    place = listener.getsockname()[:2]

    assert connection_owner(place, (place[0], 1)) is None


def test_question_has_the_places_in_network_order() -> None:
    asked = question(HERE, THERE)

    assert len(asked) == struct.unpack_from("=I", asked)[0] == 72
    assert asked[24:28] == struct.pack("!HH", 700, 2049)
    assert asked[28:32] == bytes([127, 0, 0, 1])


def told(uid: int, inode: int) -> bytes:
    """The kernel's message about the connection (inet_diag_msg)."""
    header = struct.pack("=IHHII", 88, 20, 0, 1, 0)
    places = question(HERE, THERE)[24:60]
    socket_id = places + struct.pack("=III", 0, 1, 2)  # interface, cookie
    # family, state, timer, retransmits; then expires, two queues, uid, inode
    return header + bytes((2, 1, 0, 0)) + socket_id + struct.pack("=IIIII", 0, 0, 0, uid, inode)


def test_uid_counts_only_with_an_inode() -> None:
    assert answer(told(1000, 77), HERE, THERE) == 1000
    assert answer(told(0, 77), HERE, THERE) == 0
    assert answer(told(0, 0), HERE, THERE) is None


@pytest.mark.parametrize(
    "data",
    [
        b"",
        bytes(200),
        struct.pack("=IHHII", 36, 2, 0, 1, 0) + bytes(100),
        struct.pack("=IHHII", 88, 20, 0, 1, 0) + bytes(72),
    ],
    ids=["nothing", "zeros", "error", "another connection"],
)
def test_other_answers_name_nobody(data: bytes) -> None:
    assert answer(data, HERE, THERE) is None


def test_kernel_that_refuses_names_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuses(*_: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(module.socket, "socket", refuses)  # type: ignore[attr-defined]  # socket

    assert connection_owner(HERE, THERE) is None
