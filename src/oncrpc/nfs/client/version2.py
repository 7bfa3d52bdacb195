"""The procedures of NFS version 2 (RFC 1094 §2.2), by handle.

Version 2 has no ACCESS, COMMIT, MKNOD or PATHCONF. It has no GUARDED or EXCLUSIVE CREATE, so the
client looks a name up before it creates the file. A server stores each WRITE before it replies.
Sizes and offsets have 32 bits.
"""

# ruff: noqa: ARG002  # arguments that only version 3 uses

from __future__ import annotations

from typing import NoReturn, TypeVar

from oncrpc.errors import ProtocolError
from oncrpc.nfs.client.errors import NfsNotFound, refusal, status_of_version2
from oncrpc.nfs.client.operations import Operations
from oncrpc.nfs.client.pipeline import Started
from oncrpc.nfs.client.results import (
    DirectoryPage,
    FileHandle,
    FileStat,
    FoundFile,
    PageEntry,
    PathLimits,
    ServerLimits,
    WriteOutcome,
)
from oncrpc.nfs.client.wire2 import sattr_of, stat_of_fattr
from oncrpc.nfs.filesystem import NewAttributes, SpaceInfo
from oncrpc.programs.nfs2 import (
    COOKIESIZE,
    FHSIZE,
    MAXDATA,
    MAXNAMLEN,
    MAXPATHLEN,
    NFS_VERSION,
    createargs,
    diropargs,
    diropok,
    fattr,
    linkargs,
    readargs,
    readdirargs,
    readdirok,
    readok,
    renameargs,
    sattrargs,
    stat,
    statfsok,
    symlinkargs,
    writeargs,
)
from oncrpc.programs.nfs3 import ftype3, nfsstat3
from oncrpc.rpc.program import Procedure

A = TypeVar("A")
MAX32 = 0xFFFFFFFF
LISTING_SIZE = 8192


