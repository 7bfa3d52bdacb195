"""The ports of the programs. All programs are served on each port; each is registered at one."""

from __future__ import annotations

import socket
from collections.abc import Mapping, Sequence

from oncrpc.addr import join_uaddr
from oncrpc.nfs.daemon.config import NFS_PORT, NfsdDaemonTable
from oncrpc.nfs.daemon.vocabulary import NFS

MAIN = ""
"""The role of the sockets at the main port."""


def main_port(table: NfsdDaemonTable) -> int:
    """The port that is always bound: that of NFS.

    Without NFS it is the port of another program, or a free one: the port mapper tells it, and 2049
    may be that of the kernel's server.
    """
    if NFS in table.programs or table.port != NFS_PORT:
        return table.port
    return next(filter(None, map(table.port_for, table.programs)), 0)


def roles(table: NfsdDaemonTable) -> Mapping[str, str]:
    """The role of the sockets at which each program is registered: MAIN, or a program's name."""
    main = main_port(table)
    by_port = {main: MAIN}
    return {name: by_port.setdefault(table.port_for(name) or main, name) for name in table.programs}


def addresses_of(sockets: Sequence[tuple[socket.socket, str]]) -> dict[str, str]:
    """The universal address of each netid."""
    return {netid: join_uaddr(*sock.getsockname()[:2]) for sock, netid in sockets}
