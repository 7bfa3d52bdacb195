"""Locks of clients under test: owners, requests, files, and a status monitor that records."""

from __future__ import annotations

from collections.abc import Collection

from oncrpc.nfs.locks.manager import LockManager, OpenFile
from oncrpc.nfs.locks.peers import Peer, Restarted
from oncrpc.nfs.locks.terms import (
    END,
    ByteRange,
    Lock,
    LockClient,
    LockedFile,
    LockOutcome,
    LockOwner,
)
from oncrpc.nfs.locks.waiting import LockRequest

FILE, OTHER_FILE = LockedFile(1, b"file"), LockedFile(1, b"other")
CLIENTS = [LockClient(f"192.0.2.{number}", b"client") for number in range(3)]
OWNERS = [LockOwner(CLIENTS[number % 3], number, b"oh") for number in range(6)]
"""Owners 0 and 3 are of one client, and so on."""


def lock(owner: int, start: int = 0, end: int = END, *, exclusive: bool = True) -> Lock:
    """A lock of one of ``OWNERS``."""
    return Lock(OWNERS[owner], ByteRange(start, end), exclusive)


def asks(
    wanted: Lock, *, file: LockedFile = FILE, wait: bool = False, reclaim: bool = False
) -> LockRequest:
    """A request for a lock."""
    return LockRequest(file, wanted, wait, reclaim)


async def no_descriptor() -> int | None:
    """A file system without local processes."""
    return None


class Locker:
    """A service that asks a manager for locks, and takes or leaves those that are offered.

    ``granted`` has the requests that were offered a lock.
    """

    def __init__(self, manager: LockManager, *, opens: OpenFile = no_descriptor) -> None:
        self.manager, self.opens = manager, opens
        self.granted: list[LockRequest] = []
        manager.granted = self.granted.append

    async def lock(self, request: LockRequest, *, state: int = 1) -> LockOutcome:
        """Ask for a lock, as a client that is watched."""
        peer = Peer(request.lock.owner.client, "198.51.100.1")
        return await self.manager.lock(request, self.opens, peer=peer, state=state)

    async def take(self, wanted: Lock, *, file: LockedFile = FILE) -> LockOutcome:
        """Ask for a lock without waiting."""
        return await self.lock(asks(wanted, file=file))

    async def wait(self, wanted: Lock, *, file: LockedFile = FILE) -> LockOutcome:
        """Ask for a lock, and wait for it."""
        return await self.lock(asks(wanted, file=file, wait=True))

    async def unlock(self, held: Lock, *, file: LockedFile = FILE) -> LockOutcome:
        """Release a lock."""
        return await self.manager.unlock(file, held.owner, held.range)

    async def test(self, wanted: Lock, *, file: LockedFile = FILE) -> object:
        """Ask who is in the way."""
        return await self.manager.test(file, wanted, self.opens)

    def held(self, file: LockedFile = FILE) -> list[Lock]:
        """The locks of a file."""
        return sorted(each.lock for each in self.manager.store.table.held(file))


class FakeMonitor:
    """A status monitor that records what it is asked.

    ``accepts`` is what ``watch`` returns, ``former`` are the clients of the former process.
    """

    def __init__(self) -> None:
        self.state, self.accepts = 1, True
        self.former: Collection[LockClient] = ()
        self.watched: dict[LockClient, int] = {}
        self.restarted: Restarted = lambda _client, _state: None

    async def watch(self, peer: Peer, state: int) -> bool:
        """Watch a client."""
        if self.accepts:
            self.watched[peer.client] = state
        return self.accepts

    def unwatch(self, client: LockClient) -> None:
        """Watch it no more."""
        del self.watched[client]

    def lost(self) -> Collection[LockClient]:
        """The clients that were watched before."""
        return self.former

    def lose(self) -> None:
        """The locks of all watched clients were lost."""
        self.former, self.state = tuple(self.watched), self.state + 2
