"""The NFS server as a kind of daemon, for the commands about it."""

from __future__ import annotations

from oncrpc.cli.daemons.kind import DaemonKind
from oncrpc.cli.nfsd.options import COMMAND
from oncrpc.nfs.daemon.config import NFS_PORT
from oncrpc.nfs.daemon.status import NfsdStatus

KIND: DaemonKind[NfsdStatus] = DaemonKind(
    COMMAND,
    NfsdStatus,
    title="NFS server",
    port=NFS_PORT,
    lasting=True,
    further_check="nfsd exports check",
)
