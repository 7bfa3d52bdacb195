"""The procedures of NFS version 3 (RFC 1813 §3.3), by handle."""

from __future__ import annotations

from typing import Any

from oncrpc import xdr
from oncrpc.errors import ProtocolError
from oncrpc.nfs.client.operations import Operations
from oncrpc.nfs.client.pipeline import Started
from oncrpc.nfs.client.replies import ReadReply
from oncrpc.nfs.client.results import (
    SECOND,
    DirectoryPage,
    FileHandle,
    FileStat,
    FoundFile,
    PageEntry,
    PathLimits,
    ServerLimits,
    WriteOutcome,
)
from oncrpc.nfs.client.wire3 import optional_stat, sattr3_of, stat_of
from oncrpc.nfs.filesystem import NewAttributes, SpaceInfo
from oncrpc.programs.nfs3 import (
    FSF3_CANSETTIME,
    FSF3_HOMOGENEOUS,
    FSF3_LINK,
    FSF3_SYMLINK,
    NFS3_COOKIEVERFSIZE,
    NFS3_FHSIZE,
    NFS_V3,
    ACCESS3args,
    ACCESS3resok,
    COMMIT3args,
    COMMIT3resok,
    CREATE3args,
    CREATE3resok,
    FSINFO3args,
    FSINFO3resok,
    FSSTAT3args,
    FSSTAT3resok,
    GETATTR3args,
    GETATTR3resok,
    LINK3args,
    LINK3resok,
    LOOKUP3args,
    LOOKUP3resok,
    MKDIR3args,
    MKDIR3resok,
    MKNOD3args,
    MKNOD3resok,
    PATHCONF3args,
    PATHCONF3resok,
    READ3args,
    READ3resok,
    READDIR3args,
    READDIR3resok,
    READDIRPLUS3args,
    READDIRPLUS3resok,
    READLINK3args,
    READLINK3resok,
    REMOVE3args,
    REMOVE3resok,
    RENAME3args,
    RENAME3resok,
    RMDIR3args,
    RMDIR3resok,
    SETATTR3args,
    SETATTR3resok,
    SYMLINK3args,
    SYMLINK3resok,
    WRITE3res,
    WRITE3resok,
    count3,
    createhow3,
    createmode3,
    devicedata3,
    diropargs3,
    entryplus3,
    ftype3,
    mknoddata3,
    nfs_fh3,
    offset3,
    post_op_attr,
    post_op_fh3,
    sattrguard3,
    specdata3,
    stable_how,
    symlinkdata3,
)
from oncrpc.rpc.program import Procedure
from oncrpc.xdr import UInt

DEVICES = (ftype3.NF3CHR, ftype3.NF3BLK)


@xdr.struct
class WriteHead:
    """``WRITE3args`` without the data, which are sent from their own buffer."""

    file: nfs_fh3
    offset: offset3
    count: count3
    stable: stable_how
    length: UInt


WRITE_FROM_BUFFER: Procedure[Any, Any] = Procedure(
    NFS_V3.NFSPROC3_WRITE.number, WriteHead, result=WRITE3res
)
WRITE_FROM_BUFFER.__set_name__(NFS_V3, NFS_V3.NFSPROC3_WRITE.name)


