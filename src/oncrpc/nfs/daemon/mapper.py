"""What ``nfsd`` needs of a port mapper that runs in its process."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from typing import Protocol

from oncrpc.access.call_lines import CallLog
from oncrpc.nfs.daemon.config import NfsdDaemonTable
from oncrpc.nfs.daemon.config_values import AUTO, OWN
from oncrpc.nfs.daemon.registration import mapper_listens
from oncrpc.nfs.daemon.rivals import ProgramPlace
from oncrpc.rpc import Service


class EmbeddedMapper(Protocol):
    """A port mapper that lists only what the daemon tells it."""

    def services(self) -> Sequence[Service]:
        """Program 100000."""

    def register(self, places: Iterable[ProgramPlace]) -> None:
        """List these programs."""

    def interfaces_changed(self) -> None:
        """Called when the addresses of this host have changed."""


def embeds_mapper(table: NfsdDaemonTable) -> bool:
    """Whether the daemon answers for a port mapper."""
    if table.port_mapper == AUTO:
        return os.geteuid() != 0 or not mapper_listens()
    return table.port_mapper == OWN


MakeMapper = Callable[[CallLog], EmbeddedMapper]
