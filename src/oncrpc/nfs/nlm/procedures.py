"""What the procedures of the lock manager do, the same in all versions.

Locks belong to a client: the address from which it calls, and the name that it gives itself. So a
client can only release what it has, and FREE_ALL frees nothing but the caller's own.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

from oncrpc.nfs.locks.dos_shares import DosShare
from oncrpc.nfs.locks.manager import LockManager
from oncrpc.nfs.locks.peers import Peer
from oncrpc.nfs.locks.terms import (
    LocalHolder,
    Lock,
    LockClient,
    LockOutcome,
    LockOwner,
)
from oncrpc.nfs.locks.waiting import LockRequest
from oncrpc.nfs.nlm.callbacks import Callbacks
from oncrpc.nfs.nlm.client_links import place_of
from oncrpc.nfs.nlm.dialects import OF_OUTCOME, Dialect
from oncrpc.nfs.nlm.files import LockFiles
from oncrpc.nfs.nlm.ways_back import WayBack
from oncrpc.nfs.server.shares import RESERVED_PORTS
from oncrpc.programs.nlm import nlm4_stats
from oncrpc.rpc import Call

Found = nlm4_stats | Lock | LocalHolder
"""The outcome of a procedure, or who is in the way."""


class LockProcedures:
    """The procedures, from decoded arguments to outcomes.

    They take the arguments of any version, which differ in size only, and raise ``OSError`` if the
    caller may not do it, or the file is gone. ``by_message`` is the form of LOCK: that of GRANTED
    is the same. ``outcomes`` counts those of LOCK.
    """

    def __init__(self, files: LockFiles, locks: LockManager, callbacks: Callbacks) -> None:
        self.files, self.locks, self.callbacks = files, locks, callbacks
        self.outcomes = Counter[LockOutcome]()

    async def test(self, call: Call, arg: Any, dialect: Dialect) -> Found:
        """TEST: whether the lock would be granted, or who is in the way."""
        lock = _lock_of(call, arg, dialect)
        file, opens = await self.files.open(call, arg.alock.fh)
        if self.locks.in_grace:
            return nlm4_stats.NLM4_DENIED_GRACE_PERIOD
        in_the_way = await self.locks.test(file, lock, opens)
        return nlm4_stats.NLM4_GRANTED if in_the_way is None else in_the_way

    async def lock(
        self,
        call: Call,
        arg: Any,
        dialect: Dialect,
        *,
        by_message: bool = False,
        monitored: bool = True,
    ) -> nlm4_stats:
        """LOCK, and NM_LOCK for clients that have no status monitor.

        A request that has to wait is answered BLOCKED at once, and GRANTED is called later. A
        client that cannot be called does not wait.
        """
        lock = _lock_of(call, arg, dialect)
        file, opens = await self.files.open(call, arg.alock.fh)
        place = place_of(call) if arg.block else None
        way = None if place is None else WayBack(place, arg.alock.fh, by_message)
        request = LockRequest(file, lock, way is not None, arg.reclaim)
        peer = Peer(lock.owner.client, call.caller.local_host) if monitored else None
        # The way back is known before the request waits: it may be granted at once.
        is_new = way is not None and self.callbacks.expect(request, way)
        outcome = LockOutcome.DENIED
        try:
            outcome = await self.locks.lock(request, opens, peer=peer, state=arg.state)
        finally:
            if way is None or (is_new and outcome is not LockOutcome.BLOCKED):
                self.callbacks.forget(request)  # a request that does not wait ends one that does
        if outcome is LockOutcome.GRANTED and self.callbacks.withdraw(request):
            # The client repeats its LOCK, and has not accepted the grant yet: this reply tells it.
            self.locks.acknowledge(request)
        if outcome is LockOutcome.BLOCKED and way is not None:
            self.callbacks.waits(request, way)
        self.outcomes[outcome] += 1
        return OF_OUTCOME[outcome]

    async def cancel(self, call: Call, arg: Any, dialect: Dialect) -> nlm4_stats:
        """CANCEL: the client waits no more. DENIED if it does not wait, as from Linux."""
        lock = _lock_of(call, arg, dialect)
        file = self.files.former(call, arg.alock.fh)
        self.callbacks.withdraw(LockRequest(file, lock))
        cancelled = self.locks.cancel(file, lock)
        return nlm4_stats.NLM4_GRANTED if cancelled else nlm4_stats.NLM4_DENIED

    async def unlock(self, call: Call, arg: Any, dialect: Dialect) -> nlm4_stats:
        """UNLOCK: succeeds also if there is no such lock, and in the grace period."""
        owner, range_ = _owner_of(call, arg.alock), dialect.range_of(arg.alock)
        file = self.files.former(call, arg.alock.fh)
        self.callbacks.unlocked(file, owner, range_)
        outcome = await self.locks.unlock(file, owner, range_)
        waiting = self.locks.waiting
        self.callbacks.forget_unless(file, owner, lambda lock: waiting.find(file, lock) is not None)
        return OF_OUTCOME[outcome]

    async def share(self, call: Call, arg: Any, _: Dialect) -> nlm4_stats:
        """SHARE: keep what an open file of a DOS client allows, and what it denies to others."""
        file, _opens = await self.files.open(call, arg.share.fh)
        owner, share = _share_owner(call, arg), DosShare(int(arg.share.mode), int(arg.share.access))
        return OF_OUTCOME[await self.locks.share(file, owner, share, reclaim=arg.reclaim)]

    async def unshare(self, call: Call, arg: Any, _: Dialect) -> nlm4_stats:
        """UNSHARE: succeeds also if there is no such share."""
        file = self.files.former(call, arg.share.fh)
        return OF_OUTCOME[await self.locks.unshare(file, _share_owner(call, arg))]

    def free_all(self, call: Call, name: bytes) -> None:
        """FREE_ALL: release all locks of the client that calls.

        A port that is not reserved is that of a user, who may not do this to the others.
        """
        caller = call.caller
        if caller.source is not None and caller.port >= RESERVED_PORTS:
            return
        self.locks.free(LockClient(caller.host, name))


def _lock_of(call: Call, arg: Any, dialect: Dialect) -> Lock:
    return Lock(_owner_of(call, arg.alock), dialect.range_of(arg.alock), arg.exclusive)


def _owner_of(call: Call, alock: Any) -> LockOwner:
    return LockOwner(LockClient(call.caller.host, alock.caller_name), alock.svid, alock.oh)


def _share_owner(call: Call, arg: Any) -> LockOwner:
    """The owner of a share, which has no process."""
    client = LockClient(call.caller.host, arg.share.caller_name)
    return LockOwner(client, 0, arg.share.oh)
