"""The lock manager as a part of the server."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

from oncrpc.nfs.daemon.part import Part, Site
from oncrpc.nfs.daemon.vocabulary import NLM
from oncrpc.nfs.locks.journal import LockJournal
from oncrpc.nfs.locks.manager import LockManager
from oncrpc.nfs.nlm.program import NlmProgram
from oncrpc.rpc import Service

LeftPair = tuple[bytes, bytes]
"""What the lock manager leaves, and what its program does."""


class LockPart(Part):
    """NLM 1, 3 and 4. The status monitor is there, since ``nlm`` implies it."""

    name = NLM

    def __init__(self, site: Site) -> None:
        super().__init__(site)
        self.journal = LockJournal(site.state.directory)
        self.manager = LockManager(monitor=site.monitor, journal=self.journal)
        self.program = NlmProgram(site.shares, self.manager)

    def services(self) -> Sequence[Service]:
        """All versions."""
        return self.program.services()

    def start(self, left: bytes | None) -> None:
        """Take over the locks, or let clients claim them."""
        locks, told = msgspec.json.decode(left, type=LeftPair) if left else (None, b"")
        if told:
            self.program.resume(told)
        self.manager.start(locks)

    def faults(self) -> Iterable[str]:
        """Why locks are not kept."""
        return self.manager.faults()

    def settle(self) -> None:
        """Write pending changes."""
        self.manager.settle()

    def leave(self) -> bytes:
        """The locks, and what clients are to be told."""
        return msgspec.json.encode((self.manager.leave(), self.program.leave()))

    def descriptors(self) -> Iterable[int]:
        """Those with the local locks."""
        return self.manager.descriptors()

    async def stop(self) -> None:
        """Call no client any more, and write pending changes."""
        self.program.close()
        await self.manager.stop()

    def close(self) -> None:
        """Release the local locks; clients claim theirs at the next start."""
        self.manager.close()
