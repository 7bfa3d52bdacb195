"""A user who calls an NFS server of version 3 on a host, over TCP.

    root = mount(host, "/srv/data")
    user = NfsUser(host, uid=1000)
    file = user.create(root, "name", mode=0o644)

A refusal is an ``AssertionError`` that shows the result.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

from oncrpc import sync
from oncrpc.programs.mount import MOUNT_V3
from oncrpc.programs.nfs3 import (
    NFS_V3,
    CREATE3args,
    GETATTR3args,
    GETATTR3resok,
    LOOKUP3args,
    MKNOD3args,
    SETATTR3args,
    createhow3,
    createmode3,
    devicedata3,
    diropargs3,
    fattr3,
    ftype3,
    mknoddata3,
    nfs_fh3,
    nfsstat3,
    specdata3,
)
from oncrpc.rpc import auth_sys
from support.exported import NO_GUARD, sattr
from support.hosts import Host

PORT = 2049


def mount(host: Host, path: str, *, address: str = "127.0.0.1", port: int = PORT) -> nfs_fh3:
    """The handle of an exported directory."""
    with sync.run(host.dial("tcp", address, port)) as link:
        found = sync.run(MOUNT_V3.Client(link).MOUNTPROC3_MNT(path.encode()))
    assert found.body is not None, found
    return nfs_fh3(found.body.fhandle)


class NfsUser(NamedTuple):
    """A user of a host, and the server's address; each call has a connection of its own."""

    host: Host
    uid: int = 0
    gid: int = 0
    address: str = "127.0.0.1"
    port: int = PORT

    def create(self, directory: nfs_fh3, name: str, *, mode: int) -> nfs_fh3:
        """Create a file."""
        how = createhow3(createmode3.GUARDED, sattr(mode=mode))
        with self._calls() as nfs:
            result = nfs.NFSPROC3_CREATE(CREATE3args(_place(directory, name), how))
        return _handle(result)

    def device(self, directory: nfs_fh3, name: str, major: int, minor: int) -> nfs_fh3:
        """Make a character device."""
        what = mknoddata3(ftype3.NF3CHR, devicedata3(sattr(mode=0o600), specdata3(major, minor)))
        with self._calls() as nfs:
            result = nfs.NFSPROC3_MKNOD(MKNOD3args(_place(directory, name), what))
        return _handle(result)

    def change_mode(self, file: nfs_fh3, mode: int) -> None:
        """Change the mode."""
        with self._calls() as nfs:
            result = nfs.NFSPROC3_SETATTR(SETATTR3args(file, sattr(mode=mode), NO_GUARD))
        assert result.status == nfsstat3.NFS3_OK, result

    def lookup(self, directory: nfs_fh3, name: str) -> nfs_fh3:
        """The file of a name."""
        with self._calls() as nfs:
            result = nfs.NFSPROC3_LOOKUP(LOOKUP3args(_place(directory, name)))
        assert result.status == nfsstat3.NFS3_OK, result
        handle: nfs_fh3 = result.body.object
        return handle

    def attributes(self, file: nfs_fh3) -> fattr3:
        """The attributes."""
        with self._calls() as nfs:
            result = nfs.NFSPROC3_GETATTR(GETATTR3args(file))
        assert isinstance(result.body, GETATTR3resok), result
        return result.body.obj_attributes

    @contextmanager
    def _calls(self) -> Iterator[Any]:
        with sync.run(self.host.dial("tcp", self.address, self.port)) as link:
            auth = auth_sys(b"client", self.uid, self.gid)
            yield NFS_V3.SyncClient(NFS_V3.Client(link)).with_options(auth=auth)


def _place(directory: nfs_fh3, name: str) -> diropargs3:
    return diropargs3(directory, name.encode())


def _handle(result: Any) -> nfs_fh3:
    assert result.status == nfsstat3.NFS3_OK, result
    handle: nfs_fh3 = result.body.obj.body
    return handle