class Version2(Operations):
    """NFS version 2 by handle."""

    version = 2
    max_handle = FHSIZE

    async def getattr(self, file: FileHandle) -> FileStat:
        """GETATTR (§2.2.2)."""
        return stat_of_fattr(await self.ok(NFS_VERSION.NFSPROC_GETATTR, bytes(file), fattr))

    async def setattr(self, file: FileHandle, new: NewAttributes) -> None:
        """SETATTR (§2.2.3)."""
        _check_end(new.size or 0)
        args = sattrargs(file, sattr_of(new))
        await self.ok(NFS_VERSION.NFSPROC_SETATTR, args, fattr)

    async def lookup(self, directory: FileHandle, name: bytes) -> FoundFile:
        """LOOKUP (§2.2.5)."""
        args = _where(directory, name)
        return self._found(await self.ok(NFS_VERSION.NFSPROC_LOOKUP, args, diropok))

    async def access(self, file: FileHandle, wanted: int) -> int:
        """Not in version 2."""
        _unsupported()

    async def readlink(self, file: FileHandle) -> bytes:
        """READLINK (§2.2.6)."""
        return await self.ok(NFS_VERSION.NFSPROC_READLINK, bytes(file), bytes)

    def start_read(self, file: FileHandle, offset: int, buffer: memoryview) -> Started:
        """READ (§2.2.7)."""
        _check_end(offset + len(buffer))
        args = readargs(file, offset, len(buffer), 0)
        return self.pipeline.start(NFS_VERSION.NFSPROC_READ, args)

    async def finish_read(self, started: Started, buffer: memoryview) -> tuple[int, bool]:
        """Copy the data into the buffer. A short READ is the end of the file."""
        body = self.body_of(await self.pipeline.result(started), readok)
        size = len(body.data)
        if size > len(buffer):
            raise ProtocolError(f"READ of {len(buffer)} bytes returned {size}")
        buffer[:size] = body.data
        return size, size < len(buffer)

    def start_write(
        self,
        file: FileHandle,
        offset: int,
        data: memoryview,
        *,
        stable: bool,
    ) -> Started:
        """WRITE (§2.2.9)."""
        _check_end(offset + len(data))
        args = writeargs(file, 0, offset, 0, bytes(data))
        started = self.pipeline.start(NFS_VERSION.NFSPROC_WRITE, args)
        started.size = len(data)
        return started

    async def finish_write(self, started: Started) -> WriteOutcome:
        """The outcome: the server has stored all data."""
        self.body_of(await self.pipeline.result(started), fattr)
        return WriteOutcome(started.size, True, b"")

    async def commit(self, file: FileHandle) -> bytes:
        """Nothing to do: the server has stored each WRITE."""
        return b""

    async def create(
        self, directory: FileHandle, name: bytes, new: NewAttributes, *, guarded: bool
    ) -> FoundFile:
        """CREATE (§2.2.10)."""
        if guarded:
            await self._check_absent(directory, name)
        args = createargs(_where(directory, name), sattr_of(new))
        return self._found(await self.ok(NFS_VERSION.NFSPROC_CREATE, args, diropok))

    async def create_exclusive(
        self,
        directory: FileHandle,
        name: bytes,
        verifier: bytes,
    ) -> FoundFile:
        """CREATE after a LOOKUP. Two clients may both succeed at the same moment."""
        return await self.create(directory, name, NewAttributes(mode=0o600), guarded=True)

    async def _check_absent(self, directory: FileHandle, name: bytes) -> None:
        try:
            await self.lookup(directory, name)
        except NfsNotFound:
            return
        raise refusal(nfsstat3.NFS3ERR_EXIST)

    async def mkdir(self, directory: FileHandle, name: bytes, new: NewAttributes) -> FoundFile:
        """MKDIR (§2.2.15)."""
        args = createargs(_where(directory, name), sattr_of(new))
        return self._found(await self.ok(NFS_VERSION.NFSPROC_MKDIR, args, diropok))

    async def symlink(
        self, directory: FileHandle, name: bytes, target: bytes, new: NewAttributes
    ) -> None:
        """SYMLINK (§2.2.14)."""
        if len(target) > MAXPATHLEN:
            raise refusal(nfsstat3.NFS3ERR_NAMETOOLONG)
        args = symlinkargs(_where(directory, name), target, sattr_of(new))
        await self._done(NFS_VERSION.NFSPROC_SYMLINK, args)

    async def mknod(
        self,
        directory: FileHandle,
        name: bytes,
        kind: ftype3,
        *,
        new: NewAttributes,
        device: tuple[int, int],
    ) -> None:
        """Not in version 2."""
        _unsupported()

    async def remove(self, directory: FileHandle, name: bytes) -> None:
        """REMOVE (§2.2.11)."""
        await self._done(NFS_VERSION.NFSPROC_REMOVE, _where(directory, name))

    async def rmdir(self, directory: FileHandle, name: bytes) -> None:
        """RMDIR (§2.2.16)."""
        await self._done(NFS_VERSION.NFSPROC_RMDIR, _where(directory, name))

    async def rename(
        self, directory: FileHandle, name: bytes, to_directory: FileHandle, to_name: bytes
    ) -> None:
        """RENAME (§2.2.12)."""
        args = renameargs(_where(directory, name), _where(to_directory, to_name))
        await self._done(NFS_VERSION.NFSPROC_RENAME, args)

    async def link(self, file: FileHandle, directory: FileHandle, name: bytes) -> None:
        """LINK (§2.2.13)."""
        args = linkargs(file, _where(directory, name))
        await self._done(NFS_VERSION.NFSPROC_LINK, args)

    async def readdir(
        self, directory: FileHandle, cookie: int, verifier: bytes, *, plus: bool
    ) -> DirectoryPage:
        """READDIR (§2.2.17), which returns names only."""
        if plus:
            _unsupported()
        args = readdirargs(directory, cookie.to_bytes(COOKIESIZE, "big"), LISTING_SIZE)
        body = await self.ok(NFS_VERSION.NFSPROC_READDIR, args, readdirok)
        entries = [
            PageEntry(e.name, e.fileid, int.from_bytes(e.cookie, "big")) for e in body.entries
        ]
        return DirectoryPage(entries, verifier, body.eof)

    async def fsstat(self, file: FileHandle) -> SpaceInfo:
        """STATFS (§2.2.18)."""
        body = await self.ok(NFS_VERSION.NFSPROC_STATFS, bytes(file), statfsok)
        blocks = (body.blocks, body.bfree, body.bavail)
        return SpaceInfo(*(count * body.bsize for count in blocks))

    async def fsinfo(self, file: FileHandle) -> ServerLimits:
        """The limits of the protocol."""
        return ServerLimits(
            read_max=MAXDATA,
            read_preferred=MAXDATA,
            write_max=MAXDATA,
            write_preferred=MAXDATA,
            listing_preferred=LISTING_SIZE,
            max_file_size=MAX32,
            time_delta_ns=1000,
            hard_links=True,
            symlinks=True,
            homogeneous=True,
            settable_times=True,
        )

    async def pathconf(self, file: FileHandle) -> PathLimits:
        """Not in version 2."""
        _unsupported()

    def _found(self, body: diropok) -> FoundFile:
        return FoundFile(self.handle(body.file), stat_of_fattr(body.attributes))

    async def _done(self, procedure: Procedure[stat, A], argument: A) -> None:
        """Make a call whose result is only a status."""

        async def once() -> None:
            status = await self.pipeline.call(procedure, argument)
            if status:
                raise refusal(status_of_version2(status))

        await self.until_ready(once)


def _where(directory: FileHandle, name: bytes) -> diropargs:
    if len(name) > MAXNAMLEN:
        raise refusal(nfsstat3.NFS3ERR_NAMETOOLONG)
    return diropargs(directory, name)


def _check_end(end: int) -> None:
    if end > MAX32:
        raise refusal(nfsstat3.NFS3ERR_FBIG)


def _unsupported() -> NoReturn:
    raise refusal(nfsstat3.NFS3ERR_NOTSUPP)
