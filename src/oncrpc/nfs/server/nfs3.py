"""The procedures of NFS version 3 (RFC 1813 §3.3), over the exported file systems.

Each is a coroutine that returns the arm for success. ``outcomes.procedure`` opens the objects of
its handles, locks those that it changes, and makes the arm for a failure.

Procedures that are not idempotent have their replies kept for retransmissions. WRITE is one of
them, since a late copy would undo a newer WRITE of the same bytes; COMMIT changes nothing.
"""

from __future__ import annotations

from oncrpc.nfs.answers import settled
from oncrpc.nfs.server.access import access_bits
from oncrpc.nfs.server.attributes import initial_attributes, new_attributes, nfstime3_of
from oncrpc.nfs.server.call_objects import CallObject
from oncrpc.nfs.server.creation import create, new_entry
from oncrpc.nfs.server.data import commit, read, write
from oncrpc.nfs.server.entries import (
    link,
    make_directory,
    make_special,
    make_symlink,
    remove,
    remove_directory,
    rename,
    set_attributes,
)
from oncrpc.nfs.server.listing import dirlist3_of, dirlistplus3_of
from oncrpc.nfs.server.outcomes import procedure
from oncrpc.nfs.server.shares import Shares
from oncrpc.nfs.server.sizes import LISTING, MULTIPLE, PREFERRED_LISTING, TransferSizes
from oncrpc.nfs.status import NfsError
from oncrpc.programs.nfs3 import (
    FSF3_CANSETTIME,
    FSF3_HOMOGENEOUS,
    FSF3_LINK,
    FSF3_SYMLINK,
    NFS_V3,
    ACCESS3args,
    ACCESS3res,
    ACCESS3resok,
    COMMIT3args,
    COMMIT3res,
    COMMIT3resok,
    CREATE3args,
    CREATE3res,
    CREATE3resok,
    FSINFO3args,
    FSINFO3res,
    FSINFO3resok,
    FSSTAT3args,
    FSSTAT3res,
    FSSTAT3resok,
    GETATTR3args,
    GETATTR3res,
    GETATTR3resok,
    LINK3args,
    LINK3res,
    LINK3resok,
    LOOKUP3args,
    LOOKUP3res,
    LOOKUP3resok,
    MKDIR3args,
    MKDIR3res,
    MKDIR3resok,
    MKNOD3args,
    MKNOD3res,
    MKNOD3resok,
    PATHCONF3args,
    PATHCONF3res,
    PATHCONF3resok,
    READ3args,
    READ3res,
    READ3resok,
    READDIR3args,
    READDIR3res,
    READDIR3resok,
    READDIRPLUS3args,
    READDIRPLUS3res,
    READDIRPLUS3resok,
    READLINK3args,
    READLINK3res,
    READLINK3resok,
    REMOVE3args,
    REMOVE3res,
    REMOVE3resok,
    RENAME3args,
    RENAME3res,
    RENAME3resok,
    RMDIR3args,
    RMDIR3res,
    RMDIR3resok,
    SETATTR3args,
    SETATTR3res,
    SETATTR3resok,
    SYMLINK3args,
    SYMLINK3res,
    SYMLINK3resok,
    WRITE3args,
    WRITE3res,
    WRITE3resok,
    devicedata3,
    ftype3,
    nfsstat3,
    sattr3,
)
from oncrpc.rpc.program import Call, idempotent


