"""Open files: modes, positions, and reading what was written."""

from __future__ import annotations

import asyncio
import mmap
import os
from pathlib import Path
from typing import Any

import pytest

from oncrpc.nfs import RemoteFileSystem
from oncrpc.nfs.client.file import lasting
from oncrpc.programs.nfs3 import (
    LOOKUP3res,
    LOOKUP3resok,
    READ3res,
    READ3resfail,
    READ3resok,
    nfs_fh3,
    nfsstat3,
)
from oncrpc.rpc import Call
from support.remote_files import (
    NO_ATTRIBUTES,
    OK,
    ScriptedNfs,
    attributes,
    use_files,
    use_scripted,
    with_attributes,
)

both = pytest.mark.parametrize("version", [3, 2])


@both
@pytest.mark.parametrize(
    ("mode", "expected"),
    [("wb", b"new"), ("w+b", b"new"), ("r+b", b"newcontent"), ("ab", b"oldcontentnew")],
)
def test_mode_decides_the_content_afterwards(version: int, mode: str, expected: bytes) -> None:
    async def use(fs: RemoteFileSystem) -> None:
        await fs.write_bytes("a", b"oldcontent")
        async with await fs.open("a", mode) as file:
            assert await file.write(b"new") == 3
            assert file.tell() == (13 if mode == "ab" else 3)

        assert await fs.read_bytes("a") == expected

    use_files(use, version=version)


@both
def test_exclusive_mode_creates_once(version: int) -> None:
    async def use(fs: RemoteFileSystem) -> None:
        async with await fs.open("a", "xb", permissions=0o640) as file:
            await file.write(b"x")
        with pytest.raises(FileExistsError):
            await fs.open("a", "xb")
        with pytest.raises(FileExistsError):
            await fs.open("/", "xb")

        found = await fs.stat("a")
        assert (found.size, found.mode & 0o777) == (1, 0o640)
        assert found.mtime > 1e9

    use_files(use, version=version)


def test_writing_through_broken_link_creates_target() -> None:
    async def use(fs: RemoteFileSystem) -> None:
        await fs.mkdir("d")
        await fs.symlink("d/new", "l")
        await fs.write_bytes("l", b"x")

        assert await fs.read_bytes("d/new") == b"x"

    use_files(use)


@pytest.mark.parametrize("mode", ["r", "rt", "b", "rwb", "r+", ""])
def test_unknown_mode_is_refused(mode: str) -> None:
    async def use(fs: RemoteFileSystem) -> None:
        with pytest.raises(ValueError, match="invalid mode"):
            await fs.open("a", mode)

    use_files(use)


@pytest.mark.parametrize("mode", ["rb", "wb", "ab"])
def test_directory_cannot_be_opened(mode: str) -> None:
    async def use(fs: RemoteFileSystem) -> None:
        await fs.mkdir("d")
        with pytest.raises(IsADirectoryError):
            await fs.open("d", mode)

    use_files(use)


def test_use_that_mode_forbids_is_an_error() -> None:
    async def use(fs: RemoteFileSystem) -> None:
        async with await fs.open("a", "wb") as file:
            with pytest.raises(OSError, match="not open for reading"):
                await file.read()
        async with await fs.open("a") as file:
            with pytest.raises(OSError, match="not open for writing"):
                await file.write(b"x")
        with pytest.raises(ValueError, match="closed"):
            await file.read()
        await file.close()

    use_files(use)


@both
def test_buffer_is_filled_from_the_position(version: int) -> None:
    async def use(fs: RemoteFileSystem) -> None:
        await fs.write_bytes("a", b"0123456789")
        buffer = bytearray(4)
        async with await fs.open("a") as file:
            assert await file.read(1) == b"0"
            assert await file.readinto(buffer) == 4
            assert (bytes(buffer), file.tell()) == (b"1234", 5)
            assert await file.readinto(memoryview(bytearray(9))) == 5
            assert await file.readinto(buffer) == 0

    use_files(use, version=version)


