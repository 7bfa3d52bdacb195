"""The NFS server as a service of its host: ``nfsd service install``."""

from __future__ import annotations

from oncrpc.daemon.install.product import Product
from oncrpc.nfs.daemon.config import NAME

PRODUCT = Product(
    name=NAME,
    package="oncrpc.nfs.daemon",
    program="/opt/oncrpc/bin/nfsd",
    rival="nfs-kernel-server",
    rival_process="rpc.mountd",
    rival_units=("nfs-server.service", "nfs-mountd.service"),
    activated=False,
    early=False,
)
