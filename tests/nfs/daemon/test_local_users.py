"""Which users of this host a server serves that works as one user."""

from __future__ import annotations

import pytest

from oncrpc.errors import AuthError
from oncrpc.nfs.daemon.local_callers import LocalCallers
from oncrpc.nfs.daemon.local_users import LocalUsers
from oncrpc.programs.mount import MOUNT_V3
from oncrpc.programs.nfs3 import NFS_V3
from oncrpc.programs.portmap import PMAP_VERS
from oncrpc.rpc import AnyProcedure, Call, Caller
from oncrpc.rpc.auth import AUTH_NONE

OWN, OTHER = 1000, 1001
SERVER = ("127.0.0.1", 2049, 0)
READ, MNT = NFS_V3.NFSPROC3_READ, MOUNT_V3.MOUNTPROC3_MNT


def caller(host: str = "127.0.0.1", *, datagram: bool = False, loopback: bool = True) -> Caller:
    netid = "udp" if datagram else "tcp"
    return Caller(netid, (host, 900, 0), SERVER, loopback=loopback, datagram=datagram)


def call(made: Caller, procedure: AnyProcedure = READ) -> Call:
    return Call(1, procedure, None, AUTH_NONE, caller=made, message=b"", arguments_at=0)


def users(owner: int | None, *own_addresses: str) -> LocalUsers:
    """A check where the kernel says that ``owner`` has each connection."""
    callers = LocalCallers(find=lambda *_: owner, is_own=own_addresses.__contains__)
    return LocalUsers({0, OWN}, callers)


def refuses(made: LocalUsers, given: Call) -> bool:
    try:
        made.check(given)
    except AuthError:
        return True
    return False


@pytest.mark.parametrize("procedure", [READ, MNT])
def test_other_users_of_the_host_are_refused(procedure: AnyProcedure) -> None:
    made = users(OTHER)

    assert refuses(made, call(caller(), procedure))
    assert made.refused == 1


@pytest.mark.parametrize("owner", [0, OWN])
def test_root_and_the_own_user_are_served(owner: int) -> None:
    assert not refuses(users(owner), call(caller()))


def test_connection_without_an_owner_is_refused() -> None:
    assert refuses(users(None), call(caller()))


def test_datagrams_of_the_host_are_refused() -> None:
    assert refuses(users(OWN), call(caller(datagram=True)))
    assert refuses(
        users(OWN, "192.0.2.1"), call(caller("192.0.2.1", datagram=True, loopback=False))
    )


def test_other_hosts_are_served() -> None:
    for datagram in (False, True):
        made = caller("192.0.2.7", datagram=datagram, loopback=False)
        assert not refuses(users(None), call(made))


def test_all_addresses_of_the_host_count() -> None:
    assert refuses(users(OTHER, "192.0.2.1"), call(caller("192.0.2.1", loopback=False)))
    assert refuses(users(OTHER), call(caller("fe80::1", loopback=False)))  # whose is not known


@pytest.mark.parametrize("procedure", [NFS_V3.NFSPROC3_NULL, PMAP_VERS.PMAPPROC_GETPORT])
def test_calls_without_file_data_are_not_checked(procedure: AnyProcedure) -> None:
    assert not refuses(users(OTHER), call(caller(), procedure))
