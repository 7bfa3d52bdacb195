"""The procedures of NFS version 2 (RFC 1094 §2.2), over the exported file systems.

Each is a coroutine that returns what follows NFS_OK. ``outcomes2.procedure2`` opens the objects of
its handles and locks those that it changes. What both versions have in common is done by the same
functions; modules whose names end in 2 have what differs.
"""

from __future__ import annotations

from operator import attrgetter

from oncrpc.nfs.answers import settled
from oncrpc.nfs.filesystem import DirEntry, SpaceInfo
from oncrpc.nfs.server.attributes2 import (
    fattr_of,
    fold,
    initial_attributes2,
    new_attributes2,
)
from oncrpc.nfs.server.call_objects import CallObject
from oncrpc.nfs.server.cookies2 import LONG, ShortCookies, cookie_of
from oncrpc.nfs.server.creation2 import create2
from oncrpc.nfs.server.data2 import read2, write2
from oncrpc.nfs.server.entries import (
    link,
    make_directory,
    make_symlink,
    remove,
    remove_directory,
    rename,
    set_attributes,
)
from oncrpc.nfs.server.listing import ListingRoom, filled
from oncrpc.nfs.server.outcomes2 import procedure2, status_only
from oncrpc.nfs.server.shares import Shares
from oncrpc.nfs.status import NfsError
from oncrpc.programs.nfs2 import (
    COOKIESIZE,
    MAXDATA,
    MAXNAMLEN,
    MAXPATHLEN,
    NFS_VERSION,
    attrstat,
    createargs,
    diropargs,
    diropok,
    diropres,
    entry,
    linkargs,
    readargs,
    readdirargs,
    readdirok,
    readdirres,
    readlinkres,
    readok,
    readres,
    renameargs,
    sattrargs,
    statfsok,
    statfsres,
    symlinkargs,
    writeargs,
)
from oncrpc.programs.nfs3 import ftype3, nfsstat3
from oncrpc.rpc.program import Call, idempotent
from oncrpc.xdr.nodes import padded

EMPTY_LISTING2 = 4 + 4
"""Bytes of a listing without entries: the end of the list, eof."""

ENTRY2 = 4 + 4 + 4 + 4
"""Bytes of an entry without its name: that it follows, fileid, length of the name, cookie."""

NO_LIMIT = 1 << 32
SMALLEST_BLOCK = 4096
MOST_BLOCKS = LONG - 1
"""Some clients count blocks with a sign."""


def itself(handle: bytes) -> bytes:
    """The handle of arguments that are nothing else."""
    return handle


