"""Exported file systems in this process, with NFSACL beside versions 2 and 3."""

from __future__ import annotations

from oncrpc.nfs.filesystem import FileSystem
from oncrpc.nfs.options import ExportOptions
from oncrpc.nfs.server.nfsacl import NfsAcl2, NfsAcl3
from oncrpc.programs.nfs3 import nfs_fh3
from oncrpc.programs.nfsacl import NFS_ACL_PROGRAM
from support.exported import OPTIONS
from support.exported2 import ACCEPTED, Exported2
from support.words import words


class ExportedAcls(Exported2):
    """The same exports, with both versions of NFSACL."""

    def __init__(self, *filesystems: FileSystem, options: ExportOptions = OPTIONS) -> None:
        super().__init__(*filesystems, options=options)
        self.dispatcher.add(NfsAcl2(self.shares))
        self.dispatcher.add(NfsAcl3(self.shares))

    def acl_handle(self, file: bytes) -> nfs_fh3:
        """The handle of a file, as NFSACL declares it."""
        return nfs_fh3(self.handle(file).data)

    def acl_results(self, vers: int, proc: int, *arguments: int | bytes, uid: int = 0) -> bytes:
        """The bytes of the results of a call."""
        reply = self.reply(acl_call(vers, proc, *arguments, uid=uid))
        assert reply[:24] == ACCEPTED
        return reply[24:]


def acl_call(vers: int, proc: int, *arguments: int | bytes, uid: int = 0) -> bytes:
    """A call of NFSACL."""
    return words(
        0x11223344, 0, 2,         # xid, CALL, rpcvers
        NFS_ACL_PROGRAM, vers, proc,
        1, 24, 0, 1, b"h\0\0\0",  # cred AUTH_SYS: stamp, machinename
        uid, uid and 100, 0,      # uid, gid, no gids
        0, 0,                     # verf AUTH_NONE
        *arguments,
    )  # fmt: skip
