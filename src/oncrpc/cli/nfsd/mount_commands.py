"""The commands by which clients mount what a server exports.

They name the ports, so they also work where clients cannot ask a port mapper, or reach port 111.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from ipaddress import ip_address
from shlex import quote
from typing import NamedTuple

from oncrpc.addr import split_uaddr
from oncrpc.nfs.daemon.app import MAPPER_PORT, MOUNT_PORT, Nfsd
from oncrpc.nfs.daemon.vocabulary import NFS
from oncrpc.programs.portmap import PMAP_PORT

MAX_SHOWN = 3
"""Exports whose commands are shown."""


class ServerPlace(NamedTuple):
    """Where clients reach a server: its host, the ports of NFS and MOUNT, and a version of NFS."""

    host: str
    port: int
    mount_port: int
    version: int = 3

    @property
    def bracketed(self) -> str:
        """The host in front of a colon."""
        return f"[{self.host}]" if ":" in self.host else self.host


def commands(place: ServerPlace, path: str) -> Iterator[tuple[str, str]]:
    """The systems of clients, and the command for each."""
    family = "6" if ":" in place.host else ""
    source = quote(f"{place.bracketed}:{path}")
    ports = f"port={place.port},mountport={place.mount_port}"
    linux = f"vers={place.version},proto=tcp{family},{ports},mountproto=tcp{family},nolock"
    yield "Linux", f"mount -t nfs -o {linux} {source} /mnt"
    yield "macOS", f"mount_nfs -o vers={place.version},tcp{family},{ports},nolocks {source} /mnt"
    url = f"nfs://{place.bracketed}{path}?nfsport={place.port}&mountport={place.mount_port}"
    yield "libnfs", f"nfs-ls {quote(url if place.version == 3 else f'{url}&version=2')}"


def hint(app: Nfsd) -> str:
    """The text for the terminal once the server answers."""
    lines = list(_lines(app))
    return "".join(f"nfsd: {line}\n" for line in [*lines, "end with Ctrl-C"])


def _lines(app: Nfsd) -> Iterator[str]:
    port = app.port_of(MAPPER_PORT)
    if port and port != PMAP_PORT:
        yield f"the port mapper of this server is on port {port}, since it cannot bind 111"
    place, shares = place_of(app), list(app.shares)
    if not shares:
        yield "nothing is exported; see 'nfsd exports check'"
    for share in shares[:MAX_SHOWN] if place else ():
        path = os.fsdecode(share.path)
        yield f"{path} is exported; to mount it:"
        for system, command in commands(place, path) if place else ():
            yield f"  {system:<7} {command}"
    if len(shares) > MAX_SHOWN:
        yield f"and {len(shares) - MAX_SHOWN} more exports; see 'nfsd exports'"


def place_of(app: Nfsd) -> ServerPlace | None:
    """Where clients reach the server over TCP; None if it does not serve NFS over it."""
    table, addresses = app.daemon.config.daemon, app.daemon.server.addresses
    uaddr = addresses.get("tcp") or addresses.get("tcp6")
    if uaddr is None or NFS not in table.only:
        return None
    host, port = split_uaddr(uaddr)
    mount_port = app.port_of(MOUNT_PORT) or port
    version = max(table.nfs_versions)
    return ServerPlace(_reached_by(host), port, mount_port, version)


def _reached_by(host: str) -> str:
    """A name or address for clients: of this host, if every address is bound."""
    return socket.gethostname() if ip_address(host).is_unspecified else host
