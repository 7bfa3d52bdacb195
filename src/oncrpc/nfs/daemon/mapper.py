"""What ``nfsd`` needs of a port mapper that runs in its process."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Protocol

from oncrpc.access.call_lines import CallLog
from oncrpc.nfs.daemon.registration import ProgramPlace
from oncrpc.rpc import Service


class EmbeddedMapper(Protocol):
    """A port mapper that lists only what the daemon tells it."""

    def services(self) -> Sequence[Service]:
        """Program 100000."""

    def register(self, places: Iterable[ProgramPlace]) -> None:
        """List these programs."""

    def interfaces_changed(self) -> None:
        """Called when the addresses of this host have changed."""


MakeMapper = Callable[[CallLog], EmbeddedMapper]
