"""Locks of files by NLM 4, without a status monitor (X/Open XNFW, RFC 1813 §6).

The client locks with NM_LOCK. The server does not monitor the client then, and does not call it
back. So the client polls for a lock that another client holds, and a server that restarts forgets
all locks of this client.
"""

from __future__ import annotations

import errno
import os
import secrets
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import count
from typing import Any, NamedTuple

from oncrpc.nfs.client.errors import refusal
from oncrpc.nfs.client.mounting import ServerTarget
from oncrpc.nfs.client.open_handle import OpenHandle
from oncrpc.nfs.client.pipeline import Pipeline
from oncrpc.nfs.client.results import FileHandle
from oncrpc.programs.nfs3 import nfsstat3
from oncrpc.programs.nlm import (
    LM_MAXSTRLEN,
    NLM4_VERS,
    nlm4_lock,
    nlm4_lockargs,
    nlm4_stats,
    nlm4_testargs,
    nlm4_unlockargs,
)

FIRST_POLL, LONGEST_POLL = 0.05, 1.0
"""Seconds between two tries for a lock that is held: the first pause, doubled up to the longest."""

OWNER_SIZE = 16
WAITING = {nlm4_stats.NLM4_DENIED, nlm4_stats.NLM4_BLOCKED, nlm4_stats.NLM4_DENIED_GRACE_PERIOD}
"""Results after which the client tries again."""

_NUMBERS = {
    nlm4_stats.NLM4_DENIED: errno.EAGAIN,
    nlm4_stats.NLM4_BLOCKED: errno.EAGAIN,
    nlm4_stats.NLM4_DENIED_GRACE_PERIOD: errno.EAGAIN,
    nlm4_stats.NLM4_DENIED_NOLOCKS: errno.ENOLCK,
    nlm4_stats.NLM4_DEADLCK: errno.EDEADLK,
    nlm4_stats.NLM4_ROFS: errno.EROFS,
    nlm4_stats.NLM4_FBIG: errno.EFBIG,
    nlm4_stats.NLM4_FAILED: errno.EIO,
}
"""The ``errno`` of a result."""


class LockHolder(NamedTuple):
    """A conflicting lock; ``length`` 0 reaches to the end of the file."""

    exclusive: bool
    pid: int
    offset: int
    length: int


class RangeToLock(NamedTuple):
    """A range of a file to lock; ``length`` 0 reaches to the end of the file."""

    exclusive: bool = True
    offset: int = 0
    length: int = 0


class LockManagerClient:
    """A client of the server's lock manager, connected when the first lock is used.

    Each lock has its own owner, so that two locks of one program conflict with each other.
    """

    def __init__(self, target: ServerTarget) -> None:
        self._target = target
        self._pipeline: Pipeline | None = None
        self._name = f"{socket.gethostname()}.{secrets.token_hex(4)}".encode()[-LM_MAXSTRLEN:]
        self._owner = secrets.token_bytes(OWNER_SIZE)
        self._numbers = count(1)

    def close(self) -> None:
        """Close the connection."""
        if self._pipeline is not None:
            self._pipeline.close()

    @asynccontextmanager
    async def held(
        self, file: OpenHandle, wanted: RangeToLock, *, timeout: float | None
    ) -> AsyncIterator[None]:
        """Hold a lock while the context lasts; try to get it for ``timeout`` seconds.

        Raises:
            BlockingIOError: a conflicting lock is still held. OSError: the server refuses.
        """
        pipeline, number = await self._connected(), next(self._numbers)
        args = nlm4_unlockargs(b"", self._lock(file.handle, wanted, number))
        try:
            await file.use(lambda handle: self._acquire(handle, wanted, number, timeout))
        except BaseException:
            # The server may have granted the lock, although no reply has arrived.
            pipeline.start(NLM4_VERS.NLMPROC4_UNLOCK, args)
            raise
        try:
            yield
        finally:
            again = nlm4_unlockargs(b"", self._lock(file.handle, wanted, number))
            await pipeline.call(NLM4_VERS.NLMPROC4_UNLOCK, again)

    async def holder(self, file: OpenHandle, wanted: RangeToLock) -> LockHolder | None:
        """The lock that conflicts with this one, None if there is none."""
        pipeline, number = await self._connected(), next(self._numbers)

        async def ask(handle: FileHandle) -> Any:
            lock = self._lock(handle, wanted, number)
            args = nlm4_testargs(b"", wanted.exclusive, lock)
            reply = (await pipeline.call(NLM4_VERS.NLMPROC4_TEST, args)).stat
            if reply.stat not in (nlm4_stats.NLM4_GRANTED, nlm4_stats.NLM4_DENIED):
                raise error_of(reply.stat)
            return reply.body

        found = await file.use(ask)
        if found is None:
            return None
        return LockHolder(found.exclusive, found.svid, found.l_offset, found.l_len)

    async def _acquire(
        self, handle: FileHandle, wanted: RangeToLock, number: int, timeout: float | None
    ) -> None:
        pipeline = await self._connected()
        until = None if timeout is None else pipeline.now() + timeout
        lock = self._lock(handle, wanted, number)
        args = nlm4_lockargs(b"", False, wanted.exclusive, lock, False, 0)
        pause = FIRST_POLL
        while True:
            outcome = (await pipeline.call(NLM4_VERS.NLMPROC4_NM_LOCK, args)).stat.stat
            if outcome is nlm4_stats.NLM4_GRANTED:
                return
            left = pause if until is None else until - pipeline.now()
            if outcome not in WAITING or left <= 0:
                raise error_of(outcome)
            await pipeline.sleep(min(pause, left))
            pause = min(pause * 2, LONGEST_POLL)

    def _lock(self, handle: FileHandle, wanted: RangeToLock, number: int) -> nlm4_lock:
        return nlm4_lock(self._name, handle, self._owner, number, wanted.offset, wanted.length)

    async def _connected(self) -> Pipeline:
        if self._pipeline is None:
            self._pipeline = await self._target.pipeline(
                NLM4_VERS.Client, self._target.url.lock_port
            )
        return self._pipeline


def error_of(outcome: nlm4_stats) -> OSError:
    """The exception for a result; BlockingIOError for a conflicting lock."""
    if outcome is nlm4_stats.NLM4_STALE_FH:
        return refusal(nfsstat3.NFS3ERR_STALE)
    number = _NUMBERS[outcome]
    return OSError(number, f"{os.strerror(number)} ({outcome.name})")
