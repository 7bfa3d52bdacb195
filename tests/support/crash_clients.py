"""Clients that write while the server crashes, and know what must be left afterwards.

Each client has calls outstanding all the time, and notes what the replies promise. After a crash
``BlockFile.check`` and ``check_names`` compare what is there with the promises.
"""

from __future__ import annotations

import asyncio
import itertools
import random
from collections.abc import Coroutine
from typing import Any

from oncrpc.errors import OncRpcError
from oncrpc.programs.nfs3 import (
    NFS_V3,
    COMMIT3args,
    COMMIT3resok,
    CREATE3args,
    GETATTR3args,
    LOOKUP3args,
    LOOKUP3resok,
    READ3args,
    READ3resok,
    REMOVE3args,
    RENAME3args,
    WRITE3args,
    WRITE3resok,
    createhow3,
    createmode3,
    diropargs3,
    nfs_fh3,
    nfsstat3,
    stable_how,
)
from support.exported import sattr

BLOCK, BLOCKS = 4096, 64
BATCH = 8
OK = nfsstat3.NFS3_OK
LOST = {nfsstat3.NFS3ERR_IO, nfsstat3.NFS3ERR_ROFS, nfsstat3.NFS3ERR_JUKEBOX}
"""Outcomes of calls after the disk is gone."""


class DiskLost(Exception):
    """Raised in a client when the server says that its disk fails."""


class Life:
    """What all clients see of one life of the server.

    ``crash`` is set after ``replies`` replies, while other calls are outstanding.
    """

    def __init__(self, nfs: NFS_V3.Client, *, replies: int) -> None:
        self.nfs, self._left = nfs, replies
        self.crash = asyncio.Event()
        self.outstanding = 0
        self.verifiers = set[bytes]()
        self.lost_disk = False

    async def call(self, method: str, argument: Any) -> Any:
        """The arm for success of a call.

        Raises:
            DiskLost: the disk of the server has failed.
        """
        self.outstanding += 1
        try:
            result = await getattr(self.nfs, method)(argument)
        finally:
            self.outstanding -= 1
        self._left -= 1
        if self._left <= 0:
            self.crash.set()
        if result.status in LOST and self.lost_disk:
            raise DiskLost
        assert result.status is OK, f"{method}: {result.status.name}"
        if isinstance(result.body, WRITE3resok | COMMIT3resok):
            self.verifiers.add(bytes(result.body.verf))
        return result.body


