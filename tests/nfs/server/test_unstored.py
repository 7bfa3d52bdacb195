"""Changes that are made and not yet on disk: others may go on, and replies wait."""

from __future__ import annotations

import asyncio
import errno
from collections.abc import Callable
from typing import Any

import pytest

from oncrpc.nfs.filesystem import SyncError, Syncing
from oncrpc.nfs.server.unstored import Unstored
from oncrpc.programs.nfs3 import (
    NFS_V3,
    CREATE3args,
    CREATE3res,
    MKDIR3args,
    REMOVE3args,
    createhow3,
    createmode3,
    nfsstat3,
)
from oncrpc.xdr import codec
from support.exported import TCP, Exported, memory, sattr, wrapped

RESULT = 24
CHANGES = {"create", "mkdir", "remove"}


class SlowExport:
    """An export whose changes are on disk when the test says so."""

    def __init__(self) -> None:
        self.waiting: list[asyncio.Future[None]] = []
        self.exported = Exported(wrapped(memory(), self._around))

    def _around(self, name: str, operation: Callable[[], Any]) -> Any:
        result = operation()
        if name not in CHANGES:
            return result
        self.waiting.append(asyncio.get_running_loop().create_future())
        return Syncing(result, self.waiting[-1])

    async def ask(self, procedure: Any, arguments: Any) -> asyncio.Future[bytes]:
        """Begin a call, and let it run until it waits."""
        reply = self.exported.dispatcher.handle(self.exported.message(procedure, arguments), TCP)
        asked: asyncio.Future[bytes] = asyncio.ensure_future(_reply(reply))
        for _ in range(5):
            await asyncio.sleep(0)
        return asked

    async def create(
        self, name: bytes, mode: createmode3 = createmode3.UNCHECKED
    ) -> asyncio.Future[bytes]:
        how = createhow3(mode, sattr())
        where = self.exported.at(name)
        return await self.ask(NFS_V3.NFSPROC3_CREATE, CREATE3args(where, how))


async def _reply(reply: Any) -> bytes:
    found = reply if isinstance(reply, bytes) else await reply
    assert isinstance(found, bytes)
    return found


def _status(reply: bytes) -> nfsstat3:
    return nfsstat3(int.from_bytes(reply[RESULT : RESULT + 4], "big"))


def test_directory_is_free_while_changes_are_stored() -> None:
    async def main() -> None:
        slow = SlowExport()
        asked = [await slow.create(name) for name in (b"a", b"b")]
        directory = MKDIR3args(slow.exported.at(b"c"), sattr())
        asked.append(await slow.ask(NFS_V3.NFSPROC3_MKDIR, directory))
        asked.append(await slow.ask(NFS_V3.NFSPROC3_REMOVE, REMOVE3args(slow.exported.at(b"a"))))

        assert len(slow.waiting) == 4
        assert not any(each.done() for each in asked)
        for each in slow.waiting:
            each.set_result(None)
        replies = await asyncio.gather(*asked)
        assert {_status(reply) for reply in replies} == {nfsstat3.NFS3_OK}
        assert not slow.exported.share.unstored

    asyncio.run(main())


def test_create_that_finds_new_file_waits() -> None:
    async def main() -> None:
        slow = SlowExport()
        first, second = await slow.create(b"a"), await slow.create(b"a")

        assert len(slow.waiting) == 1
        assert not second.done()
        slow.waiting[0].set_result(None)
        replies = [_status(await each) for each in (first, second)]
        assert replies == [nfsstat3.NFS3_OK] * 2

    asyncio.run(main())


def test_failed_sync_refuses_all_that_wait() -> None:
    async def main() -> None:
        slow = SlowExport()
        asked = [await slow.create(b"a"), await slow.create(b"a")]

        slow.waiting[0].set_exception(SyncError(errno.EIO, "broken disk"))
        for reply in await asyncio.gather(*asked):
            found: Any = codec(CREATE3res).decode(reply[RESULT:])
            assert found.status is nfsstat3.NFS3ERR_IO
            assert found.body.dir_wcc.before.attributes_follow
            assert found.body.dir_wcc.after.attributes_follow

    asyncio.run(main())


@pytest.mark.parametrize("failed", [False, True])
def test_changes_are_forgotten_when_they_end(failed: bool) -> None:
    async def main() -> None:
        unstored = Unstored()
        stored: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        unstored.add(b"a", stored)
        assert list(unstored.of(b"a")) == [stored]
        assert not unstored.of(b"b")

        if failed:
            stored.set_exception(SyncError(errno.EIO, "broken disk"))
        else:
            stored.cancel()
        await asyncio.sleep(0)
        assert len(unstored) == 0

    asyncio.run(main())
