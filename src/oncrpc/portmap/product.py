"""The port mapper as a service of its host: ``portmap service install``."""

from __future__ import annotations

from oncrpc.daemon.install.product import Product
from oncrpc.portmap.config import NAME

PRODUCT = Product(
    name=NAME,
    package="oncrpc.portmap",
    program="/opt/oncrpc/bin/portmap",
    rival="rpcbind",
    rival_units=("rpcbind.socket", "rpcbind.service"),
)
