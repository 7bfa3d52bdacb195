"""What the daemon prints for a person who starts it: the commands that mount its exports."""

from __future__ import annotations

import os
from collections.abc import Iterator

from oncrpc.addr import split_uaddr
from oncrpc.cli.daemons.text import counted
from oncrpc.nfs.daemon import report
from oncrpc.nfs.daemon.app import Nfsd
from oncrpc.nfs.daemon.vocabulary import MOUNT, NFS, NLM
from oncrpc.nfs.serving.mount_commands import ServerPlace, commands, reached_by

MAX_SHOWN = 3
"""Exports whose commands are shown."""


def hint(app: Nfsd) -> str:
    """The text for the terminal once the server answers."""
    lines = list(_lines(app))
    return "".join(f"nfsd: {line}\n" for line in [*lines, "end with Ctrl-C"])


def _lines(app: Nfsd) -> Iterator[str]:
    place, shares = place_of(app), list(app.shares)
    for share in shares[:MAX_SHOWN] if place else ():
        path = os.fsdecode(share.path)
        yield f"{path} is exported; to mount it:"
        for system, command in commands(place, path) if place else ():
            yield f"  {system:<7} {command}"
    if len(shares) > MAX_SHOWN:
        yield f"and {counted(len(shares) - MAX_SHOWN, 'more export')}; see 'nfsd exports'"


def place_of(app: Nfsd) -> ServerPlace | None:
    """Where clients reach the server over TCP; None if it does not serve NFS and MOUNT over it."""
    table, addresses = app.daemon.config.daemon, app.daemon.server.addresses
    uaddr = addresses.get("tcp") or addresses.get("tcp6")
    if uaddr is None or not {NFS, MOUNT} <= {*table.only}:
        return None
    host, port = split_uaddr(uaddr)
    mount_port = report.ports(app).get(MOUNT, port)
    version = max(table.nfs_versions)
    return ServerPlace(reached_by(host), port, mount_port, version, locks=has_locks(app))


def has_locks(app: Nfsd) -> bool:
    """Whether clients find the lock manager: no mount option names its port."""
    return app.mapping.at_usual_port and NLM in app.daemon.config.daemon.programs
