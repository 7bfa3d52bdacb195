"""What the daemon is asked to do, and the error of one that cannot."""

from __future__ import annotations

from msgspec import Struct

from oncrpc.client.port_mapper import RPCB_ABSTRACT, RPCB_SOCKET
from oncrpc.daemon.web.address import Place
from oncrpc.programs.portmap import PMAP_PORT

LOCK = "/run/rpcbind.lock"
WARM_START = "/run/rpcbind"
"""Where the C daemon keeps its files."""

POLICY_FILE = "/etc/portmap.toml"
"""What the administrator decides, unless another file is named."""

LIVENESS_INTERVAL = 60.0
"""Seconds between two checks whether what is registered is still there."""

SHORTEST_INTERVAL, LONGEST_INTERVAL = 1, 86_400


class StartError(Exception):
    """The daemon cannot serve; the text says why, and what to do."""


class Config(Struct, frozen=True):
    """What was asked for. ``families`` are those of ``inet`` and ``inet6`` to serve.

    ``policy`` is the file that was named; None is the default one, if it is there. So it is with
    ``state_dir``; in what the daemon is given, None means that the registry is not kept.
    ``control_dir`` is where the daemon can be asked: the same, or one that has nothing else.
    A ``liveness_interval`` of 0 is for no checks, None for what the policy file says; so it is with
    ``watch``, and with ``web``, where the web pages are served.
    """

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
    pid_file: str | None = None
    state_dir: str | None = None
    keep_state: bool = True
    control_dir: str | None = None
    policy: str | None = None
    liveness_interval: float | None = None
    watch: bool | None = None
    web: Place | None = None
