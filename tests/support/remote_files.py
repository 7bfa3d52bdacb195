"""Clients of file systems on loopback: ours in memory, and one that does what a test says."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from typing import Any, TypeVar

from oncrpc import nfs
from oncrpc.aio.limits import Limits
from oncrpc.aio.serve import serve
from oncrpc.aio.server import Server
from oncrpc.nfs.backends.memory import MemoryFileSystem
from oncrpc.nfs.filesystem import FileSystem
from oncrpc.nfs.server.sizes import with_room
from oncrpc.programs.mount import MOUNT_V3, mountres3, mountres3_ok, mountstat3
from oncrpc.programs.nfs3 import (
    NFS_V3,
    COMMIT3args,
    COMMIT3res,
    COMMIT3resok,
    FSINFO3res,
    FSINFO3resok,
    GETATTR3res,
    GETATTR3resok,
    LOOKUP3res,
    LOOKUP3resok,
    WRITE3args,
    WRITE3res,
    WRITE3resok,
    fattr3,
    ftype3,
    nfs_fh3,
    nfsstat3,
    nfstime3,
    post_op_attr,
    pre_op_attr,
    specdata3,
    stable_how,
    wcc_data,
)
from oncrpc.rpc import Call, Service, auth_sys
from support.loops import run

OK = nfsstat3.NFS3_OK
DEADLINE = 10.0
USER = auth_sys(b"client", 1000, 100)
NO_ATTRIBUTES = post_op_attr(False, None)
NO_WCC = wcc_data(pre_op_attr(False, None), NO_ATTRIBUTES)
T = TypeVar("T")
Use = Callable[[nfs.RemoteFileSystem], Awaitable[None]]


def attributes(kind: ftype3 = ftype3.NF3REG, *, size: int = 0, fileid: int = 1) -> fattr3:
    """Attributes on the wire."""
    time = nfstime3(1, 0)
    device = specdata3(0, 0)
    return fattr3(kind, 0o644, 1, 0, 0, size, size, device, 1, fileid, time, time, time)


def with_attributes(found: fattr3) -> post_op_attr:
    """The same after an operation."""
    return post_op_attr(True, found)


@asynccontextmanager
async def mounted(
    backend: FileSystem | None = None, *, version: int = 3, **options: Any
) -> AsyncIterator[nfs.RemoteFileSystem]:
    """A client of a back end, by default one in memory in which everybody may write."""
    async with (
        nfs.serve(backend or MemoryFileSystem(mode=0o777), **options) as server,
        nfs.connect(f"{server.url}&version={version}", auth=USER) as fs,
    ):
        yield fs


def use_files(use: Use, backend: FileSystem | None = None, *, version: int = 3) -> None:
    """Serve a back end, and use it as a client."""

    async def scenario() -> None:
        async with mounted(backend, version=version) as fs:
            await use(fs)

    run(scenario())


@contextmanager
def in_thread(made: Callable[[], AbstractAsyncContextManager[T]]) -> Iterator[T]:
    """Enter an asyncio context in another thread, whose loop runs until the end of this context."""
    loop, ended = asyncio.new_event_loop(), asyncio.Event()
    found, entered = list[T](), threading.Event()

    async def serving() -> None:
        async with made() as served:
            found.append(served)
            entered.set()
            await ended.wait()

    thread = threading.Thread(target=loop.run_until_complete, args=(serving(),))
    thread.start()
    try:
        assert entered.wait(DEADLINE)
        yield found[0]
    finally:
        loop.call_soon_threadsafe(ended.set)
        thread.join(DEADLINE)
        loop.close()


@contextmanager
def served_in_thread(backend: FileSystem | None = None, **options: Any) -> Iterator[str]:
    """The URL of a back end that another thread serves, for blocking clients."""
    files = backend or MemoryFileSystem(mode=0o777)
    with in_thread(lambda: nfs.serve(files, **options)) as server:
        yield server.url


@contextmanager
def programs_in_thread(*services: Service) -> Iterator[str]:
    """The URL of a server that another thread runs, whose programs share one port."""

    def made() -> AbstractAsyncContextManager[Server]:
        return serve(*services, transports=["tcp"], host="127.0.0.1", limits=with_room(Limits()))

    with in_thread(made) as served:
        yield url_at(served.endpoints["tcp"][1])


class ScriptedMount(MOUNT_V3.Service):
    """MOUNT 3 that answers every path with the same handle."""

    handle = b"root"

    def MOUNTPROC3_MNT(self, call: Call, arg: bytes) -> mountres3:
        return mountres3(mountstat3.MNT3_OK, mountres3_ok(self.handle, [1]))


class ScriptedNfs(NFS_V3.Service):
    """NFS 3 with one file, ``content``, that loses what is not committed when it restarts.

    A test replaces the procedures that it is about.
    """

    transfer = 64

    def __init__(self) -> None:
        self.content, self.unstable = bytearray(), bytearray()
        self.verifier = 1
        self.writes: list[tuple[int, bytes]] = []

    def restart(self) -> None:
        """Lose what is not committed."""
        self.unstable[:] = self.content
        self.verifier += 1

    def NFSPROC3_GETATTR(self, call: Call, arg: Any) -> GETATTR3res:
        kind = ftype3.NF3DIR if arg.object.data == ScriptedMount.handle else ftype3.NF3REG
        return GETATTR3res(OK, GETATTR3resok(attributes(kind, size=len(self.unstable))))

    def NFSPROC3_LOOKUP(self, call: Call, arg: Any) -> LOOKUP3res:
        found = with_attributes(attributes(size=len(self.unstable)))
        return LOOKUP3res(OK, LOOKUP3resok(nfs_fh3(b"file"), found, NO_ATTRIBUTES))

    def NFSPROC3_FSINFO(self, call: Call, arg: Any) -> FSINFO3res:
        sizes = (self.transfer, self.transfer, 1) * 2
        rest = (8192, 1 << 62, nfstime3(0, 1), 0)
        return FSINFO3res(OK, FSINFO3resok(NO_ATTRIBUTES, *sizes, *rest))

    def NFSPROC3_WRITE(self, call: Call, arg: WRITE3args) -> WRITE3res:
        end = arg.offset + len(arg.data)
        self.unstable.extend(bytes(max(0, end - len(self.unstable))))
        self.unstable[arg.offset : end] = arg.data
        self.writes.append((arg.offset, arg.data))
        verifier = self.verifier.to_bytes(8, "big")
        done = WRITE3resok(NO_WCC, len(arg.data), stable_how.UNSTABLE, verifier)
        return WRITE3res(OK, done)

    def NFSPROC3_COMMIT(self, call: Call, arg: COMMIT3args) -> COMMIT3res:
        self.content[:] = self.unstable
        return COMMIT3res(OK, COMMIT3resok(NO_WCC, self.verifier.to_bytes(8, "big")))


def use_scripted(server: ScriptedNfs, use: Use, *, mount: ScriptedMount | None = None) -> None:
    """Serve scripted programs, and use them as a client."""

    async def scenario() -> None:
        async with (
            serve(
                server, mount or ScriptedMount(), transports=["tcp"], host="127.0.0.1",
                limits=with_room(Limits()),
            ) as served,
            nfs.connect(url_at(served.endpoints["tcp"][1]), auth=USER, timeout=DEADLINE) as fs,
        ):  # fmt: skip
            await use(fs)

    run(scenario())


def url_at(port: int) -> str:
    """The URL of a server whose programs share one port."""
    return f"nfs://127.0.0.1/export?port={port}&mountport={port}&version=3"
