"""``oncrpc.nfs.daemon.local_callers``: connections from this host, and their users."""

from __future__ import annotations

import pytest

from oncrpc.host.connection_owner import Place
from oncrpc.nfs.daemon.local_callers import (
    ELSEWHERE,
    MAX_CALLERS,
    UNKNOWN,
    CallerUser,
    LocalCallers,
)
from oncrpc.rpc import Caller

USER = 1000
SERVER = ("127.0.0.1", 2049, 0)


class Asked:
    """A kernel that reports ``owner`` for each connection, and notes each question."""

    def __init__(self, owner: int | None) -> None:
        self.owner = owner
        self.places: list[Place] = []

    def __call__(self, here: Place, _: Place) -> int | None:
        self.places.append(here)
        return self.owner


def caller(host: str = "127.0.0.1", *, datagram: bool = False) -> Caller:
    loopback = host.startswith("127.")
    netid = "udp" if datagram else "tcp"
    return Caller(netid, (host, 900, 0), SERVER, loopback=loopback, datagram=datagram)


def callers(asked: Asked, *own_addresses: str) -> LocalCallers:
    return LocalCallers(find=asked, is_own=own_addresses.__contains__)


@pytest.mark.parametrize("host", ["127.0.0.1", "192.0.2.1", "fe80::1"])
def test_owner_of_a_connection_is_its_user(host: str) -> None:
    assert callers(Asked(USER), "192.0.2.1").peer(caller(host)) == CallerUser(here=True, uid=USER)


@pytest.mark.parametrize("host", ["127.0.0.1", "192.0.2.1"])
def test_own_connection_without_owner_is_unknown(host: str) -> None:
    assert callers(Asked(None), "192.0.2.1").peer(caller(host)) is UNKNOWN


def test_ended_connection_has_no_user() -> None:
    """Its addresses and ports may be those of a new socket of another user."""
    ended = caller()
    ended.connected = lambda: False

    assert callers(Asked(USER)).peer(ended) is UNKNOWN


def test_other_hosts_have_no_owner() -> None:
    assert callers(Asked(None)).peer(caller("192.0.2.7")) is ELSEWHERE
    assert callers(Asked(None)).peer(caller("192.0.2.7", datagram=True)) is ELSEWHERE


def test_kernel_is_not_asked_about_datagrams() -> None:
    asked = Asked(USER)

    assert callers(asked).peer(caller(datagram=True)) is UNKNOWN
    assert asked.places == []


def test_kernel_is_asked_once_for_a_connection() -> None:
    asked = Asked(USER)
    made, connection = callers(asked), caller()

    for _ in range(3):
        made.peer(connection)
    assert asked.places == [("127.0.0.1", 900)]

    made.peer(caller())  # another connection from the same port
    assert len(asked.places) == 2


def test_unknown_owner_is_asked_for_again() -> None:
    asked = Asked(None)
    made, connection = callers(asked), caller()

    assert made.peer(connection) is UNKNOWN
    asked.owner = USER

    assert made.peer(connection).uid == USER


def test_known_connections_are_bounded() -> None:
    asked = Asked(USER)
    made, first = callers(asked), caller()

    made.peer(first)
    for _ in range(MAX_CALLERS):
        made.peer(caller())
    made.peer(first)

    assert len(asked.places) == MAX_CALLERS + 2
