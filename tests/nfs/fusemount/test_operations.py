"""The operations as mfusepy calls them: paths as text, numbers of errors."""

from __future__ import annotations

import asyncio
import errno
import os
import stat as modes
from collections.abc import Iterator
from typing import NamedTuple

import pytest

from oncrpc.errors import CallTimeout, ProtocolError, TransportError
from oncrpc.nfs.client.results import FileStat
from oncrpc.nfs.client.url import parse_url
from oncrpc.nfs.filesystem import NOW
from oncrpc.nfs.fusemount.operations import LoopThread, MountOperations, encoded, text
from oncrpc.nfs.fusemount.process import connected_tree
from oncrpc.nfs.fusemount.tree import MountedTree
from support.remote_files import served_in_thread

pytestmark = pytest.mark.slow  # the first calls compile codecs
NOT_UTF8 = "\udcff"


class OperationsUnderTest(NamedTuple):
    """Operations on an empty file system in memory, and what ``ready`` has recorded."""

    do: MountOperations
    tree: MountedTree
    ready: list[bool]


@pytest.fixture
def mount() -> Iterator[OperationsUnderTest]:
    with served_in_thread() as url, LoopThread(asyncio.new_event_loop) as thread:
        target = parse_url(f"{url}&uid=1000&gid=100")
        tree, ready = thread.call(connected_tree(target, timeout=10.0)), list[bool]()
        yield OperationsUnderTest(
            MountOperations(thread, tree, lambda: ready.append(True)), tree, ready
        )
        thread.call(tree.close())


def test_files_are_written_and_described(mount: OperationsUnderTest) -> None:
    do = mount.do
    do.mkdir("/dir", 0o755)
    number = do.create("/dir/file", modes.S_IFREG | 0o640, os.O_RDWR)
    do.write("/dir/file", b"hello", 0, number)
    do.fsync("/dir/file", 0, number)
    do.chmod("/dir/file", modes.S_IFREG | 0o600)
    do.truncate("/dir/file", 4)
    do.utimens("/dir/file", (None, 5_000_000_001))

    found = do.getattr("/dir/file")
    assert found["st_mode"] == modes.S_IFREG | 0o600
    assert (found["st_size"], found["st_mtime"], found["st_uid"]) == (4, 5_000_000_001, 1000)
    assert do.read("/dir/file", 100, 0, number) == b"hell"
    do.flush("/dir/file", number)
    do.release("/dir/file", number)


def test_listing_has_types_and_inodes(mount: OperationsUnderTest) -> None:
    do = mount.do
    do.symlink("/link", "text")
    do.mknod("/pipe", modes.S_IFIFO | 0o600, 0)
    do.link("/again", "/pipe")

    listed = {name: fields for name, fields, _ in do.readdir("/", 0)}
    assert sorted(listed) == [".", "..", "again", "link", "pipe"]
    assert modes.S_ISLNK(listed["link"]["st_mode"])
    assert listed["again"] == listed["pipe"]
    assert do.readlink("/link") == "text"


def test_names_are_moved_and_removed(mount: OperationsUnderTest) -> None:
    do = mount.do
    do.mkdir("/a", 0o755)
    do.rename("/a", f"/{NOT_UTF8}")
    do.chown(f"/{NOT_UTF8}", -1, 100)
    do.utimens(f"/{NOT_UTF8}", (NOW, NOW))

    assert [name for name, _, _ in do.readdir("/", 0)] == [".", "..", NOT_UTF8]
    do.rmdir(f"/{NOT_UTF8}")
    with pytest.raises(FileNotFoundError):
        do.unlink("/a")


def test_space_has_the_names_of_statvfs(mount: OperationsUnderTest) -> None:
    found = mount.do.statfs("/")

    assert found["f_blocks"] >= found["f_bfree"] >= found["f_bavail"] > 0
    assert found["f_namemax"] == 255


def test_access_returns_the_number_of_the_error(mount: OperationsUnderTest) -> None:
    do = mount.do
    do.release("/file", do.create("/file", 0o400, os.O_WRONLY))

    assert do.access("/file", os.F_OK) == 0
    assert do.access("/file", os.R_OK) == 0
    assert do.access("/file", os.W_OK) == -errno.EACCES


class FailingTree(MountedTree):
    """A tree whose questions end with an error."""

    def __init__(self, error: Exception) -> None:
        self.error = error

    async def getattr(self, path: bytes) -> FileStat:
        raise self.error


@pytest.mark.parametrize(
    ("error", "number"),
    [
        (CallTimeout(), errno.ETIMEDOUT),
        (TransportError.number(errno.EHOSTUNREACH), errno.EHOSTUNREACH),
        (ProtocolError("no handle"), errno.EIO),
        (ValueError("a NUL"), errno.EINVAL),
        (PermissionError(errno.EACCES, "denied"), errno.EACCES),
    ],
)
def test_each_error_has_a_number(error: Exception, number: int) -> None:
    with LoopThread(asyncio.new_event_loop) as thread:
        operations = MountOperations(thread, FailingTree(error), lambda: None)
        with pytest.raises(OSError) as raised:  # noqa: PT011  # the test looks itself
            operations.getattr("/file")

    assert raised.value.errno == number


def test_unmounted_tree_is_closed(mount: OperationsUnderTest) -> None:
    mount.do.destroy("/")

    assert mount.tree.calls.pipeline.closed


def test_too_long_name_is_refused(mount: OperationsUnderTest) -> None:
    with pytest.raises(OSError) as raised:  # noqa: PT011  # the test looks itself
        mount.do.getattr("/" + "x" * 300)
    assert raised.value.errno == errno.ENAMETOOLONG


def test_mounted_file_system_is_reported(mount: OperationsUnderTest) -> None:
    assert (mount.do.mounted, mount.ready) == (False, [])
    mount.do.init("/")
    assert (mount.do.mounted, mount.ready) == (True, [True])


def test_loop_thread_cancels_what_still_runs() -> None:
    ended = list[str]()

    async def endless() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append("cancelled")

    async def begin() -> asyncio.Task[None]:
        task = asyncio.create_task(endless())
        await asyncio.sleep(0)
        return task

    with LoopThread(asyncio.new_event_loop) as thread:
        thread.call(begin())

    assert ended == ["cancelled"]


def test_names_keep_their_bytes() -> None:
    assert encoded(text(b"\xff\xc3\xa4")) == b"\xff\xc3\xa4"
