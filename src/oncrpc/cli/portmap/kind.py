"""The port mapper as a kind of daemon, for the commands about it."""

from __future__ import annotations

from oncrpc.cli.daemons.kind import DaemonKind
from oncrpc.cli.portmap.options import COMMAND
from oncrpc.portmap.config import LOCK, USERS
from oncrpc.portmap.status import Status
from oncrpc.programs.portmap import PMAP_PORT

KIND: DaemonKind[Status] = DaemonKind(
    COMMAND,
    Status,
    title="port mapper",
    port=PMAP_PORT,
    lock=LOCK,
    users=USERS,
    port_flags=("-p", "--port", "--rpcbind-port"),
    elsewhere="rpcinfo",
)
