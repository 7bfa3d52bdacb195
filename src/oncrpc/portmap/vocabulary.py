"""The names of the port mapper and its procedures in rules, log lines and counts."""

from __future__ import annotations

from oncrpc.access.hosts.rules import DaemonId
from oncrpc.access.vocabulary import Vocabulary
from oncrpc.programs.portmap import PMAP_PORT, PMAP_VERS
from oncrpc.programs.rpcb import RPCBVERS, RPCBVERS4

VERSIONS = (PMAP_VERS, RPCBVERS, RPCBVERS4)
VOCABULARY = Vocabulary(
    VERSIONS,
    with_program=(
        "SET", "UNSET", "GETPORT", "GETADDR", "GETVERSADDR", "GETADDRLIST",
        "CALLIT", "BCAST", "INDIRECT",
    ),
    logged_as={"GETPORT": "getport/addr", "GETADDR": "getport/addr", "BCAST": "callit"},
)  # fmt: skip
"""``logged_as`` has the names of the C daemon's log where they differ from the procedure's own."""

HOSTS_NAMES = frozenset({"portmap", "rpcbind"})
"""Names of the port mapper in hosts.allow and hosts.deny: the old daemon's and the C daemon's."""


def hosts_daemon(port: int | None = None) -> DaemonId:
    """The port mapper on a port, by default its own, as hosts.allow and hosts.deny name it."""
    return DaemonId(HOSTS_NAMES, port or PMAP_PORT)
