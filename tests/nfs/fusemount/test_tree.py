"""Files of a mount by path, over NFS to a server in memory."""

from __future__ import annotations

import errno
import os
import stat as modes
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import NamedTuple

import pytest

from oncrpc import nfs
from oncrpc.errors import LimitExceeded
from oncrpc.nfs.backends.memory import MemoryFileSystem
from oncrpc.nfs.client.url import parse_url
from oncrpc.nfs.filesystem import NOW, NewAttributes
from oncrpc.nfs.fusemount import tree as fusemount_tree
from oncrpc.nfs.fusemount.process import connected_tree
from oncrpc.nfs.fusemount.tree import MountedTree
from support.loops import in_loop

pytestmark = pytest.mark.slow  # the first calls compile codecs
USER = "&uid=1000&gid=100"
TIMEOUT = 10.0


class MountUnderTest(NamedTuple):
    """A mount, and another client of the same server."""

    tree: MountedTree
    other: nfs.RemoteFileSystem


@asynccontextmanager
async def mounted(version: int = 3) -> AsyncIterator[MountUnderTest]:
    """A mount of a server in memory in which everybody may write."""
    async with nfs.serve(MemoryFileSystem(mode=0o777)) as server:
        url = f"{server.url}{USER}&version={version}"
        tree = await connected_tree(parse_url(url), timeout=TIMEOUT)
        try:
            async with nfs.connect(url) as other:
                yield MountUnderTest(tree, other)
        finally:
            await tree.close()


async def written(tree: MountedTree, path: bytes, data: bytes) -> None:
    """Create a file with these data."""
    number = await tree.create(path, 0o644, os.O_WRONLY)
    await tree.write(number, data, 0)
    await tree.flush(number)
    await tree.release(number)


async def error_of(coroutine: object) -> int | None:
    with pytest.raises(OSError) as raised:  # noqa: PT011  # the number is returned
        await coroutine  # type: ignore[misc]  # an awaitable of any result
    return raised.value.errno


@pytest.mark.parametrize("version", [3, 2])
@in_loop
async def test_written_file_is_read_and_removed(version: int) -> None:
    async with mounted(version) as (tree, other):
        await tree.mkdir(b"dir", 0o755)
        await written(tree, b"dir/file", b"hello")
        number = await tree.open(b"dir/file", os.O_RDONLY)

        assert await tree.read(number, 100, 1) == b"ello"
        assert await other.read_bytes("dir/file") == b"hello"
        assert modes.S_IMODE((await tree.getattr(b"dir/file")).mode) == 0o644

        await tree.release(number)
        await tree.unlink(b"dir/file")
        await tree.rmdir(b"dir")
        assert await tree.readdir(b"") == []


@in_loop
async def test_size_counts_writes_on_their_way() -> None:
    async with mounted() as (tree, _):
        number = await tree.create(b"file", 0o644, os.O_RDWR)
        again = await tree.open(b"file", os.O_RDONLY)
        await tree.write(number, b"x" * 3000, 1000)

        assert (await tree.getattr(b"file")).size == 4000
        assert await tree.read(again, 10, 995) == b"\0" * 5 + b"x" * 5


@in_loop
async def test_release_of_the_last_number_stores() -> None:
    async with mounted() as (tree, other):
        number = await tree.create(b"file", 0o644, os.O_RDWR)
        again = await tree.open(b"file", os.O_WRONLY)
        await tree.write(number, b"data", 0)
        await tree.release(number)

        assert await tree.write(again, b"more", 4) == 4
        await tree.release(again)
        assert await other.read_bytes("file") == b"datamore"
        assert len(tree.files) == 0
        assert await error_of(tree.read(again, 1, 0)) == errno.EBADF


