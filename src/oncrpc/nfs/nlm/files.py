"""From the handle in a call of the lock manager to the file that is to be locked.

LOCK, TEST and SHARE are for callers that may use the export, and may read the file or own it, as
with the Linux server. The export's option ``insecure_locks`` is for clients whose lock manager
sends no useful credential: then the user and the flavor do not matter.

UNLOCK, CANCEL and UNSHARE only need a handle with a right signature. An export that is gone, or a
rule that has changed, must not leave locks behind.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import NamedTuple

from oncrpc.nfs.answers import settled
from oncrpc.nfs.filesystem import MAY_EXECUTE, MAY_READ
from oncrpc.nfs.locks.manager import OpenFile
from oncrpc.nfs.locks.terms import LockedFile
from oncrpc.nfs.server.shares import RESERVED_PORTS, Opened, Shares
from oncrpc.nfs.status import NfsError
from oncrpc.programs.nfs3 import ftype3, nfsstat3
from oncrpc.rpc import Call

WAIT, WAITS = 0.1, 50
"""Seconds between two questions to rules that look up a name, and how many there are."""


class LockableFile(NamedTuple):
    """A file, and the function that opens it for the locks of this host."""

    file: LockedFile
    opens: OpenFile


class LockFiles:
    """The files of the exports, as the lock manager uses them."""

    def __init__(
        self, shares: Shares, *, sleep: Callable[[float], Awaitable[object]] = asyncio.sleep
    ) -> None:
        self.shares, self._sleep = shares, sleep

    async def open(self, call: Call, handle: bytes) -> LockableFile:
        """The file of a handle, for a caller that may lock it.

        Raises:
            NfsError: the caller may not use the export, or the file is not a regular one, or the
                user may not read it. AuthError: the flavor is not accepted. OSError: it is gone.
        """
        share, file, who, options = await self._admitted(call, handle)
        filesystem = share.filesystem
        attributes = await settled(filesystem.getattr(who, file))
        if attributes.kind is not ftype3.NF3REG:
            raise NfsError(nfsstat3.NFS3ERR_INVAL)
        if not options.insecure_locks and who.uid != attributes.uid:
            allowed = await settled(filesystem.access(who, file, attributes))
            if not allowed & (MAY_READ | MAY_EXECUTE):
                raise NfsError(nfsstat3.NFS3ERR_ACCES)

        async def opens() -> int | None:
            return await settled(filesystem.lock_descriptor(who, file))

        return LockableFile(LockedFile(share.tag, file), opens)

    def former(self, call: Call, handle: bytes) -> LockedFile:
        """The file of a handle, for a caller that gives up a lock.

        Raises:
            NfsError: NFS3ERR_BADHANDLE, NFS3ERR_STALE: the handle is not ours. NFS3ERR_PERM: the
                export is ``secure``, and the port is not reserved: not the client's system calls,
                but one of its users. NFS3ERR_JUKEBOX: that is not known yet, for a name in the
                rules is being looked up.
        """
        found = LockedFile(*self.shares.handles.open_any(handle))
        share = self.shares.of_tag(found.tag)
        if share is not None:
            try:
                self.shares.admit(share, call.caller)
            except NfsError as error:
                unknown = error.status is nfsstat3.NFS3ERR_JUKEBOX and _is_user(call)
                if unknown or error.status is nfsstat3.NFS3ERR_PERM:
                    raise
        return found

    def admits(self, call: Call, handle: bytes) -> bool:
        """Whether the handle is ours, and its export is for the caller's host."""
        try:
            share = self.shares.of_tag(self.shares.handles.open_any(handle)[0])
            return share is not None and self.shares.admit(share, call.caller) is not None
        except NfsError:
            return False

    async def _admitted(self, call: Call, handle: bytes) -> Opened:
        """The file, for a caller that may use the export; waits while a name is looked up."""
        for _ in range(WAITS):
            try:
                return await self.shares.open(call, handle, locks=True)
            except NfsError as error:
                if error.status is not nfsstat3.NFS3ERR_JUKEBOX:
                    raise
            await self._sleep(WAIT)
        return await self.shares.open(call, handle, locks=True)


def _is_user(call: Call) -> bool:
    """Whether the call may be that of any user of the client: its port is not reserved."""
    return call.caller.source is not None and call.caller.port >= RESERVED_PORTS
