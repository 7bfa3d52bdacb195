"""The lock manager as a part of the server."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import NoReturn

import msgspec
from msgspec.structs import astuple

from oncrpc.daemon.control.server import Answerer, RefusedRequest
from oncrpc.nfs.daemon.config import NfsdConfig
from oncrpc.nfs.daemon.lock_report import locks_status
from oncrpc.nfs.daemon.lock_status import FreedLocks, LocksStatus
from oncrpc.nfs.daemon.part import Part, Site
from oncrpc.nfs.daemon.status_part import shown_client
from oncrpc.nfs.daemon.vocabulary import NLM
from oncrpc.nfs.locks.journal import LockJournal
from oncrpc.nfs.locks.manager import LockManager
from oncrpc.nfs.locks.terms import LockClient
from oncrpc.nfs.nlm.program import NlmProgram
from oncrpc.nfs.nsm.matching import printable
from oncrpc.rpc import Service

log = logging.getLogger("oncrpc.nfs")

LOCKS, FREE = "locks", "free"
"""The requests of the control socket."""

MOST_LISTED = 10_000
"""Locks in the answer to ``locks``."""

LeftPair = tuple[bytes, bytes]
"""What the lock manager leaves, and what its program does."""


async def no_locks(about: str) -> NoReturn:  # noqa: ARG001  # of the interface
    """Answer a request about locks where there are none.

    Raises:
        RefusedRequest: always.
    """
    raise RefusedRequest("it serves no locks: nlm is not among its programs")


class LockPart(Part):
    """NLM 1, 3 and 4. The status monitor is there, since ``nlm`` implies it."""

    name = NLM

    def __init__(self, site: Site) -> None:
        super().__init__(site)
        self.journal = LockJournal(site.state.directory)
        grace = float(site.daemon.config.locks.grace)
        self.manager = LockManager(monitor=site.monitor, journal=self.journal, grace_limit=grace)
        self.program = NlmProgram(site.shares, self.manager)

    def services(self) -> Sequence[Service]:
        """All versions."""
        return self.program.services()

    def configure(self, config: NfsdConfig) -> None:
        """Set how many locks there may be."""
        table = self.manager.store.table
        table.most, table.most_of_client = config.locks.most, config.locks.per_client

    def start(self, left: bytes | None) -> None:
        """Take over the locks, or let clients claim them."""
        locks, told = _pair(left) if left else (None, b"")
        if told:
            self.program.resume(told)
        self.manager.start(locks)

    def faults(self) -> Iterable[str]:
        """Why locks are not kept."""
        return self.manager.faults()

    def requests(self) -> Mapping[str, Answerer]:
        """The list of locks, and releasing those of a client."""
        return {LOCKS: self._listed, FREE: self._freed}

    async def _listed(self, _: str) -> LocksStatus:
        return self.report(most=MOST_LISTED)

    async def _freed(self, wanted: str) -> FreedLocks:
        return self.free(wanted)

    def report(self, *, most: int) -> LocksStatus:
        """The locks by file, about so many."""
        return locks_status(self.manager, self.site.shares, most=most, now=time.time())

    def free(self, wanted: str) -> FreedLocks:
        """Release the locks of the clients that have this address or this name.

        They also claim nothing any more in the grace period.
        """
        table = self.manager.store.table
        clients = [each for each in self._clients() if wanted in astuple(shown_client(each))]
        locks = sum(map(table.count_of, clients))
        for client in clients:
            self.program.callbacks.freed(client)
            self.manager.free(client)
            log.warning("released all locks of %s (%s)", printable(client.name), client.host)
        return FreedLocks([*map(shown_client, clients)], locks)

    def _clients(self) -> list[LockClient]:
        """The clients that have locks or shares, wait for some, or may claim some."""
        store, waiting = self.manager.store, self.manager.waiting
        found = {each.lock.owner.client for each in waiting}
        found.update(store.table.clients, store.shares.clients)
        if store.grace is not None:
            found.update(store.grace.hosts)
        return sorted(found)

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


def _pair(left: bytes) -> LeftPair:
    """Decode the state of an earlier image. That of another version is null, which the lock
    manager rejects."""
    try:
        locks, told = msgspec.json.decode(left, type=LeftPair)
    except msgspec.DecodeError:
        return b"null", b""
    return locks, told
