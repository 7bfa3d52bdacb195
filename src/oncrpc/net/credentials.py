"""The AUTH_SYS credential of this process (RFC 5531 appendix A)."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Sequence

from oncrpc import rpc
from oncrpc.rpc.prot import opaque_auth


def auth_sys(
    *,
    machine: bytes | None = None,
    uid: int | None = None,
    gid: int | None = None,
    gids: Sequence[int] | None = None,
) -> opaque_auth:
    """An AUTH_SYS credential; by default of this process's host, user and groups.

    Nothing in it is proven: a server trusts it only as far as it trusts the network.
    """
    return rpc.auth_sys(
        socket.gethostname().encode("ascii", "replace") if machine is None else machine,
        os.geteuid() if uid is None else uid,
        os.getegid() if gid is None else gid,
        os.getgroups() if gids is None else gids,
        stamp=int(time.time()) & 0xFFFFFFFF,
    )
