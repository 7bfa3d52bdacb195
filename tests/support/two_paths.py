"""An exported directory whose calls are answered by both paths: the dispatcher, and at once."""

from __future__ import annotations

import asyncio
import inspect
import os
import struct
from pathlib import Path
from typing import Any, cast

from oncrpc.nfs.backends.local.cached_files import CachedFiles
from oncrpc.nfs.backends.local.local import LocalFileSystem
from oncrpc.nfs.fast.calls import FastConnection, FastNfs
from oncrpc.nfs.fast.counting import FastCounts
from oncrpc.nfs.options import ExportOptions
from oncrpc.nfs.server.duplicates import NfsDuplicates
from oncrpc.nfs.server.other_changes import ROW, SLOTS, OtherChanges
from oncrpc.nfs.server.sizes import TransferSizes
from oncrpc.programs.nfs3 import NFS_V3, LOOKUP3args, nfs_fh3
from oncrpc.rpc import AnyProcedure, Caller
from oncrpc.rpc.auth import AUTH_NONE, Auth, Judge, auth_sys
from oncrpc.rpc.quick import FileReply, LaterReply
from support.exported import OPTIONS, TCP, Exported

LAST_FRAGMENT = 0x80000000
AGES = 3600.0
ATTRIBUTES = 32
ATIME = ATTRIBUTES + 60
ANN = auth_sys(b"client", 1000, 1001, [7, 8])
BOB = auth_sys(b"client", 2000, 2001, [])
BOSS = auth_sys(b"client", 0, 0, [0])
NOBODY: Auth = AUTH_NONE
INSECURE = OPTIONS._replace(secure=False)


class TwoPaths:
    """A directory, exported to everybody; ``now`` is the time for calls at once."""

    def __init__(
        self,
        path: Path,
        runner: asyncio.Runner,
        *,
        options: ExportOptions = INSECURE,
        sizes: TransferSizes | None = None,
        **files: Any,
    ) -> None:
        self.path, self.runner = path, runner
        self.files = LocalFileSystem(str(path), sync=options.sync, **files)
        self.files.cached = CachedFiles(self.files.objects, idle=AGES)
        self.exported = Exported(self.files, options=options, sizes=sizes)
        self.exported.cred = ANN
        self.duplicates = self.exported.dispatcher.duplicates = NfsDuplicates()
        self.counts = FastCounts()
        self.fast = FastNfs(
            self.exported.shares, self.duplicates, judge=Judge(),
            sizes=sizes or TransferSizes(), counts=self.counts,
        )  # fmt: skip
        self.now = 1000.0
        self.connection = self.connected(TCP)

    def let_another_process_change_all(self) -> None:
        """Let another process be changing every file from now on."""
        counters = memoryview(bytearray(2 * ROW * 4)).cast("I")
        self.exported.share.others = OtherChanges(counters, own=0)
        for slot in range(SLOTS):
            counters[ROW + slot] = 1

    def close(self) -> None:
        """Close the directory."""
        self.files.close()

    def connected(self, caller: Caller) -> FastConnection:
        """A connection of a caller."""
        return self.fast(caller)

    def handle(self, name: str = "") -> nfs_fh3:
        """The handle of a file, by its path below the directory."""
        found = self.exported.root
        for part in Path(name).parts:
            result = self.run(self._looked_up(found, os.fsencode(part)))
            found = result.object
        return found

    async def _looked_up(self, directory: nfs_fh3, name: bytes) -> Any:
        cred, self.exported.cred = self.exported.cred, BOSS
        arguments = LOOKUP3args(self.exported.at(name, directory))
        try:
            return self.exported.ok(_LOOKUP, arguments)
        finally:
            self.exported.cred = cred

    def run(self, coroutine: Any) -> Any:
        """The result of a coroutine, run in an event loop."""
        return self.runner.run(coroutine)

    def message(self, procedure: AnyProcedure, *arguments: Any, cred: Auth | None = None) -> bytes:
        """The bytes of a call."""
        former: Any = self.exported.cred
        self.exported.cred = cast(Any, cred) or former
        try:
            return self.exported.message(procedure, *arguments)
        finally:
            self.exported.cred = former

    def generic(self, message: bytes) -> bytes:
        """The reply of the dispatcher."""

        async def handled() -> bytes:
            reply = self.exported.dispatcher.handle(message, TCP)
            found = await reply if inspect.isawaitable(reply) else reply
            assert found is not None
            return found

        reply: bytes = self.run(handled())
        return reply

    def quick(self, message: bytes, *, long: bool = False) -> bytes | None:
        """The reply at once; None if there is none. ``long``: the call is in a buffer."""

        async def handled() -> bytes | None:
            return await self.answered(message, long=long)

        reply: bytes | None = self.run(handled())
        return reply

    async def answered(self, message: bytes, *, long: bool = False) -> bytes | None:
        """The same, in the event loop."""
        replies: list[bytes] = []
        connection = self.connection
        assert connection.begin(self.now)
        try:
            if long:
                answer = connection.answer_long(memoryview(message), replies)
            else:
                answer = connection.answer(message, replies)
        finally:
            connection.end()
        if answer is None:
            assert not replies
            return None
        if isinstance(answer, LaterReply):
            await asyncio.wait([answer.done])
            return answer.reply(answer.done)
        record = b"".join(replies)
        if isinstance(answer, FileReply):
            data = os.pread(answer.descriptor, answer.length, answer.offset)
            record += answer.head + data + answer.tail
        (mark,) = struct.unpack_from(">I", record)
        assert mark == LAST_FRAGMENT | len(record) - 4
        return record[4:]


def without_atime(reply: bytes | None) -> bytes | None:
    """A reply to READ without the time of access, which another READ may have changed."""
    follows = reply is not None and reply[ATTRIBUTES - 4 : ATTRIBUTES] == b"\0\0\0\1"
    return reply[:ATIME] + reply[ATIME + 8 :] if reply is not None and follows else reply


_LOOKUP = NFS_V3.NFSPROC3_LOOKUP