class Nfs2(NFS_VERSION.Service):
    """Version 2."""

    def __init__(self, shares: Shares, *, cookies: ShortCookies | None = None) -> None:
        self.shares = shares
        self.cookies = ShortCookies() if cookies is None else cookies

    @idempotent
    @procedure2(attrstat, reads=[itself])
    async def NFSPROC_GETATTR(self, call: Call, arg: bytes, file: CallObject) -> object:
        """The attributes that were read when the object was opened."""
        return fattr_of(file.attributes, file.share.fsid)

    @procedure2(attrstat, changes=[attrgetter("file")])
    async def NFSPROC_SETATTR(self, call: Call, arg: sattrargs, file: CallObject) -> object:
        """Set the attributes that are not -1."""
        await set_attributes(file, new_attributes2(arg.attributes))
        return fattr_of(await file.refresh(), file.share.fsid)

    @idempotent
    def NFSPROC_ROOT(self, call: Call) -> None:
        """Obsolete: MNT is for this."""

    @idempotent
    @procedure2(diropres, reads=[attrgetter("dir")])
    async def NFSPROC_LOOKUP(self, call: Call, arg: diropargs, directory: CallObject) -> object:
        """A symbolic link is not followed; ``..`` of the export's root is the root."""
        return await self._found(directory, await directory.lookup(arg.name))

    @idempotent
    @procedure2(readlinkres, reads=[itself])
    async def NFSPROC_READLINK(self, call: Call, arg: bytes, link: CallObject) -> object:
        """The text of a symbolic link. One that has no room in the reply is refused, not cut."""
        link.must_be(ftype3.NF3LNK)
        text = await settled(link.filesystem.readlink(link.who, link.file))
        if len(text) > MAXPATHLEN:
            raise NfsError(nfsstat3.NFS3ERR_NAMETOOLONG)
        return text

    @idempotent
    @procedure2(readres, reads=[attrgetter("file")])
    async def NFSPROC_READ(self, call: Call, arg: readargs, file: CallObject) -> object:
        """At most 8 KiB, and the attributes after it."""
        data = await read2(file, arg.offset, count=arg.count)
        return readok(fattr_of(file.attributes, file.share.fsid), data)

    @idempotent
    def NFSPROC_WRITECACHE(self, call: Call) -> None:
        """It was to be used in the next revision, and was not."""

    @procedure2(attrstat, reads=[attrgetter("file")])
    async def NFSPROC_WRITE(self, call: Call, arg: writeargs, file: CallObject) -> object:
        """Write all of the data to disk."""
        return fattr_of(await write2(file, arg.offset, arg.data), file.share.fsid)

    @procedure2(diropres, changes=[attrgetter("where.dir")])
    async def NFSPROC_CREATE(self, call: Call, arg: createargs, directory: CallObject) -> object:
        """Create a file, or a device; or accept what is there."""
        return await self._found(
            directory, await create2(directory, arg.where.name, arg.attributes)
        )

    @procedure2(status_only, changes=[attrgetter("dir")])
    async def NFSPROC_REMOVE(self, call: Call, arg: diropargs, directory: CallObject) -> None:
        """Remove an entry that is not a directory."""
        await remove(directory, arg.name)

    @procedure2(status_only, changes=[attrgetter("from_.dir"), attrgetter("to.dir")])
    async def NFSPROC_RENAME(
        self, call: Call, arg: renameargs, from_dir: CallObject, to_dir: CallObject
    ) -> None:
        """Rename, within one export."""
        await rename(from_dir, arg.from_.name, to_dir, arg.to.name)

    @procedure2(status_only, reads=[attrgetter("from_")], changes=[attrgetter("to.dir")])
    async def NFSPROC_LINK(
        self, call: Call, arg: linkargs, file: CallObject, directory: CallObject
    ) -> None:
        """Give a file one more name."""
        await link(file, directory, arg.to.name)

    @procedure2(status_only, changes=[attrgetter("from_.dir")])
    async def NFSPROC_SYMLINK(self, call: Call, arg: symlinkargs, directory: CallObject) -> None:
        """Create a symbolic link. Its text is stored, not interpreted."""
        new = initial_attributes2(arg.attributes, directory.who)
        await make_symlink(directory, arg.from_.name, arg.to, new)

    @procedure2(diropres, changes=[attrgetter("where.dir")])
    async def NFSPROC_MKDIR(self, call: Call, arg: createargs, directory: CallObject) -> object:
        """Create a directory."""
        new = initial_attributes2(arg.attributes, directory.who)
        return await self._found(directory, await make_directory(directory, arg.where.name, new))

    @procedure2(status_only, changes=[attrgetter("dir")])
    async def NFSPROC_RMDIR(self, call: Call, arg: diropargs, directory: CallObject) -> None:
        """Remove an empty directory."""
        await remove_directory(directory, arg.name)

    @idempotent
    @procedure2(readdirres, reads=[attrgetter("dir")])
    async def NFSPROC_READDIR(self, call: Call, arg: readdirargs, directory: CallObject) -> object:
        """Entries after a cookie, in at most ``count`` bytes."""
        directory.must_be_directory()
        number = int.from_bytes(arg.cookie, "big")
        cookie = await cookie_of(self.cookies, directory, number)

        async def made(found: DirEntry) -> tuple[entry | None, int]:
            nonlocal number
            if len(found.name) > MAXNAMLEN:  # no client could name it
                return None, 0
            key = directory.share.tag, directory.file
            number = self.cookies.shorten(key, found.cookie, after=number)
            size = ENTRY2 + padded(len(found.name))
            return entry(fold(found.fileid), found.name, number.to_bytes(COOKIESIZE, "big")), size

        room = ListingRoom(min(arg.count, MAXDATA) - EMPTY_LISTING2, NO_LIMIT)
        entries, eof = await filled(directory, cookie, room, made, plus=False)
        return readdirok([each for each in entries if each is not None], eof)

    @idempotent
    @procedure2(statfsres, reads=[itself])
    async def NFSPROC_STATFS(self, call: Call, arg: bytes, file: CallObject) -> object:
        """Space, in blocks that are as large as their numbers need."""
        return statfsok_of(await settled(file.filesystem.statfs(file.who, file.file)))

    async def _found(self, directory: CallObject, file: bytes) -> diropok:
        """The handle and the attributes of a file in the same export."""
        found = directory.beside(file)
        handle = self.shares.handle(found.share, file, v2=True)
        return diropok(handle, fattr_of(await found.refresh(), found.share.fsid))


def statfsok_of(space: SpaceInfo) -> statfsok:
    """The space of a file system. Blocks of a large one are larger: version 2 has 32 bits."""
    block = SMALLEST_BLOCK
    while block < LONG and space.total_bytes // block > MOST_BLOCKS:
        block *= 2
    sizes = space.total_bytes, space.free_bytes, space.available_bytes
    return statfsok(MAXDATA, block, *(min(size // block, MOST_BLOCKS) for size in sizes))
