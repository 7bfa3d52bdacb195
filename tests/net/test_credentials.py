"""The AUTH_SYS credential of this process."""

from __future__ import annotations

import os
import socket

from oncrpc.net.credentials import auth_sys
from oncrpc.rpc.auth import judge
from oncrpc.rpc.prot import MAX_GIDS, authsys_parms


def test_default_credentials_are_this_process_s() -> None:
    judged = judge(auth_sys())

    assert isinstance(judged, authsys_parms)
    assert judged.machinename == socket.gethostname().encode()
    assert (judged.uid, judged.gid) == (os.geteuid(), os.getegid())
    assert judged.gids == os.getgroups()[:MAX_GIDS]
    assert judged.stamp > 0


def test_given_credentials_are_used() -> None:
    judged = judge(auth_sys(machine=b"", uid=0, gid=0, gids=[]))

    assert isinstance(judged, authsys_parms)
    assert judged == authsys_parms(judged.stamp, b"", 0, 0, [])
