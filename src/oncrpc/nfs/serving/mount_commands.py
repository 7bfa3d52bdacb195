"""The commands by which clients mount what a server exports.

They name the ports, so they also work where clients cannot ask a port mapper, or reach port 111.
"""

from __future__ import annotations

import socket
from collections.abc import Iterator
from ipaddress import ip_address
from shlex import quote
from typing import NamedTuple


class ServerPlace(NamedTuple):
    """Where clients reach a server: its host, the ports of NFS and MOUNT, and a version of NFS.

    ``locks``: the server has a lock manager, which clients find through its port mapper.
    """

    host: str
    port: int
    mount_port: int
    version: int = 3
    locks: bool = False

    @property
    def bracketed(self) -> str:
        """The host in front of a colon."""
        return f"[{self.host}]" if ":" in self.host else self.host


def commands(place: ServerPlace, path: str) -> Iterator[tuple[str, str]]:
    """The systems of clients, and the command for each."""
    family = "6" if ":" in place.host else ""
    source = quote(f"{place.bracketed}:{path}")
    ports = f"port={place.port},mountport={place.mount_port}"
    linux = f"vers={place.version},proto=tcp{family},{ports},mountproto=tcp{family}"
    macos = f"vers={place.version},tcp{family},{ports}"
    if not place.locks:
        linux, macos = f"{linux},nolock", f"{macos},nolocks"
    yield "Linux", f"mount -t nfs -o {linux} {source} /mnt"
    yield "macOS", f"mount_nfs -o {macos} {source} /mnt"
    yield "libnfs", f"nfs-ls {quote(url_of(place, path))}"


def url_of(place: ServerPlace, path: str) -> str:
    """The URL of an exported directory, or of a file below it, as libnfs has it."""
    version = "" if place.version == 3 else f"&version={place.version}"
    ports = f"nfsport={place.port}&mountport={place.mount_port}"
    return f"nfs://{place.bracketed}{path}?{ports}{version}"


def reached_by(host: str) -> str:
    """A name or address for clients: of this host, if every address is bound."""
    return socket.gethostname() if ip_address(host).is_unspecified else host