class Version3(Operations):
    """NFS version 3 by handle."""

    version = 3
    max_handle = NFS3_FHSIZE

    async def getattr(self, file: FileHandle) -> FileStat:
        """GETATTR (§3.3.1)."""
        body = await self.ok(NFS_V3.NFSPROC3_GETATTR, GETATTR3args(nfs_fh3(file)), GETATTR3resok)
        return stat_of(body.obj_attributes)

    async def setattr(self, file: FileHandle, new: NewAttributes) -> None:
        """SETATTR (§3.3.2)."""
        args = SETATTR3args(nfs_fh3(file), sattr3_of(new), sattrguard3(False, None))
        await self.ok(NFS_V3.NFSPROC3_SETATTR, args, SETATTR3resok)

    async def lookup(self, directory: FileHandle, name: bytes) -> FoundFile:
        """LOOKUP (§3.3.3)."""
        args = LOOKUP3args(_where(directory, name))
        body = await self.ok(NFS_V3.NFSPROC3_LOOKUP, args, LOOKUP3resok)
        return FoundFile(self.handle(body.object.data), optional_stat(body.obj_attributes))

    async def access(self, file: FileHandle, wanted: int) -> int:
        """ACCESS (§3.3.4)."""
        args = ACCESS3args(nfs_fh3(file), wanted)
        body = await self.ok(NFS_V3.NFSPROC3_ACCESS, args, ACCESS3resok)
        return body.access & wanted

    async def readlink(self, file: FileHandle) -> bytes:
        """READLINK (§3.3.5)."""
        args = READLINK3args(nfs_fh3(file))
        return (await self.ok(NFS_V3.NFSPROC3_READLINK, args, READLINK3resok)).data

    def start_read(self, file: FileHandle, offset: int, buffer: memoryview) -> Started:
        """READ (§3.3.6)."""
        args = READ3args(nfs_fh3(file), offset, len(buffer))
        return self.pipeline.start(NFS_V3.NFSPROC3_READ, args, into=buffer)

    async def finish_read(self, started: Started, buffer: memoryview) -> tuple[int, bool]:
        """The data are in the buffer already, unless the reply had an unusual form."""
        result = await self.pipeline.result(started)
        if isinstance(result, ReadReply):
            return result.size, result.eof
        body = self.body_of(result, READ3resok)
        if body.count != len(body.data) or len(body.data) > len(buffer):
            raise ProtocolError(f"READ of {len(buffer)} bytes returned {len(body.data)}")
        buffer[: len(body.data)] = body.data
        return len(body.data), body.eof

    def start_write(
        self, file: FileHandle, offset: int, data: memoryview, *, stable: bool
    ) -> Started:
        """WRITE (§3.3.7)."""
        how = stable_how.FILE_SYNC if stable else stable_how.UNSTABLE
        head = WriteHead(nfs_fh3(file), offset, len(data), how, len(data))
        return self.pipeline.start(WRITE_FROM_BUFFER, head, payload=data)

    async def finish_write(self, started: Started) -> WriteOutcome:
        """The outcome: how many bytes were written, and whether they need a COMMIT."""
        body = self.body_of(await self.pipeline.result(started), WRITE3resok)
        if not 0 < body.count <= started.size:
            raise ProtocolError(f"WRITE of {started.size} bytes wrote {body.count}")
        return WriteOutcome(body.count, body.committed is not stable_how.UNSTABLE, body.verf)

    async def commit(self, file: FileHandle) -> bytes:
        """COMMIT of the whole file (§3.3.21)."""
        args = COMMIT3args(nfs_fh3(file), 0, 0)
        return (await self.ok(NFS_V3.NFSPROC3_COMMIT, args, COMMIT3resok)).verf

    async def create(
        self, directory: FileHandle, name: bytes, new: NewAttributes, *, guarded: bool
    ) -> FoundFile:
        """CREATE (§3.3.8)."""
        mode = createmode3.GUARDED if guarded else createmode3.UNCHECKED
        return await self._create(directory, name, createhow3(mode, sattr3_of(new)))

    async def create_exclusive(
        self, directory: FileHandle, name: bytes, verifier: bytes
    ) -> FoundFile:
        """CREATE with EXCLUSIVE."""
        how = createhow3(createmode3.EXCLUSIVE, verifier)
        return await self._create(directory, name, how)

    async def _create(self, directory: FileHandle, name: bytes, how: createhow3) -> FoundFile:
        args = CREATE3args(_where(directory, name), how)
        body = await self.ok(NFS_V3.NFSPROC3_CREATE, args, CREATE3resok)
        return await self._made(directory, name, body.obj, body.obj_attributes)

    async def mkdir(self, directory: FileHandle, name: bytes, new: NewAttributes) -> FoundFile:
        """MKDIR (§3.3.9)."""
        args = MKDIR3args(_where(directory, name), sattr3_of(new))
        body = await self.ok(NFS_V3.NFSPROC3_MKDIR, args, MKDIR3resok)
        return await self._made(directory, name, body.obj, body.obj_attributes)

    async def _made(
        self, directory: FileHandle, name: bytes, handle: post_op_fh3, attributes: post_op_attr
    ) -> FoundFile:
        """The new file; a server may leave out its handle."""
        if handle.body is None:
            return await self.lookup(directory, name)
        return FoundFile(self.handle(handle.body.data), optional_stat(attributes))

    async def symlink(
        self, directory: FileHandle, name: bytes, target: bytes, new: NewAttributes
    ) -> None:
        """SYMLINK (§3.3.10)."""
        args = SYMLINK3args(_where(directory, name), symlinkdata3(sattr3_of(new), target))
        await self.ok(NFS_V3.NFSPROC3_SYMLINK, args, SYMLINK3resok)

    async def mknod(
        self,
        directory: FileHandle,
        name: bytes,
        kind: ftype3,
        *,
        new: NewAttributes,
        device: tuple[int, int],
    ) -> None:
        """MKNOD (§3.3.11)."""
        attributes = sattr3_of(new)
        what = (
            mknoddata3(kind, devicedata3(attributes, specdata3(*device)))
            if kind in DEVICES
            else mknoddata3(kind, attributes)
        )
        await self.ok(NFS_V3.NFSPROC3_MKNOD, MKNOD3args(_where(directory, name), what), MKNOD3resok)

    async def remove(self, directory: FileHandle, name: bytes) -> None:
        """REMOVE (§3.3.12)."""
        args = REMOVE3args(_where(directory, name))
        await self.ok(NFS_V3.NFSPROC3_REMOVE, args, REMOVE3resok)

    async def rmdir(self, directory: FileHandle, name: bytes) -> None:
        """RMDIR (§3.3.13)."""
        await self.ok(NFS_V3.NFSPROC3_RMDIR, RMDIR3args(_where(directory, name)), RMDIR3resok)

    async def rename(
        self, directory: FileHandle, name: bytes, to_directory: FileHandle, to_name: bytes
    ) -> None:
        """RENAME (§3.3.14)."""
        args = RENAME3args(_where(directory, name), _where(to_directory, to_name))
        await self.ok(NFS_V3.NFSPROC3_RENAME, args, RENAME3resok)

    async def link(self, file: FileHandle, directory: FileHandle, name: bytes) -> None:
        """LINK (§3.3.15)."""
        args = LINK3args(nfs_fh3(file), _where(directory, name))
        await self.ok(NFS_V3.NFSPROC3_LINK, args, LINK3resok)

    async def readdir(
        self, directory: FileHandle, cookie: int, verifier: bytes, *, plus: bool
    ) -> DirectoryPage:
        """READDIR or READDIRPLUS (§3.3.16 and §3.3.17)."""
        verifier = verifier or bytes(NFS3_COOKIEVERFSIZE)
        file, size = nfs_fh3(directory), self.listing_size
        if plus:
            args = READDIRPLUS3args(file, cookie, verifier, size, size)
            full = await self.ok(NFS_V3.NFSPROC3_READDIRPLUS, args, READDIRPLUS3resok)
            entries = [self._entry(entry) for entry in full.reply.entries]
            return DirectoryPage(entries, full.cookieverf, full.reply.eof)
        call = READDIR3args(file, cookie, verifier, size)
        body = await self.ok(NFS_V3.NFSPROC3_READDIR, call, READDIR3resok)
        names = [PageEntry(e.name, e.fileid, e.cookie) for e in body.reply.entries]
        return DirectoryPage(names, body.cookieverf, body.reply.eof)

    def _entry(self, entry: entryplus3) -> PageEntry:
        handle = entry.name_handle.body
        return PageEntry(
            entry.name,
            entry.fileid,
            entry.cookie,
            optional_stat(entry.name_attributes),
            None if handle is None else self.handle(handle.data),
        )

    async def fsstat(self, file: FileHandle) -> SpaceInfo:
        """FSSTAT (§3.3.18)."""
        body = await self.ok(NFS_V3.NFSPROC3_FSSTAT, FSSTAT3args(nfs_fh3(file)), FSSTAT3resok)
        return SpaceInfo(
            body.tbytes, body.fbytes, body.abytes, body.tfiles, body.ffiles, body.afiles
        )

    async def fsinfo(self, file: FileHandle) -> ServerLimits:
        """FSINFO (§3.3.19)."""
        body = await self.ok(NFS_V3.NFSPROC3_FSINFO, FSINFO3args(nfs_fh3(file)), FSINFO3resok)
        delta = body.time_delta
        return ServerLimits(
            read_max=body.rtmax,
            read_preferred=body.rtpref,
            write_max=body.wtmax,
            write_preferred=body.wtpref,
            listing_preferred=body.dtpref,
            max_file_size=body.maxfilesize,
            time_delta_ns=delta.seconds * SECOND + delta.nseconds,
            hard_links=bool(body.properties & FSF3_LINK),
            symlinks=bool(body.properties & FSF3_SYMLINK),
            homogeneous=bool(body.properties & FSF3_HOMOGENEOUS),
            settable_times=bool(body.properties & FSF3_CANSETTIME),
        )

    async def pathconf(self, file: FileHandle) -> PathLimits:
        """PATHCONF (§3.3.20)."""
        args = PATHCONF3args(nfs_fh3(file))
        body = await self.ok(NFS_V3.NFSPROC3_PATHCONF, args, PATHCONF3resok)
        return PathLimits(
            body.linkmax,
            body.name_max,
            body.no_trunc,
            body.chown_restricted,
            body.case_insensitive,
            body.case_preserving,
        )


def _where(directory: FileHandle, name: bytes) -> diropargs3:
    return diropargs3(nfs_fh3(directory), name)