@pytest.mark.parametrize("read_only", [False, True])
def test_data_that_may_change_are_copied(read_only: bool) -> None:
    data = bytearray(b"first")
    view = memoryview(data)

    kept = lasting(view.toreadonly() if read_only else view)
    data[:] = b"other"

    assert bytes(kept) == b"first"


def test_mapped_file_is_written_without_a_copy(tmp_path: Path) -> None:
    (tmp_path / "local").write_bytes(b"content")

    with (
        (tmp_path / "local").open("rb") as local,
        mmap.mmap(local.fileno(), 0, access=mmap.ACCESS_READ) as mapped,
        memoryview(mapped) as view,
    ):
        assert lasting(view).obj is mapped
        assert lasting(memoryview(b"content")).obj == b"content"


@both
def test_position_moves_and_data_are_seen(version: int) -> None:
    async def use(fs: RemoteFileSystem) -> None:
        async with await fs.open("a", "w+b") as file:
            await file.write(b"0123456789")
            assert await file.seek(2) == 2
            assert await file.read(3) == b"234"
            await file.write(bytearray(b"XY"))
            assert await file.read() == b"789"
            assert await file.seek(-3, os.SEEK_CUR) == 7
            assert await file.seek(-1, os.SEEK_END) == 9
            assert await file.read(5) == b"9"
            assert await file.read(5) == b""
            assert await file.pread(4, 4) == b"4XY7"
            assert await file.truncate(3) == 3
            with pytest.raises(OSError, match="Invalid argument: 'a'"):
                await file.truncate(-1)
            await file.seek(0)
            assert await file.read() == b"012"
            with pytest.raises(ValueError, match="negative"):
                await file.seek(-1)
            with pytest.raises(ValueError, match="whence"):
                await file.seek(0, 3)

    use_files(use, version=version)


def test_many_tasks_use_one_file() -> None:
    pieces = [bytes([number]) * 1000 for number in range(20)]

    async def use(fs: RemoteFileSystem) -> None:
        async with await fs.open("a", "w+b") as file:
            await asyncio.gather(
                *(file.pwrite(piece, 1000 * at) for at, piece in enumerate(pieces))
            )
            found = await asyncio.gather(*(file.pread(1000, 1000 * at) for at in range(20)))
            assert found == pieces

    use_files(use)


def test_error_in_context_abandons_the_file() -> None:
    async def use(fs: RemoteFileSystem) -> None:
        with pytest.raises(KeyError):
            async with await fs.open("a", "wb") as file:
                raise KeyError

        assert file.closed

    use_files(use)


class Moved(ScriptedNfs):
    """A file whose handle becomes stale; its path leads to the same file or another one."""

    same = True
    stale = False

    def NFSPROC3_READ(self, call: Call, arg: Any) -> READ3res:
        if arg.file.data == b"file" and self.stale:
            return READ3res(nfsstat3.NFS3ERR_STALE, READ3resfail(NO_ATTRIBUTES))
        return READ3res(OK, READ3resok(NO_ATTRIBUTES, 4, True, b"data"))

    def NFSPROC3_LOOKUP(self, call: Call, arg: Any) -> LOOKUP3res:
        handle = b"file 2" if self.stale else b"file"
        found = attributes(size=4, fileid=1 if self.same or not self.stale else 2)
        ok = LOOKUP3resok(nfs_fh3(handle), with_attributes(found), NO_ATTRIBUTES)
        return LOOKUP3res(OK, ok)


@pytest.mark.parametrize("same", [True, False])
def test_stale_handle_is_looked_up_again(same: bool) -> None:
    server = Moved()
    server.same = same

    async def use(fs: RemoteFileSystem) -> None:
        async with await fs.open("a") as file:
            server.stale = True
            if same:
                assert await file.read(10) == b"data"
                assert file.handle == b"file 2"
            else:
                with pytest.raises(OSError, match="STALE"):
                    await file.read(10)

    use_scripted(server, use)