@in_loop
async def test_truncation_of_an_open_file() -> None:
    async with mounted() as (tree, other):
        number = await tree.create(b"file", 0o644, os.O_RDWR)
        await tree.write(number, b"x" * 100, 0)
        await tree.setattr(b"file", NewAttributes(size=10))
        await tree.flush(number)

        assert (await other.stat("file")).size == 10

        await tree.open(b"file", os.O_WRONLY | os.O_TRUNC)
        assert (await other.stat("file")).size == 0


@in_loop
async def test_times_are_set_after_earlier_writes() -> None:
    async with mounted() as (tree, other):
        number = await tree.create(b"file", 0o644, os.O_RDWR)
        await tree.write(number, b"x" * 100, 0)
        await tree.setattr(b"file", NewAttributes(atime=NOW, mtime=7))
        await tree.release(number)

        assert (await other.stat("file")).mtime_ns == 7


@in_loop
async def test_names_links_and_special_files() -> None:
    async with mounted() as (tree, other):
        await written(tree, b"one", b"1")
        await tree.link(b"one", b"two")
        await tree.symlink(b"link", b"one")
        await tree.mknod(b"pipe", modes.S_IFIFO | 0o600, 0)
        await tree.mknod(b"empty", modes.S_IFREG | 0o600, 0)
        await tree.rename(b"one", b"three")

        listed = {entry.name: entry.mode for entry in await tree.readdir(b"")}
        assert sorted(listed) == ["empty", "link", "pipe", "three", "two"]
        assert listed["two"] == modes.S_IFREG | 0o644
        assert (await tree.getattr(b"two")).nlink == 2
        assert await tree.readlink(b"link") == b"one"
        assert modes.S_ISFIFO((await other.lstat("pipe")).mode)
        assert await error_of(tree.getattr(b"one")) == errno.ENOENT


@in_loop
async def test_listing_has_a_limit_of_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fusemount_tree, "MAX_LISTING", 2 * fusemount_tree.ENTRY_COST)
    async with mounted() as (tree, _):
        await written(tree, b"one", b"1")
        assert len(await tree.readdir(b"")) == 1

        await tree.symlink(b"two", b"one")
        with pytest.raises(LimitExceeded, match="a listing of over"):
            await tree.readdir(b"")


@in_loop
async def test_exclusive_creation_refuses_an_existing_file() -> None:
    async with mounted() as (tree, other):
        await tree.create(b"file", 0o640, os.O_RDWR | os.O_EXCL)

        assert modes.S_IMODE((await other.stat("file")).mode) == 0o640
        assert await error_of(tree.create(b"file", 0o640, os.O_EXCL)) == errno.EEXIST


@in_loop
async def test_opening_asks_the_server_for_permission() -> None:
    async with mounted() as (tree, _):
        await written(tree, b"file", b"1")
        await tree.setattr(b"file", NewAttributes(mode=0o100))
        await tree.open(b"file", os.O_RDONLY)  # what may be executed may be read

        await tree.setattr(b"file", NewAttributes(mode=0o400))
        assert await tree.access(b"file", os.R_OK)
        assert not await tree.access(b"file", os.W_OK)
        assert await error_of(tree.open(b"file", os.O_WRONLY)) == errno.EACCES


@in_loop
async def test_listed_attributes_need_no_further_calls() -> None:
    async with mounted() as (tree, other):
        await other.mkdir("dir")
        for number in range(5):
            await other.write_bytes(f"dir/{number}", b"x" * number)
        await tree.readdir(b"dir")
        tree.calls.pipeline.close()

        assert (await tree.getattr(b"dir/3")).size == 3


@in_loop
async def test_directory_that_was_replaced_is_found_again() -> None:
    async with mounted() as (tree, other):
        await other.mkdir("dir")
        await tree.getattr(b"dir")
        await other.rmdir("dir")
        await other.mkdir("dir")

        await written(tree, b"dir/file", b"1")

        assert await other.listdir("dir") == ["file"]


@in_loop
async def test_space_and_longest_name_are_told() -> None:
    async with mounted() as (tree, _):
        space, name_max = await tree.statfs()

        assert (space.total_bytes > 0, name_max) == (True, 255)
