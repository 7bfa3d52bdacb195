"""The tools of libnfs against our MOUNT and NFS version 3."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import NamedTuple

import pytest

from oncrpc.aio.limits import Limits
from oncrpc.aio.serve import serve
from oncrpc.nfs.backends.memory import MemoryFileSystem
from oncrpc.nfs.filesystem import FileSystem, NewAttributes
from oncrpc.nfs.server.mount import MountProgram
from oncrpc.nfs.server.mount_list import MountList
from oncrpc.nfs.server.nfs3 import Nfs3
from oncrpc.programs.nfs3 import stable_how
from support.exported import OPTIONS, ROOT, USER, Exported, answering_later
from support.loopback_peers import LOCALHOST, port_of
from support.namespace import need

pytestmark = pytest.mark.interop

DEADLINE = 30.0
LIMITS = Limits(record=(1 << 20) + 4096)
BACK_ENDS: dict[str, Callable[[FileSystem], FileSystem]] = {
    "at once": lambda files: files,
    "later": answering_later,
}
DATA = bytes(range(256)) * 9000 + b"end"
FOR_FILES, FOR_DIRECTORIES = NewAttributes(mode=0o644), NewAttributes(mode=0o755)


class Ended(NamedTuple):
    """The outcome of a command."""

    status: int
    stdout: bytes
    stderr: bytes


class Served(NamedTuple):
    """A served file system, and its address for libnfs."""

    files: MemoryFileSystem
    ports: str

    def url(self, path: str, *options: str) -> str:
        """The URL of a path of the export ``/srv0``."""
        return f"nfs://{LOCALHOST}/srv0{path}?{'&'.join((self.ports, 'version=3', *options))}"


@pytest.fixture(params=BACK_ENDS)
def back_end(request: pytest.FixtureRequest) -> Callable[[FileSystem], FileSystem]:
    need("nfs-ls", "nfs-cat", "nfs-cp")
    return BACK_ENDS[request.param]


@asynccontextmanager
async def served(back_end: Callable[[FileSystem], FileSystem]) -> AsyncIterator[Served]:
    files = MemoryFileSystem()
    exported = Exported(back_end(files), options=OPTIONS._replace(secure=False))
    services = [*MountProgram(exported.shares, MountList()).services(), Nfs3(exported.shares)]
    async with serve(*services, transports=["tcp"], host=LOCALHOST, limits=LIMITS) as server:
        port = port_of(server, "tcp")
        yield Served(files, f"nfsport={port}&mountport={port}")


async def ran(*command: str) -> Ended:
    process = await asyncio.create_subprocess_exec(
        *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    try:
        async with asyncio.timeout(DEADLINE):
            out, err = await process.communicate()
    except TimeoutError:
        process.kill()
        await process.wait()
        raise
    assert process.returncode is not None
    return Ended(process.returncode, out, err)


def test_listing_shows_every_name(back_end: Callable[[FileSystem], FileSystem]) -> None:
    names = {f"{number:0100d}" for number in range(2000)}

    async def scenario() -> Ended:
        async with served(back_end) as server:
            for name in names:
                server.files.create(ROOT, server.files.root, name.encode(), FOR_FILES)
            return await ran("nfs-ls", server.url("/"))

    ended = asyncio.run(scenario())

    assert ended.status == 0, ended.stderr
    shown = [line.split()[-1] for line in ended.stdout.decode().splitlines()]
    assert len(shown) == len(names)
    assert set(shown) == names


def test_listing_shows_attributes(back_end: Callable[[FileSystem], FileSystem]) -> None:
    async def scenario() -> Ended:
        async with served(back_end) as server:
            files = server.files
            files.setattr(ROOT, files.root, NewAttributes(mode=0o777))
            directory = files.mkdir(USER, files.root, b"dir", NewAttributes(mode=0o750))
            file = files.create(USER, directory, b"file", NewAttributes(mode=0o640))
            files.write(USER, file, 0, b"hello", stable=stable_how.FILE_SYNC)
            return await ran("nfs-ls", "-R", server.url("/"))

    ended = asyncio.run(scenario())

    assert ended.status == 0, ended.stderr
    listed = [line.split() for line in ended.stdout.decode().splitlines()]
    assert [(line[0], line[2], line[3], line[4], line[-1]) for line in listed] == [
        ("drwxr-x---", "1000", "100", "4096", "dir"),
        ("-rw-r-----", "1000", "100", "5", "dir/file"),
    ]


def test_file_is_read_whole(back_end: Callable[[FileSystem], FileSystem]) -> None:
    async def scenario() -> Ended:
        async with served(back_end) as server:
            files = server.files
            directory = files.mkdir(ROOT, files.root, b"a b", FOR_DIRECTORIES)
            file = files.create(ROOT, directory, b"\xc3\xa4", FOR_FILES)
            files.write(ROOT, file, 0, DATA, stable=stable_how.FILE_SYNC)
            return await ran("nfs-cat", server.url("/a b/ä"))

    ended = asyncio.run(scenario())

    assert ended.status == 0, ended.stderr
    assert ended.stdout == DATA


def test_file_is_copied_both_ways(
    back_end: Callable[[FileSystem], FileSystem], tmp_path: Path
) -> None:
    (tmp_path / "from").write_bytes(DATA)

    async def scenario() -> list[Ended]:
        async with served(back_end) as server:
            return [
                await ran("nfs-cp", str(tmp_path / "from"), server.url("/copy")),
                await ran("nfs-cp", server.url("/copy"), str(tmp_path / "to")),
            ]

    for ended in asyncio.run(scenario()):
        assert ended.status == 0, ended.stderr
    assert (tmp_path / "to").read_bytes() == DATA


@pytest.mark.parametrize("path", ["/missing", "/locked/file"])
def test_refusals_reach_the_user(back_end: Callable[[FileSystem], FileSystem], path: str) -> None:
    async def scenario() -> Ended:
        async with served(back_end) as server:
            files = server.files
            locked = files.mkdir(ROOT, files.root, b"locked", NewAttributes(mode=0o700))
            files.create(ROOT, locked, b"file", FOR_FILES)
            return await ran("nfs-cat", server.url(path, "uid=1000", "gid=100"))

    ended = asyncio.run(scenario())

    assert ended.status != 0
    assert (b"NOENT" if path == "/missing" else b"ACCES") in ended.stderr
