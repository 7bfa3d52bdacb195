"""The modes of the server, by its capabilities."""

from __future__ import annotations

import os

import pytest

from oncrpc.daemon.capabilities import Capability, held
from oncrpc.nfs.daemon.modes import HANDLES, IDENTITIES, Mode, kept_by, mode_of
from oncrpc.nfs.daemon.vocabulary import MOUNT, NFS, PROGRAMS, RQUOTA, STATUS


@pytest.mark.parametrize(
    ("uid", "capabilities", "mode"),
    [
        (0, IDENTITIES, Mode.ROOT),
        (0, IDENTITIES | {Capability.NET_BIND_SERVICE}, Mode.ROOT),
        (0, IDENTITIES - {Capability.SETUID}, Mode.HANDLES),
        (0, frozenset(), Mode.PLAIN),
        (1000, HANDLES, Mode.HANDLES),
        (1000, frozenset(), Mode.PLAIN),
    ],
)
def test_capabilities_decide(uid: int, capabilities: frozenset[Capability], mode: Mode) -> None:
    assert mode_of(uid, capabilities) is mode
    assert mode.one_user is (mode is not Mode.ROOT)


def test_mode_of_this_process_is_found() -> None:
    assert mode_of(os.geteuid()) is mode_of(os.geteuid(), held())


def test_no_more_is_kept_than_the_mode_needs() -> None:
    assert kept_by(0, [NFS, MOUNT]) == IDENTITIES
    assert kept_by(1000, [NFS, MOUNT]) == HANDLES
    assert kept_by(1000, [STATUS]) == {Capability.NET_BIND_SERVICE}
    assert kept_by(0, PROGRAMS) == IDENTITIES | {Capability.NET_BIND_SERVICE}
    assert Capability.NET_BIND_SERVICE not in IDENTITIES
    assert kept_by(0, [RQUOTA], sets_quotas=True) == IDENTITIES | {Capability.SYS_ADMIN}
    assert kept_by(0, [NFS], sets_quotas=True) == IDENTITIES
    assert kept_by(0, ()) == frozenset()
