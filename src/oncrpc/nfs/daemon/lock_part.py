"""The lock manager as a part of the server."""

from __future__ import annotations

from collections.abc import Sequence

from oncrpc.nfs.daemon.part import Part, Site
from oncrpc.nfs.daemon.vocabulary import NLM
from oncrpc.nfs.locks.manager import LockManager
from oncrpc.nfs.nlm.program import NlmProgram
from oncrpc.rpc import Service


class LockPart(Part):
    """NLM 1, 3 and 4. The status monitor is there, since ``nlm`` implies it."""

    name = NLM

    def __init__(self, site: Site) -> None:
        super().__init__(site)
        self.manager = LockManager(monitor=site.monitor)
        self.program = NlmProgram(site.shares, self.manager)

    def services(self) -> Sequence[Service]:
        """All versions."""
        return self.program.services()

    async def stop(self) -> None:
        """Call no client any more, and release the local locks."""
        self.program.close()
        await self.manager.close()
