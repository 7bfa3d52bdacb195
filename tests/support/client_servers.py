"""Servers for the NFS client: ours, nfs-ganesha, and the kernel of a guest. Each can be killed.

    with ClientServers(image, folder) as servers:
        server = servers["linux"]
        with server.host.network(), sync_connect(server.url) as fs:
            ...
            server.kill()
            server.serve()

A server is started when it is first used.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple, Protocol, Self

from support.ganesha import start_ganesha
from support.hosts import Host, portmap
from support.kernel_server import FOLDER, end_grace, start_kernel_server
from support.lan_guests import Lan
from support.namespace import end, need
from support.nfs_host import NfsHost

EXPORTS = "/srv/tmpfs *(rw,no_root_squash,fsid=1)"


class ClientServer(Protocol):
    """A server that is lost, and comes back with its files."""

    @property
    def host(self) -> Host:
        """Where clients are."""

    @property
    def url(self) -> str:
        """The export."""

    def kill(self) -> None:
        """End it at once."""

    def serve(self) -> None:
        """Start it, and wait until it serves."""


class OurServer:
    """``nfsd`` with files in memory."""

    url = "nfs://127.0.0.1/srv/tmpfs"

    def __init__(self, place: Place) -> None:
        self.host = place.opened.enter_context(NfsHost(EXPORTS))

    def kill(self) -> None:
        """Kill the process."""
        self.host.kill_nfsd()

    def serve(self) -> None:
        """Start it again."""
        self.host.nfsd = self.host.start_nfsd()


class GaneshaServer:
    """nfs-ganesha with files in memory."""

    url = "nfs://127.0.0.1/srv/nfs"

    def __init__(self, place: Place) -> None:
        need("ganesha.nfsd")
        self.host = place.opened.enter_context(Host())
        self.host.start(portmap())
        self._folder = place.folder / "ganesha"
        self._folder.mkdir()
        self.serve()
        place.opened.callback(self.kill)

    def kill(self) -> None:
        """Kill the process."""
        self._process.kill()
        self._process.wait()
        end(self._process)

    def serve(self) -> None:
        """Start it; its files stay."""
        self._process = start_ganesha(self.host, self._folder)


class KernelServer:
    """The server of a guest's kernel. Its files are on a disk; it loses what it has not stored."""

    def __init__(self, place: Place) -> None:
        self.host = place.opened.enter_context(Host())
        lan = Lan(self.host, place.image, place.folder, state_size=place.disk)
        self._lan = place.opened.enter_context(lan)
        self.serve()
        self.url = f"nfs://{self._lan['srv'].address}{FOLDER}"

    def kill(self) -> None:
        """Cut the power of the guest."""
        self._lan["srv"].kill()

    def serve(self) -> None:
        """Boot the guest."""
        (guest,) = self._lan.boot("srv")
        guest.run("rpcbind -w")
        start_kernel_server(guest)
        end_grace(guest)


class Place(NamedTuple):
    """Where servers are: the image of guests, a folder, and the size of a guest's disk."""

    image: Path
    folder: Path
    disk: str
    opened: ExitStack


SERVERS: dict[str, Callable[[Place], ClientServer]] = {
    "nfsd": OurServer,
    "ganesha": GaneshaServer,
    "linux": KernelServer,
}


class ClientServers:
    """The servers by name, started when they are first used."""

    def __init__(self, image: Path, folder: Path, *, disk: str) -> None:
        self._place = Place(image, folder, disk, ExitStack())
        self._started: dict[str, ClientServer] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._place.opened.close()

    def __getitem__(self, name: str) -> ClientServer:
        if name not in self._started:
            self._started[name] = SERVERS[name](self._place)
        return self._started[name]
