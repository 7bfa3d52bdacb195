"""Clients that lock a file of an ``nfsd`` in this process, and can be called back."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from oncrpc.daemon.handover import Handover
from oncrpc.nfs.daemon.lock_part import LockPart
from oncrpc.nfs.nlm.client_links import ClientLinks
from oncrpc.programs.nlm import (
    NLM4_VERS,
    fsh_access,
    fsh_mode,
    nlm4_lock,
    nlm4_lockargs,
    nlm4_share,
    nlm4_shareargs,
    nlm4_stats,
    nlm4_unlockargs,
)
from support.lock_clients import LockClientHost, lock_clients
from support.nfs_daemons import NfsdSetup, RunningNfsd, serving_nfsd

ONE, TWO = "127.0.0.2", "127.0.0.3"


class LockingHost:
    """A client that locks the file ``hello`` of the export, by default its bytes 5 to 7."""

    def __init__(self, host: LockClientHost, daemon: RunningNfsd, handle: bytes) -> None:
        self.host, self.daemon, self.handle = host, daemon, handle
        self.name = host.host.encode()

    async def lock(
        self,
        *,
        wait: bool = False,
        reclaim: bool = False,
        start: int = 5,
        length: int = 3,
        svid: int = 77,
    ) -> nlm4_stats:
        """LOCK."""
        alock = nlm4_lock(self.name, self.handle, b"oh", svid, start, length)
        arg = nlm4_lockargs(b"ck", wait, True, alock, reclaim, 1)
        return (await (await self.nlm()).NLMPROC4_LOCK(arg)).stat.stat

    async def unlock(self) -> nlm4_stats:
        """UNLOCK."""
        alock = nlm4_lock(self.name, self.handle, b"oh", 77, 5, 3)
        arg = nlm4_unlockargs(b"ck", alock)
        return (await (await self.nlm()).NLMPROC4_UNLOCK(arg)).stat.stat

    async def share(self) -> nlm4_stats:
        """SHARE: read, and deny others to write."""
        share = nlm4_share(self.name, self.handle, b"oh", fsh_mode.fsm_DW, fsh_access.fsa_R)
        arg = nlm4_shareargs(b"ck", share, False)
        return (await (await self.nlm()).NLMPROC4_SHARE(arg)).stat

    async def nlm(self) -> NLM4_VERS.Client:
        """A client of version 4, over a new connection."""
        return NLM4_VERS.Client(await self.host.dial("tcp", self.daemon.server))


def lock_part(daemon: RunningNfsd) -> LockPart:
    """The lock manager of a server."""
    part = daemon.app.part(LockPart)
    assert part is not None
    return part


@asynccontextmanager
async def locking_hosts(
    made: NfsdSetup, share: Path, former: Handover | None = None
) -> AsyncIterator[list[LockingHost]]:
    """Two clients of a server."""
    async with lock_clients(ONE, TWO) as hosts, serving_nfsd(made, former) as daemon:
        links = lock_part(daemon).program.links
        assert isinstance(links, ClientLinks)
        links.mapper_port = hosts[0].mapper_port
        handle = await daemon.file(share / "hello")
        yield [LockingHost(host, daemon, handle) for host in hosts]
