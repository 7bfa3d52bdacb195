"""NFS servers over any file system, and a client: versions 2 and 3 (RFC 1094, RFC 1813).

    class MyFileSystem(FileSystem): ...

    async with oncrpc.nfs.serve(MyFileSystem()) as server:
        print(server.mount_command)
        await server.wait()

``FileSystem`` is the interface of a back end, and
[Write a back end](../../howto/write-a-backend.md) shows how to use it. The command ``nfsd`` is the
same server for directories.

    async with oncrpc.nfs.connect("nfs://files.example/export") as fs:
        print(await fs.listdir("photos"))

``connect`` mounts a directory of a server, and ``sync_connect`` is the same with methods that
block. [Use NFS from Python](../../howto/use-nfs-from-python.md) shows both.

The names below are loaded when first used.
"""

from __future__ import annotations

TYPE_CHECKING = False  # that of typing, which takes longer to load than a command to begin
if TYPE_CHECKING:
    from oncrpc.nfs import posix
    from oncrpc.nfs.acls import AclEntry, Acls, AclTag
    from oncrpc.nfs.client.blocking import SyncRemoteFile, SyncRemoteFileSystem, sync_connect
    from oncrpc.nfs.client.connect import connect
    from oncrpc.nfs.client.copy_report import CopyFailure, CopyOptions, CopyReport
    from oncrpc.nfs.client.errors import NfsStatusError
    from oncrpc.nfs.client.file import RemoteFile
    from oncrpc.nfs.client.filesystem import RemoteFileSystem
    from oncrpc.nfs.client.locking import LockHolder
    from oncrpc.nfs.client.results import (
        FileHandle,
        FileStat,
        PathLimits,
        RemoteEntry,
        ServerLimits,
    )
    from oncrpc.nfs.filesystem import (
        MAY_EXECUTE,
        MAY_READ,
        MAY_WRITE,
        NOW,
        Answer,
        Attributes,
        DirEntry,
        Features,
        FileSystem,
        Identity,
        Listing,
        NewAttributes,
        Now,
        Quota,
        QuotaKind,
        QuotaLimits,
        SpaceInfo,
        SyncError,
        Syncing,
        Written,
        data_permissions,
        permissions,
        permits,
    )
    from oncrpc.nfs.serving.serve import NfsServer, serve
    from oncrpc.nfs.status import NfsError

_NAMES = {
    "oncrpc.nfs.serving.serve": ("serve", "NfsServer"),
    "oncrpc.nfs.client.connect": ("connect",),
    "oncrpc.nfs.client.blocking": ("sync_connect", "SyncRemoteFileSystem", "SyncRemoteFile"),
    "oncrpc.nfs.client.filesystem": ("RemoteFileSystem",),
    "oncrpc.nfs.client.file": ("RemoteFile",),
    "oncrpc.nfs.client.copy_report": ("CopyOptions", "CopyReport", "CopyFailure"),
    "oncrpc.nfs.client.errors": ("NfsStatusError",),
    "oncrpc.nfs.client.locking": ("LockHolder",),
    "oncrpc.nfs.client.results": (
        "FileHandle", "FileStat", "PathLimits", "RemoteEntry", "ServerLimits",
    ),
    "oncrpc.nfs.filesystem": (
        "FileSystem", "Features", "Identity", "Attributes", "NewAttributes", "NOW", "Now",
        "DirEntry", "Listing", "Written", "SpaceInfo", "Quota", "QuotaKind", "QuotaLimits",
        "Answer", "Syncing", "SyncError",
        "permissions", "permits", "data_permissions", "MAY_READ", "MAY_WRITE", "MAY_EXECUTE",
    ),
    "oncrpc.nfs.acls": ("Acls", "AclEntry", "AclTag"),
    "oncrpc.nfs.status": ("NfsError",),
}  # fmt: skip
_HOMES = {name: module for module, names in _NAMES.items() for name in names}

__all__ = [
    "MAY_EXECUTE", "MAY_READ", "MAY_WRITE", "NOW", "AclEntry", "AclTag", "Acls", "Answer",
    "Attributes", "CopyFailure", "CopyOptions", "CopyReport", "DirEntry", "Features", "FileHandle",
    "FileStat", "FileSystem", "Identity", "Listing", "LockHolder", "NewAttributes", "NfsError",
    "NfsServer", "NfsStatusError", "Now", "PathLimits", "Quota", "QuotaKind", "QuotaLimits",
    "RemoteEntry", "RemoteFile", "RemoteFileSystem", "ServerLimits", "SpaceInfo", "SyncError",
    "SyncRemoteFile", "SyncRemoteFileSystem", "Syncing", "Written", "connect", "data_permissions",
    "permissions", "permits", "posix", "serve", "sync_connect",
]  # fmt: skip


if not TYPE_CHECKING:  # else every name would be one of ours

    def __getattr__(name: str) -> object:
        from importlib import import_module

        if name == "posix":
            return import_module("oncrpc.nfs.posix")
        if name not in _HOMES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
