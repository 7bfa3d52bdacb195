"""What the daemon is asked to do, and the error of one that cannot."""

from __future__ import annotations

from dataclasses import dataclass

from oncrpc.addr import RPCB_ABSTRACT, RPCB_SOCKET
from oncrpc.programs.portmap import PMAP_PORT

LOCK = "/run/rpcbind.lock"
WARM_START = "/run/rpcbind"
"""Where the C daemon keeps its files."""


class StartError(Exception):
    """The daemon cannot serve; the text says why, and what to do."""


@dataclass(frozen=True, slots=True)
class Config:
    """What the command line asks for. ``families`` are those of ``inet`` and ``inet6`` to serve."""

    port: int = PMAP_PORT
    hosts: tuple[str, ...] = ()
    families: tuple[str, ...] = ("inet", "inet6")
    local: bool = True
    insecure: bool = False
    remote_calls: bool = False
    user: str | None = None
    warm_start: str | None = None
    sockets: tuple[str, ...] = (RPCB_SOCKET, RPCB_ABSTRACT)
    lock: str = LOCK