class Nfs3(NFS_V3.Service):
    """Version 3. ``sizes`` must suit the limits of the server that it is served by."""

    def __init__(self, shares: Shares, *, sizes: TransferSizes | None = None) -> None:
        self.shares = shares
        self.sizes = TransferSizes() if sizes is None else sizes

    @idempotent
    @procedure(GETATTR3res)
    async def NFSPROC3_GETATTR(
        self, call: Call, arg: GETATTR3args, file: CallObject
    ) -> GETATTR3resok:
        """``procedure`` has read the attributes."""
        return GETATTR3resok(file.fattr3())

    @procedure(SETATTR3res)
    async def NFSPROC3_SETATTR(
        self, call: Call, arg: SETATTR3args, file: CallObject
    ) -> SETATTR3resok:
        """Set attributes, unless the guard differs from the ctime of the object."""
        guard = arg.guard.body
        # §3.3.2: "If the values are different, the server must preserve the object attributes and
        # must return a status of NFS3ERR_NOT_SYNC." No other call changes them in between: the
        # change lock is held.
        if guard is not None and guard != nfstime3_of(file.attributes.ctime):
            raise NfsError(nfsstat3.NFS3ERR_NOT_SYNC)
        new = new_attributes(arg.new_attributes)
        await set_attributes(file, new)
        return SETATTR3resok(await file.wcc())

    @idempotent
    @procedure(LOOKUP3res)
    async def NFSPROC3_LOOKUP(
        self, call: Call, arg: LOOKUP3args, directory: CallObject
    ) -> LOOKUP3resok:
        """A symbolic link is not followed; ``..`` of the export's root is the root."""
        found = directory.beside(await directory.lookup(arg.what.name))
        handle, attributes = found.handle(found.file), await found.post_op_now()
        return LOOKUP3resok(handle, attributes, directory.post_op())

    @idempotent
    @procedure(ACCESS3res)
    async def NFSPROC3_ACCESS(self, call: Call, arg: ACCESS3args, file: CallObject) -> ACCESS3resok:
        """The bits that the client asks for and the user has."""
        allowed = access_bits(file.kind, await file.access(), read_only=file.options.ro)
        return ACCESS3resok(file.post_op(), arg.access & allowed)

    @idempotent
    @procedure(READLINK3res)
    async def NFSPROC3_READLINK(
        self, call: Call, arg: READLINK3args, link: CallObject
    ) -> READLINK3resok:
        """The text of a symbolic link; INVAL if it is something else."""
        link.must_be(ftype3.NF3LNK)
        text = await settled(link.filesystem.readlink(link.who, link.file))
        return READLINK3resok(await link.post_op_now(), text)

    @idempotent
    @procedure(READ3res)
    async def NFSPROC3_READ(self, call: Call, arg: READ3args, file: CallObject) -> READ3resok:
        """At most ``rtmax`` bytes; eof is true if the last byte of the file is among them."""
        count = min(arg.count, self._size(call))
        data, eof = await read(file, arg.offset, count=count)
        return READ3resok(file.post_op(), len(data), eof, data)

    @procedure(WRITE3res, takes_lock=False)
    async def NFSPROC3_WRITE(self, call: Call, arg: WRITE3args, file: CallObject) -> WRITE3resok:
        """At most ``wtmax`` bytes. The count must equal the amount of data."""
        if arg.count != len(arg.data):
            raise NfsError(nfsstat3.NFS3ERR_INVAL)
        # Read before the WRITE: another call may fail to store these data meanwhile, and renew it.
        verifier = file.share.verifier.value
        data = arg.data[: self._size(call)]
        written = await write(file, arg.offset, data, stable=arg.stable)
        return WRITE3resok(await file.wcc(), written.length, written.committed, verifier)

    @procedure(CREATE3res)
    async def NFSPROC3_CREATE(
        self, call: Call, arg: CREATE3args, directory: CallObject
    ) -> CREATE3resok:
        """Create a regular file: UNCHECKED, GUARDED or EXCLUSIVE."""
        made = create(directory, directory.name(arg.where.name), arg.how)
        return CREATE3resok(*await new_entry(directory, await made))

    @procedure(MKDIR3res)
    async def NFSPROC3_MKDIR(
        self, call: Call, arg: MKDIR3args, directory: CallObject
    ) -> MKDIR3resok:
        """Create a directory."""
        new = initial_attributes(arg.attributes, directory.who)
        made = await make_directory(directory, arg.where.name, new)
        return MKDIR3resok(*await new_entry(directory, made))

    @procedure(SYMLINK3res)
    async def NFSPROC3_SYMLINK(
        self, call: Call, arg: SYMLINK3args, directory: CallObject
    ) -> SYMLINK3resok:
        """Create a symbolic link. Its text is stored, not interpreted."""
        new = initial_attributes(arg.symlink.symlink_attributes, directory.who)
        made = await make_symlink(directory, arg.where.name, arg.symlink.symlink_data, new)
        return SYMLINK3resok(*await new_entry(directory, made))

    @procedure(MKNOD3res)
    async def NFSPROC3_MKNOD(
        self, call: Call, arg: MKNOD3args, directory: CallObject
    ) -> MKNOD3resok:
        """Create a device, a socket or a named pipe. Other types have procedures of their own."""
        match arg.what.body:
            case devicedata3(dev_attributes=asked, spec=spec):
                device = spec.specdata1, spec.specdata2
            case sattr3() as asked:
                device = 0, 0
            case _:
                raise NfsError(nfsstat3.NFS3ERR_BADTYPE)
        new, name = initial_attributes(asked, directory.who), arg.where.name
        made = await make_special(directory, name, arg.what.type, device=device, new=new)
        return MKNOD3resok(*await new_entry(directory, made))

    @procedure(REMOVE3res)
    async def NFSPROC3_REMOVE(
        self, call: Call, arg: REMOVE3args, directory: CallObject
    ) -> REMOVE3resok:
        """Remove an entry that is not a directory."""
        await remove(directory, arg.object.name)
        return REMOVE3resok(await directory.wcc())

    @procedure(RMDIR3res)
    async def NFSPROC3_RMDIR(
        self, call: Call, arg: RMDIR3args, directory: CallObject
    ) -> RMDIR3resok:
        """Remove an empty directory. ``.`` is INVAL and ``..`` is EXIST, by the RFC."""
        await remove_directory(directory, arg.object.name)
        return RMDIR3resok(await directory.wcc())

    @procedure(RENAME3res)
    async def NFSPROC3_RENAME(
        self, call: Call, arg: RENAME3args, from_dir: CallObject, to_dir: CallObject
    ) -> RENAME3resok:
        """Rename, within one export."""
        await rename(from_dir, arg.from_.name, to_dir, arg.to.name)
        return RENAME3resok(await from_dir.wcc(), await to_dir.wcc())

    @procedure(LINK3res)
    async def NFSPROC3_LINK(
        self, call: Call, arg: LINK3args, file: CallObject, directory: CallObject
    ) -> LINK3resok:
        """Give a file one more name."""
        await link(file, directory, arg.link.name)
        return LINK3resok(file.post_op(), await directory.wcc())

    @idempotent
    @procedure(READDIR3res)
    async def NFSPROC3_READDIR(
        self, call: Call, arg: READDIR3args, directory: CallObject
    ) -> READDIR3resok:
        """Entries after a cookie. Cookies stay valid, so the verifier is not checked."""
        directory.must_be_directory()
        count = min(arg.count, self._listing_size(call))
        reply = await dirlist3_of(directory, arg.cookie, count=count)
        return READDIR3resok(await directory.post_op_now(), arg.cookieverf, reply)

    @idempotent
    @procedure(READDIRPLUS3res)
    async def NFSPROC3_READDIRPLUS(
        self, call: Call, arg: READDIRPLUS3args, directory: CallObject
    ) -> READDIRPLUS3resok:
        """The same with the handle and the attributes of each entry."""
        directory.must_be_directory()
        if not directory.options.readdirplus:
            raise NfsError(nfsstat3.NFS3ERR_NOTSUPP)
        maxcount = min(arg.maxcount, self._listing_size(call))
        reply = await dirlistplus3_of(
            directory, arg.cookie, dircount=arg.dircount, maxcount=maxcount
        )
        return READDIRPLUS3resok(await directory.post_op_now(), arg.cookieverf, reply)

    @idempotent
    @procedure(FSSTAT3res)
    async def NFSPROC3_FSSTAT(self, call: Call, arg: FSSTAT3args, file: CallObject) -> FSSTAT3resok:
        """Space, and number of files, of a file system that may change at any time."""
        space = await settled(file.filesystem.statfs(file.who, file.file))
        return FSSTAT3resok(file.post_op(), *space, invarsec=0)

    @idempotent
    @procedure(FSINFO3res)
    async def NFSPROC3_FSINFO(self, call: Call, arg: FSINFO3args, file: CallObject) -> FSINFO3resok:
        """Sizes by the transport of the call, and what the file system can do."""
        features, size = file.filesystem.features, self._size(call)
        listing = min(PREFERRED_LISTING, size)
        properties = (
            FSF3_HOMOGENEOUS
            | (FSF3_LINK if features.hard_links else 0)
            | (FSF3_SYMLINK if features.symlinks else 0)
            | (FSF3_CANSETTIME if features.settable_times else 0)
        )
        return FSINFO3resok(
            file.post_op(),
            *(size, size, MULTIPLE),
            *(size, size, MULTIPLE),
            listing,
            features.max_file_size,
            nfstime3_of(features.time_delta),
            properties,
        )

    @idempotent
    @procedure(PATHCONF3res)
    async def NFSPROC3_PATHCONF(
        self, call: Call, arg: PATHCONF3args, file: CallObject
    ) -> PATHCONF3resok:
        """The limits of names. A name that is too long is refused, never cut."""
        features = file.filesystem.features
        return PATHCONF3resok(
            file.post_op(),
            linkmax=features.link_max,
            name_max=features.name_max,
            no_trunc=True,
            chown_restricted=features.chown_restricted,
            case_insensitive=features.case_insensitive,
            case_preserving=features.case_preserving,
        )

    @idempotent
    @procedure(COMMIT3res, takes_lock=False)
    async def NFSPROC3_COMMIT(self, call: Call, arg: COMMIT3args, file: CallObject) -> COMMIT3resok:
        """Bring data to disk. The verifier is read afterwards: it has changed if data were lost."""
        await commit(file, arg.offset, count=arg.count)
        return COMMIT3resok(await file.wcc(), file.share.verifier.value)

    def _size(self, call: Call) -> int:
        return self.sizes.of(datagram=call.caller.datagram)

    def _listing_size(self, call: Call) -> int:
        return min(LISTING, self._size(call))
