"""``oncrpc.nfs.daemon.peer_uids``: local callers that name another user are refused."""

from __future__ import annotations

import logging

import pytest

from oncrpc.errors import AuthError
from oncrpc.nfs.daemon.local_callers import LocalCallers
from oncrpc.nfs.daemon.peer_uids import AGAIN, MAX_REFUSED_USERS, PeerUids
from oncrpc.programs.mount import MOUNT_V3
from oncrpc.programs.nfs3 import NFS_V3
from oncrpc.programs.nlm import NLM4_VERS
from oncrpc.programs.portmap import PMAP_VERS
from oncrpc.rpc import AnyProcedure, Call, Caller
from oncrpc.rpc.auth import AUTH_NONE
from oncrpc.rpc.prot import authsys_parms

USER, OTHER = 1000, 1001
READ = NFS_V3.NFSPROC3_READ
HERE = Caller("tcp", ("127.0.0.1", 900, 0), ("127.0.0.1", 2049, 0), loopback=True)
UDP = Caller("udp", ("127.0.0.1", 900, 0), HERE.local, loopback=True, datagram=True)
ELSEWHERE = Caller("tcp", ("192.0.2.7", 900, 0), ("192.0.2.1", 2049, 0))


class Owners:
    """The kernel's answers: the owner of every connection of this host."""

    def __init__(self, uid: int | None) -> None:
        self.uid, self.now = uid, 0.0
        callers = LocalCallers(find=lambda *_: self.uid, is_own=lambda _: False)
        self.checked = PeerUids(callers, clock=lambda: self.now)

    def refuses(
        self, uid: int | None, procedure: AnyProcedure = READ, *, caller: Caller = HERE
    ) -> bool:
        """Whether a call in the name of a user is refused."""
        credential = None if uid is None else authsys_parms(0, b"here", uid, 100, [])
        try:
            self.checked.check(
                Call(
                    1, procedure, credential, AUTH_NONE,
                    caller=caller, message=b"", arguments_at=0,
                )
            )  # fmt: skip
        except AuthError:
            return True
        return False


@pytest.mark.parametrize(
    "procedure", [READ, MOUNT_V3.MOUNTPROC3_MNT, NLM4_VERS.NLMPROC4_LOCK], ids=repr
)
def test_another_users_name_is_refused(procedure: AnyProcedure) -> None:
    owners = Owners(USER)

    assert owners.refuses(OTHER, procedure)
    assert owners.refuses(0, procedure)
    assert not owners.refuses(USER, procedure)


def test_root_may_name_any_user() -> None:
    assert not Owners(0).refuses(OTHER)


def test_unknown_owners_are_refused() -> None:
    assert Owners(None).refuses(USER)
    assert Owners(USER).refuses(USER, caller=UDP)


def test_other_hosts_are_not_checked() -> None:
    assert not Owners(None).refuses(OTHER, caller=ELSEWHERE)


def test_anonymous_calls_are_not_checked() -> None:
    assert not Owners(USER).refuses(None)


@pytest.mark.parametrize("procedure", [NFS_V3.NFSPROC3_NULL, PMAP_VERS.PMAPPROC_GETPORT], ids=repr)
def test_calls_without_file_data_are_not_checked(procedure: AnyProcedure) -> None:
    assert not Owners(USER).refuses(OTHER, procedure)


@pytest.mark.parametrize(("owner", "free"), [(USER, False), (None, False), (0, True)])
def test_only_root_needs_no_further_check(owner: int | None, free: bool) -> None:
    checked = Owners(owner).checked

    assert checked.is_free(HERE) is free


def test_refusals_are_logged_once_a_minute(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING, "oncrpc.nfs")
    owners = Owners(USER)

    for now in (0.0, AGAIN - 1, AGAIN):
        owners.now = now
        owners.refuses(OTHER)

    assert (
        caplog.messages
        == ["peer-uid: refused user 1001 of 127.0.0.1 port 900 over tcp: it is of user 1000"] * 2
    )


def test_remembered_refusals_are_bounded(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING, "oncrpc.nfs")
    owners = Owners(1)

    for uid in (*range(1, MAX_REFUSED_USERS + 2), 1):
        owners.uid = uid
        caller = Caller("tcp", ("127.0.0.1", 900, 0), HERE.local, loopback=True)
        owners.refuses(0, caller=caller)

    assert len(caplog.messages) == MAX_REFUSED_USERS + 2
