"""Written data are held until they are stored: a restart of the server loses nothing."""

from __future__ import annotations

import errno
from typing import Any

import pytest

from oncrpc.errors import ProtocolError
from oncrpc.nfs import RemoteFileSystem
from oncrpc.nfs.client import writing
from oncrpc.nfs.client.writing import MAX_REWRITES
from oncrpc.programs.nfs3 import (
    COMMIT3res,
    WRITE3args,
    WRITE3res,
    WRITE3resfail,
    WRITE3resok,
    nfsstat3,
    stable_how,
)
from oncrpc.rpc import Call
from support.remote_files import NO_WCC, OK, ScriptedNfs, use_scripted

DATA = bytes(range(256)) * 3


class Restarting(ScriptedNfs):
    """Restarts before the COMMIT, and before the WRITE with each of these numbers."""

    def __init__(self, *at: int, commits: int = 0) -> None:
        super().__init__()
        self.at, self.commits = at, commits

    def NFSPROC3_WRITE(self, call: Call, arg: WRITE3args) -> WRITE3res:
        if len(self.writes) in self.at:
            self.restart()
        return super().NFSPROC3_WRITE(call, arg)

    def NFSPROC3_COMMIT(self, call: Call, arg: Any) -> COMMIT3res:
        if self.commits:
            self.commits -= 1
            self.restart()
        return super().NFSPROC3_COMMIT(call, arg)


@pytest.mark.parametrize(
    "server",
    [
        Restarting(),
        Restarting(5),
        Restarting(3, 9, 14),
        Restarting(commits=1),
        Restarting(7, commits=3),
    ],
    ids=["never", "while writing", "often", "before commit", "both"],
)
def test_data_lost_by_a_restart_are_written_again(server: Restarting) -> None:
    async def use(fs: RemoteFileSystem) -> None:
        await fs.write_bytes("file", DATA)

        assert server.content == DATA

    use_scripted(server, use)


def test_rewriting_keeps_the_order_of_writes() -> None:
    server = Restarting(1)

    async def use(fs: RemoteFileSystem) -> None:
        async with await fs.open("file", "r+b") as file:
            await file.pwrite(b"first", 0)
            await file.pwrite(b"later", 0)
            await file.pwrite(b"LA", 0)

        assert server.content == b"LAter"

    use_scripted(server, use)


def test_server_that_always_loses_data_is_an_error() -> None:
    async def use(fs: RemoteFileSystem) -> None:
        with pytest.raises(OSError, match="lost written data"):
            await fs.write_bytes("file", b"x")

    use_scripted(Restarting(commits=MAX_REWRITES), use)


def test_memory_for_held_data_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writing, "MAX_HELD", 128)
    server = ScriptedNfs()

    async def use(fs: RemoteFileSystem) -> None:
        async with await fs.open("file", "r+b") as file:
            await file.write(DATA)
            await file.stat()
            assert len(server.content) >= len(DATA) - 128 - 64 * server.transfer
            await file.write(DATA)

        assert server.content == DATA * 2

    use_scripted(server, use)


class Full(ScriptedNfs):
    """Takes at most three bytes of each WRITE, and none while it is full."""

    full = True

    def NFSPROC3_WRITE(self, call: Call, arg: WRITE3args) -> WRITE3res:
        if self.full:
            return WRITE3res(nfsstat3.NFS3ERR_NOSPC, WRITE3resfail(NO_WCC))
        data = arg.data[:3]
        self.content[arg.offset : arg.offset + len(data)] = data
        done = WRITE3resok(NO_WCC, len(data), stable_how.FILE_SYNC, bytes(8))
        return WRITE3res(OK, done)


def test_failed_write_is_reported_and_repeated() -> None:
    server = Full()

    async def use(fs: RemoteFileSystem) -> None:
        file = await fs.open("file", "r+b")
        await file.write(b"0123456789")
        with pytest.raises(OSError, match="NOSPC") as raised:
            await file.flush()
        assert raised.value.errno == errno.ENOSPC

        server.full = False
        await file.close()
        assert server.content == b"0123456789"

    use_scripted(server, use)


def test_file_is_closed_after_failed_flush() -> None:
    async def use(fs: RemoteFileSystem) -> None:
        file = await fs.open("file", "r+b")
        await file.write(b"data")
        with pytest.raises(OSError, match="NOSPC"):
            await file.close()

        assert file.closed

    use_scripted(Full(), use)


@pytest.mark.parametrize("count", [0, 5])
def test_impossible_count_of_a_write_is_refused(count: int) -> None:
    class Wrong(ScriptedNfs):
        def NFSPROC3_WRITE(self, call: Call, arg: WRITE3args) -> WRITE3res:
            done = WRITE3resok(NO_WCC, count, stable_how.FILE_SYNC, bytes(8))
            return WRITE3res(OK, done)

    async def use(fs: RemoteFileSystem) -> None:
        with pytest.raises(ProtocolError, match="WRITE of 4 bytes"):
            await fs.write_bytes("a", b"data")

    use_scripted(Wrong(), use)