class BlockFile:
    """A file of blocks, each filled with the number of the WRITE that wrote it.

    ``stored`` are the numbers that are promised to be on disk; ``maybe`` those that were written
    later, of which nothing is known. One client writes to a file, so there are no other numbers.
    """

    numbers = itertools.count(1)

    def __init__(self, name: bytes, handle: nfs_fh3) -> None:
        self.name, self.handle = name, handle
        self.stored = [0] * BLOCKS
        self.maybe: list[set[int]] = [set() for _ in range(BLOCKS)]
        self.written = [0] * BLOCKS
        """The last numbers whose WRITE was answered in this life, however."""

    async def write(self, life: Life, block: int, stable: stable_how) -> bytes:
        """Write a block; the verifier of the reply. A promise of the reply is noted."""
        number = next(self.numbers)
        self.maybe[block].add(number)
        data = number.to_bytes(8, "big") * (BLOCK // 8)
        argument = WRITE3args(self.handle, block * BLOCK, BLOCK, stable, data)
        found: WRITE3resok = await life.call("NFSPROC3_WRITE", argument)
        assert (found.count, found.committed >= stable) == (BLOCK, True)
        self.written[block] = number
        if found.committed is not stable_how.UNSTABLE:
            self.promise(block, number)
        return bytes(found.verf)

    def promise(self, block: int, number: int) -> None:
        """Note that a number is on disk; nothing older can appear again."""
        self.stored[block] = number
        self.maybe[block].clear()

    async def commit(self, life: Life, written: dict[int, bytes]) -> None:
        """Commit; ``written`` are the blocks since the last time, with their verifiers."""
        argument = COMMIT3args(self.handle, 0, 0)
        found: COMMIT3resok = await life.call("NFSPROC3_COMMIT", argument)
        for block, verifier in written.items():
            if verifier == bytes(found.verf):
                self.promise(block, self.written[block])

    async def check(self, life: Life) -> int:
        """Compare what is there with the promises; how many blocks lost what was not promised."""
        size = BLOCK * BLOCKS
        found: READ3resok = await life.call("NFSPROC3_READ", READ3args(self.handle, 0, size))
        assert found.count == size
        lost = 0
        for block in range(BLOCKS):
            data = found.data[block * BLOCK : (block + 1) * BLOCK]
            words = {int.from_bytes(data[at : at + 8], "big") for at in range(0, BLOCK, 8)}
            allowed = {self.stored[block], *self.maybe[block]}
            assert words <= allowed, f"{self.name!r}, block {block}: {words} is not of {allowed}"
            lost += min(words) < self.written[block]
        self.written = [0] * BLOCKS
        return lost


class Names:
    """Files that are created, renamed and removed; ``known`` is what is promised of each name.

    A name is used once. While a call about it is outstanding, nothing is known of it.
    """

    def __init__(self, root: nfs_fh3) -> None:
        self.root = root
        self.known: dict[bytes, nfs_fh3 | None] = {}
        self._numbers = itertools.count()

    def at(self, name: bytes) -> diropargs3:
        return diropargs3(self.root, name)

    async def use(self, life: Life) -> None:
        """Create, rename and remove files, until the server ends."""
        how = createhow3(createmode3.GUARDED, sattr(mode=0o644))
        while True:
            number = next(self._numbers)
            name, renamed = b"name-%d" % number, b"renamed-%d" % number
            made = await life.call("NFSPROC3_CREATE", CREATE3args(self.at(name), how))
            handle: nfs_fh3 = made.obj.body
            if number % 3 == 0:
                self.known[name] = handle
                continue
            await life.call("NFSPROC3_RENAME", RENAME3args(self.at(name), self.at(renamed)))
            self.known |= {name: None, renamed: handle}
            if number % 2:
                del self.known[renamed]
                await life.call("NFSPROC3_REMOVE", REMOVE3args(self.at(renamed)))
                self.known[renamed] = None

    async def check(self, life: Life) -> None:
        """Compare the names with the promises; handles are the same, and not stale."""
        for name, handle in self.known.items():
            argument = LOOKUP3args(self.at(name))
            found = await life.nfs.NFSPROC3_LOOKUP(argument)
            if handle is None:
                assert found.status is nfsstat3.NFS3ERR_NOENT, name
                continue
            assert isinstance(found.body, LOOKUP3resok), (name, found.status)
            assert found.body.object == handle
            await life.call("NFSPROC3_GETATTR", GETATTR3args(handle))
        for name in list(self.known)[:-50]:
            del self.known[name]


async def write_stable(life: Life, file: BlockFile, stable: stable_how, seed: int) -> None:
    """Write blocks as DATA_SYNC or FILE_SYNC, several at a time, until the server ends."""
    chance = random.Random(seed)
    while True:
        blocks = chance.sample(range(BLOCKS), BATCH)
        await all_of([file.write(life, block, stable) for block in blocks])


async def write_and_commit(life: Life, file: BlockFile, seed: int) -> None:
    """Write blocks as UNSTABLE, several at a time, and commit, until the server ends."""
    chance = random.Random(seed)
    while True:
        blocks = chance.sample(range(BLOCKS), BATCH)
        writing = [file.write(life, block, stable_how.UNSTABLE) for block in blocks]
        verifiers = await all_of(writing)
        await file.commit(life, dict(zip(blocks, verifiers, strict=True)))


async def write_only(life: Life, file: BlockFile, seed: int) -> None:
    """Write blocks as UNSTABLE and never commit, until the server ends."""
    chance = random.Random(seed)
    while True:
        await file.write(life, chance.randrange(BLOCKS), stable_how.UNSTABLE)


async def all_of(writing: list[Coroutine[Any, Any, bytes]]) -> list[bytes]:
    """Run calls together, all to their end also if one fails."""
    outcomes = await asyncio.gather(*writing, return_exceptions=True)
    for outcome in outcomes:
        if isinstance(outcome, BaseException):
            raise outcome
    return [outcome for outcome in outcomes if isinstance(outcome, bytes)]


async def ended(client: Coroutine[Any, Any, None]) -> None:
    """Run a client until the server, or its disk, is gone."""
    try:
        await client
    except (OncRpcError, DiskLost):
        return
