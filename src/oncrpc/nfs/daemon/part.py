"""What each program of ``nfsd`` implements, and what the programs share."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from oncrpc.nfs.server.mount_list import MountList
from oncrpc.nfs.server.shares import Shares
from oncrpc.nfs.server.sizes import TransferSizes
from oncrpc.rpc import Service

if TYPE_CHECKING:
    from oncrpc.daemon.control.server import Answerer
    from oncrpc.daemon.runtime import Runtime
    from oncrpc.nfs.daemon.config import NfsdConfig
    from oncrpc.nfs.daemon.state import ServerState
    from oncrpc.nfs.nsm.monitor import StatusMonitor


@dataclass
class Site:
    """What the programs share: the daemon, its exports, its state directory, its status monitor."""

    daemon: Runtime[NfsdConfig]
    shares: Shares
    mounts: MountList
    state: ServerState
    sizes: TransferSizes
    monitor: StatusMonitor | None = None


class Part:
    """A program with what it keeps. The methods are called in this order, and do nothing here::

        services
        configure               at the start, and when the files have been read again
        start                   before the first call
        announce                once the programs are registered with the port mapper
        faults, requests        at any time
        settle, leave           before a restart in place
        stop, close             calls are answered until ``close``; the last part is first

    ``name`` is the key of what it leaves to the next image.
    """

    name: ClassVar[str]

    def __init__(self, site: Site) -> None:
        self.site = site

    def services(self) -> Sequence[Service]:
        """All versions; the application serves those that are configured."""
        return ()

    def configure(self, config: NfsdConfig) -> None:
        """Apply a configuration."""

    def start(self, left: bytes | None) -> None:
        """Read the state. ``left`` is what an earlier image of the process left, or None."""

    def announce(self) -> None:
        """Tell other hosts that the server has started."""

    def faults(self) -> Iterable[str]:
        """Reasons why the program does not work as it should."""
        return ()

    def requests(self) -> Mapping[str, Answerer]:
        """Requests of the control socket, by name."""
        return {}

    def settle(self) -> None:
        """Write pending changes."""

    def leave(self) -> bytes:
        """What the next image needs besides the files."""
        return b""

    def descriptors(self) -> Iterable[int]:
        """Descriptors that the next image takes over."""
        return ()

    async def stop(self) -> None:
        """Write pending changes for the last time, and end what runs in the background."""

    def close(self) -> None:
        """Close what is open."""
